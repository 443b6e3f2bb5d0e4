"""Graphs at equal compute: what each comes to with so many tokens (or dollars, or calls) per run.

A graph that answers from candidates, as `vote` and `best_of` do, is a curve: its own choice among the first k
candidates in index order, over what these cost. Any other graph is a point. Between k and k + 1 candidates a curve is a
straight line: what the strategy comes to when it takes the k + 1st candidate in that share of its runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

from clew.evals.rows import Row
from clew.evals.statistics import difference, estimate, pass_at_k

# What graphs are compared over: a field of rows, its name, and the digits that are shown.
AXES = {"tokens": ("tokens", 0), "usd": ("dollars", 5), "seconds": ("seconds", 1), "model_calls": ("model calls", 1)}
# Candidates run side by side, so the time of the first k is not known from a run with more of them.
MATCHED = ("tokens", "usd", "model_calls")

NEARLY = 1.05

Shares = dict[str, list[float]]


@dataclass(frozen=True)
class Point:
    """A graph after `k` candidates (1 for a graph without): mean costs per run (None: unknown), and for each task and
    run of it whether the choice is right (None: it is not known what the strategy had chosen), and whether any
    candidate is (a share, where subsets are averaged)."""

    k: int
    costs: Mapping[str, float | None]
    right: Shares | None = field(repr=False)
    covered: Shares = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """k, tokens, usd, model_calls; right and coverage, each with _low and _high."""
        costs = {name: None if cost is None else round(cost, 9) for name, cost in self.costs.items()}
        return {"k": self.k, **costs, **_estimated("right", self.right), **_estimated("coverage", self.covered)}


def curve(rows: Sequence[Row], exchangeable: bool = True) -> list[Point]:
    """The points of one graph, from the first candidate to the whole runs; empty without rows.

    Coverage averages over all subsets of k candidates (`pass_at_k`) where they are `exchangeable`, and all runs that
    have some have equally many. Attempts that follow each other, and runs that stopped by what they saw, are not like
    that: there the first k count.
    """
    if not rows:
        return []
    numbers = {len(row.candidates) for row in rows if row.candidates}
    most = max(numbers, default=1)
    return [_point(rows, k, most, whole=exchangeable and len(numbers) == 1) for k in range(1, most + 1)]


def _point(rows: Sequence[Row], k: int, most: int, whole: bool) -> Point:
    right: Shares | None = {}
    covered: Shares = {}
    costs: dict[str, list[float | None]] = {name: [] for name in MATCHED}
    for row in rows:
        ends = k >= len(row.candidates) or k == most
        if not ends and not row.right_at:
            right = None
        if right is not None:
            right.setdefault(row.task, []).append(float(row.right if ends else row.right_at[k - 1]))
        covered.setdefault(row.task, []).append(_coverage(row, k, whole))
        for name in MATCHED:
            costs[name].append(getattr(row, name) if ends else _cost(row, name, k))
    return Point(k, {name: _mean(values) for name, values in costs.items()}, right, covered)


def _coverage(row: Row, k: int, whole: bool) -> float:
    found = [each.right for each in row.candidates] or [row.right]
    if whole and row.candidates:
        return pass_at_k(len(found), sum(found), k)
    return float(any(found[:k]))


def _cost(row: Row, name: str, k: int) -> float | None:
    """What the first k candidates cost. What belongs to none of them (a judge, say) is shared in equal parts."""
    whole, each = getattr(row, name), [getattr(candidate, name) for candidate in row.candidates]
    if whole is None or None in each:
        return None
    return float(sum(each[:k]) + (whole - sum(each)) * k / len(each))


def at_cost(points: Sequence[Point], axis: str, budget: float) -> tuple[float, Shares] | None:
    """How many candidates fit `budget` per run, and the shares of right answers then; None where not even the first
    fits, or a cost is unknown. What is cheaper than the budget stands as it is. `NEARLY` counts as the budget for the
    first: it is another sample of what may stand there alone."""
    points = [point for point in points if point.right is not None]
    costs = [point.costs[axis] for point in points]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs) or not known or known[0] > budget * NEARLY:
        return None
    # A mean of costs is a float: a budget that is met exactly must not fail by a rounding error.
    low = max((index for index, cost in enumerate(known) if cost <= budget * (1 + 1e-9)), default=0)
    if low + 1 == len(points):
        return float(points[low].k), points[low].right or {}
    part = max((budget - known[low]) / (known[low + 1] - known[low]), 0.0)
    below, above = points[low].right or {}, points[low + 1].right or {}
    mixed = {
        task: [(1 - part) * one + part * other for one, other in zip(below[task], above[task], strict=True)]
        for task in below
    }
    return points[low].k + part, mixed


def matched(curves: Mapping[str, Sequence[Point]], axis: str = "tokens") -> list[dict[str, Any]]:
    """The table at equal compute: one line per graph, and in `at` one cell per budget. The budgets are what whole runs
    of the graphs cost per run, the cheapest first; a cell is null where a graph's first candidate costs more."""
    ends = [(points[-1].costs[axis], label) for label, points in curves.items() if points]
    budgets = sorted((cost, label) for cost, label in ends if cost is not None)
    lines = []
    for label, points in curves.items():
        cells = []
        for budget, of in budgets:
            found = at_cost(points, axis, budget) if points else None
            cell = None if found is None else {"k": round(found[0], 3), **_estimated("right", found[1])}
            cells.append({"budget": round(budget, 9), "of": of, "cell": cell})
        lines.append({"graph": label, "at": cells})
    return lines


def equal_differences(curves: Mapping[str, Sequence[Point]], axis: str = "tokens") -> list[dict[str, Any]]:
    """Each pair of graphs at what the cheaper one costs: the paired difference, the dearer minus the cheaper. `right`
    is null where the dearer one cannot be had for so little."""
    found = []
    ends = {label: points[-1].costs[axis] for label, points in curves.items() if points}
    for one, other in combinations([label for label, cost in ends.items() if cost is not None], 2):
        dear, cheap = (one, other) if (ends[one] or 0) >= (ends[other] or 0) else (other, one)
        budget = ends[cheap] or 0.0
        data: dict[str, Any] = {"graph": dear, "to": cheap, "budget": round(budget, 9), "k": None, "n": 0}
        there = at_cost(curves[dear], axis, budget)
        apart = difference(there[1], curves[cheap][-1].right or {}) if there is not None else None
        values = asdict(apart) if apart else {}
        if there is not None and apart is not None:
            data |= {"k": round(there[0], 3), "n": apart.n}
        for key, name in (("right", "mean"), ("right_low", "low"), ("right_high", "high"), ("right_share", "share")):
            data[key] = round(values[name], 6) if apart else None
        found.append(data)
    return found


def front(figures: Sequence[Mapping[str, Any]], axis: str) -> list[str]:
    """The graphs that no other one beats: none is right as often for less, or more often for as much. Cheapest first;
    a graph without runs, or of unknown cost, is left out."""
    known = [each for each in figures if each["n"] and each[axis] is not None]

    def beats(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        no_worse = one[axis] <= other[axis] and one["right"] >= other["right"]
        return bool(no_worse and (one[axis] < other[axis] or one["right"] > other["right"]))

    kept = [each for each in known if not any(beats(other, each) for other in known)]
    return [str(each["graph"]) for each in sorted(kept, key=lambda each: each[axis])]


def pass_at(rows: Sequence[Row], repeats: int) -> list[dict[str, Any]]:
    """pass@k of whole runs, from the repeats of each task, k from 1 to their number; empty for a single one. A task
    counts where all of its repeats have ended."""
    by_task: dict[str, list[bool]] = {}
    for row in rows:
        by_task.setdefault(row.task, []).append(row.right)
    ended = {task: found for task, found in by_task.items() if len(found) == repeats}
    if repeats < 2 or not ended:
        return []
    return [
        {"k": k, **_estimated("right", {task: [pass_at_k(repeats, sum(found), k)] for task, found in ended.items()})}
        for k in range(1, repeats + 1)
    ]


def _estimated(name: str, shares: Shares | None) -> dict[str, float | None]:
    shares = shares or {}
    values = [value for found in shares.values() for value in found]
    clusters = [task for task, found in shares.items() for _ in found]
    found = estimate(values, clusters)
    return {
        name: None if found is None else round(found.mean, 6),
        f"{name}_low": None if found is None else round(found.low, 6),
        f"{name}_high": None if found is None else round(found.high, 6),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
