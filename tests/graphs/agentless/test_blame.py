"""Lines that failing tests ran, by how suspicious they are."""

from __future__ import annotations

from math import isclose, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.graphs.agentless.blame import blame, ochiai
from clew.graphs.agentless.coverage import Coverage


def test_the_coefficient_is_that_of_the_paper() -> None:
    assert ochiai(1, 0, 1) == 1.0
    assert ochiai(0, 5, 3) == 0.0
    assert isclose(ochiai(2, 1, 3), 2 / sqrt(3 * 3))
    assert isclose(ochiai(1, 3, 1), 0.5)


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50))
def test_it_lies_between_nothing_and_one_and_falls_with_every_pass(failed: int, passed: int, more: int) -> None:
    value = ochiai(failed, passed, failed + more)
    assert 0 < value <= 1 and ochiai(failed, passed + 1, failed + more) < value


def test_lines_of_the_failing_test_alone_come_first() -> None:
    coverage = Coverage.read(
        {
            "tests": {"bad": {"a.py": "3-5"}, "good": {"a.py": "3,9"}, "other": {"b.py": "1"}},
            "modules": {"a.py": "1", "b.py": "7"},
        }
    )
    ranked = blame(coverage, ["bad", "never begun"], ["good", "other"])
    assert list(ranked) == [("a.py", 4), ("a.py", 5), ("a.py", 1), ("a.py", 3)]
    assert ranked["a.py", 4] == 1.0 and isclose(ranked["a.py", 3], 1 / sqrt(2))
    assert coverage.tests_of("a.py", [9]) == ["good"] and coverage.tests_of("a.py", [1]) == ["bad", "good"]
    assert blame(coverage, [], ["good"]) == {}


@pytest.mark.parametrize(
    "data",
    [
        None, [], {"tests": {}}, {"tests": {"t": {"a.py": 3}}, "modules": {}}, {"tests": {"t": []}, "modules": {}},
        {"tests": {"t": {"a.py": "1-99999999999"}}, "modules": {}}, {"tests": {}, "modules": {"a.py": "5-2"}},
        {"tests": {}, "modules": {"a.py": "x"}},
    ],
)  # fmt: skip
def test_coverage_that_is_none_is_refused(data: object) -> None:
    with pytest.raises((ValueError, AttributeError)):
        Coverage.read(data)
