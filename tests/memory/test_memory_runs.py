"""Memory inside runs: recorded once, replayed without a store, resumed without a second write, and kept by a kill."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

import clew
from clew.errors import AmbiguousScope, ConfigError, RetrievalError, StoreBusy, StoreMismatch
from clew.graphs.strategies.base import strategy_graph
from clew.journal import Journal, fork, replay, scope
from clew.memory import MemoryStore
from clew.task import Answer, Task
from tests.memory.conftest import WORDS
from tests.memory.killed import graph as remembers
from tests.retrieval.words_embedder import WordsEmbedder

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]


class State(TypedDict, total=False):
    task: dict[str, Any]
    answer: dict[str, Any]
    seen: list[str]


def plain(store: MemoryStore, *, wrong: bool = False) -> Any:
    """A LangGraph graph as anybody writes one: an async node and a plain one."""

    async def first(state: State, runtime: Runtime[Any]) -> State:
        assert runtime.store is not None
        seen = [item.value["text"] for item in await runtime.store.asearch(("notes",), query="tea", limit=3)]
        await runtime.store.aput(("notes",), state["task"]["id"], {"text": state["task"]["prompt"]})
        return {"seen": seen}

    def second(state: State, runtime: Runtime[Any]) -> State:
        assert runtime.store is not None
        runtime.store.put(("notes", "sync"), state["task"]["id"], {"text": "written by a plain node"})
        item = runtime.store.get(("notes",), state["task"]["id"])
        assert item is not None
        return {"answer": {"text": f"{item.value['text']}; before: {state['seen']}"}}

    async def impatient(state: State, runtime: Runtime[Any]) -> State:
        assert runtime.store is not None
        runtime.store.put(("notes",), "x", {})
        return {}

    builder = StateGraph(State)
    builder.add_node("first", impatient if wrong else first)
    builder.add_node("second", second)
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    builder.add_edge("second", END)
    return builder.compile(store=store)


async def test_a_replay_touches_no_store(memory: MemoryStore, tmp_path: Path) -> None:
    memory.put(("notes",), "old", {"text": "green tea"})
    journal = Journal.memory()
    answer = await clew.run(plain(memory), Task(id="t", prompt="black tea"), journal=journal, run_id="r")
    assert answer.text == "black tea; before: ['green tea']"
    assert [event.kind for event in journal.events("r")] == ["memory"] * 4
    assert {entry.key: entry.runs for entry in memory.entries(("notes",))} == {"old": (), "t": ("r",)}
    memory.close()
    shutil.rmtree(memory.place)
    done = await replay("r", journal=journal, graph=plain(memory))
    assert done.same and done.effects == 4 and not done.unused
    assert not Path(memory.place).exists()


async def test_a_finished_run_writes_nothing_again(memory: MemoryStore) -> None:
    journal = Journal.memory()
    for _ in range(2):
        await clew.run(plain(memory), Task(id="t", prompt="tea"), journal=journal, run_id="r")
        memory.forget([entry.id for entry in memory.entries()])
    assert memory.entries() == []


async def test_a_call_that_is_not_awaited_says_what_to_do(memory: MemoryStore) -> None:
    with pytest.raises(ConfigError, match=r"without await inside a run.*aput"):
        await clew.run(plain(memory, wrong=True), Task(prompt="tea"), journal=Journal.memory())


async def test_equal_calls_side_by_side_need_a_scope(memory: MemoryStore) -> None:
    async def ask(task: Task) -> Answer:
        async def one(i: int) -> None:
            with scope("one", i if "scoped" in task.prompt else None):
                await memory.aput(("a",), "k", {"text": "tea"})

        await asyncio.gather(*map(one, range(3)))
        return Answer(text="done")

    twice = strategy_graph("twice", ask, {})
    assert (await clew.run(twice, "scoped", journal=Journal.memory())).text == "done"
    with pytest.raises(AmbiguousScope, match="scope"):
        await clew.run(twice, "bare", journal=Journal.memory())


async def test_a_fork_reads_again_what_lies_after_it(memory: MemoryStore) -> None:
    journal = Journal.memory()
    await clew.run(plain(memory), Task(id="t", prompt="tea"), journal=journal, run_id="r")
    memory.put(("notes",), "new", {"text": "tea from China"})
    first, *_ = journal.events("r")
    child = fork("r", first.seq, journal=journal)
    answer = await clew.run(plain(memory), Task(id="t", prompt="tea"), journal=journal, run_id=child)
    assert "tea from China" in answer.text
    assert {entry.key: entry.runs for entry in memory.entries(("notes", "sync"))} == {"t": ("r", child)}


async def test_runs_side_by_side_do_not_mix(memory: MemoryStore) -> None:
    journal = Journal.memory()
    tasks = [Task(id=f"t{i}", prompt=f"tea number {i}") for i in range(8)]
    answers = await asyncio.gather(
        *[clew.run(plain(memory), task, journal=journal, run_id=f"r-{task.id}") for task in tasks]
    )
    assert [answer.text.partition(";")[0] for answer in answers] == [task.prompt for task in tasks]
    assert {entry.key: entry.runs for entry in memory.entries()} == {task.id: (f"r-{task.id}",) for task in tasks}
    for task in tasks:
        assert (await replay(f"r-{task.id}", journal=journal, graph=plain(memory))).same


async def test_what_is_no_json_is_refused_and_a_secret_is_not_written(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="not a JSON value"):
        memory.put(("a",), "k", {"x": object()})
    memory.put(("a",), "k", {"text": "use sk-abcdefghij0123456789XYZ now"})
    item = await memory.aget(("a",), "k")
    assert item is not None and item.value == {"text": "use [redacted] now"}
    memory.put(("a",), "half", {"text": "half \ud83d a pair"})
    assert memory.search(("a",), query="half a pair")[0].key == "half"


# Processes ---------------------------------------------------------------------------------------------------------


def start(folder: Path, mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.memory.killed", str(folder), mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_what_a_killed_process_wrote_is_kept_and_its_folder_was_busy(tmp_path: Path) -> None:
    process = start(tmp_path, "writes")
    assert process.stdout is not None
    written = [process.stdout.readline().strip() for _ in range(250)]
    place = tmp_path / "memory"
    with pytest.raises(StoreBusy, match=rf"in use by process {process.pid} .*try again later"):
        MemoryStore.open(place, embedder=WORDS, wait=0.1).acquire()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    written += process.stdout.read().split("\n")[:-1]
    process.stdout.close()
    with MemoryStore.open(place, embedder=WORDS) as store:
        found = {entry.key for entry in store.entries()}
        assert found >= set(written) and len(found) <= len(written) + 1
        assert store.search(("a",), query="number 77")[0].key == "key 77"
        store.put(("a",), "more", {})


def test_a_run_that_dies_at_every_access_counts_each_once(tmp_path: Path) -> None:
    process = start(tmp_path, "run")
    answer, end = process.communicate()[0].splitlines()
    assert answer == "[[], [('lesson 0', 1, 1)]]" and end == "ended with 0 after 12 deaths"
    with MemoryStore.open(tmp_path / "memory", embedder=WORDS) as store:
        values = [entry.value for entry in store.entries(("lessons",))]
        assert sorted((value["text"], value["used"], value["helped"]) for value in values) == [
            ("lesson 0", 1, 1), ("lesson 1", 1, 1),
        ]  # fmt: skip
        assert {entry.runs for entry in store.entries()} == {("killed",)}
    with Journal(tmp_path / "j.db") as journal:
        nowhere = MemoryStore.open(tmp_path / "memory", embedder=WORDS)
        assert asyncio.run(replay("killed", journal=journal, graph=remembers(nowhere))).same


# The place ---------------------------------------------------------------------------------------------------------


def test_nothing_is_made_before_something_is_written(tmp_path: Path) -> None:
    MemoryStore.open(tmp_path / "m", embedder=WORDS).close()
    assert not (tmp_path / "m").exists()
    with MemoryStore.open(tmp_path / "m", embedder=WORDS) as store:
        assert store.get(("a",), "k") is None and store.search(("a",), query="tea") == []
        assert store.list_namespaces() == [] and store.entries() == []
        store.delete(("a",), "k")
        assert store.acquire() is store
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["lock"]


def test_another_embedder_is_refused(memory: MemoryStore) -> None:
    class Other(WordsEmbedder):
        name = "other"

    memory.put(("a",), "k", {"text": "tea"})
    memory.close()
    with MemoryStore.open(memory.place, embedder=Other()) as store:
        assert [entry.key for entry in store.entries()] == ["k"]  # to look needs no vectors
        with pytest.raises(StoreMismatch, match="made with the embedder 'words', not 'other'"):
            store.search(("a",), query="tea")
        with pytest.raises(StoreMismatch):
            store.put(("a",), "k", {})
    memory.put(("a",), "k2", {})  # a closed store opens again


def test_a_collection_of_documents_is_refused(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from clew.retrieval.address import Address
    from clew.retrieval.server import ServerStore
    from clew.retrieval.store import Point

    documents = ServerStore(Address.of(f"{server_url}/documents"))
    documents.create(WORDS.size)
    documents.upsert([Point(1, 1, WORDS.query("tea"), data={"kind": "passage"})])
    with pytest.raises(ConfigError, match="holds other data"):
        MemoryStore.open(f"{server_url}/documents", embedder=WORDS).acquire()
    monkeypatch.setattr("clew.retrieval.server._WAIT_SECONDS", (0.01,))
    with pytest.raises(RetrievalError, match="does not answer"):
        MemoryStore.open("http://127.0.0.1:9/m", embedder=WORDS).acquire()


def test_two_clients_of_a_server_share_a_memory(server_url: str) -> None:
    place = f"{server_url}/shared"
    with MemoryStore.open(place, embedder=WORDS) as one, MemoryStore.open(place, embedder=WORDS) as other:
        one.put(("a",), "k", {"text": "tea"})
        other.acquire()
        other.put(("a",), "l", {"text": "coffee"})
        assert {item.key for item in one.search(("a",))} == {"k", "l"}


@pytest.mark.parametrize("size", [1_500, pytest.param(10_000, marks=pytest.mark.long)])
def test_the_nearest_of_many(memory: MemoryStore, size: int) -> None:
    from langgraph.store.base import PutOp

    vocabulary = [f"word{i}" for i in range(200)]
    draw = np.random.default_rng(5)
    texts = [" ".join(draw.choice(vocabulary, 4)) for _ in range(size)]
    for begin in range(0, size, 500):
        memory.batch([
            PutOp(("n", str(i % 10)), str(i), {"text": texts[i], "i": i}, ["text"]) for i in range(begin, begin + 500)
        ])  # fmt: skip
    vectors = np.stack([WORDS.query(text) for text in texts])
    for query in ("word3 word7", "word199", texts[17]):
        scores = vectors @ WORDS.query(query)
        for prefix, rows in ((("n",), range(size)), (("n", "4"), range(4, size, 10))):
            best = max(rows, key=lambda i: scores[i])
            found = memory.search(prefix, query=query, limit=7)
            assert found[0].score == pytest.approx(scores[best], abs=1e-4) and len(found) == 7
            assert [one.score for one in found] == sorted((one.score or 0 for one in found), reverse=True)
        assert all(
            one.value["i"] < 50 for one in memory.search(("n",), query=query, filter={"i": {"$lt": 50}}, limit=9)
        )
    assert memory.list_namespaces(limit=100) == sorted(("n", str(d)) for d in range(10))
    assert len(memory.entries()) == size
