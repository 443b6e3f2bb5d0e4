"""Graphs at equal compute, against figures worked out by hand."""

from __future__ import annotations

import itertools
import math

import pytest

from clew.errors import ConfigError
from clew.evals import compute
from clew.evals.compute import at_cost, curve, equal_differences, front, matched, pass_at
from clew.evals.statistics import pass_at_k
from tests.evals.rows import row, sampled


def share(point: compute.Point) -> float:
    values = [value for found in (point.right or {}).values() for value in found]
    return sum(values) / len(values)


@pytest.mark.parametrize(("n", "right"), [(1, 0), (1, 1), (5, 0), (5, 2), (5, 5), (9, 3)])
def test_pass_at_k_counts_the_subsets(n: int, right: int) -> None:
    samples = [True] * right + [False] * (n - right)
    for k in range(1, n + 1):
        subsets = list(itertools.combinations(samples, k))
        assert pass_at_k(n, right, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_pass_at_k_stays_exact_for_many_samples() -> None:
    assert pass_at_k(10_000, 1, 1) == pytest.approx(1e-4, rel=1e-12)
    assert pass_at_k(1000, 10, 500) == pytest.approx(1 - math.comb(990, 500) / math.comb(1000, 500))


@pytest.mark.parametrize(("n", "right", "k"), [(3, 4, 1), (3, -1, 1), (3, 1, 0), (3, 1, 4)])
def test_pass_at_k_of_nonsense(n: int, right: int, k: int) -> None:
    with pytest.raises(ConfigError, match="give k from 1 to n"):
        pass_at_k(n, right, k)


def test_a_graph_without_candidates_is_a_point() -> None:
    (point,) = curve([row("a", True, 100), row("b", False, 300)])
    assert point.k == 1 and point.costs["tokens"] == 200 and share(point) == 0.5
    assert curve([]) == []


def test_a_strategy_is_a_curve_over_its_first_candidates() -> None:
    """What belongs to no candidate, 30 tokens of a judge, is shared in equal parts."""
    rows = [
        sampled("a", [True, False, False], [True, True, False], extra=30),
        sampled("b", [False, False, True], [False, False, True], extra=30),
    ]
    points = curve(rows)
    assert [point.costs["tokens"] for point in points] == [110, 220, 330]
    assert [point.costs["model_calls"] for point in points] == [1, 2, 3]
    assert [share(point) for point in points] == [0.5, 0.5, 0.5]
    covered = [[value for (value,) in point.covered.values()] for point in points]
    # One right of three: any of them might have been the first.
    assert covered == [[pytest.approx(1 / 3)] * 2, [pytest.approx(2 / 3)] * 2, [1, 1]]


def test_runs_that_stopped_early_stay_as_they_are() -> None:
    rows = [sampled("a", [True, True], [True, True]), sampled("b", [False, True, True], [False, False, True])]
    points = curve(rows)
    assert [point.costs["tokens"] for point in points] == [100, 200, 250]
    assert [share(point) for point in points] == [0.5, 0.5, 1.0]
    # They stopped by what they saw, so only the first k count: no subset is like another.
    assert [sum(v for (v,) in point.covered.values()) for point in points] == [1, 2, 2]
    in_turn = curve([sampled("a", [False, True], [False, True])] * 1, exchangeable=False)
    assert [point.covered["a"] for point in in_turn] == [[0.0], [1.0]]


def test_a_run_that_failed_is_wrong_at_every_number_of_candidates() -> None:
    rows = [sampled("a", [True, True], [True, True]), row("b", False, 40, error=True)]
    points = curve(rows)
    assert [share(point) for point in points] == [0.5, 0.5] and points[0].costs["tokens"] == 70
    assert [point.covered["b"] for point in points] == [[0.0], [0.0]]


def test_an_unknown_price_is_no_cost() -> None:
    points = curve([row("a", True, usd=None)])
    assert points[0].costs["usd"] is None and at_cost(points, "usd", 1.0) is None


def test_between_two_numbers_of_candidates_is_a_straight_line() -> None:
    points = curve([sampled("a", [False, True], [False, True]), sampled("b", [True, True], [True, True])])
    found = at_cost(points, "tokens", 150)
    assert found is not None and found[0] == 1.5 and found[1] == {"a": [0.5], "b": [1.0]}
    assert at_cost(points, "tokens", 90) is None
    nearly = at_cost(points, "tokens", 96)
    assert nearly is not None and nearly[0] == 1
    more = at_cost(points, "tokens", 1000)
    assert more is not None and more[0] == 2 and more[1] == {"a": [1.0], "b": [1.0]}


def test_the_table_at_equal_compute() -> None:
    curves = {
        "cot": curve([row("a", False, 150), row("b", True, 150)]),
        "vote": curve([sampled("a", [False, True], [False, True]), sampled("b", [True, True], [True, True])]),
        "dear": curve([row("a", True, 1000), row("b", True, 1000)]),
    }
    lines = {line["graph"]: line["at"] for line in matched(curves)}
    assert [(at["budget"], at["of"]) for at in lines["cot"]] == [(150, "cot"), (200, "vote"), (1000, "dear")]
    rights = {label: [at["cell"] and at["cell"]["right"] for at in cells] for label, cells in lines.items()}
    assert rights == {"cot": [0.5, 0.5, 0.5], "vote": [0.75, 1.0, 1.0], "dear": [None, None, 1.0]}
    pairs = {(one["graph"], one["to"]): one for one in equal_differences(curves)}
    assert pairs["vote", "cot"]["right"] == 0.25 and pairs["vote", "cot"]["k"] == 1.5
    assert pairs["vote", "cot"]["budget"] == 150 and pairs["vote", "cot"]["n"] == 2
    assert pairs["dear", "vote"]["right"] is None and len(pairs) == 3
    assert pairs["vote", "cot"]["right_low"] <= 0.25 <= pairs["vote", "cot"]["right_high"]


def test_without_a_record_of_the_choice_only_whole_runs_count() -> None:
    unknown = sampled("a", [False, True], [True])
    points = curve([row("a", True, 200, candidates=unknown.candidates)])
    assert points[0].right is None and points[0].covered == {"a": [0.5]}
    assert at_cost(points, "tokens", 150) is None and at_cost(points, "tokens", 200) is not None
    assert points[0].to_json()["right"] is None and points[1].to_json()["right"] == 1


def figure(graph: str, right: float, tokens: float | None, n: int = 5) -> dict[str, object]:
    return {"graph": graph, "right": right, "tokens": tokens, "n": n}


def test_the_front_is_what_nobody_beats() -> None:
    graphs = [
        figure("dear", 0.9, 900), figure("cheap", 0.3, 10), figure("worse", 0.2, 20), figure("middle", 0.5, 100),
        figure("same", 0.5, 100), figure("beaten", 0.5, 101), figure("unpriced", 1.0, None), figure("none", 1.0, 1, 0),
    ]  # fmt: skip
    assert front(graphs, "tokens") == ["cheap", "middle", "same", "dear"]


def test_pass_at_k_of_repeats() -> None:
    rows = [row("a", i < 1, repeat=i) for i in range(3)] + [row("b", False, repeat=i) for i in range(3)]
    found = pass_at([*rows, row("c", True)], 3)  # of c two repeats are missing
    assert [at["k"] for at in found] == [1, 2, 3]
    assert [at["right"] for at in found] == [pytest.approx(1 / 6, abs=1e-6), pytest.approx(1 / 3, abs=1e-6), 0.5]
    assert pass_at(rows[:1], 1) == []
