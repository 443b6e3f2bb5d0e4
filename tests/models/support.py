"""Models that reach a scripted server over real HTTP, and the script of an honest answer to a probe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import END as END_NODE
from langgraph.graph import START, StateGraph

from clew.journal import Budget, Journal, run
from clew.models import Capabilities, Model, Retries
from clew.task import Answer
from clew.testing import Reply, Rule, ScriptedServer

END = "<|end_search_query|>"
KEPT = Capabilities("completion", stop_kept=True)
STREAMED = Capabilities("completion")
# Waits of milliseconds; how long a wait is supposed to be is tested on `Retries` itself.
QUICK = Retries(base=0.001)

PROBE = Rule(
    "quick brown fox",
    Reply("mps over the lazy dog.", fresh="The quick brown fox jumps over the lazy dog."),
)
PROBE_TOOLS = Rule("Look up the word", "It is a ball of thread.")


def model(server: ScriptedServer, name: str = "openai/scripted", **options: Any) -> Model:
    return Model(name, **{"api_base": server.url, "retries": QUICK, **options})


class _State(TypedDict, total=False):
    task: dict[str, Any]
    answer: dict[str, Any]


def graph_of(body: Callable[[], Awaitable[Any]]) -> Any:
    """A graph of one node that awaits `body` and answers with what it returned."""

    async def only(state: _State) -> _State:
        result = await body()
        return {"answer": Answer(text=getattr(result, "text", str(result))).model_dump(mode="json")}

    return StateGraph(_State).add_node("only", only).add_edge(START, "only").add_edge("only", END_NODE).compile()


async def in_run(
    path: Path, body: Callable[[], Awaitable[Any]], run_id: str = "r1", budget: Budget | None = None, **options: Any
) -> Answer:
    """Runs `body` as the only step of run `run_id` in the journal file `path`."""
    journal = Journal(path)
    try:
        return await run(graph_of(body), "task", journal=journal, run_id=run_id, budget=budget, **options)
    finally:
        journal.close()


__all__ = ["END", "KEPT", "PROBE", "PROBE_TOOLS", "QUICK", "STREAMED", "graph_of", "in_run", "model"]
