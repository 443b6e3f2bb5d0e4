"""Counting votes: when two candidates say the same, by the kind of task, who wins, and when nobody else can."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clew.errors import EffectFailed, Refused
from clew.graphs.strategies.base import FINE, Ended, concluded
from clew.journal import effect, scope
from clew.scoring.abstention import abstains
from clew.scoring.mathematics import LONGEST, equal
from clew.scoring.options import chosen
from clew.scoring.selection import by_key, vote
from clew.scoring.text import same
from clew.task import Answer, Task

Equal = Callable[[str, str], bool]


class Classes:
    """Sorts texts into classes, in the order in which they come: a text joins the first class whose first text it
    equals, or begins a new one.

    Equal are, by the kind of task: `qa` the same words after SQuAD's normalisation; `math` what math-verify finds equal
    (an effect, because it works in another process and within a time limit); `choice` the same letter; `code` and
    `repair` the same text but for white space at the ends of lines. An `equal` of one's own replaces these: a pure
    function of two texts. No class, and so no vote, has an empty text, one that abstains (`qa` and `math`), and one
    that names no option (`choice`).
    """

    def __init__(self, task: Task, equal: Equal | None = None) -> None:
        self._task, self._equal = task, equal
        self._firsts: list[str] = []

    async def of(self, text: str) -> int | None:
        """The number of the class of `text`; None when it has none."""
        said = self._plain(text)
        if not said:
            return None
        for number, first in enumerate(self._firsts):
            if first == said or await self._same(first, said):
                return number
        self._firsts.append(said)
        return len(self._firsts) - 1

    def _plain(self, text: str) -> str:
        kind, text = self._task.kind, text.strip()
        if self._equal is None and kind == "choice":
            return chosen(text, self._task.options) or ""
        if kind in ("code", "repair"):
            return "\n".join(line.rstrip() for line in text.splitlines())
        return "" if abstains(text) else text

    async def _same(self, first: str, text: str) -> bool:
        if self._equal is not None:
            return self._equal(first, text)
        if self._task.kind == "qa":
            return same(first, text)
        if self._task.kind != "math" or max(len(first), len(text)) > LONGEST:
            return False

        async def compare() -> dict[str, bool | None]:
            return {"equal": await equal(first, text)}

        try:
            with scope("equal"):
                found = await effect("equivalence", {"first": first, "second": text}, compare)
        except (Refused, EffectFailed):
            return False
        return bool(found.outcome["equal"])


def decided(
    name: str,
    candidates: Sequence[Answer],
    classes: Sequence[int | None],
    weights: Sequence[float],
    report: Mapping[str, Any],
    ended: Ended = FINE,
) -> Answer:
    """The answer of strategy `name` by vote: the first candidate of the heaviest class. Where no vote weighs anything,
    each weighs one."""
    groups = by_key(classes, lambda number: number)
    if not any(weights[i] for group in groups for i in group):
        weights = [1.0] * len(candidates)
    won = vote(groups, weights=weights)
    held = [math.fsum(weights[i] for i in group) for group in won.groups]
    counted: dict[str, Any] = {
        "groups": [list(group) for group in won.groups],
        "margin": held[0] - (held[1] if len(held) > 1 else 0.0) if held else 0.0,
        "asked": len(candidates),
    }
    if any(weight != 1 for weight in weights):
        counted["weights"] = list(weights)
    share = held[0] / math.fsum(held) if held else None
    return concluded(name, candidates, won.index, {**counted, **report}, ended=ended, score=share)


def least_to_decide(classes: Sequence[int | None], weights: Sequence[float], left: int) -> int:
    """How many further votes, each of weight 1 at most, the leading class needs to be beyond reach of the `left` ones;
    0 when it is. Of equally heavy classes the one that began first wins, so it only has to draw level with later ones.
    """
    held: dict[int, float] = {}
    for number, weight in zip(classes, weights, strict=True):
        if number is not None:
            held[number] = held.get(number, 0.0) + weight
    leader = max(held, key=lambda number: (held[number], -number), default=len(classes))
    ahead = held.pop(leader, 0.0)
    least = 0
    for number, weight in (*held.items(), (len(classes) + 1, 0.0)):  # the last one stands for a class not seen yet
        gap = (weight + left - ahead) / 2
        least = max(least, math.ceil(gap) if leader < number else math.floor(gap) + 1)
    return min(least, left)
