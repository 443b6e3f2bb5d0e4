"""What a scorer says about an answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from clew.task import Answer, Status, Task


class Tally(BaseModel):
    """How many tests of a program passed, failed and could not be run (`errors`). `status` and `reason` say, as those
    of an answer, what kept the first of these from running: `budget`, with the limit's name, or `error`, with the
    error; `ok` when it was neither the sandbox nor the budget."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passed: int = 0
    failed: int = 0
    errors: int = 0
    status: Status = "ok"
    reason: str = ""


class Verdict(BaseModel):
    """A judgement of one answer. `value` is a score, larger is better, in [0, 1] unless the scorer says otherwise, and
    None when it could not judge; `label` is `unknown` then, and for scores that do not decide. `tests`: the counts of
    a scorer that ran some."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float | None
    label: Literal["right", "wrong", "unknown"] = "unknown"
    feedback: str = ""
    tests: Tally | None = None


class Scorer(Protocol):
    """Judges the answers to one task: a list in, a list of equal length and order out, so that pointwise scores,
    pairwise comparisons and votes have one shape. A scorer holds the gold answers; a task never does."""

    name: str

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        """One verdict per answer. A failure to judge is a verdict `unknown`, never an exception."""
        ...


def knows_gold(scorer: Scorer) -> bool:
    """Whether a scorer's verdicts come from gold answers or hidden tests: its attribute `oracle`. A strategy that acts
    on such verdicts is told what no graph may know, and says so in its run."""
    return bool(getattr(scorer, "oracle", False))


def fingerprint_of(scorer: Scorer) -> dict[str, Any]:
    """What decides a scorer's verdicts, as JSON, for the fingerprint of a strategy that holds it: its own
    `fingerprint()` (of gold it says a hash and no more), or, where it has none, its name and class."""
    own = getattr(scorer, "fingerprint", None)
    if callable(own):
        return {"scorer": scorer.name, **own()}
    return {"scorer": scorer.name, "class": f"{type(scorer).__module__}.{type(scorer).__qualname__}"}


def digest(value: Any) -> str:
    """A short hash of JSON, by which a fingerprint speaks of gold."""
    return blake2b(json.dumps(value, sort_keys=True, default=str).encode(), digest_size=6).hexdigest()
