"""What Clew adds to a model call: CPU per step, and calls per second with many runs in flight.

    python benchmarks/model_step.py [--steps 10] [--rounds 5] [--delay 0.05] [--in-flight 1 16 64]

A stub server in its own process answers every request with the same text over real HTTP. Three clients in one process
take turns, several rounds each, and medians are reported:
  bare    litellm.acompletion in a loop, the floor;
  loop    LangGraph, two nodes, litellm.acompletion: what one would write by hand;
  clew    the same two nodes with `clew.Model` under `clew.run`, every call recorded in a journal file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypedDict

import clew
from clew.journal import Journal, Transcript, current
from clew.models import Capabilities, Model, Retries

TEXT = "This is a thought of common length that a model might write before it goes on. " * 4
QUESTION = "What is asked here is of common length too. " * 10
MODEL = "openai/stub"

Client = Callable[[int, int], Awaitable[None]]


class Plain(TypedDict, total=False):
    messages: list[dict[str, str]]
    left: int


class Kept(TypedDict, total=False):
    task: dict[str, Any]
    head: str
    left: int
    answer: dict[str, Any]


async def bare(url: str, steps: int) -> None:
    import litellm

    messages = [{"role": "user", "content": QUESTION}]
    for _ in range(steps):
        reply = await litellm.acompletion(
            MODEL, messages=messages, api_base=url, api_key="none", max_tokens=256, max_retries=0
        )
        messages += [
            {"role": "assistant", "content": reply.choices[0].message.content},
            {"role": "user", "content": "Go on."},
        ]


def plain_graph(url: str, steps: int) -> Any:
    import litellm
    from langgraph.graph import END, START, StateGraph

    async def call(state: Plain) -> Plain:
        reply = await litellm.acompletion(
            MODEL, messages=state["messages"], api_base=url, api_key="none", max_tokens=256, max_retries=0
        )
        said = {"role": "assistant", "content": reply.choices[0].message.content}
        return {"messages": [*state["messages"], said], "left": state["left"] - 1}

    async def act(state: Plain) -> Plain:
        return {"messages": [*state["messages"], {"role": "user", "content": "Go on."}]}

    graph = StateGraph(Plain)
    graph.add_node("call", call)
    graph.add_node("act", act)
    graph.add_edge(START, "call")
    graph.add_conditional_edges("call", lambda state: "act" if state["left"] else END, ["act", END])
    graph.add_edge("act", "call")
    return graph.compile()


def clew_graph(model: Model, steps: int) -> Any:
    from langgraph.graph import START, StateGraph

    async def call(state: Kept) -> Kept:
        run = current()
        head = state.get("head")
        transcript = run.transcript(head) if head else Transcript().add("user", QUESTION, "prompt")
        reply = await model.chat(transcript, max_tokens=256)
        return {"head": run.keep(reply.transcript), "left": state.get("left", steps) - 1}

    async def act(state: Kept) -> Kept:
        run = current()
        return {"head": run.keep(run.transcript(state["head"]).add("user", "Go on.", "injected"))}

    async def finish(state: Kept) -> Kept:
        return {"answer": {"text": "done"}}

    graph = StateGraph(Kept)
    graph.add_node("call", call)
    graph.add_node("act", act)
    graph.add_node("finish", finish)
    graph.add_edge(START, "call")
    graph.add_conditional_edges("call", lambda state: "act" if state["left"] else "finish", ["act", "finish"])
    graph.add_edge("act", "call")
    return graph.compile()


def clients(url: str, folder: Path) -> dict[str, Client]:
    import litellm

    litellm.suppress_debug_info = True
    model = Model(
        MODEL, api_base=url, api_key="none", retries=Retries(), capabilities=Capabilities("tools"), price=(0, 0)
    )
    journal = Journal(folder / "journal.db")

    async def run_bare(runs: int, steps: int) -> None:
        await asyncio.gather(*[bare(url, steps) for _ in range(runs)])

    async def run_loop(runs: int, steps: int) -> None:
        graph = plain_graph(url, steps)
        start = {"messages": [{"role": "user", "content": QUESTION}], "left": steps}
        await asyncio.gather(*[graph.ainvoke(start, {"recursion_limit": 10_000}) for _ in range(runs)])

    async def run_clew(runs: int, steps: int) -> None:
        graph = clew_graph(model, steps)
        await asyncio.gather(*[clew.run(graph, "t", journal=journal) for _ in range(runs)])

    return {"bare": run_bare, "loop": run_loop, "clew": run_clew}


async def measure(client: Client, runs: int, steps: int) -> tuple[float, float]:
    """(CPU milliseconds per call, calls per second)."""
    cpu, wall = time.process_time(), time.perf_counter()
    await client(runs, steps)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu * 1_000 / (runs * steps), runs * steps / wall


async def main(options: argparse.Namespace, url: str, folder: Path) -> dict[str, Any]:
    table = clients(url, folder)
    for client in table.values():
        await client(1, 2)
    results: dict[str, Any] = {"steps": options.steps, "rounds": options.rounds, "in_flight": {}}
    for flight in options.in_flight:
        runs = max(flight, 4)
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in table}
        for _ in range(options.rounds):
            for name, client in table.items():
                if flight == 1:
                    rounds = [await measure(client, 1, options.steps) for _ in range(runs)]
                    seen[name].append((statistics.mean(r[0] for r in rounds), statistics.mean(r[1] for r in rounds)))
                else:
                    seen[name].append(await measure(client, flight, options.steps))
        row = {
            name: {
                "cpu_ms_per_call": round(statistics.median(v[0] for v in values), 2),
                "calls_per_s": round(statistics.median(v[1] for v in values), 1),
            }
            for name, values in seen.items()
        }
        row["cpu_clew_over_loop"] = round(row["clew"]["cpu_ms_per_call"] / row["loop"]["cpu_ms_per_call"], 3)
        row["rate_clew_over_bare"] = round(row["clew"]["calls_per_s"] / row["bare"]["calls_per_s"], 3)
        results["in_flight"][flight] = row
        print(f"{flight:>3} in flight: {json.dumps(row)}", flush=True)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="model calls per run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--delay", type=float, default=0.05, help="seconds the stub waits before it answers")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 16, 64])
    options = parser.parse_args()
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.jsonl"
        script.write_text(json.dumps({"when": ".", "reply": {"text": TEXT, "delay": options.delay}}) + "\n")
        command = [sys.executable, "-m", "clew.testing", "--script", str(script), "--features", "openai"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                asyncio.run(main(options, server.stdout.readline().strip(), Path(folder)))
            finally:
                server.terminate()
