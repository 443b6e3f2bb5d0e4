"""Rows that share one forward pass per token: their key and value caches, padded on the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from inspect import signature
from math import isnan
from typing import Any

import torch
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from clew.errors import ModelError
from clew.models.local.rows import Row
from clew.models.local.sampling import choose

# Weights below which a step on a CPU is done by one thread.
_SMALL = 20_000_000
# Attention whose caches can be put side by side; a window is then kept by the mask, and its cache in full.
_MERGED = frozenset({"full_attention", "sliding_attention"})
# Rotary positions that depend on the longest row of a batch.
_BY_LONGEST = ("'dynamic'", "'longrope'")


class Forward:
    """A model's forward pass over rows of different lengths."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._takes = frozenset(signature(model.forward).parameters)
        self._config = model.config
        self.device = model.device
        self.merges = self._merges()
        self.small = self.device.type == "cpu" and sum(weights.numel() for weights in model.parameters()) < _SMALL

    def _merges(self) -> bool:
        """Whether several rows can be written at once: state spaces, convolutions and positions that the model counts
        by itself cannot be padded."""
        text = self._config.get_text_config(decoder=True)
        kinds = getattr(text, "layer_types", None) or ()
        turned = str(getattr(text, "rope_parameters", None))
        layers = {type(layer) for layer in DynamicCache(config=self._config).layers}
        return (
            {"position_ids", "past_key_values", "attention_mask"} <= self._takes
            and _MERGED.issuperset(kinds)
            and not any(kind in turned for kind in _BY_LONGEST)
            and layers <= {DynamicLayer, DynamicSlidingWindowLayer}
        )

    def cache(self) -> DynamicCache:
        return DynamicCache() if self.merges else DynamicCache(config=self._config)

    def __call__(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache | None, keep: int = 1
    ) -> torch.Tensor:
        """Logits (rows, keep, vocabulary) of the last `keep` positions, in float32."""
        given: dict[str, Any] = {"position_ids": positions, "logits_to_keep": keep, "use_cache": cache is not None}
        if cache is not None:
            given["past_key_values" if "past_key_values" in self._takes else "cache_params"] = cache
        if self.merges:
            given["attention_mask"] = mask
        known = {name: value for name, value in given.items() if name in self._takes}
        logits: torch.Tensor = self._model(input_ids=ids, **known).logits
        return logits[:, -keep:].float()

    def padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Token ids, attention mask and positions (all: rows, longest), padded on the left."""
        longest = max(map(len, rows))
        ids = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows], device=self.device)
        lengths = torch.tensor([[len(row)] for row in rows], device=self.device)
        places = torch.arange(longest, device=self.device)[None] - (longest - lengths)
        return ids, (places >= 0).long(), places.clamp(min=0)


@dataclass(slots=True)
class Batch:
    """Rows with their caches. `mask` (rows, longest) is 1 where a row has a token; row `i` has `lengths[i]` of them."""

    forward: Forward
    rows: list[Row] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    # Its layers are `DynamicLayer`s wherever rows are put together or taken out.
    cache: Any = None
    mask: torch.Tensor | None = None

    def start(self, rows: Sequence[Row]) -> None:
        """Reads the prompts of the batch's first rows and writes their first tokens."""
        prompts = [row.order.ids for row in rows]
        ids, self.mask, positions = self.forward.padded(prompts)
        self.rows, self.lengths, self.cache = list(rows), list(map(len, prompts)), self.forward.cache()
        _write(self.rows, self.forward(ids, self.mask, positions, self.cache)[:, -1])
        self.leave()

    def step(self) -> None:
        """Writes one token in each row."""
        assert self.mask is not None
        device = self.forward.device
        ids = torch.tensor([[row.last] for row in self.rows], device=device)
        positions = torch.tensor([[length] for length in self.lengths], device=device)
        self.mask = pad(self.mask, (0, 1), value=1)
        logits = self.forward(ids, self.mask, positions, self.cache)[:, -1]
        self.lengths = [length + 1 for length in self.lengths]
        _write(self.rows, logits)
        self.leave()

    def leave(self) -> None:
        """Frees the places of rows that are over."""
        kept = [index for index, row in enumerate(self.rows) if not row.over]
        if len(kept) == len(self.rows):
            return
        self.rows = [self.rows[index] for index in kept]
        self.lengths = [self.lengths[index] for index in kept]
        if not kept:
            self.cache = self.mask = None
            return
        assert self.cache is not None and self.mask is not None
        spare = self.mask.shape[1] - max(self.lengths)
        indices = torch.tensor(kept, device=self.forward.device)
        self.mask = self.mask[indices, spare:]
        for layer in self.cache.layers:
            layer.keys = layer.keys[indices, :, spare:]
            layer.values = layer.values[indices, :, spare:]

    def merge(self, new: Batch) -> None:
        """Puts the rows of another batch beside these."""
        if not new.rows:
            return
        if not self.rows:
            self.rows, self.lengths, self.cache, self.mask = new.rows, new.lengths, new.cache, new.mask
            return
        assert self.cache and new.cache and self.mask is not None and new.mask is not None
        width = max(self.mask.shape[1], new.mask.shape[1])
        for mine, its in zip(self.cache.layers, new.cache.layers, strict=True):
            mine.keys = torch.cat([_widened(mine.keys, width), _widened(its.keys, width)])
            mine.values = torch.cat([_widened(mine.values, width), _widened(its.values, width)])
        masks = [pad(mask, (width - mask.shape[1], 0)) for mask in (self.mask, new.mask)]
        self.mask = torch.cat(masks)
        self.rows += new.rows
        self.lengths += new.lengths


def _widened(states: Any, width: int) -> torch.Tensor:
    """Keys or values (rows, heads, length, size) with zeros on the left of the length, up to `width`."""
    return pad(states, (0, 0, width - states.shape[-2], 0))


def _write(rows: Sequence[Row], logits: torch.Tensor) -> None:
    tokens, logprobs = choose(logits, [row.order.sampling for row in rows], [row.draw() for row in rows])
    for row, token, logprob in zip(rows, tokens, logprobs, strict=True):
        if isnan(logprob):
            row.fail(ModelError("the model's logits are not numbers: use another dtype, or look at its weights"))
        else:
            row.take(token, logprob)
