"""Intervals and differences against known values, and what must hold for any."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.errors import ConfigError
from clew.evals.statistics import difference, estimate

shares = st.floats(0, 1, allow_nan=False)


def test_nothing_is_no_estimate() -> None:
    assert estimate([]) is None
    assert difference({}, {}) is None and difference({"a": [1.0]}, {"b": [1.0]}) is None
    assert difference({"a": [1.0]}, {"a": []}) is None


def test_the_interval_is_that_of_all_resamples() -> None:
    """Three items have 27 resamples: the percentiles of their means are known exactly."""
    values = [0.0, 0.5, 1.0]
    means = [sum(drawn) / 3 for drawn in itertools.product(values, repeat=3)]
    found = estimate(values)
    assert found is not None and found.mean == 0.5
    # 1 of 27 resamples is all zeros: more than 2.5%, so the interval begins there.
    assert (found.low, found.high) == (min(means), max(means)) == (0.0, 1.0)


def test_a_large_sample_agrees_with_the_normal_interval() -> None:
    values = [1.0] * 300 + [0.0] * 700
    found = estimate(values)
    assert found is not None and found.mean == pytest.approx(0.3)
    half = 1.96 * math.sqrt(0.3 * 0.7 / 1000)
    assert found.low == pytest.approx(0.3 - half, abs=0.003) and found.high == pytest.approx(0.3 + half, abs=0.003)


@pytest.mark.parametrize(("n", "edge"), [(1, 0.025), (5, 0.4782), (50, 0.9289)])
def test_items_that_all_agree_are_no_certainty(n: int, edge: float) -> None:
    """Clopper and Pearson's limits for n of n and for 0 of n."""
    right, wrong = estimate([1.0] * n), estimate([0.0] * n)
    assert right is not None and (right.low, right.high) == (pytest.approx(edge, abs=1e-4), 1.0)
    assert wrong is not None and (wrong.low, wrong.high) == (0.0, pytest.approx(1 - edge, abs=1e-4))


def test_repeats_of_an_item_are_no_new_items() -> None:
    """Ten runs of each of four items say as much about other items as one run of each."""
    once = estimate([1.0, 0.0, 1.0, 0.0])
    often = estimate([1.0, 0.0, 1.0, 0.0] * 10, clusters=["a", "b", "c", "d"] * 10)
    alone = estimate([1.0, 0.0, 1.0, 0.0] * 10)
    assert once is not None and often is not None and alone is not None
    assert (often.mean, often.low, often.high) == (once.mean, once.low, once.high) and often.n == 40
    assert alone.high - alone.low < often.high - often.low


def test_an_item_weighs_as_much_as_its_runs() -> None:
    found = estimate([1.0, 1.0, 1.0, 0.0], clusters=["a", "a", "a", "b"])
    assert found is not None and found.mean == 0.75


def test_a_paired_difference_sees_what_two_intervals_do_not() -> None:
    """One graph is right wherever the other is, and on ten items more."""
    items = range(100)
    weak = {item: [float(item < 50)] for item in items}
    strong = {item: [float(item < 60)] for item in items}
    found = difference(strong, weak)
    assert found is not None and found.n == 100 and found.mean == pytest.approx(0.1)
    assert 0 < found.low < 0.1 < found.high < 0.2 and found.share < 0.001
    a, b = estimate([v for (v,) in weak.values()]), estimate([v for (v,) in strong.values()])
    assert a is not None and b is not None and b.low < a.high


def test_no_difference_is_told_as_none() -> None:
    same = {item: [float(item % 2)] for item in range(20)}
    found = difference(same, same)
    assert found is not None and found.mean == 0 and found.share == 1
    assert found.low < 0 < found.high
    opposite = difference({1: [1.0], 2: [0.0]}, {1: [0.0], 2: [1.0]})
    assert opposite is not None and opposite.mean == 0 and (opposite.low, opposite.high) == (-1, 1)


def test_one_item_says_almost_nothing() -> None:
    found = difference({"a": [1.0]}, {"a": [0.0]})
    assert found is not None and found.mean == 1 and found.low < -0.9


def test_arguments_that_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="do not lie within"):
        estimate([2.0, 0.0])
    with pytest.raises(ConfigError, match="2 values have 1 clusters"):
        estimate([1.0, 0.0], clusters=["a"])
    assert estimate([2.0, 300.0], bounds=None) is not None


@settings(max_examples=40, deadline=None)
@given(st.lists(shares, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_an_interval_holds_its_mean_and_does_not_mind_the_order(values: list[float], random: object) -> None:
    found, again = estimate(values), estimate(values)
    assert found is not None and found == again
    assert 0 <= found.low <= found.mean <= found.high <= 1 and found.mean == pytest.approx(float(np.mean(values)))


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(0, 20), st.tuples(shares, shares), min_size=1))
def test_a_difference_turns_round_with_its_graphs(pairs: dict[int, tuple[float, float]]) -> None:
    first = {item: [a] for item, (a, _) in pairs.items()}
    second = {item: [b] for item, (_, b) in pairs.items()}
    there, back = difference(first, second), difference(second, first)
    assert there is not None and back is not None
    assert there.mean == pytest.approx(-back.mean) and there.share == pytest.approx(back.share, abs=1e-9)
    assert there.low == pytest.approx(-back.high, abs=1e-6) and there.high == pytest.approx(-back.low, abs=1e-6)
    assert -1 <= there.low <= there.mean <= there.high <= 1 and 0 <= there.share <= 1
