"""Choosing one of several candidates. Pure functions over indices, shared by voting, best-of-N and patch ranking.

    groups = by_key(answers, lambda answer: normalise(answer.text) or None)
    chosen = vote(groups, scores=[answer.score for answer in answers])
    answers[chosen.index]

Nothing depends on the order of arrival or on a hash: groups and ties go by index.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Selection:
    """`index` of the chosen candidate, None when there was none to choose; `groups` of candidates as they were
    compared, the best first; `margin` by which the first group (its weight or score) leads the second, infinite without
    one."""

    index: int | None
    groups: Groups = ()
    margin: float = 0.0


def by_key(candidates: Sequence[T], key: Callable[[T], Hashable | None]) -> Groups:
    """Groups of equal `key`, in the order of their first members. A candidate whose key is None has no vote."""
    groups: dict[Hashable, list[int]] = {}
    for index, candidate in enumerate(candidates):
        found = key(candidate)
        if found is not None:
            groups.setdefault(found, []).append(index)
    return tuple(map(tuple, groups.values()))


def by_equality(candidates: Sequence[T], same: Callable[[T, T], bool]) -> Groups:
    """Groups by the transitive closure of `same`: two candidates stand in one group if a chain of equal pairs joins
    them, even if they are not equal themselves (as happens with a tolerance). `same` is asked once per pair, the lower
    index first; pairs that a chain has already joined are not asked."""
    parents = list(range(len(candidates)))

    def root(index: int) -> int:
        while parents[index] != index:
            index = parents[index]
        return index

    for later in range(len(candidates)):
        for earlier in range(later):
            first, second = sorted((root(earlier), root(later)))
            if first != second and same(candidates[earlier], candidates[later]):
                parents[second] = first
    return by_key(range(len(candidates)), root)


def vote(
    groups: Groups, *, weights: Sequence[float] | None = None, scores: Sequence[float | None] | None = None
) -> Selection:
    """The heaviest group, and the candidate that stands for it.

    Both arguments hold one value per candidate. A group weighs as much as its members together (`weights`; without
    them, one each). Of equally heavy groups the one with the best score wins, then the one that began first; it is
    stood for by its best scored member, or the first. Without `scores`, ties go by index alone.
    """

    def weight(group: Sequence[int]) -> float:
        return sum(weights[index] for index in group) if weights is not None else float(len(group))

    def rank(index: int) -> tuple[bool, float, int]:
        return _rank(None if scores is None else scores[index], index)

    members = [(weight(group), max(group, key=rank), group) for group in groups if group]
    members.sort(key=lambda member: (member[0], rank(member[1])), reverse=True)
    if not members:
        return Selection(None)
    margin = members[0][0] - members[1][0] if len(members) > 1 else float("inf")
    return Selection(members[0][1], tuple(group for _, _, group in members), margin)


def best(scores: Sequence[float | None]) -> Selection:
    """The candidate with the highest score; one without a score comes last, and of equal ones the lowest index wins."""
    order = sorted(range(len(scores)), key=lambda index: _rank(scores[index], index), reverse=True)
    if not order:
        return Selection(None)
    first = scores[order[0]]
    second = scores[order[1]] if len(order) > 1 else None
    margin = float("inf") if second is None else 0.0 if first is None else first - second
    return Selection(order[0], tuple((index,) for index in order), margin)


def _rank(score: float | None, index: int) -> tuple[bool, float, int]:
    """Larger is better: a score before none, then the score, then the lower index. A score that is not a number is
    none."""
    if score is None or score != score:
        return (False, 0.0, -index)
    return (True, score, -index)
