"""Best of N: any scorer chooses, a threshold stops in index order, and gold answers must be declared."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from clew.errors import ConfigError, ModelError, Refused, SandboxFailed
from clew.graphs import best_of
from clew.journal import Budget
from clew.scoring import CaseResult, ExactMatch, ModelJudge, Sample, SuiteReport, Verdict
from clew.task import Answer, Task
from clew.testing import Reply, Request, Rule, ScriptedServer, vllm
from tests.graphs.strategies.common import ask, inner, model, saying, texts

pytestmark = pytest.mark.anyio


class Longest:
    """A scorer that likes long answers; it cannot judge "red"."""

    name = "longest"

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.seen = error, list[list[str]]()

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        self.seen.append([answer.text for answer in answers])
        if self.error:
            raise self.error
        return [Verdict(value=None if one.text == "red" else len(one.text) / 10) for one in answers]


async def test_the_scorer_chooses() -> None:
    with saying("red", "blue", "green", "black") as server:
        answer = await ask(best_of(inner(server), n=4, scorer=Longest(), concurrency=1))
        assert (answer.text, answer.score, answer.status) == ("green", 0.5, "ok"), "of equals, the first"
        assert [candidate.score for candidate in answer.candidates] == [None, 0.4, 0.5, 0.5]
        assert answer.artifacts["best_of"] == {
            "chosen": 2, "labels": ["unknown"] * 4, "asked": 4, "saved": 0, "oracle": False, "by": "score",
        }  # fmt: skip


async def test_a_threshold_stops_in_index_order() -> None:
    with saying("blue", "green", "longer", "never") as server:
        scorer = Longest()
        answer = await ask(best_of(inner(server), n=4, scorer=scorer, threshold=0.5, concurrency=1))
        assert (answer.text, server.count, answer.artifacts["best_of"]["saved"]) == ("green", 2, 2)
        assert scorer.seen[:2] == [["blue"], ["green"]]


@pytest.mark.parametrize("concurrency", [1, 2, 3, 4])
async def test_the_first_that_reaches_it_counts_whatever_stands_beside_it(concurrency: int) -> None:
    def colour(request: Request) -> str:
        return rf"\boxed{{{['blue', 'green', 'yellow', 'violet'][request.number % 4]}}}"

    with ScriptedServer([Rule(lambda request: True, colour)], features=vllm) as server:
        answer = await ask(best_of(inner(server), n=4, scorer=Longest(), threshold=0.5, concurrency=concurrency))
        assert len(answer.candidates) % concurrency == 0 or len(answer.candidates) == 4
        assert answer.text == next(text for text in texts(answer) if len(text) >= 5)


async def test_without_enough_the_best_of_all_waves_is_the_answer() -> None:
    with saying("blue", "green", "blue") as server:
        answer = await ask(best_of(inner(server), n=3, scorer=Longest(), threshold=0.9, concurrency=2))
        assert answer.text == "green" and answer.artifacts["best_of"]["saved"] == 0


async def test_what_nobody_can_judge_is_voted_on() -> None:
    with saying("blue", "green", "green") as server:
        answer = await ask(best_of(inner(server), n=3, scorer=Longest(ModelError("down")), concurrency=1))
        assert (answer.text, answer.status, answer.artifacts["best_of"]["by"]) == ("green", "partial", "vote")
        assert "down" in answer.stop_reason
    with saying("red", "red") as server:
        answer = await ask(best_of(inner(server), n=2, scorer=Longest()))
        assert (answer.text, answer.status, answer.artifacts["best_of"]["by"]) == ("red", "ok", "vote")
        assert answer.score is None and "tests" not in answer.artifacts["best_of"], "votes are no value of the scorer"


class Graded:
    """A scorer whose tests ended as told, answer by answer."""

    name = "graded"

    def __init__(self, *reports: SuiteReport) -> None:
        self.reports = reports

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        return [report.verdict() for report in self.reports]


async def test_tests_that_could_not_be_run_are_told_and_end_it() -> None:
    test = Sample(input="", output="")
    passed, failed = CaseResult(test, "passed"), CaseResult(test, "failed")
    broken = CaseResult(test, "error", cause=SandboxFailed("no Engine"))
    refused = CaseResult(test, "error", cause=Refused("seconds", "none is left"))
    for result, status, reason in ((refused, "budget", "seconds"), (broken, "partial", "SandboxFailed: no Engine")):
        with saying("red") as server:
            answer = await ask(best_of(inner(server), n=1, scorer=Graded(SuiteReport((result,)))))
        assert (answer.text, answer.score, answer.status, answer.stop_reason) == ("red", None, status, reason)
    with saying("red", "blue") as server:
        scorer = Graded(SuiteReport((passed, failed, broken)), SuiteReport((failed, failed, refused)))
        answer = await ask(best_of(inner(server), n=2, scorer=scorer, concurrency=1))
    counts = [(one["passed"], one["failed"], one["errors"]) for one in answer.artifacts["best_of"]["tests"]]
    assert (answer.text, answer.score, answer.status, counts) == ("red", 0.5, "budget", [(1, 1, 1), (0, 2, 1)])


async def test_candidates_without_an_answer_are_not_scored() -> None:
    with saying("I think.", "I still think.", "blue") as server:
        scorer = Longest()
        answer = await ask(best_of(inner(server), n=2, scorer=scorer, concurrency=1))
        assert answer.text == "blue" and scorer.seen[0] == ["blue"]
    with saying(*["I think."] * 4) as server:
        answer = await ask(best_of(inner(server), n=2, scorer=Longest()))
        assert (answer.text, answer.status) == ("", "no_answer")


async def test_gold_answers_choose_only_when_that_is_said() -> None:
    gold = ExactMatch({"task": ["blue"]})
    with saying("red", "blue", "green") as server:
        with pytest.raises(ConfigError, match="oracle=True for an upper bound"):
            best_of(inner(server), scorer=gold)
        answer = await ask(best_of(inner(server), n=3, scorer=gold, oracle=True, concurrency=1))
        assert answer.text == "blue" and answer.artifacts["best_of"]["oracle"] is True
        assert answer.artifacts["best_of"]["labels"] == ["wrong", "right", "wrong"]


async def test_a_model_compares_the_answers_in_pairs() -> None:
    def prefer(request: Request) -> str:
        a, b = request.prompt.index("<answer_a>\n"), request.prompt.index("<answer_b>\n")
        blue = request.prompt.index("blue") if "blue" in request.prompt else 0
        return f"Verdict: {'TIE' if not blue else 'A' if a < blue < b else 'B'}"

    said = iter(["red", "blue", "green"])
    rules = [
        Rule("You decide which of two answers", prefer),
        Rule(lambda request: True, lambda request: rf"\boxed{{{next(said)}}}"),
    ]
    with ScriptedServer(rules, features=vllm) as server:
        graph = best_of(inner(server), n=3, scorer=ModelJudge(model(server)), concurrency=1)
        answer = await ask(graph)
        assert (answer.text, answer.score, server.count) == ("blue", 1.0, 3 + 6)


async def test_a_budget_ends_with_the_best_answer() -> None:
    with saying("blue", "green", "longer") as server:
        graph = best_of(inner(server), n=4, scorer=Longest(), threshold=1.0, concurrency=1)
        answer = await ask(graph, budget=Budget(model_calls=2))
        assert (answer.text, answer.status, answer.stop_reason) == ("green", "budget", "model_calls")
        assert answer.artifacts["best_of"]["asked"] == 3


async def test_a_model_that_fails_is_an_error() -> None:
    with ScriptedServer(Reply(status=401, text="no"), features=vllm) as server:
        answer = await ask(best_of(inner(server), n=2, scorer=Longest()))
        assert answer.status == "error" and "ModelAuthError" in answer.stop_reason


def test_limits_that_make_no_sense() -> None:
    with pytest.raises(ConfigError, match="best_of: n=0 makes no sense"):
        best_of(None, scorer=Longest(), n=0)
