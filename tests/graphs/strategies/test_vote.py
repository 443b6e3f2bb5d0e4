"""Self-consistency: what counts as the same answer, what a vote weighs, and when the rest need not be asked."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

import clew
from clew.errors import ConfigError, ModelError
from clew.graphs import cot, vote
from clew.graphs.base import MethodState
from clew.graphs.strategies.counting import Classes, decided, least_to_decide
from clew.journal import Budget, Journal
from clew.scoring import ExactMatch, Verdict
from clew.task import Answer, Task, TaskKind
from clew.testing import Reply, ScriptedServer, vllm
from tests.graphs.strategies.common import ask, inner, model, saying, texts
from tests.graphs.strategies.test_base import hand_built

pytestmark = pytest.mark.anyio


async def test_the_majority_answers() -> None:
    with saying("red", "blue", "Blue", "green", "blue") as server:
        answer = await ask(vote(inner(server), n=5, adaptive=False, concurrency=1))
        assert (answer.text, answer.status, answer.score) == ("blue", "ok", 3 / 5)
        assert answer.artifacts["vote"] == {
            "chosen": 1, "groups": [[1, 2, 4], [0], [3]], "margin": 2.0, "asked": 5, "saved": 0, "oracle": False,
        }  # fmt: skip
        assert texts(answer) == ["red", "blue", "Blue", "green", "blue"]


async def test_the_first_of_equally_many_wins() -> None:
    with saying("red", "blue", "blue", "red") as server:
        answer = await ask(vote(inner(server), n=4, concurrency=1))
        assert answer.text == "red" and answer.artifacts["vote"]["margin"] == 0


async def test_samples_differ_by_their_seeds_and_run_side_by_side() -> None:
    with saying(*["red"] * 4) as server:
        await ask(vote(inner(server), n=4, adaptive=False))
        assert len({request.body["seed"] for request in server.requests}) == 4


async def test_the_vote_is_noted() -> None:
    with saying("red", "red") as server, Journal.memory() as journal:
        answer = await clew.run(vote(inner(server), n=3), "Which?", journal=journal, run_id="run")
        noted = [event.request for event in journal.events("run") if event.kind == "vote"]
        assert noted == [answer.artifacts["vote"]] and noted[0]["saved"] == 1


# When to stop ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "n", "asked"),
    [
        (["red"] * 8, 8, 4),  # the others could only draw level, and red was first
        (["red", "blue", "blue", "blue", "blue", "blue"], 8, 6),  # three more could have drawn level with four
        (["red", "blue", "blue", "red", "red"], 5, 5),
        (["red"], 1, 1),
        (["red", "blue", "green", "red", "red"], 6, 5),
    ],
)
async def test_runs_that_cannot_change_the_answer_are_saved(said: list[str], n: int, asked: int) -> None:
    with saying(*said) as server:
        answer = await ask(vote(inner(server), n=n, concurrency=1))
        assert (server.count, answer.artifacts["vote"]["asked"], answer.artifacts["vote"]["saved"]) == (
            asked, asked, n - asked,
        )  # fmt: skip


VOTES = some.lists(some.sampled_from([0, 1, 2, None]), min_size=1, max_size=9)


def winner(classes: Sequence[int | None], weights: Sequence[float]) -> int | None:
    """The class that a plain count chooses: the heaviest, of equals the one that came first."""
    order = [number for number in dict.fromkeys(classes) if number is not None]
    total = {number: sum(w for c, w in zip(classes, weights, strict=True) if c == number) for number in order}
    return max(order, key=lambda number: (total[number], -order.index(number)), default=None)


@given(VOTES)
def test_to_stop_early_never_changes_the_answer_and_wastes_no_run(votes: list[int | None]) -> None:
    # Classes are numbered in the order in which they come, as `Classes` does.
    order = [number for number in dict.fromkeys(votes) if number is not None]
    classes = [None if number is None else order.index(number) for number in votes]
    asked, n = 0, len(classes)
    while wave := least_to_decide(classes[:asked], [1.0] * asked, n - asked):
        for less in range(wave):  # no shorter wave could have decided
            seen = classes[:asked]
            rest = n - asked - less
            ends = [seen + [c] * less for c in {*seen, len(order)} if c is not None]
            assert any(len({winner([*end, *[c] * rest], [1.0] * n) for c in range(n + 1)}) > 1 for end in ends)
        asked += wave
    whole = winner(classes, [1.0] * n)
    assert winner(classes[:asked], [1.0] * asked) == whole
    for others in itertools.product([0, 1, 2, None], repeat=min(n - asked, 4)):
        if len(others) == n - asked:
            assert winner([*classes[:asked], *others], [1.0] * n) == whole


@given(some.lists(some.tuples(some.integers(0, 2), some.sampled_from([0.0, 0.25, 0.5, 1.0])), min_size=1, max_size=9))
def test_to_stop_early_is_exact_with_weights(votes: list[tuple[int, float]]) -> None:
    order = list(dict.fromkeys(number for number, _ in votes))
    classes, weights = [order.index(number) for number, _ in votes], [weight for _, weight in votes]
    asked, n = 0, len(votes)
    while wave := least_to_decide(classes[:asked], weights[:asked], n - asked):
        asked += wave
    assert winner(classes[:asked], weights[:asked]) == winner(classes, weights)


# What says the same ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "said", "classes"),
    [
        ("qa", ["The Tolm.", "tolm", "Halden", "", "unknown", "I do not know"], [0, 0, 1, None, None, None]),
        ("choice", ["B", "(b)", "Paris", "C", "all of them"], [0, 0, 0, 1, None]),
        ("code", ["a = 1  \nb = 2", "a = 1\nb = 2\n", "a = 1\nb = 3"], [0, 0, 1]),
        ("math", [r"\frac{1}{2}", "0.5", "2", "1/2", r"\sqrt{4}", "unknown"], [0, 0, 1, 0, 1, None]),
    ],
)
async def test_equivalence_by_kind(kind: TaskKind, said: list[str], classes: list[int | None]) -> None:
    options = {"options": {"A": "Rome", "B": "Paris", "C": "Ghent"}} if kind == "choice" else {}
    sorted_into = Classes(Task(prompt="?", kind=kind, inputs=options))
    assert [await sorted_into.of(text) for text in said] == classes


async def test_an_equivalence_of_ones_own() -> None:
    with saying("12", "1", "13", "2") as server:
        graph = vote(inner(server), n=4, equal=lambda first, second: len(first) == len(second), adaptive=False)
        assert (await ask(graph)).artifacts["vote"]["margin"] == 0


async def test_mathematics_is_compared_once_and_replayed() -> None:
    with saying("1/2", "2", "0.5") as server, Journal.memory() as journal:
        graph = vote(inner(server), n=3, concurrency=1)
        task = Task(prompt="Half?", kind="math")
        assert (await clew.run(graph, task, journal=journal, run_id="run")).text == "1/2"
        compared = [event.request for event in journal.events("run") if event.kind == "equivalence"]
        assert compared == [{"first": "1/2", "second": "2"}, {"first": "1/2", "second": "0.5"}]
        again = await clew.replay("run", journal=journal, graph=graph)
        assert again.same and again.effects == 5


async def test_an_answer_that_nobody_gave_is_not_voted_for() -> None:
    with saying("unknown", "I think.", "I still think.", "red") as server:
        answer = await ask(vote(inner(server), n=3, concurrency=1))
        assert answer.text == "red" and answer.artifacts["vote"]["groups"] == [[2]]
    with saying("I think.", "I still think.", "unknown") as server:
        answer = await ask(vote(inner(server), n=2, concurrency=1))
        assert (answer.text, answer.status, answer.score) == ("unknown", "ok", None)
    with saying(*["I think."] * 4) as server:
        answer = await ask(vote(inner(server), n=2))
        assert (answer.text, answer.status) == ("", "no_answer")


# What a vote weighs ------------------------------------------------------------------------------------------------


def rated(*answers: tuple[str, float | None]) -> Any:
    """A graph that gives these answers, one per sample, with their scores."""

    async def node(state: MethodState) -> MethodState:
        index = int(clew.journal.address.here(clew.journal.current().nodes).place.split(":")[1][0])
        return {"answer": {"text": answers[index][0], "score": answers[index][1]}}

    return hand_built(node)


async def test_votes_weigh_their_scores() -> None:
    graph = rated(("red", 0.4), ("red", 0.4), ("blue", 0.9), ("green", None))
    answer = await ask(vote(graph, n=4, weight="score"))
    assert answer.text == "blue" and answer.artifacts["vote"]["margin"] == pytest.approx(0.1)
    assert (await ask(vote(graph, n=4))).text == "red"


async def test_votes_weigh_their_probability() -> None:
    graph = rated(("red", -3.0), ("red", -2.0), ("blue", -0.1))
    answer = await ask(vote(graph, n=3, weight="log_probability"))
    assert answer.text == "blue" and answer.score is not None and 0.7 < answer.score < 0.9


async def test_without_any_weight_each_vote_counts_one() -> None:
    assert (await ask(vote(rated(("red", None), ("blue", None), ("blue", None)), n=3, weight="score"))).text == "blue"


class Liking:
    """A scorer that likes one colour."""

    name = "liking"

    def __init__(self, likes: str, value: float | None = 5.0, error: ModelError | None = None) -> None:
        self.likes, self.value, self.error = likes, value, error

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        if self.error:
            raise self.error
        return [Verdict(value=self.value if answer.text == self.likes else 0.5) for answer in answers]


async def test_a_scorer_weighs_the_votes() -> None:
    said = ["red", "red", "blue"]
    for scorer, text, status in [
        (Liking("blue"), "blue", "ok"),
        (Liking("blue", value=-1.0), "red", "ok"),
        (Liking("red", value=None), "blue", "ok"),
        (Liking("blue", error=ModelError("down")), "red", "partial"),
    ]:
        with saying(*said) as server:
            answer = await ask(vote(inner(server), n=3, scorer=scorer, concurrency=1))
            assert (answer.text, answer.status, len(answer.candidates)) == (text, status, 3)


async def test_gold_answers_weigh_only_when_that_is_said() -> None:
    gold = ExactMatch({"task": ["blue"]})
    with saying("red", "red", "blue") as server:
        with pytest.raises(ConfigError, match="'exact_match' holds gold answers"):
            vote(inner(server), scorer=gold)
        answer = await ask(vote(inner(server), n=3, scorer=gold, oracle=True, concurrency=1))
        assert answer.text == "blue" and answer.artifacts["vote"]["oracle"] is True


# Limits ------------------------------------------------------------------------------------------------------------


async def test_a_budget_ends_with_the_best_answer() -> None:
    with saying("red", "blue", "blue") as server:
        answer = await ask(vote(inner(server), n=8, concurrency=1), budget=Budget(model_calls=3))
        assert (answer.text, answer.status, answer.stop_reason) == ("blue", "budget", "model_calls")
        assert answer.artifacts["vote"]["asked"] == 4, "no further wave begins"


async def test_a_model_that_fails_is_an_error() -> None:
    with ScriptedServer(Reply(status=401, text="no"), features=vllm) as server:
        answer = await ask(vote(cot(model(server)), n=3))
        assert answer.status == "error" and "ModelAuthError" in answer.stop_reason


@pytest.mark.parametrize("limit", ["n", "concurrency"])
def test_limits_that_make_no_sense(limit: str) -> None:
    given: dict[str, Any] = {limit: 0}
    with pytest.raises(ConfigError, match=f"vote: {limit}=0 makes no sense"):
        vote(rated(), **given)


def test_nobody_to_choose_from_has_no_margin() -> None:
    with Journal.memory():
        answer = decided("vote", [Answer(status="no_answer")], [None], [1.0], {})
    assert answer.artifacts["vote"]["margin"] == 0 and answer.score is None
