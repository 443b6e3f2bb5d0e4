"""Tools of others as effects, and what all tools have in common."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain_core.tools import StructuredTool, ToolException, tool
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import InjectedState
from pydantic import BaseModel

import clew
from clew.errors import ConfigError, SandboxFailed
from clew.graphs.base import MethodState
from clew.graphs.react import react
from clew.journal import Journal, replay
from clew.sandbox import Box
from clew.testing import ScriptedSearcher
from clew.tools import journaled, python_tool, search_tool
from tests.graphs.test_start_runs import Broken
from tests.tools.agents import agent, by_results, calling, compute, model_of, process_box, results, serving

pytestmark = pytest.mark.anyio

made: list[Any] = []


class Unit(BaseModel):
    name: str


@tool
async def convert(amount: float, unit: Unit, config_name: str = "plain") -> str:
    """Converts an amount."""
    made.append((amount, unit))
    if amount < 0:
        raise ToolException("nothing below zero")
    if amount > 1_000:
        raise SandboxFailed("no room")
    return f"{amount:g} {unit.name} <|end|>"


@tool(response_format="content_and_artifact")
def picture(name: str) -> tuple[str, Any]:
    """Draws, in a function that is not async."""
    made.append(name)
    return f"drew {name}", {"name": name} if name == "plain" else object()


def ask(amount: float) -> tuple[str, dict[str, Any]]:
    return "convert", {"amount": amount, "unit": {"name": "ell"}}


@pytest.fixture(autouse=True)
def _none_made() -> None:
    made.clear()


async def test_in_a_tool_node_each_call_is_performed_once(tmp_path: Path) -> None:
    with serving(calling(ask(2), ask(2), ask(3)), "\\boxed{done}") as server, Journal(tmp_path / "j.db") as journal:
        graph = agent(model_of(server), [journaled(convert)])
        assert (await clew.run(graph, "?", journal=journal, run_id="run")).text == "done"
        assert results(server.requests[-1]) == ["2 ell < |end| >", "2 ell < |end| >", "3 ell < |end| >"]
        assert made == [(2, Unit(name="ell")), (2, Unit(name="ell")), (3, Unit(name="ell"))]
        server.stop()
        assert (await replay("run", journal=journal, graph=graph)).same and len(made) == 3
        events = [event for event in journal.events("run") if event.kind == "tool"]
        assert events[0].request == {"tool": "convert", "arguments": ask(2)[1]}


async def test_what_the_tool_raises_is_a_text_and_what_fails_beneath_it_ends_the_run(tmp_path: Path) -> None:
    wrong = ("convert", {"amount": "much"})
    with serving(calling(ask(-1), wrong), calling(ask(2_000)), "never") as server:
        with Journal(tmp_path / "j.db") as journal:
            answer = await clew.run(agent(model_of(server), [journaled(convert)]), "?", journal=journal)
        assert (answer.status, answer.stop_reason) == ("error", "no room")
        negative, misfit = results(server.requests[1])
        assert "nothing below zero" in negative and "unit" in misfit and len(server.requests) == 2


async def test_a_tool_that_cancels_itself_has_failed(tmp_path: Path) -> None:
    @tool
    async def stop(how: str) -> str:
        """Stops."""
        if how == "task":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        raise asyncio.CancelledError("enough")

    two = calling(("stop", {"how": "task"}), ("stop", {"how": "error"}))
    for name, graph_of in (("react", react), ("agent", agent)):
        with serving(two, "\\boxed{done}") as server, Journal(tmp_path / f"{name}.db") as journal:
            graph = graph_of(model_of(server), [journaled(stop)])
            assert (await clew.run(graph, "?", journal=journal, run_id="run")).text == "done"
            assert all("it cancelled itself" in text for text in results(server.requests[-1]))
            assert (await replay("run", journal=journal, graph=graph)).same


async def test_a_run_that_is_cancelled_cancels_its_tools(tmp_path: Path) -> None:
    begun = asyncio.Event()

    @tool
    async def wait(name: str) -> str:
        """Waits."""
        begun.set()
        await asyncio.sleep(600)
        return name

    with serving(calling(("wait", {"name": "x"})), "never") as server, Journal(tmp_path / "j.db") as journal:
        run = asyncio.create_task(clew.run(react(model_of(server), [wait]), "?", journal=journal, run_id="run"))
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert [event.state for event in journal.events("run") if event.kind == "tool"] == ["started"]


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    async with process_box() as one:
        yield one


async def test_what_runs_beside_a_failure_is_recorded_and_begins_nothing_new(box: Box, tmp_path: Path) -> None:
    """A ToolNode raises the first error and leaves the other calls to themselves."""
    failed = asyncio.Event()

    def watch(event: Mapping[str, Any]) -> None:
        if event["event"] == "failed":
            failed.set()

    @tool
    async def slow(name: str) -> str:
        """Is still at work when another call has failed."""
        made.append(name)
        await failed.wait()
        await asyncio.sleep(0.2)
        return f"slow {name}"

    async def then_more(name: str) -> str:
        """Makes two calls, one after another."""
        said = [str(await journaled(slow).ainvoke({"name": f"{name}{n}"})) for n in range(2)]
        return " ".join(said)

    def graph_of(sandbox: Any, server: Any) -> Any:
        return agent(model_of(server), [python_tool(sandbox), journaled(slow), StructuredTool.from_function(
            coroutine=then_more)])  # fmt: skip

    both = calling(("python", {"program": "print(1)"}), ("slow", {"name": "a"}), ("then_more", {"name": "b"}))
    with serving(by_results(both, "\\boxed{done}")) as server, Journal(tmp_path / "j.db") as journal:
        answer = await clew.run(graph_of(Broken(box), server), "?", journal=journal, run_id="run", watch=watch)
        assert answer.status == "error" and sorted(made) == ["a", "b0"]
        states = sorted((event.kind, event.state) for event in journal.events("run") if event.kind != "model")
        assert states == [("program", "failed"), ("tool", "finished"), ("tool", "finished")]
        answer = await clew.run(graph_of(box, server), "?", journal=journal, run_id="run", retry=["failed"])
        assert answer.text == "done" and sorted(made) == ["a", "b0", "b1"]
        assert results(server.requests[-1]) == ["1", "slow a", "slow b0 slow b1"]


async def test_a_program_beside_a_refused_one_is_not_lost(box: Box, tmp_path: Path) -> None:
    reply = by_results(compute("print(1)", "print(2)"), "\\boxed{done}")
    with serving(reply) as server, Journal(tmp_path / "j.db") as journal:
        graph = agent(model_of(server), [python_tool(box)])
        first = await clew.run(graph, "?", journal=journal, run_id="run", budget=clew.Budget(code_runs=1))
        assert (first.status, first.stop_reason) == ("budget", "code_runs")
        states = [event.state for event in journal.events("run") if event.kind == "program"]
        assert sorted(states) == ["finished", "refused"]
        more = clew.Budget(code_runs=2)
        then = await clew.run(graph, "?", journal=journal, run_id="run", budget=more, retry=["refused"])
        assert then.text == "done" and results(server.requests[-1]) == ["1", "2"]


async def test_artifacts_are_kept_when_they_are_json_and_functions_need_not_be_async() -> None:
    draw = journaled(picture)
    for name, artifact in (("plain", {"name": "plain"}), ("strange", None)):
        message = await draw.ainvoke({"type": "tool_call", "name": "picture", "args": {"name": name}, "id": "c"})
        assert (message.content, message.artifact) == (f"drew {name}", artifact)


async def test_a_schema_stays_the_models_and_tools_of_clew_stay_themselves() -> None:
    from langchain_core.utils.function_calling import convert_to_openai_tool

    assert convert_to_openai_tool(journaled(convert)) == convert_to_openai_tool(convert)
    search = search_tool(ScriptedSearcher({}))
    assert journaled(search) is search
    schema = convert_to_openai_tool(search)["function"]["parameters"]
    assert list(schema["properties"]) == ["query"] and schema["required"] == ["query"]


async def test_a_tool_may_work_through_doors_of_its_own(tmp_path: Path) -> None:
    pages = ScriptedSearcher({"a": "Mars has moons."})

    @tool
    async def moons(planet: str) -> str:
        """Looks moons up."""
        [hit] = await clew.retrieval.search(pages, planet, 1)
        return hit.text

    async def node(state: MethodState) -> MethodState:
        return {"answer": {"text": await journaled(moons).ainvoke({"planet": "Mars"})}}

    graph = StateGraph(MethodState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    with Journal(tmp_path / "j.db") as journal:
        compiled = graph.compile()
        answer = await clew.run(compiled, "?", journal=journal, run_id="run")
        assert answer.text == "Mars has moons."
        kinds = {event.kind for event in journal.events("run")}
        assert kinds == {"tool", "search"}
        assert (await replay("run", journal=journal, graph=compiled)).same and pages.searches == ["Mars"]


def test_a_tool_that_wants_state_is_refused() -> None:
    @tool
    def peek(name: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Looks into the state."""
        return name

    with pytest.raises(ConfigError, match="state"):
        journaled(peek)


def test_the_package_is_light_until_a_tool_is_made() -> None:
    code = "import sys, clew.tools; print([m for m in ('langchain_core', 'langgraph', 'mcp') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
