"""The tool `python`: in LangGraph's ToolNode, by hand, through kills and beside itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy, Send

import clew
from clew.errors import AmbiguousScope, ConfigError, SandboxFailed
from clew.graphs.base import MethodState
from clew.journal import Journal, replay, scope
from clew.sandbox import Box
from clew.testing.kills import Killer, die, run_killed
from clew.tools import python_tool
from tests.graphs.test_start_runs import Broken
from tests.tools.agents import AgentState, agent, by_results, closing, compute, model_of, process_box, results, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    async with process_box() as made:
        yield made


def call(program: str, id: str = "c1") -> dict[str, Any]:
    return {"type": "tool_call", "name": "python", "args": {"program": program}, "id": id}


def programs(journal: Journal, run: str = "run") -> list[Any]:
    return [event for event in journal.events(run) if event.kind == "program"]


# In somebody's graph ------------------------------------------------------------------------------------------------


async def test_names_live_from_turn_to_turn_in_a_tool_node(box: Box, tmp_path: Path) -> None:
    replies = [compute("x = 6"), compute("y = x * 7"), compute("print(y)"), closing()]
    with serving(*replies) as server, Journal(tmp_path / "j.db") as journal:
        graph = agent(model_of(server), [python_tool(box)])
        answer = await clew.run(graph, "?", journal=journal, run_id="run")
        assert answer.text == "42"
        assert [event.state for event in programs(journal)] == ["finished"] * 3
        assert not [event for event in journal.events("run") if event.kind == "session_rebuilt"]
        server.stop()
        assert (await replay("run", journal=journal, graph=graph)).same


async def test_calls_of_one_reply_do_not_see_each_other_and_later_ones_see_all(box: Box, tmp_path: Path) -> None:
    replies = [
        compute("a = 2"),
        compute("b = a * 10\nprint(b)", "c = a * 11\nprint(c)", "b = a * 10\nprint(b)"),
        compute("print(a + b + c)"),
        closing(),
    ]
    with serving(*replies) as server, Journal(tmp_path / "j.db") as journal:
        graph = agent(model_of(server), [python_tool(box)])
        assert (await clew.run(graph, "?", journal=journal, run_id="run")).text == "44"
        assert results(server.requests[2])[1:] == ["20", "22", "20"]
        server.stop()
        assert (await replay("run", journal=journal, graph=graph)).same


async def test_with_a_checkpointer_a_new_process_goes_on_with_the_names(box: Box, tmp_path: Path) -> None:
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "t"}}
    with serving(compute("x = 6"), compute("print(x * 7)"), closing()) as server:
        # Another box stands for another process: nothing of the notebook is left but the messages.
        async with process_box() as first:
            graph = agent(model_of(server), [python_tool(first)], checkpointer=saver, interrupt_after=["tools"])
            await graph.ainvoke({"task": {"prompt": "?"}}, config)
        graph = agent(model_of(server), [python_tool(box)], checkpointer=saver)
        done = await graph.ainvoke(None, config)
        assert done["answer"]["text"] == "42"


async def test_two_tasks_at_once_share_no_names(box: Box, tmp_path: Path) -> None:
    reply = by_results(
        compute("print('mine' in globals()); mine = 1"), compute("print(mine)"), closing("True|False", 0)
    )
    with serving(reply) as server, Journal(tmp_path / "j.db") as journal:
        one = agent(model_of(server), [python_tool(box)])

        async def both(state: MethodState) -> MethodState:
            async def branch(index: int) -> str:
                with scope("branch", index):
                    return str((await one.ainvoke({"task": state["task"]}))["answer"]["text"])

            return {"answer": {"text": " ".join(await asyncio.gather(branch(0), branch(1)))}}

        graph = StateGraph(MethodState)
        graph.add_node("both", both)
        graph.add_edge(START, "both")
        answer = await clew.run(graph.compile(), "?", journal=journal, run_id="run")
        assert answer.text == "False False"


async def test_each_call_may_be_a_task_of_its_own(box: Box, tmp_path: Path) -> None:
    """LangGraph's prebuilt agent sends every call of a reply to a ToolNode execution of its own."""

    def each(state: AgentState) -> Any:
        calls = getattr(state["messages"][-1], "tool_calls", None)
        if not calls:
            return "__end__"
        kind = "tool_call_with_context"
        return [Send("tools", {"__type": kind, "tool_call": one, "state": state}) for one in calls]

    replies = [
        compute("a = 2"),
        compute("print(a)", "b = a * 20\nprint(b)", "print(a)"),
        compute("print(a + b)"),
        closing(),
    ]
    with serving(*replies) as server, Journal(tmp_path / "j.db") as journal:
        graph = agent(model_of(server), [python_tool(box)], route=each)
        assert (await clew.run(graph, "?", journal=journal, run_id="run")).text == "42"
        assert results(server.requests[2])[1:] == ["2", "40", "2"]
        server.stop()
        assert (await replay("run", journal=journal, graph=graph)).same


async def test_a_sandbox_that_failed_ends_the_run_and_a_wrong_argument_does_not(box: Box, tmp_path: Path) -> None:
    with serving(compute("print(1)"), closing()) as server, Journal(tmp_path / "j.db") as journal:
        graph = agent(model_of(server), [python_tool(Broken(box))])
        answer = await clew.run(graph, "?", journal=journal, run_id="run")
        assert answer.status == "error" and "does not answer" in answer.stop_reason
        graph = agent(model_of(server), [python_tool(box)])
        answer = await clew.run(graph, "?", journal=journal, run_id="run", retry=["failed"])
        assert (answer.text, answer.status) == ("1", "ok")
    from tests.tools.agents import calling

    with serving(calling(("python", {"code": "1"})), closing("do not fit")) as server:
        answer = await clew.run(agent(model_of(server), [python_tool(box)]), "?", journal=Journal.memory())
        assert answer.text == "do not fit" and "program: Field required" in results(server.requests[1])[0]


KILLED = (compute("import random\nxs = [random.random() for _ in range(5)]\nn = len(xs)\nprint(n)"),
          compute("m = n * 8\nprint(m)"), compute("print(m + 2)"), closing())  # fmt: skip


def test_killed_after_each_program_the_run_ends_the_same(tmp_path: Path) -> None:
    with serving(by_results(*KILLED)) as server:

        def work() -> None:
            def watch(event: Mapping[str, Any]) -> None:
                if event["event"] == "finished" and event["kind"] == "program":
                    mark = tmp_path / f"killed{len(list(tmp_path.glob('killed*')))}"
                    mark.touch()
                    die()

            async def one() -> None:
                async with process_box() as box:
                    graph = agent(model_of(server), [python_tool(box)])
                    with Journal(tmp_path / "j.db") as journal:
                        answer = await clew.run(graph, "?", journal=journal, run_id="run", watch=watch)
                        (tmp_path / "answer").write_text(answer.text)

            asyncio.run(one())

        kills = 0
        while run_killed(work, Killer()):
            kills += 1
        assert kills == 3 and (tmp_path / "answer").read_text() == "42"
        assert len(server.requests) == 4
    with Journal(tmp_path / "j.db") as journal:
        assert len(programs(journal)) == 3
        rebuilt = [event.request for event in journal.events("run") if event.kind == "session_rebuilt"]
        assert rebuilt == [{"programs": 1, "differ": []}, {"programs": 2, "differ": []}]


# By hand ------------------------------------------------------------------------------------------------------------


async def test_outside_of_any_run_each_tool_and_each_scope_has_a_notebook(box: Box) -> None:
    python, other = python_tool(box), python_tool(box)
    await python.ainvoke({"program": "x = 42"})
    assert await python.ainvoke({"program": "print(x)"}) == "42"
    assert "NameError" in await other.ainvoke({"program": "print(x)"})
    with scope("branch", 1):
        assert "NameError" in await python.ainvoke({"program": "print(x)"})
    message = await python.ainvoke(call("x"))
    assert (message.content, message.status) == ("42", "success") and message.artifact["program"]["kept"]


async def test_two_calls_at_once_by_hand_need_a_scope(box: Box) -> None:
    python = python_tool(box)
    with pytest.raises(AmbiguousScope, match="its own"):
        await asyncio.gather(*[python.ainvoke({"program": f"print({n})"}) for n in range(2)])


class Counting(MethodState):
    turn: int
    said: list[str]


def looping(box: Box, folder: Path) -> Any:
    """A graph without messages: one node, reached again, that calls by hand; it fails once after its work is done."""
    python = python_tool(box)

    async def work(state: Counting) -> dict[str, Any]:
        turn = state.get("turn") or 0
        said = await python.ainvoke({"program": "n = globals().get('n', 0) + 1\nprint(n)"})
        try:
            (folder / f"failed{turn}").touch(exist_ok=False)
        except FileExistsError:
            done = [*(state.get("said") or []), said]
            return {"turn": turn + 1, "said": done, "answer": {"text": " ".join(done)}}
        raise ConnectionError("once")

    graph = StateGraph(Counting)
    graph.add_node("work", work, retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ConnectionError))
    graph.add_edge(START, "work")
    graph.add_conditional_edges("work", lambda state: "work" if state["turn"] < 3 else "__end__")
    return graph.compile()


async def test_a_node_that_is_retried_makes_its_calls_again_for_nothing(box: Box, tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db") as journal:
        answer = await clew.run(looping(box, tmp_path), "?", journal=journal, run_id="run")
        assert answer.text == "1 2 3" and len(programs(journal)) == 3
        assert (await replay("run", journal=journal, graph=looping(box, tmp_path))).same


async def test_branches_of_a_fan_out_share_no_names(box: Box, tmp_path: Path) -> None:
    python = python_tool(box)

    async def branch(state: dict[str, Any]) -> dict[str, Any]:
        await python.ainvoke({"program": f"mine = globals().get('mine', {state['n']})"})
        assert await python.ainvoke({"program": "print(mine)"}) == str(state["n"])
        return {"answer": {"text": "done"}} if state["n"] == 0 else {}

    graph = StateGraph(MethodState)
    graph.add_node("branch", branch)
    graph.add_conditional_edges(START, lambda state: [Send("branch", {"n": n}) for n in range(3)], ["branch"])
    answer = await clew.run(graph.compile(), "?", journal=Journal(tmp_path / "j.db"))
    assert answer.text == "done"


async def test_what_makes_no_sense_is_refused(box: Box) -> None:
    with pytest.raises(ConfigError, match="output_chars"):
        python_tool(box, output_chars=1)
    with pytest.raises(ConfigError, match="ainvoke"):
        python_tool(box).invoke({"program": "1"})
    with pytest.raises(SandboxFailed):
        await python_tool(Broken(box)).ainvoke({"program": "1"})
    long = await python_tool(box, output_chars=100).ainvoke({"program": "print('<|end|>' * 100)"})
    assert "characters left out" in long and "<|" not in long
