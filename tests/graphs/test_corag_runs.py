"""CoRAG as runs: limits in every stage, replay without a server, the same tree again, steps by hand, any words."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.graph import START, StateGraph

import clew
from clew.graphs import corag
from clew.graphs.base import Graph, MethodState
from clew.graphs.corag_links import NOTHING_FOUND, new_chain, sub_answer, sub_queries
from clew.graphs.final import read_bare
from clew.journal import Budget, Journal, replay, scope
from clew.journal.runs import _run, scratch_run
from clew.models import Model, Retries
from clew.task import Answer, Status, Task
from clew.testing import Reply, Request, ScriptedSearcher, ScriptedServer
from tests.graphs.corag_words import ANSWER_2, BIRTHPLACE, DESIGNER, QUESTION, SEED, model, own_plan, reading, talk
from tests.graphs.corag_words import PAGES as WORLD

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PAGES = {f"p{i}": f"Part of thing {i}, opened in {1900 + i}." for i in range(40)}
OPTIONS: dict[str, dict[str, Any]] = {
    "greedy": {"length": 2, "early_stop": True},
    "consistency": {"strategy": "best_of_n", "n": 2, "length": 1, "scorer": "consistency"},
    "best_of_n": {"strategy": "best_of_n", "n": 2, "length": 2},
    "tree_search": {"strategy": "tree_search", "expand": 2, "rollouts": 1, "length": 2},
}
STRATEGIES = pytest.mark.parametrize("name", OPTIONS)


def by_request(request: Request) -> str:
    """Another sub-query for every request, the same for the same request."""
    return f"What opened at part {request.digest[:4]} of thing {int(request.digest[4:8], 16) % 40}?"


def build(server: ScriptedServer, name: str, **options: Any) -> Graph:
    return corag(model(server, seed=options.pop("seed", "run")), ScriptedSearcher(PAGES), **OPTIONS[name], **options)


def plain(answer: Answer) -> dict[str, Any]:
    return {**answer.model_dump(mode="json"), "trace": None}


async def ask(graph: Graph, **options: Any) -> Answer:
    with Journal.memory() as journal:
        return await clew.run(graph, "What opened first?", journal=journal, run_id="run", **options)


# Limits --------------------------------------------------------------------------------------------------------------


@STRATEGIES
async def test_a_limit_on_calls_ends_every_stage_with_the_best_answer(name: str) -> None:
    with talk(by_request, final=r"\boxed{x}") as server:
        whole = await ask(build(server, name))
        calls = server.count
        assert whole.status == "ok"
        for limit in range(calls + 1):
            before = server.count
            answer = await ask(build(server, name), budget=Budget(model_calls=limit))
            assert server.count - before <= limit
            if limit == calls:
                assert plain(answer) == plain(whole)
            else:
                assert (answer.status, answer.stop_reason) == ("budget", "model_calls"), limit
                assert answer.text == ("x" if limit else ""), limit


@STRATEGIES
@pytest.mark.parametrize("searches", [0, 1, 2, 3])
async def test_a_limit_on_searches_leaves_an_answer(name: str, searches: int) -> None:
    with talk(by_request, final=r"\boxed{x}") as server:
        graph = build(server, name)
        answer = await ask(graph, budget=Budget(searches=searches))
        assert answer.text == "x"
        if searches < (3 if name != "consistency" else 2):
            assert (answer.status, answer.stop_reason) == ("budget", "searches")


@STRATEGIES
async def test_tokens_are_kept_for_the_final_answer(name: str) -> None:
    with talk(by_request, final=r"\boxed{x}") as server:
        for limit in range(2_500, 12_000, 1_500):
            answer = await ask(build(server, name), budget=Budget(tokens=limit))
            assert answer.text == "x" and answer.status in ("ok", "budget"), limit
        assert (await ask(build(server, name), budget=Budget(tokens=500))).status == "budget"


async def test_a_plan_that_does_not_fit_the_model_leaves_an_answer() -> None:
    with talk(lambda request: Reply(fault="context_overflow"), final=r"\boxed{x}") as server:
        answer = await ask(build(server, "greedy"))
        assert (answer.text, answer.status, answer.stop_reason) == ("x", "partial", "context_overflow")


async def test_a_failing_verdict_stops_nothing() -> None:
    with talk(by_request, verdict=Reply(status=400, text="no"), final=r"\boxed{x}") as server:
        answer = await ask(build(server, "greedy"))
        assert (answer.status, answer.text, len(answer.artifacts["chain"])) == ("ok", "x", 2)


async def test_a_failing_sample_leaves_the_other_children() -> None:
    def plan(request: Request) -> Reply | str:
        number = request.body["seed"] - SEED
        return Reply(status=400, text="no") if number == 1 else f"What opened at part {request.digest}?"

    with talk(plan, final=r"\boxed{x}") as server:
        answer = await ask(build(server, "tree_search", seed=SEED))
        assert (answer.status, answer.text, len(answer.artifacts["chain"])) == ("ok", "x", 2)


async def test_a_model_that_thinks_first_is_given_room_for_its_thoughts() -> None:
    def thinking(text: Any) -> Reply:
        return Reply(text, reasoning="I must be careful with this. " * 40)

    words = {"read": lambda request: thinking(reading(request)), "final": thinking(ANSWER_2), "verdict": thinking("no")}
    plans = [thinking(text) for text in (DESIGNER, BIRTHPLACE) for _ in ("cut", "whole")]
    with talk(*plans, **words) as server:
        thinker = model(server, max_tokens=1_000)
        graph = corag(thinker, ScriptedSearcher(WORLD), length=2, early_stop=True, final_tokens=100)
        answer = await clew.run(graph, QUESTION, journal=Journal.memory())
    assert (answer.text, answer.status) == ("Ghent", "ok")
    asked = [request.max_tokens for request in server.requests]
    assert asked[:4] == [64, 1_000, 128, 1_000]


async def test_votes_of_a_model_that_thinks_first_count() -> None:
    def verdict(request: Request) -> Reply:
        return Reply("yes", reasoning="Is this enough? " * 40)

    with talk(own_plan, verdict=verdict) as server:
        options = {"strategy": "best_of_n", "n": 2, "length": 1, "scorer": "verdict", "fallback": ("votes",)}
        answer = await ask(corag(model(server), ScriptedSearcher(PAGES), **options))
    assert [candidate.score for candidate in answer.candidates] == [1.0, 1.0]
    assert answer.artifacts["scorer"] == "votes"


async def test_a_limit_that_is_raised_goes_on_from_where_it_was() -> None:
    with talk(by_request, final=r"\boxed{x}") as server, Journal.memory() as journal:
        graph = build(server, "best_of_n")
        first = await clew.run(graph, "What?", journal=journal, run_id="a", budget=Budget(model_calls=5))
        before = server.count
        again = await clew.run(
            graph, "What?", journal=journal, run_id="a", budget=Budget(model_calls=99), retry={"refused"}
        )
        assert first.status == "budget" and again.status == "ok"
        assert not {r.digest for r in server.requests[: before - 1]} & {r.digest for r in server.requests[before:]}


async def test_a_model_that_cannot_be_reached_is_an_error() -> None:
    with talk(Reply(status=401, text="no"), final="x") as server:
        answer = await ask(build(server, "greedy"))
        assert answer.status == "error" and "ModelAuthError" in answer.stop_reason and answer.text == ""


async def test_one_failing_branch_leaves_the_others() -> None:
    def plan(request: Request) -> Reply | str:
        return Reply(status=400, text="no") if request.body["temperature"] else own_plan(request)

    with talk(plan, final=r"\boxed{x}") as server:
        answer = await ask(build(server, "best_of_n", seed=SEED))
        assert (answer.text, answer.status, len(answer.artifacts["chain"])) == ("x", "ok", 2)


# Replay, the same again ---------------------------------------------------------------------------------------------


@STRATEGIES
async def test_a_strict_replay_needs_no_server(name: str) -> None:
    with Journal.memory() as journal:
        with talk(by_request, final=r"\boxed{x}") as server:
            graph = build(server, name)
            answer = await clew.run(graph, "What?", journal=journal, run_id="run")
        again = await replay("run", journal=journal, graph=graph)
        assert again.same and not again.unused and again.answer == answer


PROCESS = """
import asyncio, sys
from tests.graphs.corag_words import door
from tests.graphs.test_corag_runs import ask, tree

print(asyncio.run(ask(tree(door(sys.argv[1])))).model_dump_json())
"""


def tree(model: Model) -> Graph:
    return corag(model, ScriptedSearcher(PAGES), strategy="tree_search", length=3, expand=3)


async def test_12_the_same_seed_gives_the_same_tree_in_another_process() -> None:
    async def late(request: Request) -> str:
        """Some sub-queries repeat each other, and replies come in any order."""
        await asyncio.sleep(random.uniform(0, 0.01))
        return f"What opened at thing {int(request.digest[:6], 16) % 12}?"

    with talk(late, final=r"\boxed{x}") as server:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROCESS, server.url,
            env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        )  # fmt: skip
        there = json.loads((await process.communicate())[0])
        here = (await ask(tree(model(server)))).model_dump(mode="json")
        assert here == there and here["status"] == "ok" and len(here["candidates"]) > 1
        sent = [r.digest for r in server.requests]
        assert all(sent.count(digest) % 2 == 0 for digest in set(sent))


# Steps ----------------------------------------------------------------------------------------------------------------


@STRATEGIES
async def test_steps_by_hand_lead_to_the_graphs_answer(name: str) -> None:
    with talk(by_request, final=r"\boxed{x}") as server:
        graph = build(server, name, seed=SEED)
        whole = await ask(graph)
        steps, token, taken = graph.steps, _run.set(scratch_run()), 0
        assert steps is not None
        try:
            state = await steps.start(Task(prompt="What opened first?"))
            while steps.answer(state) is None:
                state, taken = json.loads(json.dumps(await steps.step(state))), taken + 1
                if name == "greedy":
                    assert len(state["chains"][0]["links"]) == taken
            answer = steps.answer(state)
        finally:
            _run.reset(token)
        assert answer is not None and plain(answer) == plain(whole) and taken == OPTIONS[name]["length"]


async def test_a_step_can_be_taken_twice_from_one_state() -> None:
    with talk(by_request, final=r"\boxed{x}") as server:
        steps, token = build(server, "greedy").steps, _run.set(scratch_run())
        assert steps is not None
        try:
            state = await steps.start(Task(prompt="What opened first?"))
            grown = []
            for i in range(2):
                with scope("branch", i):
                    grown.append(await steps.step(state))
        finally:
            _run.reset(token)
        one, other = [state["chains"][0]["links"][0]["query"] for state in grown]
        assert one != other and state["chains"] == [new_chain(0)]


# Among other graphs --------------------------------------------------------------------------------------------------


@STRATEGIES
async def test_a_graph_works_outside_of_a_run_and_inside_another_graph(name: str) -> None:
    with talk(by_request, final=r"\boxed{x}") as server:
        graph = build(server, name)
        alone = await graph.ainvoke({"task": {"prompt": "What opened?"}})
        outer = StateGraph(MethodState)
        outer.add_node("inner", graph)
        outer.add_edge(START, "inner")
        nested = await outer.compile().ainvoke({"task": {"prompt": "What opened?"}})
        assert alone["answer"]["text"] == nested["answer"]["text"] == "x"


async def test_two_in_one_run_hold_their_final_answers_apart() -> None:
    with talk(by_request, final=r"\boxed{x}") as server:
        graph = build(server, "greedy")

        async def both(state: MethodState) -> MethodState:
            async def one(i: int) -> Any:
                with scope("twin", i):
                    return await graph.ainvoke({"task": state["task"]})

            done = await asyncio.gather(one(0), one(1))
            return {"answer": {**done[0]["answer"], "candidates": [d["answer"] for d in done]}}

        outer = StateGraph(MethodState)
        outer.add_node("both", both)
        outer.add_edge(START, "both")
        answer = await ask(Graph.of(outer.compile()), budget=Budget(model_calls=6))
        assert [(a.text, a.status) for a in answer.candidates] == [("x", "budget")] * 2


# Any words ------------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "Question 2: ", "Answer: ", '"', "'", "?", "\n", "\n\n", "- ", "1. ", "**", "```", "```json\n", "<|im_start|>",
        "\\boxed{", "\\boxed{42}", "}", "{", "{{ prompt }}", "\x00", "\u202e", "\ud83d", "yes", "No.", NOTHING_FOUND,
        "I'm sorry, but I can't help with that.", '{"query": "x"}', "<think>", "</think>", "Who designed it?",
        "| a | b |\n|---|---|", "ha" * 15_000,
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=40), max_size=8).map("".join)
REPLIES = st.one_of(
    TEXTS.map(lambda text: Reply(text=text)),
    st.sampled_from([Reply(fault="null_content"), Reply(fault="empty"), Reply(text="cut off", finish="length")]),
)
QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


class Stage:
    """One server; each example sets what its model says next, whatever it is asked."""

    def __init__(self) -> None:
        self.words: list[Reply] = []
        self.server = talk(self.say, read=self.say, verdict=self.say, final=self.say)

    def say(self, request: Request) -> Reply:
        return self.words.pop(0) if self.words else Reply(text=r"\boxed{end}")

    async def solve(self, name: str, words: list[Reply], options: dict[str, Any]) -> None:
        self.words = list(words)
        door = model(self.server, retries=Retries(bad_reply=0))
        graph = corag(door, ScriptedSearcher({"a": "who text of a"}), **{**OPTIONS[name], **options})
        with Journal.memory() as journal:
            answer = await clew.run(graph, "Who?", journal=journal, run_id="r")
            assert answer.status in get_args(Status)
            assert answer.status != "error" or answer.stop_reason.startswith("BadReply: "), answer
            assert (await replay("r", journal=journal, graph=graph)).same


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    found = Stage()
    with found.server:
        yield found


EXAMPLES = given(
    st.sampled_from(list(OPTIONS)),
    st.lists(REPLIES, min_size=1, max_size=12),
    st.sampled_from([{}, {"bare": True}, {"fan_out": 3}, {"reading": "each"}, {"scorer": "votes"}]),
)


@EXAMPLES
@settings(max_examples=30, deadline=None, suppress_health_check=QUIET)
def test_no_exception_leaves_a_run(stage: Stage, name: str, words: list[Reply], options: dict[str, Any]) -> None:
    asyncio.run(stage.solve(name, words, options))


@pytest.mark.long
@EXAMPLES
@settings(max_examples=1_500, deadline=None, suppress_health_check=QUIET)
def test_no_exception_leaves_many_runs(stage: Stage, name: str, words: list[Reply], options: dict[str, Any]) -> None:
    asyncio.run(stage.solve(name, words, options))


@STRATEGIES
def test_thirty_kilobytes_of_noise(stage: Stage, name: str) -> None:
    asyncio.run(stage.solve(name, [Reply(text="Who is <|that|> lost " * 1_500)] * 20, {}))


@given(TEXTS)
@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
def test_parsers_never_raise(text: str) -> None:
    for query in sub_queries(text):
        assert query.strip() and "\n" not in query and "<|" not in query and len(query) <= 501
    answer = sub_answer(text)
    assert answer is None or (answer.strip() and "\n" not in answer and "<|" not in answer)
    assert isinstance(read_bare(text, "qa"), str) and isinstance(read_bare(text, "choice"), str)
