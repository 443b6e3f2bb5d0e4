"""What a strategy would have answered with fewer candidates, and what its evaluator believed."""

from __future__ import annotations

from typing import Any

import pytest

import clew
from clew.evals.choices import accepted, confusion, leaders
from clew.graphs import cot
from clew.graphs.strategies import best_of, vote
from clew.journal import Journal
from clew.models import Model
from clew.scoring import Verdict
from clew.task import Answer, Task
from clew.testing import ScriptedServer, vllm

pytestmark = pytest.mark.anyio


class Values:
    """Values and labels by the answer's text, from a table."""

    name = "values"
    oracle = False

    def __init__(self, **values: tuple[float | None, Any]) -> None:
        self.values = values

    async def score(self, task: Task, answers: Any) -> list[Verdict]:
        found = (self.values[answer.text] for answer in answers)
        return [Verdict(value=value, label=label) for value, label in found]


async def answer_of(build: Any, *texts: str) -> Answer:
    with ScriptedServer([f"\\boxed{{{text}}}" for text in texts], features=vllm) as server, Journal.memory() as journal:
        inner = cot(Model("hosted_vllm/scripted", api_base=server.url))
        return await clew.run(build(inner), "Which?", journal=journal)


async def test_a_vote_over_the_first_ones() -> None:
    answer = await answer_of(
        lambda inner: vote(inner, n=6, adaptive=False, concurrency=1), "a", "b", "B", "unknown", "a", "a"
    )
    assert answer.text == "a"
    assert leaders("vote", answer) == [0, 0, 1, 1, 0, 0]
    assert leaders("best_of", answer) == [] and leaders("", answer) == []


async def test_a_vote_that_abstains_has_no_leader_but_the_first() -> None:
    answer = await answer_of(lambda inner: vote(inner, n=2, adaptive=False, concurrency=1), "unknown", "unknown")
    assert leaders("vote", answer) == [0, 0]


async def test_weights_that_were_not_recorded_are_not_guessed() -> None:
    scorer = Values(a=(0.9, "unknown"), b=(0.1, "unknown"))
    answer = await answer_of(lambda inner: vote(inner, n=3, scorer=scorer, concurrency=1), "b", "b", "a")
    assert answer.text == "a"
    if "weights" not in answer.artifacts["vote"]:
        assert leaders("vote", answer) == []
    else:
        assert leaders("vote", answer) == [0, 0, 2]


async def test_best_of_takes_the_best_so_far() -> None:
    scorer = Values(a=(0.2, "wrong"), b=(0.8, "right"), c=(0.5, "unknown"), d=(None, "unknown"))
    answer = await answer_of(lambda inner: best_of(inner, n=4, scorer=scorer, concurrency=1), "c", "a", "b", "d")
    assert answer.text == "b"
    assert leaders("best_of", answer) == [0, 0, 2, 2]
    assert accepted("best_of", answer) == [None, False, True, None]


async def test_a_threshold_takes_the_first_that_is_enough() -> None:
    scorer = Values(a=(0.2, "wrong"), b=(0.8, "right"), c=(0.9, "right"))
    answer = await answer_of(
        lambda inner: best_of(inner, n=3, scorer=scorer, threshold=0.7, concurrency=3), "a", "b", "c"
    )
    chosen = answer.artifacts["best_of"]["chosen"]
    assert leaders("best_of", answer)[-1] == chosen == [each.text for each in answer.candidates].index(answer.text)


async def test_best_of_without_a_judgement_is_a_vote() -> None:
    scorer = Values(a=(None, "unknown"), b=(None, "unknown"))
    answer = await answer_of(lambda inner: best_of(inner, n=3, scorer=scorer, concurrency=1), "a", "b", "b")
    assert leaders("best_of", answer) == [0, 0, 1] and accepted("best_of", answer) == [None] * 3


async def test_a_refined_answer_is_its_last_draft() -> None:
    drafts = tuple(Answer(text=text) for text in "abc")
    answer = Answer(text="c", candidates=drafts, artifacts={"self_refine": {"chosen": 2, "stop": "fine"}})
    assert leaders("self_refine", answer) == [0, 1, 2]


def test_reflexion_rejected_what_it_went_on_from() -> None:
    tries = tuple(Answer(text=text, score=0.4) for text in "ab")
    for status, last in (("ok", True), ("false_positive", True), ("exhausted", False)):
        answer = Answer(
            text="b", status=status, candidates=tries, artifacts={"reflexion": {"labels": ["unknown"] * 2, "chosen": 1}}
        )  # type: ignore[arg-type]
        assert accepted("reflexion", answer) == [False, last]
    unjudged = tuple(each.model_copy(update={"score": None}) for each in tries)
    answer = answer.model_copy(update={"candidates": unjudged})
    assert accepted("reflexion", answer) == [None, None]


def test_the_confusion_matrix() -> None:
    pairs = [(True, True)] * 6 + [(True, False)] * 2 + [(False, True)] + [(False, False)] * 3 + [(None, True)] * 9
    assert confusion(pairs) == {
        "n": 12, "accepted_right": 6, "accepted_wrong": 2, "rejected_right": 1, "rejected_wrong": 3,
        "false_positive": 0.25, "false_negative": 0.25,
    }  # fmt: skip
    assert confusion([(None, True)]) is None
    only = confusion([(True, True)])
    assert only is not None and only["false_positive"] == 0 and only["false_negative"] is None
