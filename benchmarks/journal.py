"""What the journal costs: milliseconds per effect and bytes on disk per byte of new text, as conversations grow.

    python benchmarks/journal.py [--steps 10 100 1000] [--rounds 5] [--text 2000] [--durability normal|full]

Every step extends one conversation by a prompt and asks for a reply: `--text` characters of new random text in all. Two
writers take turns, several rounds each, and medians are reported:
  floor   bare sqlite3 in WAL mode at the same `synchronous`: one transaction with an INSERT of the prompt before, one
          with an UPDATE of the reply after;
  clew    `effect` inside a run: address, look-up, budget, redaction, transcript, started, finished.
Nothing is performed. Of the wall time, `p50` is the median over the steps of a round and `mean` includes what a busy
machine and the flushes of checkpoints add to a few of them; `cpu` is the processor time of `clew`. Bytes are those of
the closed file; runs of few steps share one file, as they do in use, until it holds as many steps as the longest run.
`own file` is the same for a single run in a new file, whose empty tables weigh most when the run is short.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TypedDict

import clew
from clew.journal import Cost, Journal, Transcript, current, effect

SPENT = Cost(tokens=700, usd=0.0007, model_calls=1)


class State(TypedDict, total=False):
    task: dict[str, Any]
    answer: dict[str, Any]


def pieces(steps: int, size: int) -> list[tuple[str, str]]:
    """(prompt, reply) of each step: random text, ready before the clock starts."""
    half = size // 4
    return [(os.urandom(half).hex(), os.urandom(half).hex()) for _ in range(steps)]


async def _clew(journal: Journal, texts: list[tuple[str, str]]) -> tuple[list[float], float]:
    """One run over `texts`: the seconds of every step, and the processor seconds of all."""
    from langgraph.graph import START, StateGraph

    seconds: list[float] = []
    cpu = 0.0

    async def work(state: State) -> State:
        nonlocal cpu
        transcript = Transcript()
        cpu = time.process_time()
        for prompt, reply in texts:
            begun = time.perf_counter()
            transcript = transcript.add("user", prompt, "prompt")

            async def perform(reply: str = reply) -> dict[str, Any]:
                return {"text": reply, "finish": "stop", "usage": {"input": 400, "output": 300}}

            request = {"call": "chat", "model": "m", "transcript": transcript, "params": {"max_tokens": 2048}}
            done = await effect("model", request, perform, reserve=SPENT, cost=lambda outcome: SPENT)
            transcript = transcript.add("assistant", done.outcome["text"], "model", done.key)
            seconds.append(time.perf_counter() - begun)
        cpu = time.process_time() - cpu
        current().keep(transcript)
        return {"answer": {"text": transcript.head}}

    graph = StateGraph(State)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    await clew.run(graph.compile(), "benchmark", journal=journal)
    return seconds, cpu


def _bare(path: Path, texts: list[tuple[str, str]], durability: str) -> list[float]:
    """The seconds of every step."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {durability}")
    db.execute("CREATE TABLE IF NOT EXISTS steps (id INTEGER PRIMARY KEY, state TEXT, request TEXT, outcome TEXT)")
    seconds = []
    for prompt, reply in texts:
        begun = time.perf_counter()
        db.execute("BEGIN IMMEDIATE")
        row = db.execute("INSERT INTO steps (state, request) VALUES ('started', ?)", (prompt,)).lastrowid
        db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE steps SET state = 'finished', outcome = ? WHERE id = ?", (reply, row))
        db.execute("COMMIT")
        seconds.append(time.perf_counter() - begun)
    db.close()
    return seconds


def _measure(folder: Path, steps: int, total: int, size: int, durability: str) -> dict[str, float]:
    """One round: a file of `total` steps in runs of `steps`."""
    runs = [pieces(steps, size) for _ in range(max(total // steps, 1))]
    text = sum(len(prompt) + len(reply) for run in runs for prompt, reply in run)
    count = steps * len(runs)
    floor = [step for run in runs for step in _bare(folder / "floor.db", run, durability)]

    async def all_runs() -> list[tuple[list[float], float]]:
        return [await _clew(journal, run) for run in runs]

    with Journal(folder / "clew.db", durability=durability) as journal:
        mine = asyncio.run(all_runs())
    with Journal(folder / "own.db", durability=durability) as journal:
        asyncio.run(_clew(journal, runs[0]))
    seconds = [step for run, _ in mine for step in run]
    sizes = {name: (folder / f"{name}.db").stat().st_size for name in ("floor", "clew", "own")}
    return {
        "floor_p50_ms": 1000 * statistics.median(floor),
        "floor_mean_ms": 1000 * statistics.mean(floor),
        "clew_p50_ms": 1000 * statistics.median(seconds),
        "clew_mean_ms": 1000 * statistics.mean(seconds),
        "cpu_ms": 1000 * sum(cpu for _, cpu in mine) / count,
        "floor_bytes": sizes["floor"] / text,
        "clew_bytes": sizes["clew"] / text,
        "own_file_bytes": sizes["own"] / (text / len(runs)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--text", type=int, default=2000)
    parser.add_argument("--durability", choices=["normal", "full"], default="normal")
    parser.add_argument("--json", action="store_true", help="one object per line")
    options = parser.parse_args()
    if not options.json:
        version = sys.version.split()[0]
        print(f"{options.text} characters per step, synchronous={options.durability.upper()}, Python {version}")
        print("       ------------- ms per step --------------   -- bytes on disk per byte --")
        print("           floor            clew           clew")
        print(" steps    p50   mean      p50   mean        cpu     floor    clew  own file")
    for steps in options.steps:
        rounds = []
        for _ in range(options.rounds + 1):  # the first one warms up
            with tempfile.TemporaryDirectory() as folder:
                total = max(options.steps)
                rounds.append(_measure(Path(folder), steps, total, options.text, options.durability))
        found = {name: statistics.median(r[name] for r in rounds[1:]) for name in rounds[0]}
        if options.json:
            print(json.dumps({"steps": steps, **{name: round(value, 4) for name, value in found.items()}}))
            continue
        print(
            f"{steps:>6} {found['floor_p50_ms']:>6.3f} {found['floor_mean_ms']:>6.3f}   {found['clew_p50_ms']:>6.3f} "
            f"{found['clew_mean_ms']:>6.3f}     {found['cpu_ms']:>6.3f} {found['floor_bytes']:>9.2f} "
            f"{found['clew_bytes']:>7.2f} {found['own_file_bytes']:>9.2f}"
        )


if __name__ == "__main__":
    main()
