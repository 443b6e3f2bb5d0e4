"""A long run grows with its new text only, on disk and in memory."""

from __future__ import annotations

import gc
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.journal import Journal, Transcript, current, effect
from tests.journal.graphs import Loop

pytestmark = pytest.mark.anyio

TEXT = 2_000  # characters of new text per step, half prompt and half reply


def chain(steps: int) -> Any:
    """One node in a cycle that extends one conversation."""
    from langgraph.graph import END, START, StateGraph

    async def step(state: Loop) -> Loop:
        head = (state.get("answer") or {}).get("text")
        transcript = current().transcript(head) if head else Transcript()
        transcript = transcript.add("user", os.urandom(TEXT // 4).hex(), "prompt")

        async def perform() -> dict[str, Any]:
            return {"text": os.urandom(TEXT // 4).hex()}

        done = await effect("model", {"transcript": transcript}, perform)
        transcript = transcript.add("assistant", done.outcome["text"], "model", done.key)
        return {"round": state.get("round", 0) + 1, "answer": {"text": current().keep(transcript)}}

    graph = StateGraph(Loop)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: END if state["round"] >= steps else "step", ["step", END])
    return graph.compile()


async def grown(path: Path, steps: int) -> tuple[float, float]:
    """Bytes per step on disk, and most bytes per step in memory."""
    graph = chain(steps)
    gc.collect()
    tracemalloc.start()
    with Journal(path) as journal:
        await clew.run(graph, "t", journal=journal)
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return path.stat().st_size / steps, peak / steps


async def test_a_long_chain_does_not_grow_quadratically(tmp_path: Path) -> None:
    await grown(tmp_path / "warm.db", 20)
    disk, memory = await grown(tmp_path / "short.db", 200)
    long_disk, long_memory = await grown(tmp_path / "long.db", 1000)
    assert disk < 2.5 * TEXT and long_disk < 2.5 * TEXT
    assert long_disk < 1.1 * disk
    assert long_memory < 1.3 * memory
