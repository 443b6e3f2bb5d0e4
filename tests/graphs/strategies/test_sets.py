"""SETS: samples that verify and correct themselves, then a vote."""

from __future__ import annotations

import re
from typing import Any

import pytest

from clew.errors import ConfigError
from clew.graphs import cot, sets
from clew.graphs.base import Graph
from clew.journal import Budget
from clew.testing import Reply, Request, Rule, ScriptedServer, vllm
from tests.graphs.strategies.common import ask, model, texts

pytestmark = pytest.mark.anyio


def talk(answers: list[str], verify: Any) -> ScriptedServer:
    boxed = [rf"\boxed{{{one}}}" if one else "" for one in answers]
    return ScriptedServer([Rule("^You check an attempt", verify), *boxed], features=vllm)


def only(*right: str) -> Any:
    """A model that holds these answers for right."""

    def verify(request: Request) -> str:
        said = re.findall(r"boxed\{(\w+)\}", request.prompt)[-1]
        return "Each step holds.\nVerdict: CORRECT" if said in right else f"It cannot be {said}."

    return verify


def graph(server: ScriptedServer, **options: Any) -> Graph:
    return sets(cot(model(server)), model=model(server), concurrency=1, **options)


async def test_each_sample_is_corrected_and_then_they_vote() -> None:
    with talk(["red", "blue", "green", "red", "blue", "blue"], only("blue")) as server:
        answer = await ask(graph(server, n=3, rounds=2))
        # red -> blue; green -> red -> blue; blue
        assert (answer.text, answer.score, texts(answer)) == ("blue", 1.0, ["blue"] * 3)
        assert answer.artifacts["sets"] == {
            "chosen": 0, "groups": [[0, 1, 2]], "margin": 3.0, "asked": 3, "drafts": [2, 3, 1],
            "stops": ["fine", "rounds", "fine"],
        }  # fmt: skip
        corrections = [request for request in server.requests if "It cannot be green." in request.prompt]
        assert r"\boxed{green}" in corrections[0].prompt and "Which one?" in corrections[0].prompt


async def test_what_was_not_verified_votes_too() -> None:
    with talk(["red", "red", "red", "red", "blue"], only("blue")) as server:
        answer = await ask(graph(server, n=3, rounds=1))
        assert answer.text == "red" and answer.artifacts["sets"]["stops"] == ["rounds", "rounds", "fine"]


async def test_an_answer_that_stays_is_verified_again() -> None:
    """As in the paper: unlike Self-Refine, a correction that repeats the answer does not end the sample."""
    with talk(["red", "red", "blue"], only("blue")) as server:
        answer = await ask(graph(server, n=1, rounds=3))
        assert (answer.text, answer.artifacts["sets"]["drafts"]) == ("blue", [3])


async def test_a_verifier_that_fails_leaves_the_answers() -> None:
    with talk(["red", "blue", "blue"], Reply(status=401, text="no")) as server:
        answer = await ask(graph(server, n=3))
        assert (answer.text, answer.status) == ("blue", "partial") and "ModelAuthError" in answer.stop_reason
    with talk(["red", "blue", "blue"], "") as server:
        answer = await ask(graph(server, n=3))
        assert (answer.text, answer.status, answer.stop_reason) == ("blue", "partial", "no_critique")


async def test_a_budget_ends_with_the_best_answer() -> None:
    with talk(["red", "blue"], only("red", "blue")) as server:
        answer = await ask(graph(server, n=4), budget=Budget(model_calls=3))
        assert (answer.text, answer.status, answer.stop_reason) == ("red", "budget", "model_calls")
        assert len(answer.candidates) == 4


@pytest.mark.parametrize("limit", ["n", "rounds"])
def test_limits_that_make_no_sense(limit: str) -> None:
    with (
        ScriptedServer([], features=vllm) as server,
        pytest.raises(ConfigError, match=f"sets: {limit}=0 makes no sense"),
    ):
        graph(server, **{limit: 0})
