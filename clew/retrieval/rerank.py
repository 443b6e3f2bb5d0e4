"""The best passages in the order of a cross-encoder, which reads query and passage together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

from clew.errors import ConfigError

from .embedding import load_model, model_name

# Passages that are scored: reading a pair costs as much as embedding a passage.
DEPTH = 50


@dataclass
class CrossEncoder:
    """A sentence-transformers cross-encoder with one output: a folder, or a name on the Hugging Face hub.

    It is loaded when it is first used, and scores `batch` pairs at a time. Raises `ConfigError` if it cannot be loaded.
    """

    model: str
    batch: int = 16
    device: str | None = None
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def name(self) -> str:
        return model_name(self.model)

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers `query`, as the model's own logits: larger is better."""
        if not texts:
            return []
        import torch

        pairs = [(query, text) for text in texts]
        with self._lock:
            found = self._loaded.predict(
                pairs, batch_size=self.batch, show_progress_bar=False, activation_fn=torch.nn.Identity()
            )
        return [float(score) for score in found]

    @cached_property
    def _loaded(self) -> Any:
        def load() -> Any:
            from sentence_transformers import CrossEncoder as Model

            return Model(self.model, device=self.device)

        model = load_model("reranking model", self.model, load)
        if model.num_labels != 1:
            raise ConfigError(
                f"the reranking model {self.model!r} gives {model.num_labels} scores per pair; name one that gives one"
            )
        return model
