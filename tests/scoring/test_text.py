"""SQuAD's normalisation and metrics, on the cases that its script and those of its heirs decide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.scoring import contains, exact_match, f1, normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  New-York Times!", "newyork times"),
        ("U.S.", "us"),
        ("a an the theatre", "theatre"),
        ("It's “quoted”", "its “quoted”"),
        ("Łódź, Ärger", "łódź ärger"),
        ("\tthe\nend ", "end"),
        ("", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_the_best_of_several_golds_counts() -> None:
    # Acceptance case 16 of the CoRAG specification.
    assert exact_match("the New York City.", ["NYC", "New York City"]) == 1.0
    assert exact_match("New York", ["NYC", "New York City"]) == 0.0
    assert f1("New York", ["NYC", "New York City"]) == pytest.approx(0.8)
    assert exact_match("anything", []) == f1("anything", []) == contains("anything", []) == 0.0


@pytest.mark.parametrize(
    ("prediction", "gold", "expected"),
    [
        ("the cat sat", "a cat sat down", 4 / 5),  # tokens cat sat / cat sat down: P 1, R 2/3
        ("to be or not to be", "to be", 4 / 8),  # multiplicity: 2 shared of 6 and 2
        ("rome", "paris", 0.0),
        ("", "paris", 0.0),
        ("no", "no, it is not", 0.0),  # HotpotQA's rule for closed answers
        ("no it is not", "no", 0.0),
        ("Yes.", "yes", 1.0),
    ],
)
def test_f1(prediction: str, gold: str, expected: float) -> None:
    assert f1(prediction, [gold]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("prediction", "gold", "expected"),
    [
        ("It was built in New York City in 1930", "New York City", 1.0),
        ("a party", "art", 0.0),
        ("New Jersey and York", "New York", 0.0),
        ("19", "1930", 0.0),
        ("the 1930s", "1930", 0.0),
        ("Paris", "", 0.0),
    ],
)
def test_contains(prediction: str, gold: str, expected: float) -> None:
    assert contains(prediction, [gold]) == expected


def test_texts_that_normalise_to_nothing_are_compared_as_they_are() -> None:
    assert exact_match("", ["A"]) == exact_match("the", ["A"]) == f1("", ["A"]) == contains("", ["+"]) == 0.0
    assert exact_match("a", ["A"]) == f1("+", ["+"]) == contains("A", ["a"]) == 1.0


words = st.text(alphabet="abc the.,'Éß \n", max_size=30)


@given(words, words)
def test_laws(one: str, other: str) -> None:
    assert normalise(normalise(one)) == normalise(one)
    assert f1(one, [other]) == pytest.approx(f1(other, [one]))
    assert 0.0 <= f1(one, [other]) <= 1.0
    assert f1(one, [other]) >= exact_match(one, [other]) <= contains(one, [other])
    assert exact_match(one, [one]) == f1(one, [one]) == contains(one, [one]) == 1.0
