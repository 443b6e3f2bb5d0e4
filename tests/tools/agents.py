"""A LangGraph agent as a user writes it: a chat node over a Clew model, LangGraph's own ToolNode, messages as state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, convert_to_openai_messages
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

import clew
from clew.models import Capabilities
from clew.sandbox import Box, Host, Limits
from clew.sandbox.types import MiB
from clew.scoring import extract_answer
from clew.testing import Call, Reply, Request, ScriptedServer, hidden_reasoning

NATIVE = Capabilities("tools", tools=True)


class AgentState(MessagesState):
    task: dict[str, Any]
    answer: dict[str, Any]


def process_box() -> Box:
    return Box(Host(), Limits(seconds=10, memory=256 * MiB, disk=16 * MiB, processes=32), 2)


def model_of(server: ScriptedServer, **options: Any) -> clew.Model:
    options.setdefault("capabilities", NATIVE)
    return clew.Model("hosted_vllm/scripted", api_base=server.url, api_key="test-key-0123456789", **options)


def serving(*replies: Any, **options: Any) -> ScriptedServer:
    options.setdefault("features", hidden_reasoning)
    return ScriptedServer(replies[0] if len(replies) == 1 else list(replies), **options)


def agent(model: clew.Model, tools: Sequence[BaseTool], route: Any = tools_condition, **compiling: Any) -> Any:
    """The two-node agent of LangGraph's own documentation."""
    schemas = [convert_to_openai_tool(tool) for tool in tools]

    async def chat(state: AgentState) -> dict[str, Any]:
        known: list[AnyMessage] = state.get("messages") or []
        asked = [] if known else [HumanMessage(state["task"]["prompt"])]
        reply = await model.chat(convert_to_openai_messages([*known, *asked]), tools=schemas)
        calls = [
            {"name": call.name, "args": call.arguments, "id": call.id, "type": "tool_call"} for call in reply.tool_calls
        ]
        said = AIMessage(reply.text, tool_calls=calls)
        answer = {"text": extract_answer(reply.text, "math")}
        return {"messages": [*asked, said], "answer": answer}

    graph = StateGraph(AgentState)
    graph.add_node("chat", chat)
    graph.add_node("tools", ToolNode(list(tools)))
    graph.add_edge(START, "chat")
    graph.add_conditional_edges("chat", route, ["tools", END])
    graph.add_edge("tools", "chat")
    return graph.compile(**compiling)


def calling(*calls: tuple[str, dict[str, Any] | str], thought: str = "I will look.") -> Reply:
    """One reply of the model with these calls."""
    return Reply(text=thought, tool_calls=tuple(Call(name, arguments) for name, arguments in calls))


def compute(*programs: str) -> Reply:
    return calling(*[("python", {"program": program}) for program in programs])


def results(request: Request) -> list[str]:
    """What the tools returned so far, as the model reads it."""
    return [str(message["content"]) for message in request.messages if message["role"] == "tool"]


def closing(pattern: str = r"-?\d+", which: int = -1) -> Any:
    """A last reply that boxes the first match of `pattern` in a result, so that it is wrong without it."""
    import re

    def reply(request: Request) -> Reply:
        found = re.search(pattern, results(request)[which])
        return Reply(text=f"So it is \\boxed{{{found[0] if found else 'unknown'}}}.")

    return reply


def by_results(*steps: Any) -> Any:
    """A reply to every request, by how many replies with calls it already holds: also to one that comes again."""

    def reply(request: Request) -> Any:
        done = sum(bool(message.get("tool_calls")) for message in request.messages)
        step = steps[min(done, len(steps) - 1)]
        return step(request) if callable(step) else step

    return reply
