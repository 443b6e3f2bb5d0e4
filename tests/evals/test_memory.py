"""Evaluations and memory: whatever a graph remembers, and wherever, no task is answered by what its set taught."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

import clew
from clew.evals import evaluate
from clew.evals.tasks import Gold, Item, TaskSet
from clew.graphs import cot, remembering, vote
from clew.graphs.base import MethodState
from clew.graphs.strategies import reflexion
from clew.journal import Journal
from clew.memory import Demonstrations, Episodes, Insights, MemoryStore, attempts_in, draw_insights
from clew.scoring import Number, Rating
from clew.task import Answer, Task
from clew.testing import Reply, Request, Rule, ScriptedServer
from tests.retrieval.words_embedder import WordsEmbedder

pytestmark = pytest.mark.anyio

SUMS = {"17 + 5": "22", "23 - 9": "14", "6 + 7": "13"}
LESSON = "Plan: check the last digit of the sum."


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[MemoryStore]:
    with MemoryStore.open(tmp_path / "memory", embedder=WordsEmbedder()) as store:
        yield store


def task_set(name: str, size: int = 3) -> TaskSet:
    """The first sums; the numbers of another set's questions are written in another way."""
    items = [
        Item(task=Task(id=str(i), kind="math", prompt=f"{name}: what is {said}?"), gold=Gold(answers=(value,)))
        for i, (said, value) in enumerate(SUMS.items())
    ]
    return TaskSet(name, tuple(items[:size]))


def calculates(request: Request) -> Reply:
    """A model that takes its own answers for good ones, and writes what it is asked to write."""
    if "Rating: N" in request.prompt:
        return Reply("Rating: 9")
    asked = next(said for said in SUMS if f"what is {said}?" in request.prompt.partition("Notes on")[0])
    return Reply(f"I count. \\boxed{{{SUMS[asked]}}}")


def notes(server: ScriptedServer) -> list[str]:
    """What the attempts were told besides their question."""
    return [r.prompt.partition("Notes on")[2] for r in server.requests if "Rating: N" not in r.prompt]


def one_node(node: Any, **options: Any) -> Any:
    builder = StateGraph(MethodState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder.compile(**options)


@pytest.mark.parametrize("shape", ["as it is", "a node of another graph", "in a tower", "in a tower around a node"])
async def test_a_memory_anywhere_in_a_graph(memory: MemoryStore, shape: str) -> None:
    journal = Journal.memory()
    with ScriptedServer(calculates) as server:
        model = clew.Model("openai/any", api_base=server.url)
        inner = remembering(cot(model), memory=memory, scorer=Rating(model, accept=0.5))
        graph = {
            "as it is": inner, "a node of another graph": one_node(inner), "in a tower": vote(vote(inner, n=1), n=1),
            "in a tower around a node": vote(one_node(inner), n=1),
        }[shape]  # fmt: skip
        for size, seed in ((1, 0), (2, 0), (3, 0), (3, 1)):  # parts of the set, and all of it, twice
            await evaluate(task_set("set", size), {"g": graph}, journal=journal, seed=seed, concurrency=1)
        assert notes(server) == [""] * 6 and len(memory.entries(("demos",))) == 3
        await evaluate(task_set("another", 1), {"g": graph}, journal=journal)
        assert "set: what is 17 + 5?" in notes(server)[6]


async def test_a_store_of_langgraph_in_a_node(memory: MemoryStore) -> None:
    async def node(state: MethodState, runtime: Runtime) -> MethodState:
        assert runtime.store is not None
        found = await runtime.store.asearch(("sums",), limit=10)
        prompt = state["task"]["prompt"]
        await runtime.store.aput(("sums",), prompt, {"text": prompt})
        return {"answer": {"text": str(len(found))}}

    journal, graph = Journal.memory(), one_node(node, store=memory)
    inside = one_node(one_node(node), store=memory)
    for name, expected in (("set", "0"), ("another", "3")):
        for seed in range(2):
            done = await evaluate(
                task_set(name), {"bare": graph, "inside": inside}, journal=journal, seed=seed, concurrency=1
            )
            assert {(row.prediction, row.stop_reason) for row in done.rows} == {(expected, "")}


async def test_lessons_of_a_part_are_hidden_from_the_whole(memory: MemoryStore) -> None:
    script = [Rule("Rating: N", "Rating: 1"), Rule("five lines", LESSON), Rule(".", "\\boxed{1}")]
    journal = Journal.memory()
    with ScriptedServer(script) as server:
        model = clew.Model("openai/any", api_base=server.url)
        graph = reflexion(
            cot(model), scorer=Rating(model), model=model, memory=Episodes(memory), cross_task=2, max_trials=2
        )
        for name, size, told in (("set", 1, 0), ("set", 3, 0), ("another", 1, 2)):
            done = await evaluate(task_set(name, size), {"r": graph}, journal=journal, concurrency=1)
            runs = [journal.find_run(row.run).answer for row in done.rows]
            assert {len(run["artifacts"]["reflexion"]["recalled"]) for run in runs if run} == {told}
    assert len(memory.entries(("lessons",))) >= 3


async def test_rules_that_are_drawn_later_from_runs_without_a_memory(memory: MemoryStore) -> None:
    script = [Rule("You keep a list", "ADD: Sums of such numbers are small."), Rule(".", calculates)]
    tasks, journal = task_set("set"), Journal.memory()
    with ScriptedServer(script) as server:
        model = clew.Model("openai/any", api_base=server.url)
        done = await evaluate(tasks, {"cot": cot(model)}, journal=journal)
        gold = Number({item.task.id: item.gold.answers for item in tasks.items})
        attempts = await attempts_in(journal, [row.run for row in done.rows], gold)
        rules = await draw_insights(model, attempts, Insights(memory))
        assert [rule.text for rule in rules] == ["Sums of such numbers are small."]
        graph = remembering(cot(model), memory=memory)
        await evaluate(tasks, {"r": graph}, journal=journal)
        assert notes(server)[-3:] == [""] * 3
        await evaluate(task_set("another", 1), {"r": graph}, journal=journal)
        assert "Sums of such numbers" in notes(server)[-1]


async def test_the_digest_of_a_memory_decides_who_shares_runs(memory: MemoryStore) -> None:
    tasks, journal = task_set("set"), Journal.memory()
    with ScriptedServer(calculates) as server:
        model = clew.Model("openai/any", api_base=server.url)
        graph = remembering(cot(model), memory=memory, scorer=Rating(model, accept=0.5))

        async def again() -> int:
            before = server.count
            decides = {"r": {"memory": memory.digest(tasks.identity)}}
            await evaluate(tasks, {"r": graph}, journal=journal, decides=decides)
            return server.count - before

        # What the set wrote itself is nothing that it could see.
        assert [await again(), await again()] == [6, 0] and len(memory.entries()) == 3
        await Demonstrations(memory).remember(Task(prompt="What is 1 + 1?", kind="math"), Answer(text="2"))
        # Runs that were told of it counted that: the credit is no change of what there is to see.
        assert [await again(), await again()] == [6, 0]
