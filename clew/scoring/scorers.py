"""Scorers that compare an answer with gold answers, without asking anyone.

All of them are built with `golds`, a mapping from task id to the gold answers (any of them is right), and share these
rules. A task without an entry cannot be judged: `unknown`. No gold answers at all means that the question has none: an
answer is right if and only if it abstains (`clew.scoring.abstention`). An abstention on any other question is wrong,
also where a metric would see common words, unless it is a gold answer itself. No text with a status that tells of a
failure is wrong on every question, because a failure is not an abstention.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from clew.errors import ConfigError
from clew.scoring.abstention import abstains
from clew.scoring.numbers import equal_numbers
from clew.scoring.options import chosen
from clew.scoring.text import contains, exact_match, f1
from clew.scoring.verdict import Scorer, Verdict, digest
from clew.task import Answer, Task, TaskKind

Golds: TypeAlias = Mapping[str, Sequence[str]]

_RIGHT = Verdict(value=1.0, label="right")
_WRONG = Verdict(value=0.0, label="wrong")


class Pointwise:
    """The shared rules; a scorer adds `compare`, which sees a task, the text of an answer and at least one gold."""

    name = "pointwise"
    oracle = True

    def __init__(self, golds: Golds) -> None:
        self._golds = golds

    def fingerprint(self) -> dict[str, Any]:
        """What decides its verdicts, as JSON; of the gold answers a hash. A subclass with settings adds them."""
        golds = {id: list(answers) for id, answers in self._golds.items()}
        return {"scorer": self.name, "golds": digest(golds)}

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        return list(await asyncio.gather(*(self._judged(task, answer) for answer in answers)))

    async def compare(self, task: Task, text: str, golds: Sequence[str]) -> Verdict:
        raise NotImplementedError

    async def _judged(self, task: Task, answer: Answer) -> Verdict:
        golds, text = self._golds.get(task.id), answer.text.strip()
        if golds is None:
            return Verdict(value=None, feedback=f"no gold answer is known for task {task.id!r}")
        if not text:  # silence says nothing: a model that does not know the answer must say so
            reason = f" ({answer.stop_reason})" if answer.stop_reason not in ("", answer.status) else ""
            return Verdict(value=0.0, label="wrong", feedback=f"no answer: status {answer.status}{reason}")
        if abstains(text) and not exact_match(text, golds):
            if golds:
                return Verdict(value=0.0, label="wrong", feedback="the question has an answer")
            return _RIGHT
        if not golds:
            return Verdict(value=0.0, label="wrong", feedback="the question has no answer")
        return await self.compare(task, text, golds)


class ExactMatch(Pointwise):
    """1 if the answer is one of the gold answers after SQuAD's normalisation, else 0."""

    name = "exact_match"

    async def compare(self, task: Task, text: str, golds: Sequence[str]) -> Verdict:
        return decided(exact_match(text, golds))


class F1(Pointwise):
    """Token F1 with the best gold answer; `right` at 1, `wrong` at 0, `unknown` between."""

    name = "f1"

    async def compare(self, task: Task, text: str, golds: Sequence[str]) -> Verdict:
        return decided(f1(text, golds))


class Contains(Pointwise):
    """1 if the answer contains the words of a gold answer side by side, else 0. Long answers gain by it."""

    name = "contains"

    async def compare(self, task: Task, text: str, golds: Sequence[str]) -> Verdict:
        return decided(contains(text, golds))


class Choice(Pointwise):
    """1 if the answer chooses the option that a gold answer chooses, by letter or by the option's text.

    The options are `task.options`; without them only letters count.
    An answer that names several options chooses none.
    """

    name = "choice"

    async def compare(self, task: Task, text: str, golds: Sequence[str]) -> Verdict:
        options = task.options
        choice = chosen(text, options)
        if choice is None:
            return Verdict(value=0.0, label="wrong", feedback="the answer is not one of the options")
        return decided(float(choice in {chosen(gold, options) for gold in golds}))


class Number(Pointwise):
    """1 if the answer is a gold number within `tolerance`, a share of the gold's size (0: equal), else 0.

    See `clew.scoring.numbers` for what is read as a number; units, currency and percent signs are ignored. A gold
    answer that is no number is compared as text.
    """

    name = "number"

    def __init__(self, golds: Golds, tolerance: float = 0.0) -> None:
        if not 0 <= tolerance < 1:
            raise ConfigError(f"tolerance={tolerance!r} is not a share: give one from 0 to below 1, such as 0.01")
        super().__init__(golds)
        self.tolerance = tolerance

    def fingerprint(self) -> dict[str, Any]:
        return {**super().fingerprint(), "tolerance": self.tolerance}

    async def compare(self, task: Task, text: str, golds: Sequence[str]) -> Verdict:
        same = (equal_numbers(text, gold, self.tolerance) for gold in golds)
        return decided(
            max(
                exact_match(text, [gold]) if equal is None else float(equal)
                for gold, equal in zip(golds, same, strict=True)
            )
        )


class Abstention(Pointwise):
    """1 if the answer abstains exactly when the question has no answer, else 0: whether it knows what it does not know,
    whatever it says otherwise."""

    name = "abstention"

    async def compare(self, task: Task, text: str, golds: Sequence[str]) -> Verdict:
        return _RIGHT


def decided(value: float) -> Verdict:
    """The verdict of a score in [0, 1] that decides at both ends."""
    if value == 1:
        return _RIGHT
    return _WRONG if value == 0 else Verdict(value=value)


def scorer_for(kind: TaskKind, golds: Golds) -> Scorer:
    """The usual scorer of a kind of task: exact match for `qa`, `Mathematics`, `Choice`. Raises `ConfigError` for
    `code` and `repair`, which no text decides: `UnitTests` runs programs in a sandbox."""
    from clew.scoring.mathematics import Mathematics

    scorers: dict[str, type[Pointwise]] = {"qa": ExactMatch, "math": Mathematics, "choice": Choice}
    if kind not in scorers:
        how = "UnitTests(tests, sandbox)" if kind == "code" else "a scorer that runs the repository's tests"
        raise ConfigError(f"tasks of kind {kind!r} are judged by tests, not by gold answers: give {how}")
    return scorers[kind](golds)
