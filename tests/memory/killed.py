"""A process that remembers and is killed, again and again: `python -m tests.memory.killed FOLDER MODE`.

MODE `writes` puts one entry after the other and prints each key when the call has returned. MODE `run` is a run that
dies before and after each of its accesses to the store, one moment per start, until it ends by itself; it prints how
often it died.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import clew
from clew.graphs.strategies.base import strategy_graph
from clew.journal import Journal, scope
from clew.memory import Episodes, Lesson, MemoryStore
from clew.memory.shelf import Shelf
from clew.task import Answer, Task
from tests.retrieval.words_embedder import WordsEmbedder


def graph(store: MemoryStore) -> Any:
    """Reads, writes, counts and reads again; its answer is all that it saw."""
    episodes = Episodes(store)

    async def ask(task: Task) -> Answer:
        seen = []
        for trial in range(2):
            with scope("trial", trial):
                found = await episodes.recall(task, 5)
                seen.append([(one.lesson.text, one.lesson.used, one.lesson.helped) for one in found])
                lesson = await episodes.remember(Lesson(text=f"lesson {trial}"))
                await episodes.credit([lesson.id], helped=True)
        return Answer(text=repr(seen))

    return strategy_graph("remembers", ask, {})


def writes(folder: Path) -> None:
    store = MemoryStore.open(folder / "memory", embedder=WordsEmbedder())
    for i in range(10_000):
        store.put(("a", str(i % 3)), f"key {i}", {"text": f"number {i}"})
        print(f"key {i}", flush=True)


def dies(folder: Path) -> None:
    """Makes each access die once before and once after it was performed."""
    real, number = Shelf.perform, iter(range(1_000))

    def moment(name: str) -> None:
        try:
            (folder / name).touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def perform(self: Shelf, ops: Any, by: Any, effect: str = "") -> list[Any]:
        name = f"{effect} {ops[0]['op']}".replace("/", "_")
        assert next(number) < 100
        moment(f"before {name}")
        results = real(self, ops, by, effect)
        moment(f"after {name}")
        return results

    Shelf.perform = perform  # type: ignore[method-assign]


async def run(folder: Path) -> None:
    with MemoryStore.open(folder / "memory", embedder=WordsEmbedder()) as store, Journal(folder / "j.db") as journal:
        answer = await clew.run(graph(store), Task(prompt="lesson?"), journal=journal, run_id="killed")
    print(answer.text)


def run_until_it_ends(folder: Path) -> None:
    """Every start is a fork of this process, which has imported all and opened nothing."""
    deaths = 0
    while True:
        child = os.fork()
        if child == 0:
            dies(folder)
            asyncio.run(run(folder))
            sys.stdout.flush()
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != -signal.SIGKILL:
            break
        deaths += 1
    print(f"ended with {code} after {deaths} deaths")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    writes(place) if sys.argv[2] == "writes" else run_until_it_ends(place)
