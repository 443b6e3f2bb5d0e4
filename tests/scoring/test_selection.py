"""Votes, weights, ties and best scores."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.scoring import best, by_equality, by_key, vote


def test_the_largest_group_wins_and_its_first_member_stands_for_it() -> None:
    groups = by_key(["Rome", "paris", None, "Paris", "Paris"], lambda text: text and text.lower())
    assert groups == ((0,), (1, 3, 4))
    chosen = vote(groups)
    assert (chosen.index, chosen.groups, chosen.margin) == (1, ((1, 3, 4), (0,)), 2.0)


def test_ties_go_to_the_first_or_to_the_best_score() -> None:
    groups = by_key("abba", str)
    assert vote(groups).index == 0
    assert vote(groups).margin == 0
    assert vote(groups, scores=[0.1, 0.2, 0.9, 0.3]).index == 2
    assert vote(groups, scores=[0.5, 0.2, 0.5, None]).index == 0
    assert vote(groups, scores=[None, None, None, None]).index == 0


def test_weights_outvote_numbers() -> None:
    chosen = vote(by_key("aab", str), weights=[0.2, 0.2, 0.5])
    assert chosen.index == 2
    assert chosen.margin == pytest.approx(0.1)


def test_equality_is_closed_transitively() -> None:
    asked: list[tuple[int, int]] = []

    def near(one: int, other: int) -> bool:
        asked.append((one, other))
        return abs(one - other) <= 1

    assert by_equality([1, 9, 3, 2, 8], near) == ((0, 2, 3), (1, 4))
    assert len(asked) == len(set(asked))
    assert by_equality([1, 1, 1, 1], lambda one, other: one == other) == ((0, 1, 2, 3),)


def test_best() -> None:
    # Acceptance case 9 of the CoRAG specification, where lower is better: negated, chain 2 wins, and ties go first.
    assert best([1.2, 3.0, 0.4, 2.9]).index == 1
    assert best([1.0, 3.0, 3.0]).index == 1
    assert best([None, -5.0, None]).index == 1
    assert best([None, None]).index == 0
    assert best([math.nan, 1.0]).index == 1
    assert best([1.0, 4.0, 3.0]) == best([1.0, 4.0, 3.0])
    assert best([1.0, 4.0, 3.0]).margin == 1.0
    assert best([1.0]).margin == math.inf


def test_nothing_to_choose() -> None:
    assert best([]).index is vote(()).index is vote(by_key(["", ""], lambda text: text or None)).index is None


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.data())
def test_a_vote_is_for_a_largest_group(candidates: list[str], data: st.DataObject) -> None:
    size = len(candidates)
    scores = data.draw(st.lists(st.none() | st.floats(0, 1), min_size=size, max_size=size))
    chosen = vote(by_key(candidates, str), scores=scores)
    assert chosen.index is not None
    most = max(candidates.count(letter) for letter in "abc")
    assert candidates.count(candidates[chosen.index]) == most
    assert sorted(index for group in chosen.groups for index in group) == list(range(size))
    assert by_equality(candidates, str.__eq__) == by_key(candidates, str)
