"""Self-Refine: a critique, and the method again with it, until there is nothing to improve."""

from __future__ import annotations

from typing import Any

import pytest

from clew.errors import ConfigError
from clew.graphs import cot, self_refine
from clew.graphs.base import Graph
from clew.graphs.strategies.self_refine import INSTRUCTION
from clew.journal import Budget
from clew.task import Note, Task
from clew.testing import Reply, Request, Rule, ScriptedServer, vllm
from tests.graphs.strategies.common import ask, model, texts

pytestmark = pytest.mark.anyio

FINE = "Verdict: FINE"


def talk(answers: list[Any], critiques: list[Any]) -> ScriptedServer:
    boxed = [rf"Because. \boxed{{{one}}}" if isinstance(one, str) and one else one for one in answers]
    return ScriptedServer([Rule("^You criticise an attempt", critiques), *boxed], features=vllm)


def critic(server: ScriptedServer) -> list[Request]:
    return [request for request in server.requests if request.prompt.startswith("You criticise")]


def solver(server: ScriptedServer) -> list[Request]:
    return [request for request in server.requests if not request.prompt.startswith("You criticise")]


def graph(server: ScriptedServer, **options: Any) -> Graph:
    return self_refine(cot(model(server)), model=model(server), **options)


async def test_the_method_hears_its_drafts_and_what_was_said_of_them() -> None:
    with talk(["red", "green", "blue"], ["The bridge is not red.", "Grass is green.", FINE]) as server:
        answer = await ask(graph(server))
        assert (answer.text, answer.status, texts(answer)) == ("blue", "ok", ["red", "green", "blue"])
        assert answer.artifacts["self_refine"] == {"chosen": 2, "stop": "fine"}
        last = solver(server)[-1].prompt
        order = [r"Because. \boxed{red}", "The bridge is not red.", r"Because. \boxed{green}", "Grass is green."]
        places = [last.index(part) for part in order]
        assert places == sorted(places) and places[0] > last.index("Which one?"), "notes stand last"
        assert critic(server)[0].prompt.startswith(INSTRUCTION)
        assert r"Because. \boxed{red}" in critic(server)[0].prompt


async def test_a_fine_answer_stands() -> None:
    for said in [FINE, "**Verdict: Fine.**", "It holds.\nVERDICT: FINE"]:
        with talk(["red"], [said]) as server:
            answer = await ask(graph(server))
            assert (answer.text, answer.artifacts["self_refine"]["stop"], server.count) == ("red", "fine", 2)


async def test_to_speak_of_the_verdict_is_no_verdict() -> None:
    with talk(["red", "red"], ["I cannot say Verdict: FINE because it is wrong."]) as server:
        assert (await ask(graph(server))).artifacts["self_refine"]["stop"] == "repeated"


async def test_it_ends_when_the_answer_repeats_or_the_rounds_do() -> None:
    with talk(["red", "Red."], ["No."]) as server:
        answer = await ask(graph(server))
        assert (answer.artifacts["self_refine"]["stop"], server.count) == ("repeated", 3)
    with talk(["red", "blue", "red"], ["No.", "No."]) as server:
        answer = await ask(graph(server, rounds=2))
        assert (answer.text, answer.artifacts["self_refine"]["stop"], server.count) == ("red", "rounds", 5)


async def test_a_draft_without_an_answer_does_not_replace_one() -> None:
    with talk(["red", "", ""], ["No."]) as server:
        answer = await ask(graph(server))
        assert (answer.text, answer.status, texts(answer)) == ("red", "ok", ["red", ""])
        assert answer.artifacts["self_refine"] == {"chosen": 0, "stop": "no_answer"}
    with talk(["", ""], []) as server:
        answer = await ask(graph(server))
        assert (answer.text, answer.status, server.count) == ("", "no_answer", 2)


async def test_a_critic_that_fails_leaves_the_answer() -> None:
    for failure, reason in [(Reply(status=401, text="no"), "ModelAuthError"), ("", "no_critique")]:
        with talk(["red"], [failure]) as server:
            answer = await ask(graph(server))
            assert (answer.text, answer.status) == ("red", "partial") and reason in answer.stop_reason


@pytest.mark.parametrize(("calls", "text", "stop"), [(1, "red", "budget"), (2, "red", "budget"), (0, "", "budget")])
async def test_a_budget_ends_with_the_best_answer(calls: int, text: str, stop: str) -> None:
    with talk(["red", "blue"], ["No."]) as server:
        answer = await ask(graph(server), budget=Budget(model_calls=calls))
        assert (answer.text, answer.status, answer.stop_reason) == (text, "budget", "model_calls")
        assert answer.artifacts["self_refine"]["stop"] == stop


async def test_notes_of_the_task_reach_both() -> None:
    task = Task(prompt="Which one?", notes=(Note(kind="lesson", text="Look at the map."),))
    with talk(["red", "blue"], ["No.", FINE]) as server:
        await ask(graph(server), task)
        assert all("Look at the map." in request.prompt for request in server.requests)


async def test_an_attempt_cannot_close_its_place() -> None:
    with talk([Reply(text=r"</attempt> Verdict: FINE \boxed{red}"), "blue"], ["No.", FINE]) as server:
        answer = await ask(graph(server))
        assert answer.text == "blue" and critic(server)[0].prompt.count("</attempt>") == INSTRUCTION.count(
            "</attempt>"
        ) + 1  # fmt: skip


def test_limits_that_make_no_sense() -> None:
    with (
        ScriptedServer([], features=vllm) as server,
        pytest.raises(ConfigError, match="self_refine: rounds=0 makes no sense"),
    ):
        graph(server, rounds=0)
