"""What LangGraph offers keeps working under `clew.run`."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, AsyncCallbackManager
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, interrupt

import clew
from clew.errors import ConfigError
from clew.journal import Journal, effect, note, replay, resume
from tests.journal.graphs import Stopped, ask

pytestmark = pytest.mark.anyio

THREAD = {"configurable": {"thread_id": "1"}}


@pytest.fixture
def journal(tmp_path: Any) -> Any:
    with Journal(tmp_path / "j.db") as journal:
        yield journal


class Talk(TypedDict, total=False):
    task: dict[str, Any]
    said: Annotated[list[str], operator.add]
    answer: dict[str, Any]


class Server:
    def __init__(self) -> None:
        self.requests: list[Any] = []

    async def __call__(self, kind: str, request: Any) -> str:
        self.requests.append(request)
        return f"{len(self.requests)}"


def approval(server: Server, *, recorded: bool, stop: list[bool] | None = None) -> Any:
    """Work, ask a person, work on. `recorded`: what the person says is an effect, so that a replay needs nobody."""

    async def draft(state: Talk) -> Talk:
        return {"said": [await ask(server, "draft")]}

    async def approve(state: Talk) -> Talk:
        before = await ask(server, "before")
        if recorded:

            async def perform() -> dict[str, Any]:
                return {"said": interrupt({"draft": state["said"]})}

            said = (await effect("human", {"draft": state["said"]}, perform)).outcome["said"]
        else:
            said = interrupt({"draft": state["said"]})
        return {"said": [before, said]}

    async def finish(state: Talk) -> Talk:
        if stop:
            stop.pop()
            raise Stopped
        return {"answer": {"text": " ".join([*state["said"], await ask(server, "finish")])}}

    graph = StateGraph(Talk)
    graph.add_node("draft", draft)
    graph.add_node("approve", approve)
    graph.add_node("finish", finish)
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "approve")
    graph.add_edge("approve", "finish")
    graph.add_edge("finish", END)
    return graph.compile(checkpointer=InMemorySaver())


@pytest.mark.parametrize("recorded", [True, False])
async def test_an_interrupt_is_an_answer_and_a_command_goes_on(journal: Journal, recorded: bool) -> None:
    server = Server()
    graph = approval(server, recorded=recorded)
    for _ in range(2):  # asked again without an answer, the run stands where it stood
        asked = await clew.run(graph, "t", journal=journal, run_id="r", config=THREAD)
        assert (asked.status, asked.stop_reason) == ("partial", "interrupt")
        assert asked.artifacts == {"interrupt": [{"draft": ["1"]}]}
        assert journal.get_run("r").status == "stopped" and len(server.requests) == 2
    answer = await clew.run(graph, Command(resume="yes"), journal=journal, run_id="r", config=THREAD)
    assert answer.text == "1 2 yes 3" and len(server.requests) == 3
    assert all(event.unknowns == 0 for event in journal.events("r"))
    if recorded:
        again = await replay("r", journal=journal, graph=approval(server, recorded=True))
        assert again.same and len(server.requests) == 3


async def test_a_command_needs_a_run_to_go_on_with(journal: Journal) -> None:
    with pytest.raises(ConfigError, match="nothing to go on with"):
        await clew.run(approval(Server(), recorded=True), Command(resume=1), journal=journal, run_id="x", config=THREAD)


@pytest.mark.parametrize("saver_survives", [True, False])
async def test_a_checkpointer_and_the_journal_agree_where_a_run_stands(journal: Journal, saver_survives: bool) -> None:
    server, stop = Server(), [True]
    graph = approval(server, recorded=True, stop=stop)
    await clew.run(graph, "t", journal=journal, run_id="r", config=THREAD)
    with pytest.raises(Stopped):
        await clew.run(graph, Command(resume="yes"), journal=journal, run_id="r", config=THREAD)
    if not saver_survives:  # a new process, whose saver in memory is empty: the journal has it all
        graph = approval(server, recorded=True)
    answer = await clew.run(graph, "t", journal=journal, run_id="r", config=THREAD)
    assert answer.text == "1 2 yes 3" and len(server.requests) == 3
    assert (await replay("r", journal=journal, graph=approval(server, recorded=True))).same


async def test_streams_reach_whoever_watches(journal: Journal) -> None:
    async def work(state: Talk) -> Talk:
        get_stream_writer()({"progress": 1})
        return {"said": ["a"], "answer": {"text": "done"}}

    graph = StateGraph(Talk)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    seen: list[dict[str, Any]] = []
    await clew.run(graph.compile(), "t", journal=journal, watch=seen.append, stream=["custom", "updates"])
    assert [(e["mode"], e["chunk"]) for e in seen if e["event"] == "stream"] == [
        ("custom", {"progress": 1}),
        ("updates", {"work": {"said": ["a"], "answer": {"text": "done"}}}),
    ]


async def test_callbacks_of_the_caller_are_called_too(journal: Journal) -> None:
    class Names(AsyncCallbackHandler):
        def __init__(self) -> None:
            self.names: list[str] = []

        async def on_chain_start(self, *args: Any, name: str = "", **more: Any) -> None:
            self.names.append(name)

    async def work(state: Talk) -> Talk:
        return {"answer": {"text": await ask(Server(), "x")}}

    graph = StateGraph(Talk)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    for wrap in (lambda h: [h], lambda h: AsyncCallbackManager(handlers=[h], inheritable_handlers=[h])):
        names = Names()
        await clew.run(graph.compile(), "t", journal=journal, config={"callbacks": wrap(names)})
        assert "work" in names.names


async def test_sync_nodes_and_runnables_inside_nodes_have_addresses(journal: Journal) -> None:
    server = Server()

    def plain(state: Talk) -> Talk:
        note("hint", {"from": "a thread"})
        return {"said": ["sync"]}

    async def wrapped(state: Talk) -> Talk:
        async def asks(text: str) -> str:
            return await ask(server, text)

        step = RunnableLambda(asks)
        texts = [await step.ainvoke("same"), await step.ainvoke("same"), await ask(server, "same")]
        return {"answer": {"text": " ".join([*state["said"], *texts])}}

    def build() -> Any:
        graph = StateGraph(Talk)
        graph.add_node("plain", plain)
        graph.add_node("wrapped", wrapped)
        graph.add_edge(START, "plain")
        graph.add_edge("plain", "wrapped")
        return graph.compile()

    answer = await clew.run(build(), "t", journal=journal, run_id="r")
    assert answer.text == "sync 1 2 3"
    assert {event.place for event in journal.events("r")} == {"plain@1", "wrapped@2"}
    assert (await replay("r", journal=journal, graph=build())).same


async def test_the_functional_api_runs_and_replays(journal: Journal) -> None:
    server, failures = Server(), [True]

    @task(retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ConnectionError))
    async def call(text: str) -> str:
        said = await ask(server, text)
        if text == "a" and failures:
            failures.pop()
            raise ConnectionError
        return said

    @entrypoint()
    async def flow(state: dict[str, Any]) -> dict[str, Any]:
        same = await asyncio.gather(call("a"), call("same"), call("same"))
        return {"answer": {"text": " ".join(same)}}

    answer = await clew.run(flow, "t", journal=journal, run_id="r")
    assert sorted(answer.text.split()) == ["1", "2", "3"] and len(server.requests) == 3
    assert (await replay("r", journal=journal, graph=flow)).same and len(server.requests) == 3


async def test_a_node_that_times_out_is_tried_again_and_replays(journal: Journal) -> None:
    from langgraph.types import TimeoutPolicy

    calls = 0

    async def slow() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        await asyncio.sleep(1000 if calls == 1 else 0)
        return {"text": str(calls)}

    def build() -> Any:
        async def work(state: Talk) -> Talk:
            return {"answer": {"text": (await effect("act", {}, slow)).outcome["text"]}}

        graph = StateGraph(Talk)
        retry = RetryPolicy(initial_interval=0.001, retry_on=lambda error: True)
        graph.add_node("work", work, retry_policy=retry, timeout=TimeoutPolicy(run_timeout=0.2))
        graph.add_edge(START, "work")
        return graph.compile()

    assert (await clew.run(build(), "t", journal=journal, run_id="r")).text == "2"
    assert (await replay("r", journal=journal, graph=build())).same and calls == 2


async def test_a_graph_without_an_answer_is_told_what_to_do(journal: Journal) -> None:
    async def work(state: Talk) -> Talk:
        return {"said": []}

    graph = StateGraph(Talk)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    with pytest.raises(ConfigError, match="returned no 'answer'"):
        await clew.run(graph.compile(), "t", journal=journal, run_id="r")
    assert journal.get_run("r").status == "error"
    with pytest.raises(ConfigError):
        await resume("r", journal=journal, graph=graph.compile())


def test_a_script_without_a_loop_runs(tmp_path: Any) -> None:
    async def work(state: Talk) -> Talk:
        return {"answer": {"text": await ask(Server(), "x")}}

    graph = StateGraph(Talk)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    with Journal(tmp_path / "j.db") as journal:
        assert clew.run_sync(graph.compile(), "t", journal=journal).text == "1"


async def test_run_sync_inside_a_loop_says_what_to_write() -> None:
    with pytest.raises(ConfigError, match=r"await clew\.run"):
        clew.run_sync(None, "t")
