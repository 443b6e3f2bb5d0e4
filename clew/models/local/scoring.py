"""Log probabilities of given tokens, several texts in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch

from clew.models.local.batch import Forward


@dataclass(slots=True)
class Score:
    """A text as token ids, of which those from index `start` (1 or more) are to be scored."""

    ids: list[int]
    start: int
    result: Future[list[float]] = field(default_factory=Future)

    @property
    def scored(self) -> int:
        return len(self.ids) - self.start


def perform(forward: Forward, scores: Sequence[Score]) -> list[list[float]]:
    """Natural log probabilities of the tokens of each text, given all tokens before them."""
    ids, mask, positions = forward.padded([score.ids for score in scores])
    keep = max(score.scored for score in scores) + 1
    logits = forward(ids, mask, positions, None, keep)[:, :-1]
    chosen = logits.gather(-1, ids[:, 1 - keep :, None])[..., 0] - torch.logsumexp(logits, -1)
    return [row[len(row) - score.scored :] for row, score in zip(chosen.tolist(), scores, strict=True)]
