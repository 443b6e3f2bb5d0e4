"""Tools of others as effects, and what all tools have in common."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain_core.tools import ToolException, tool
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import InjectedState
from pydantic import BaseModel

import clew
from clew.errors import ConfigError, SandboxFailed
from clew.graphs.base import MethodState
from clew.journal import Journal, replay
from clew.testing import ScriptedSearcher
from clew.tools import journaled, search_tool
from tests.tools.agents import agent, calling, model_of, results, serving

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
