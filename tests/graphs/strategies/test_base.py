"""What all strategies are built of: inner graphs of any make, their failures, interrupts, streams and scopes."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, interrupt

import clew
from clew.errors import ConfigError, ModelUnreachable, Refused
from clew.graphs import best_of, cot, mixture_of_agents, sets, vote
from clew.graphs.base import MethodState, hold_final, render_notes, side_by_side, take_hold
from clew.graphs.strategies.base import (
    LONGEST_DRAFT,
    ask_inner,
    concluded,
    draft,
    ended_by,
    identity,
    noted,
    strategy_graph,
)
from clew.journal import Budget, Cost, Journal, current, effect, scope
from clew.models import Model
from clew.scoring import Preference, Rating
from clew.task import Answer, Note, Task
from clew.testing import Reply, ScriptedServer, vllm
from tests.graphs.strategies.common import ask, inner, model, saying, texts

pytestmark = pytest.mark.anyio

TASK = Task(prompt="Which one?")


def hand_built(node: Any, **compiling: Any) -> Any:
    builder = StateGraph(MethodState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder.compile(**compiling)


def once(inner_graph: Any) -> Any:
    """The smallest strategy: it asks once."""

    async def run(task: Task) -> Answer:
        return await ask_inner(inner_graph, task, "only")

    return strategy_graph("once", run, {"inner": identity(inner_graph)})


async def test_a_graph_built_by_hand_is_an_inner_graph() -> None:
    async def node(state: MethodState) -> MethodState:
        drawn = await effect("draw", {}, lambda: _async({"text": "seven"}))
        return {"answer": Answer(text=drawn.outcome["text"]).model_dump()}

    answer = await ask(vote(hand_built(node), n=3))
    assert answer.text == "seven" and len(answer.candidates) == 2
    graph = vote(hand_built(node))
    assert graph.fingerprint["inner"]["graph"]["nodes"] == ["__start__", "node"]


async def _async(value: Any) -> Any:
    return value


async def test_every_event_of_a_candidate_stands_under_its_scope() -> None:
    with saying("a", "b", "a") as server, Journal.memory() as journal:
        answer = await clew.run(vote(vote(inner(server), n=1), n=3), TASK, journal=journal, run_id="run")
        places = [event.place for event in journal.events("run") if event.kind == "model"]
        scopes = [candidate.trace.scope for candidate in answer.candidates if candidate.trace]
        assert scopes == ["vote@1/sample:0", "vote@1/sample:1", "vote@1/sample:2"]
        assert [sum(place.startswith(f"{one}/") for place in places) for one in scopes] == [1, 1, 1]
        assert places[0] == "vote@1/sample:0/vote@1/sample:0/answer@2"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (Refused("tokens", "all gone"), "budget", "tokens"),
        (ModelUnreachable("no server"), "error", "ModelUnreachable: no server"),
        (ExceptionGroup("two", [ModelUnreachable("no server"), Refused("usd", "no")]), "budget", "usd"),
    ],
)
async def test_limits_and_failures_of_an_inner_graph_are_answers(error: Exception, status: str, reason: str) -> None:
    async def node(state: MethodState) -> MethodState:
        raise error

    answer = await ask(once(hand_built(node)))
    assert (answer.status, answer.stop_reason, answer.text) == (status, reason, "")


async def test_other_errors_of_an_inner_graph_are_raised() -> None:
    async def node(state: MethodState) -> MethodState:
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        await ask(once(hand_built(node)))
    with pytest.raises(ExceptionGroup):
        ended_by(ExceptionGroup("mixed", [Refused("usd", "no"), KeyError("a bug")]))


async def test_a_graph_without_an_answer_is_named() -> None:
    async def node(state: MethodState) -> dict[str, Any]:
        return {}

    with pytest.raises(ConfigError, match="returned no 'answer'"):
        await ask(once(hand_built(node, name="silent")))


async def test_what_is_no_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="this is not a task"):
        await once(hand_built(lambda state: {})).ainvoke({"task": {"kind": "poem"}})


async def test_interrupts_of_candidates_reach_the_caller_and_are_answered() -> None:
    async def node(state: MethodState) -> MethodState:
        return {"answer": Answer(text=interrupt("which colour?")).model_dump()}

    graph = vote(hand_built(node), n=3, adaptive=False)
    graph = graph.copy({"checkpointer": InMemorySaver()})
    config: RunnableConfig = {"configurable": {"thread_id": "t"}}
    done = await graph.ainvoke({"task": TASK.model_dump()}, config)
    asked = done["__interrupt__"]
    assert [one.value for one in asked] == ["which colour?"] * 3 and len({one.id for one in asked}) == 3
    said = dict(zip([one.id for one in asked], ["red", "blue", "blue"], strict=True))
    done = await graph.ainvoke(Command(resume=said), config)
    assert texts(Answer.model_validate(done["answer"])) == ["red", "blue", "blue"]
    assert done["answer"]["text"] == "blue"


async def test_inner_graphs_stream_as_subgraphs() -> None:
    with saying("a", "a") as server:
        graph, seen = vote(inner(server), n=2, concurrency=1), []
        async for namespace, chunk in graph.astream({"task": TASK.model_dump()}, stream_mode="updates", subgraphs=True):
            seen.append((len(namespace), *chunk))
        assert seen.count((1, "answer")) == 1 and seen[-1] == (0, "vote")


async def test_a_run_without_clew_run_is_recorded_in_memory() -> None:
    with saying("a", "a") as server:
        done = await vote(inner(server), n=3).ainvoke({"task": {"prompt": "Which?"}})
        assert done["answer"]["text"] == "a"


async def test_at_most_so_many_run_at_a_time_and_results_keep_their_order() -> None:
    running, most = 0, 0

    async def work(index: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(10 - index):
            await asyncio.sleep(0)
        running -= 1
        return index

    assert await side_by_side([partial(work, index) for index in range(9)], 3) == list(range(9))
    assert most == 3


async def test_the_first_error_in_order_is_raised_after_the_others_have_ended() -> None:
    ended: list[int] = []

    async def work(index: int) -> None:
        ended.append(index)
        if index:
            raise ValueError(index)

    with pytest.raises(ValueError, match="1"):
        await side_by_side([partial(work, index) for index in range(4)], 2)
    assert sorted(ended) == [0, 1, 2, 3]


async def test_notes_are_added_after_those_that_are_there() -> None:
    task = noted(noted(TASK, Note(kind="lesson", text="one")), Note(kind="draft", text="two"))
    assert [note.text for note in task.notes] == ["one", "two"] and TASK.notes == ()


async def test_a_draft_is_what_the_model_wrote_up_to_the_answer() -> None:
    drafts: list[str] = []

    async def run(task: Task) -> Answer:
        answer = await ask_inner(graph, task, "inner")
        drafts.append(draft(answer))
        return answer

    with saying("I add one and two: it is three.", r"So \boxed{3}, as I said.") as server:
        graph = inner(server)
        await ask(strategy_graph("once", run, {}))
    assert drafts == ["I add one and two: it is three.\n\nSo \\boxed{3}, as I said."] * 2, "live and in the replay"
    with saying("long " * 1_500 + r"\boxed{3}") as server:
        graph = inner(server)
        await ask(strategy_graph("once", run, {}))
    assert len(drafts[-1]) <= LONGEST_DRAFT + 20 and drafts[-1].endswith(r"\boxed{3}")
    assert draft(Answer(text=" 42 ")) == "42"


async def test_the_draft_of_a_strategy_is_that_of_the_chosen_candidate() -> None:
    drafts: list[str] = []

    async def run(task: Task) -> Answer:
        answer = await ask_inner(graph, task, "inner")
        drafts.append(draft(answer))
        return answer

    with saying(r"It is \boxed{b}.", r"Or \boxed{a}.", r"Surely \boxed{b}.", r"Not b but \boxed{c}.") as server:
        graph = vote(inner(server), n=4, adaptive=False, concurrency=1)
        await ask(strategy_graph("once", run, {}))
        assert drafts[0] == r"It is \boxed{b}."


async def test_a_strategy_is_a_node_of_a_larger_graph() -> None:
    with saying("a", "a", "b") as server, Journal.memory() as journal:
        graph = hand_built(vote(inner(server), n=3, concurrency=1))
        answer = await clew.run(graph, TASK, journal=journal, run_id="run")
        assert answer.text == "a" and [one.trace.scope for one in answer.candidates if one.trace] == [
            "node@1/vote@1/sample:0", "node@1/vote@1/sample:1",
        ]  # fmt: skip
        assert (await clew.replay("run", journal=journal, graph=graph)).same


@pytest.mark.parametrize(
    ("statuses", "ended", "status"),
    [
        (["ok", "no_answer"], ("ok", ""), "ok"),
        (["search_quota", "ok"], ("ok", ""), "search_quota"),
        (["ok", "budget"], ("ok", ""), "budget"),
        (["ok", "ok"], ("budget", "usd"), "budget"),
        (["ok", "ok"], ("error", "BadReply: x"), "partial"),
        (["ok", "budget"], ("error", "BadReply: x"), "budget"),
    ],
)
async def test_the_status_of_a_strategy(statuses: list[Any], ended: Any, status: str) -> None:
    candidates = [Answer(text="x", status=one, stop_reason="usd" if one == "budget" else "") for one in statuses]
    answer = concluded("s", candidates, 0, {"more": 1}, ended=ended)
    assert (answer.status, answer.text, answer.artifacts) == (status, "x", {"s": {"chosen": 0, "more": 1}})
    assert status != "budget" or answer.stop_reason == "usd"


async def test_without_a_choice_the_first_text_counts() -> None:
    candidates = [Answer(status="no_answer"), Answer(text="x", status="turn_cap")]
    assert concluded("s", candidates, None, {}).text == "x"
    assert concluded("s", candidates[:1], None, {}).status == "no_answer"


async def test_samples_of_one_method_hold_their_final_answers_apart() -> None:
    held: list[int | None] = []

    async def node(state: MethodState) -> MethodState:
        for index in range(2):
            with scope("sample", index):
                await ask_inner(graph, TASK, "inner")
        held.append(current().ledger.held.model_calls)
        for index in range(2):
            with scope("sample", index):
                await ask_inner(graph, TASK, "inner")
        return {"answer": {"text": "x"}}

    async def method(state: MethodState) -> MethodState:
        if len(held) == 0:
            hold_final("same", lambda: Cost(model_calls=1))
        else:
            hold = take_hold("same")
            assert hold is not None
            hold.release()
        return {"answer": {"text": "x"}}

    graph = hand_built(method)
    with Journal.memory() as journal:
        await clew.run(hand_built(node), TASK, journal=journal, budget=Budget(model_calls=5))
    assert held == [2]


async def test_a_model_in_two_settings_has_two_fingerprints() -> None:
    with saying() as server:
        warm, cold = (cot(model(server, temperature=temperature)) for temperature in (1.0, 0.0))
        assert vote(warm).fingerprint != vote(cold).fingerprint
        assert vote(warm, n=3).fingerprint != vote(warm, n=4).fingerprint


def test_notes_of_a_kind_are_numbered() -> None:
    notes = [Note(kind="draft", text="a"), Note(kind="critique", text="b"), Note(kind="draft", text="c")]
    shown = render_notes(noted(TASK, *notes))
    assert [line for line in shown.splitlines() if line.startswith("[")] == [
        "[Earlier attempt 1]", "[Critique 1]", "[Earlier attempt 2]",
    ]  # fmt: skip


# Scorers and stores ------------------------------------------------------------------------------------------------


def rating_fails(request: Any) -> Any:
    return Reply(fault="auth") if "You rate" in request.prompt else r"\boxed{1}"


@pytest.mark.parametrize("scorer", [Rating, Preference])
async def test_a_limit_that_refuses_a_scorer_is_the_status(scorer: Any) -> None:
    with saying(*["red", "blue"] * 4) as server:
        for strategy in (best_of, vote):
            graph = strategy(inner(server), scorer=scorer(model(server)), n=2)
            answer = await ask(graph, budget=Budget(model_calls=2))
            assert (answer.status, answer.stop_reason) == ("budget", "model_calls")
            assert answer.text in ("red", "blue")


async def test_a_scorer_that_fails_leaves_a_partial_answer() -> None:
    with ScriptedServer(rating_fails, features=vllm) as server:
        for strategy in (best_of, vote):
            answer = await ask(strategy(inner(server), scorer=Rating(model(server)), n=2))
            assert (answer.status, answer.text) == ("partial", "1")
            assert answer.stop_reason.startswith("ModelAuthError")


async def test_each_inner_graph_has_its_own_store() -> None:
    async def node(state: MethodState, runtime: Runtime[Any]) -> MethodState:
        assert runtime.store is not None
        found = await runtime.store.aget(("names",), "mine")
        return {"answer": {"text": found.value["text"] if found else "nothing"}}

    def graph(name: str) -> Any:
        store = InMemoryStore()
        store.put(("names",), "mine", {"text": name})
        builder = StateGraph(MethodState)
        builder.add_node("node", node)
        builder.add_edge(START, "node")
        builder.add_edge("node", END)
        return builder.compile(store=store)

    with saying("red") as server:
        graphs = [graph("first"), vote(graph("second"), n=1)]
        answer = await ask(mixture_of_agents(graphs, model=model(server)))
        assert texts(answer)[:2] == ["first", "second"]


@pytest.mark.parametrize("strategy", [vote, lambda graph, n: sets(graph, model=Model("openai/none"), n=n)])
def test_nobody_means_so_many_runs(strategy: Any) -> None:
    with pytest.raises(ConfigError, match="at most 10,000"):
        strategy(cot(Model("openai/none")), n=10**20)
