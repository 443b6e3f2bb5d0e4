"""Mixture of agents: layers that see each other's drafts, and one answer made of them."""

from __future__ import annotations

from typing import Any

import pytest

from clew.errors import ConfigError
from clew.graphs import cot, mixture_of_agents, rag
from clew.graphs.base import Graph
from clew.graphs.strategies.mixture_of_agents import INSTRUCTION
from clew.journal import Budget
from clew.task import Note, Task
from clew.testing import Reply, Request, Rule, ScriptedServer, vllm
from tests.graphs.corag_words import QUESTION, searcher
from tests.graphs.strategies.common import ask, model, texts

pytestmark = pytest.mark.anyio


def talk(answers: list[Any], aggregate: Any) -> ScriptedServer:
    boxed = [rf"Because. \boxed{{{one}}}" if isinstance(one, str) and one else one for one in answers]
    return ScriptedServer([Rule("^Several solvers", aggregate), *boxed], features=vllm)


def aggregation(server: ScriptedServer) -> Request:
    return next(request for request in server.requests if request.prompt.startswith("Several solvers"))


def graph(server: ScriptedServer, agents: int = 2, **options: Any) -> Graph:
    inners = [cot(model(server))] * agents
    return mixture_of_agents(inners, model=model(server), concurrency=1, **options)


async def test_one_answer_is_made_of_all_drafts() -> None:
    with talk(["red", "blue"], r"Both see a part: \boxed{violet}") as server:
        answer = await ask(graph(server))
        assert (answer.text, answer.status, texts(answer)) == ("violet", "ok", ["red", "blue", "violet"])
        assert answer.artifacts["mixture_of_agents"] == {"chosen": 2, "layers": 2, "asked": 2, "aggregation": "ok"}
        prompt = aggregation(server).prompt
        assert prompt.startswith(INSTRUCTION) and "Which one?" in prompt
        assert r"[Solver 1]" + "\n" + r"Because. \boxed{red}" in prompt and r"\boxed{blue}" in prompt
        made = answer.candidates[-1].trace
        assert made is not None and made.scope == "mixture_of_agents@1/aggregate"


async def test_a_layer_sees_the_drafts_of_the_one_before_alone() -> None:
    with talk(["one", "two", "three", "four", "five", "six"], r"\boxed{all}") as server:
        answer = await ask(graph(server, layers=4))
        assert answer.text == "all" and answer.artifacts["mixture_of_agents"]["asked"] == 6
        fifth = server.requests[4].prompt
        assert "three" in fifth and "four" in fifth and "one}" not in fifth and "two" not in fifth
        assert texts(answer) == ["five", "six", "all"]


async def test_methods_mix_and_bring_their_evidence() -> None:
    with talk(["Ilse Maar", "Ilse Maar"], r"\boxed{Ilse Maar}") as server:
        inners = [cot(model(server)), rag(model(server), searcher())]
        mixed = mixture_of_agents(inners, model=model(server), concurrency=1)
        answer = await ask(mixed, QUESTION)
        assert [item.source for item in answer.evidence] == ["ariel.html", "maar.html"]
        assert [mixed.fingerprint["inners"][i]["method"] for i in "01"] == ["cot", "rag"]


async def test_an_agent_without_an_answer_has_no_draft() -> None:
    with talk(["", "", "blue"], r"\boxed{blue}") as server:
        await ask(graph(server))
        assert "[Solver 2]" not in aggregation(server).prompt
    with talk(["", "", "", ""], r"\boxed{mine}") as server:
        answer = await ask(graph(server))
        assert answer.text == "mine" and "None of them answered" in aggregation(server).prompt


@pytest.mark.parametrize(
    ("aggregate", "status", "reason"),
    [(Reply(status=401, text="no"), "partial", "ModelAuthError"), ("I cannot say.", "partial", "no_answer")],
)
async def test_without_an_aggregation_the_majority_answers(aggregate: Any, status: str, reason: str) -> None:
    with talk(["red", "blue", "blue"], aggregate) as server:
        answer = await ask(graph(server, 3))
        assert (answer.text, answer.status) == ("blue", status) and reason in answer.stop_reason
        assert texts(answer) == ["red", "blue", "blue"]


@pytest.mark.parametrize(("calls", "text"), [(0, ""), (1, "red"), (2, "red")])
async def test_a_budget_ends_with_the_best_answer(calls: int, text: str) -> None:
    with talk(["red", "blue"], r"\boxed{violet}") as server:
        answer = await ask(graph(server), budget=Budget(model_calls=calls))
        assert (answer.text, answer.status, answer.stop_reason) == (text, "budget", "model_calls")


async def test_a_limit_ends_the_layers_and_keeps_the_drafts() -> None:
    with talk(["red", "blue", "green"], r"\boxed{violet}") as server:
        answer = await ask(graph(server, layers=4), budget=Budget(model_calls=3))
        assert (answer.text, answer.status, texts(answer)) == ("green", "budget", ["green", "blue"])
        assert answer.artifacts["mixture_of_agents"]["asked"] == 4


async def test_notes_of_the_task_are_not_drafts() -> None:
    task = Task(prompt="Which one?", notes=(Note(kind="lesson", text="Look at the map."),))
    with talk(["red", "blue"], r"\boxed{violet}") as server:
        await ask(graph(server), task)
        prompt = aggregation(server).prompt
        assert prompt.endswith("Look at the map.") and prompt.count("Look at the map.") == 1


def test_limits_that_make_no_sense() -> None:
    with ScriptedServer([], features=vllm) as server:
        with pytest.raises(ConfigError, match="layers=1 makes no sense"):
            graph(server, layers=1)
        with pytest.raises(ConfigError, match="inners is empty"):
            graph(server, 0)
