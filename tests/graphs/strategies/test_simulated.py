"""The arithmetic of strategies against closed forms, on a model whose strength is declared.

A figure may differ by five standard deviations of its exact distribution from what is expected, which happens less than
once in a million times where everything is right.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

import clew
from clew.evals import Evaluation, evaluate
from clew.evals.rows import Row
from clew.evals.statistics import pass_at_k
from clew.graphs import cot
from clew.graphs.strategies import best_of, reflexion, vote
from clew.journal import Journal
from clew.scoring import ExactMatch
from clew.scoring.rating import Rating
from clew.task import Answer
from tests.graphs.strategies.simulated import (
    Problem,
    Simulated,
    deviations,
    expected,
    model,
    problems,
    task_set,
)  # fmt: skip

pytestmark = pytest.mark.anyio

MOST = 5.0
# A 95% interval reaches 1.96 standard deviations to each side.
STRETCH = MOST / 1.96

SIZES = [1, pytest.param(8, marks=pytest.mark.long)]


def gold(given: Sequence[Problem]) -> ExactMatch:
    return ExactMatch({str(problem.number): [problem.right] for problem in given})


async def evaluated(given: Sequence[Problem], simulated: Simulated, repeats: int = 1, **graphs: Any) -> Evaluation:
    with simulated.serve() as server:
        built = {name: make(cot(model(server)), model(server)) for name, make in graphs.items()}
        done = await evaluate(task_set(given), built, journal=Journal.memory(), repeats=repeats)
        assert not server.unexpected and not any(row.error for row in done.rows)
    return done


def agrees(figure: dict[str, Any], name: str, moments: Sequence[tuple[float, float]]) -> None:
    """The figure is the expected one, by its exact distribution and by its own interval."""
    truth = sum(mean for mean, _ in moments) / len(moments)
    assert abs(deviations(figure[name], moments)) < MOST, (figure, truth)
    half = max(figure[f"{name}_high"] - figure[name], figure[name] - figure[f"{name}_low"])
    assert abs(figure[name] - truth) <= half * STRETCH, (figure, truth)


@pytest.mark.parametrize("times", SIZES)
async def test_coverage_and_pass_at_k_are_the_closed_form(times: int) -> None:
    """1 - (1 - p)^k: from the candidates of one run each, and from repeats."""
    given = problems(40 * times, [0.05, 0.2, 0.5, 0.8], wrong=3)
    done = await evaluated(
        given, Simulated(given), best=lambda inner, _: best_of(inner, n=6, scorer=gold(given), oracle=True)
    )
    (best,) = done.figures()
    assert [at["k"] for at in best["curve"]] == [1, 2, 3, 4, 5, 6]
    for at in best["curve"]:
        k = at["k"]
        moments = [expected(6, each.p, lambda c, k=k: pass_at_k(6, c, k)) for each in given]
        for each, (mean, _) in zip(given, moments, strict=True):
            assert mean == pytest.approx(1 - (1 - each.p) ** k)  # the estimate has no bias
        agrees(at, "coverage", moments)
        counted = [pass_at_k(6, sum(each.right for each in row.candidates), k) for row in done.rows]
        assert at["coverage"] == pytest.approx(sum(counted) / len(counted), abs=1e-6)
        # Who knows the right answer chooses it as soon as it is there.
        agrees(at, "right", [expected(k, each.p, lambda c: float(c > 0)) for each in given])

    repeated = await evaluated(given, Simulated(given, seed=1), repeats=4, cot=lambda inner, _: inner)
    (plain,) = repeated.figures()
    for at in plain["pass_at"]:
        agrees(at, "right", [expected(4, each.p, lambda c, k=at["k"]: pass_at_k(4, c, k)) for each in given])


@pytest.mark.parametrize("times", SIZES)
async def test_majority_vote_is_the_binomial(times: int) -> None:
    """With one wrong value the majority of an odd number is right if more than half are: sharper than one sample, to
    the better where it knows, and to the worse where it does not."""
    given = problems(80 * times, [0.75, 0.25])
    done = await evaluated(given, Simulated(given), vote=lambda inner, _: vote(inner, n=7, adaptive=False))
    assert all(row.prediction == _majority(row, 7) for row in done.rows)
    for k in (1, 3, 5, 7):
        found = [
            float(_right_at(row, k) == (given[int(row.task)].p > 0.5)) for row in done.rows
        ]  # as the better half is expected to be
        moments = [expected(k, 0.75, lambda c, k=k: float(c > k / 2)) for _ in given]
        assert abs(deviations(sum(found) / len(found), moments)) < MOST
    (figures,) = done.figures()
    first = sum(_right_at(row, 1) for row in done.rows) / len(given)
    assert figures["curve"][0]["right"] == pytest.approx(first, abs=1e-6)


def _right_at(row: Row, k: int) -> bool:
    return row.right_at[k - 1]


def _majority(row: Row, k: int) -> str:
    """Counted in another way than Clew's: of equally many, `Counter` too gives the one that came first."""
    ((text, _),) = Counter(each.text for each in row.candidates[:k]).most_common(1)
    return text


@pytest.mark.parametrize("times", SIZES)
async def test_a_weighted_vote_is_better_when_weights_inform(times: int) -> None:

    async def gain(insight: float, p: float) -> float:
        """How much better the weighted vote is than the majority of the same samples, in standard deviations of that
        gain where nothing but chance tells them apart."""
        given = problems(40 * times, [p])
        done = await evaluated(
            given,
            Simulated(given, insight=insight),
            weighted=lambda inner, judge: vote(inner, n=5, scorer=Rating(judge), adaptive=False),
        )
        gains = [row.right - (_majority(row, 5) == f"right{row.task}") for row in done.rows]
        differ = sum(gain != 0 for gain in gains)
        assert differ > 5
        return sum(gains) / math.sqrt(differ)

    assert await gain(0.95, 0.4) > (MOST if times > 1 else 0)
    # Weights that know nothing change answers too, as often to the better as to the worse where p is a half.
    assert abs(await gain(0.5, 0.5)) < MOST


@pytest.mark.parametrize("times", SIZES)
async def test_an_adaptive_vote_loses_nothing_and_saves_what_it_says(times: int) -> None:
    """At equal addresses a sample is the same one, so the answers must be the same, problem by problem."""
    given = problems(25 * times, [0.9, 0.6, 0.4], wrong=3)
    with Simulated(given).serve() as server:
        answers: dict[bool, list[Answer]] = {}
        calls: dict[bool, int] = {}
        for adaptive in (False, True):
            before = server.count
            graph = vote(cot(model(server)), n=7, adaptive=adaptive)
            answers[adaptive] = await asked(graph, given)
            calls[adaptive] = server.count - before
    saved = [answer.artifacts["vote"]["saved"] for answer in answers[True]]
    assert [answer.text for answer in answers[True]] == [answer.text for answer in answers[False]]
    assert calls[False] - calls[True] == sum(saved) > len(given) and calls[False] == 7 * len(given)
    for early, whole in zip(answers[True], answers[False], strict=True):
        assert early.candidates == whole.candidates[: len(early.candidates)]


async def asked(graph: Any, given: Sequence[Problem]) -> list[Answer]:
    """The answers to all problems, each in a run that is called like the problem."""
    with Journal.memory() as journal:
        return [
            await clew.run(graph, problem.item.task, journal=journal, run_id=f"problem-{problem.number}")
            for problem in given
        ]


USEFUL = """Symptom: My word was not accepted.
Cause: I guessed.
Evidence: I gave no reason for my word.
Plan: I count the vowels of each word first.
Do not repeat: Guessing."""
USELESS = USEFUL.replace("count the vowels", "think about the length")


@pytest.mark.parametrize("times", SIZES)
async def test_reflexion_is_as_good_as_its_lessons(times: int) -> None:
    """Plain retry is right at last with 1 - (1 - p)^3, with a useful lesson 1 - (1 - p)(1 - q)^2. Without a lesson it
    is plain retry, answer by answer; with a useless one it is as good."""
    given = problems(60 * times, [0.3], told=0.9)

    async def tried(lesson: str, variant: Any = "reflection") -> list[Answer]:
        with Simulated(given, lesson=lesson).serve() as server:
            inner, said = cot(model(server)), model(server)
            graph = reflexion(inner, scorer=gold(given), model=said, max_trials=3, variant=variant, oracle=True)
            return await asked(graph, given)

    plain = await tried("", variant="none")
    empty = await tried("")
    useful = await tried(USEFUL)
    assert [answer.text for answer in empty] == [answer.text for answer in plain]
    assert [len(answer.candidates) for answer in empty] == [len(answer.candidates) for answer in plain]

    def right(answers: Sequence[Answer]) -> float:
        return sum(answer.status == "ok" for answer in answers) / len(given)

    def moments(p: float) -> list[tuple[float, float]]:
        return [(p, p * (1 - p))] * len(given)

    assert right(useful) > right(plain)
    assert abs(deviations(right(plain), moments(1 - 0.7**3))) < MOST
    assert abs(deviations(right(useful), moments(1 - 0.7 * 0.1**2))) < MOST
    # It needs fewer attempts too: 1 + (1 - p) + (1 - p)(1 - q) in place of 1 + (1 - p) + (1 - p)^2.
    assert sum(len(answer.candidates) for answer in useful) < sum(len(answer.candidates) for answer in plain)
    if times > 1:
        useless = await tried(USELESS)
        assert abs(deviations(right(useless), moments(1 - 0.7**3))) < MOST
