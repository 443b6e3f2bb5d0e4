"""Evaluations in Python: who shares runs, what a failure and a limit do, and what a row takes from the journal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph

import clew
from clew.errors import ConfigError, ModelRequestRejected, RunBusy
from clew.evals import Evaluation, evaluate
from clew.evals.plan import Plan
from clew.evals.rows import recall
from clew.evals.running import ALIKE, carry_out
from clew.evals.tasks import Gold, Item, TaskSet, read_items
from clew.graphs.base import MethodState
from clew.graphs.closed_book import closed_book
from clew.graphs.rag import rag
from clew.graphs.strategies import self_refine
from clew.journal import Budget, Journal
from clew.testing import Reply, Request, ScriptedSearcher, ScriptedServer
from tests.evals import world

pytestmark = pytest.mark.anyio


@pytest.fixture
def tasks(tmp_path: Path) -> TaskSet:
    return TaskSet("world", tuple(read_items(world.make(tmp_path / "world") / "tasks.jsonl")))


def graphs(server: ScriptedServer, **options: Any) -> dict[str, Any]:
    model = clew.Model("openai/scripted", api_base=server.url, **options)
    return {"closed_book": closed_book(model), "rag": rag(model, ScriptedSearcher(world.documents()), top_k=2)}


def by_hand(text: str, fails: type[Exception] | None = None) -> Any:
    """A graph without a fingerprint that says `text`, or raises."""

    async def say(state: MethodState) -> MethodState:
        if fails is not None:
            raise fails(text)
        return {"answer": {"text": text}}

    builder = StateGraph(MethodState)
    builder.add_node("say", say)
    builder.add_edge(START, "say")
    builder.add_edge("say", END)
    return builder.compile()


def em(evaluation: Evaluation) -> dict[str, float]:
    return {each["graph"]: round(each["em"], 4) for each in evaluation.figures()}


async def test_graphs_are_compared_and_nothing_is_paid_twice(tasks: TaskSet, tmp_path: Path) -> None:
    with ScriptedServer(world.model) as server, Journal(tmp_path / "j.db") as journal:
        first = await evaluate(tasks, graphs(server), journal=journal, concurrency=3)
        assert server.count == 14 and first.why == ""
        again = await evaluate(tasks, graphs(server), journal=journal)
        assert server.count == 14 and again.rows == first.rows and again.figures() == first.figures()
        assert first.spent.tokens == sum(row.tokens for row in first.rows) and first.possibly.tokens == 0
    assert em(first) == {"closed_book": round(2 / 7, 4), "rag": round(5 / 7, 4)}


async def test_two_labels_of_one_graph_are_one_run(tasks: TaskSet) -> None:
    with ScriptedServer(world.model) as server:
        one = graphs(server)["closed_book"]
        done = await evaluate(tasks, {"a": one, "b": one}, journal=Journal.memory())
        assert server.count == 7
    assert [row.run for row in done.rows[:7]] == [row.run for row in done.rows[7:]]
    assert {row.graph for row in done.rows} == {"a", "b"}


async def test_graphs_built_by_hand_are_told_apart_by_label(tasks: TaskSet) -> None:
    done = await evaluate(tasks, {"x": by_hand("Ida Marsh"), "y": by_hand("unknown")}, journal=Journal.memory())
    assert em(done) == {"x": round(1 / 7, 4), "y": round(1 / 7, 4)}
    assert len({row.run for row in done.rows}) == 14


async def test_a_repeat_and_a_seed_are_runs_of_their_own(tasks: TaskSet) -> None:
    journal = Journal.memory()
    with ScriptedServer(world.model) as server:
        only = {"closed_book": graphs(server)["closed_book"]}
        done = await evaluate(tasks, only, journal=journal, repeats=3)
        assert server.count == 21
        await evaluate(tasks, only, journal=journal, seed=1)
        assert server.count == 28 and len({request.body["seed"] for request in server.requests}) == 28
    (figures,) = done.figures()
    assert (figures["n"], figures["items"]) == (21, 7)


async def test_a_graph_that_raises_is_wrong_and_the_other_goes_on(tasks: TaskSet) -> None:
    journal = Journal.memory()
    both = {"broken": by_hand("no such thing", LookupError), "fine": by_hand("unknown")}
    done = await evaluate(tasks, both, journal=journal, concurrency=2)
    broken, fine = done.figures()
    assert (broken["n"], broken["errors"], broken["em"]) == (7, 7, 0) and fine["errors"] == 0
    assert {row.stop_reason for row in done.rows if row.error} == {"LookupError: no such thing"}


async def test_when_all_fail_alike_it_stops_with_that_error(tasks: TaskSet) -> None:
    with ScriptedServer(Reply("not today", status=418)) as server:
        with pytest.raises(ModelRequestRejected, match=f"{ALIKE} runs have all failed this way"):
            await evaluate(tasks, graphs(server), journal=Journal.memory(), concurrency=1)
        assert server.count == ALIKE


async def test_a_server_that_breaks_half_way_is_noticed(tasks: TaskSet) -> None:
    """Failures of every graph, one after the other, are no matter of a graph or a task."""

    def reply(request: Request) -> Reply:
        return world.model(request) if request.number < 10 else Reply("gone", status=418)

    journal = Journal.memory()
    with ScriptedServer(reply) as server:
        only = {"closed_book": graphs(server)["closed_book"]}
        with pytest.raises(ModelRequestRejected, match="the same command goes on"):
            await evaluate(tasks, only, journal=journal, repeats=3, concurrency=1)
        assert server.count == 10 + ALIKE


async def test_an_error_is_tried_again_and_what_a_graph_got_over_is_not(tasks: TaskSet) -> None:
    working = False

    def reply(request: Request) -> Reply:
        return world.model(request) if working or "lamp of Arvo?" not in request.prompt else Reply("no", status=418)

    journal = Journal.memory()
    with ScriptedServer(reply) as server:
        first = await evaluate(tasks, graphs(server), journal=journal)
        assert sum(row.error for row in first.rows) == 4 and server.count == 14
        working = True
        kept = await carry_out(Plan(tasks, graphs(server)), journal, keep_errors=True)
        assert sum(row.error for row in kept.rows) == 4 and server.count == 14
        mended = await evaluate(tasks, graphs(server), journal=journal)
        assert server.count == 18 and em(mended) == {"closed_book": round(2 / 7, 4), "rag": round(5 / 7, 4)}


async def test_a_limit_counts_all_graphs_and_earlier_processes(tasks: TaskSet) -> None:
    journal = Journal.memory()
    with ScriptedServer(world.model) as server:
        first = await evaluate(tasks, graphs(server), journal=journal, budget=Budget(tokens=500), concurrency=1)
        assert "tokens (500)" in first.why and 0 < first.spent.tokens <= 500
        sent = server.count
        same = await evaluate(tasks, graphs(server), journal=journal, budget=Budget(tokens=500))
        assert server.count == sent and same.figures() == first.figures()
        for each in same.figures():
            assert each["status"] == "incomplete" and each["n"] + each["missing"] == 7 and "tokens" in each["why"]
        whole = await evaluate(tasks, graphs(server), journal=journal, budget=Budget(tokens=100_000))
        assert whole.why == "" and server.count == 14


async def test_a_limit_on_money_counts_money(tasks: TaskSet) -> None:
    with ScriptedServer(world.model) as server:
        priced = graphs(server, price=(0.001, 0.001))
        done = await evaluate(tasks, priced, journal=Journal.memory(), budget=Budget(usd=0.6), concurrency=1)
        assert done.spent.usd is not None and 0 < done.spent.usd <= 0.6 and "usd (0.6)" in done.why


async def test_figures_of_nothing_are_null(tasks: TaskSet) -> None:
    with ScriptedServer(world.model) as server:
        done = await evaluate(tasks, graphs(server), journal=Journal.memory(), budget=Budget(tokens=0))
        assert server.count == 0
    for each in done.figures():
        assert each["n"] == 0 and each["missing"] == 7 and each["errors"] == 0
        assert each["em"] is each["em_low"] is each["tokens"] is each["usd"] is each["recall"] is None
        assert each["differences"][0]["em"] is None


async def test_a_run_that_another_process_has_is_a_clear_error(tasks: TaskSet, tmp_path: Path) -> None:
    with ScriptedServer(world.model) as server, Journal(tmp_path / "j.db") as mine, Journal(tmp_path / "j.db") as other:
        only = {"closed_book": graphs(server)["closed_book"]}
        run = Plan(tasks, only).cells[0].run
        await evaluate(tasks, only, journal=mine)
        other.acquire(run)
        other.update_run(run, status="running")
        with pytest.raises(RunBusy, match=f"run '{run}' is owned by process"):
            await evaluate(tasks, only, journal=mine)


async def test_an_unknown_price_is_null_and_not_zero(tasks: TaskSet) -> None:
    from clew.journal import Cost, effect

    async def pay(state: MethodState) -> MethodState:
        async def perform() -> dict[str, Any]:
            return {}

        await effect("model", {"q": 1}, perform, reserve=Cost(tokens=5, usd=None, model_calls=1))
        return {"answer": {"text": "unknown"}}

    builder = StateGraph(MethodState)
    builder.add_node("pay", pay)
    builder.add_edge(START, "pay")
    graph = builder.compile()
    done = await evaluate(tasks, {"mine": graph}, journal=Journal.memory())
    (figures,) = done.figures()
    assert figures["usd"] is None and figures["per_hop"]["2"]["usd"] is None and figures["tokens"] == 5
    with pytest.raises(ConfigError, match="price"):
        await evaluate(tasks, {"mine": graph}, journal=Journal.memory(), budget=Budget(usd=1.0))


async def test_arguments_that_make_no_sense(tasks: TaskSet) -> None:
    fine = {"fine": by_hand("x")}
    for given, words in [
        ({"tasks": TaskSet("none", ())}, "'none' has no tasks"),
        ({"graphs": {}}, "no graph"),
        ({"repeats": 0}, "repeats=0"),
        ({"concurrency": 0}, "concurrency=0"),
        ({"budget": Budget(seconds=1)}, "no limit on seconds"),
        ({"tasks": TaskSet("code", (Item(task=clew.Task(prompt="p", kind="code")),))}, "kind 'code'"),
    ]:
        with pytest.raises(ConfigError, match=words):
            await evaluate(**{"tasks": tasks, "graphs": fine, "journal": Journal.memory(), **given})  # type: ignore[arg-type]


async def test_a_cancelled_evaluation_leaves_runs_that_go_on(tasks: TaskSet) -> None:
    hang = True

    def reply(request: Request) -> Reply:
        return Reply(fault="hang") if hang and request.number > 4 else world.model(request)

    journal = Journal.memory()
    with ScriptedServer(reply) as server:
        running = asyncio.create_task(evaluate(tasks, graphs(server), journal=journal, concurrency=2))
        await server.arrived(7)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert sorted({row.status for row in journal.runs()}) == ["done", "stopped"]
        hang = False
        done = await evaluate(tasks, graphs(server), journal=journal)
        assert server.count == 7 + 9 and len(done.rows) == 14 and done.possibly.tokens > 0


async def test_mathematics_is_right_where_texts_differ() -> None:
    items = (Item(task=clew.Task(id="m", prompt="1/2?", kind="math"), gold=Gold(answers=("0.5",))),)
    done = await evaluate(TaskSet("m", items), {"half": by_hand(r"\frac{1}{2}")}, journal=Journal.memory())
    (row,) = done.rows
    assert row.right and row.em == 0


@pytest.mark.parametrize(
    ("documents", "sources", "share"),
    [
        (["a.md"], {"a.md"}, 1),
        (["a.md"], {"documents/a.md", "b.md"}, 1),
        (["world/documents/a.md"], {"a.md"}, 1),
        (["a.md", "b.md"], {"x/a.md"}, 0.5),
        (["a.md"], {"aa.md", "a.md.txt"}, 0),
        (["a.md"], set(), 0),
        ([], {"a.md"}, None),
        (["a.md"], None, None),
    ],
)
def test_recall(documents: list[str], sources: set[str] | None, share: float | None) -> None:
    assert recall(documents, sources) == share


async def test_what_follows_an_attempt_is_on_its_account(tmp_path: Path) -> None:
    """A draft and its critique cost as much as the run had spent when the next draft began."""
    replies = ["\\boxed{Tom}", "Too short.\nVerdict: REVISE", "\\boxed{Tom Ander}", "Good.\nVerdict: FINE"]
    item = Item(task=clew.Task(id="k", prompt="Who keeps the lamp of Bela?"), gold=Gold(answers=("Tom Ander",)))
    with ScriptedServer(replies) as server:
        model = clew.Model("openai/scripted", api_base=server.url)
        refine = self_refine(closed_book(model), model=model)
        done = await evaluate(TaskSet("one", (item,)), {"refine": refine}, journal=Journal.memory())
    (row,) = done.rows
    assert [each.text for each in row.candidates] == ["Tom", "Tom Ander"] and row.right_at == (False, True)
    assert [each.model_calls for each in row.candidates] == [2, 2] and row.model_calls == 4
    assert sum(each.tokens for each in row.candidates) == row.tokens


async def test_every_task_says_in_which_set_it_is_evaluated(tasks: TaskSet) -> None:
    """Whatever the graph: who knows what is drawn from its runs later?"""
    seen = []

    async def say(state: MethodState) -> MethodState:
        seen.append(state["task"]["inputs"]["task_set"])
        return {"answer": {"text": "unknown"}}

    builder = StateGraph(MethodState)
    builder.add_node("say", say)
    builder.add_edge(START, "say")
    graph = builder.compile()
    await evaluate(tasks, {"g": graph}, journal=Journal.memory())
    await evaluate(TaskSet("", tasks.items), {"g": graph}, journal=Journal.memory())
    assert seen == ["world"] * 7 + ["tasks"] * 7


async def test_some_of_a_set_share_their_runs_with_all_of_it(tasks: TaskSet) -> None:
    journal = Journal.memory()
    with ScriptedServer(world.model) as server:
        only = {"closed_book": graphs(server)["closed_book"]}
        await evaluate(TaskSet("world", tasks.items[:3]), only, journal=journal)
        await evaluate(tasks, only, journal=journal)
        assert server.count == 7
        await evaluate(tasks, only, journal=journal, decides={"closed_book": {"memory": "another"}})
        assert server.count == 14
