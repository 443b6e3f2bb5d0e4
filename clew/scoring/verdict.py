"""What a scorer says about an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from clew.task import Answer, Task


class Verdict(BaseModel):
    """A judgement of one answer. `value` is a score, larger is better, in [0, 1] unless the scorer says otherwise, and
    None when it could not judge; `label` is `unknown` then, and for scores that do not decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | None
    label: Literal["right", "wrong", "unknown"] = "unknown"
    feedback: str = ""


class Scorer(Protocol):
    """Judges the answers to one task: a list in, a list of equal length and order out, so that pointwise scores,
    pairwise comparisons and votes have one shape. A scorer holds the gold answers; a task never does."""

    name: str

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        """One verdict per answer. A failure to judge is a verdict `unknown`, never an exception."""
        ...
