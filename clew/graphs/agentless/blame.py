"""Which lines a fault is likely to be in, from the lines that failing and passing tests ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from math import sqrt

from .coverage import Coverage

Line = tuple[str, int]


def ochiai(failed: int, passed: int, failing: int) -> float:
    """The Ochiai coefficient of one line, 0 to 1: `failed / sqrt(failing * (failed + passed))`, with the numbers of
    failing and passing tests that ran it, and of all failing tests.

    Abreu, Zoeteweij, van Gemund, "An Evaluation of Similarity Coefficients for Software Fault Localization", PRDC 2006:
    a11 / sqrt((a11 + a01) * (a11 + a10)), which did better there than Tarantula's and Jaccard's.
    """
    return failed / sqrt(failing * (failed + passed)) if failed else 0.0


def blame(coverage: Coverage, failing: Collection[str], passing: Collection[str]) -> dict[Line, float]:
    """The suspiciousness of every (path, line) that a failing test ran, the most suspicious first, then by path and
    line. Failing tests without coverage (they were never begun) count for nothing."""
    failing = [test for test in dict.fromkeys(failing) if test in coverage.tests]
    failed = Counter(line for test in failing for line in coverage.lines(test))
    passed = Counter(line for test in dict.fromkeys(passing) for line in coverage.lines(test) if line in failed)
    found = {line: ochiai(count, passed[line], len(failing)) for line, count in failed.items()}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
