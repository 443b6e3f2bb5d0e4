"""Where a call stands: in whatever list of messages a graph keeps, and whatever ids a model gives its calls."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode

import clew
from clew.graphs.base import MethodState
from clew.journal import Journal, replay
from clew.sandbox import Box
from clew.testing import ScriptedSearcher
from clew.tools import journaled, python_tool, search_tool
from tests.tools.agents import process_box

pytestmark = pytest.mark.anyio

Called = tuple[str, dict[str, Any], str]


@pytest.fixture
async def box() -> AsyncIterator[Box]:
    async with process_box() as made:
        yield made


def program(text: str, id: str) -> Called:
    return "python", {"program": text}, id


def agent(tools: list[Any], *turns: list[Called], key: str = "messages", first: Any = None) -> Any:
    """An agent whose replies are given, and whose answer is what its tools returned."""
    state: Any = TypedDict(  # type: ignore[operator]
        "State", {"task": dict, "answer": dict, key: Annotated[list, operator.add]}, total=False
    )

    def chat(state: dict[str, Any]) -> dict[str, Any]:
        messages = state.get(key) or []
        said = sum(isinstance(one, AIMessage) for one in messages)
        text = " | ".join(one.content for one in messages if getattr(one, "type", "") == "tool")
        calls = turns[said] if said < len(turns) else []
        made = [{"name": name, "args": arguments, "id": id} for name, arguments, id in calls]
        before = [first] if first and not messages else []
        return {key: [*before, AIMessage("", tool_calls=made)], "answer": {"text": text}}

    graph = StateGraph(state)
    graph.add_node("chat", chat)
    graph.add_node("tools", ToolNode(tools, messages_key=key))
    graph.add_edge(START, "chat")
    graph.add_conditional_edges("chat", lambda state: "tools" if state[key][-1].tool_calls else END, ["tools", END])
    graph.add_edge("tools", "chat")
    return graph.compile()


async def solve(graph: Any, tmp_path: Path) -> str:
    with Journal(tmp_path / "j.db") as journal:
        answer = await clew.run(graph, "?", journal=journal, run_id="run")
        assert answer.status == "ok" and (await replay("run", journal=journal, graph=graph)).same
        return answer.text


async def test_calls_of_one_id_are_told_apart(box: Box, tmp_path: Path) -> None:
    performed: list[int] = []

    @tool
    async def double(number: int) -> str:
        """Doubles."""
        performed.append(number)
        return str(2 * number)

    pages = ScriptedSearcher({"a": "alpha"})
    tools = [python_tool(box), journaled(double), search_tool(pages)]
    same: list[Called] = [
        program("print(1)", "x"), program("print(1)", "x"), program("print(2)", "x"),
        ("double", {"number": 3}, "x"), ("double", {"number": 3}, "x"),
        ("search", {"query": "alpha"}, "x"), ("search", {"query": "alpha"}, "x"),
    ]  # fmt: skip
    text = await solve(agent(tools, same), tmp_path)
    shown = "alpha (a)\nalpha"
    assert text == f"1 | 1 | 2 | 6 | 6 | [1-1] {shown} | [2-1] {shown}"
    assert performed == [3, 3] and len(pages.searches) == 2


@pytest.mark.parametrize("key", ["messages", "history"])
async def test_messages_are_found_under_any_name(key: str, box: Box, tmp_path: Path) -> None:
    turns = [[program("x = 5", "a")], [program("print(x)", "b"), program("print(9)", "c")]]
    assert (await solve(agent([python_tool(box)], *turns, key=key), tmp_path)).endswith(" | 5 | 9")


@pytest.mark.parametrize("first", [{"role": "user", "content": "hello"}, ("user", "hello"), 7])
async def test_messages_may_be_dicts_and_pairs(first: Any, box: Box, tmp_path: Path) -> None:
    turns = [[program("x = 5", "a")], [program("print(x)", "b")]]
    assert (await solve(agent([python_tool(box)], *turns, first=first), tmp_path)).endswith(" | 5")


async def test_a_tool_node_in_a_graph_without_messages_tells_calls_apart_by_id(tmp_path: Path) -> None:
    @tool
    async def same(text: str) -> str:
        """Says the same."""
        return text

    node = ToolNode([journaled(same)])

    async def work(state: MethodState) -> dict[str, Any]:
        calls = [{"type": "tool_call", "name": "same", "args": {"text": "s"}, "id": id} for id in "ab"]
        done = await node.ainvoke(calls)
        return {"answer": {"text": " | ".join(one.content for one in done["messages"])}}

    graph = StateGraph(MethodState)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    assert await solve(graph.compile(), tmp_path) == "s | s"
