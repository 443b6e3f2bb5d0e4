"""Rule 2: what an effect ended with is data, and comes back alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy

import clew
from clew.errors import (
    AmbiguousScope,
    ConfigError,
    EffectFailed,
    ModelError,
    ModelTimeout,
    RateLimited,
    Refused,
    ReplayMiss,
    SearchFailed,
)
from clew.journal import Budget, Cost, Journal, Transcript, current, effect, note, replay, scope
from clew.journal import runs as runs_module
from tests.journal.graphs import One, ask, single

pytestmark = pytest.mark.anyio

Node = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@pytest.fixture
def journal(tmp_path: Any) -> Any:
    with Journal(tmp_path / "j.db") as journal:
        yield journal


class Script:
    """Performs what it is told, once each; a call too many is an error that names no recorded outcome."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    async def __call__(self) -> dict[str, Any]:
        self.calls += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def caught(*performs: Callable[[], Awaitable[dict[str, Any]]], **options: Any) -> Any:
    """A graph whose answer says how each effect ended."""

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        said = []
        for i, perform in enumerate(performs):
            try:
                said.append(repr((await effect("act", {"i": i}, perform, **options)).outcome))
            except clew.errors.ClewError as error:
                said.append(f"{type(error).__name__}: {error}")
        return {"text": " | ".join(said)}

    return single(node)


async def test_every_outcome_replays_as_it_was_live(journal: Journal) -> None:
    script = Script({"a": (1, "x")}, RateLimited("slow down"), ValueError("odd"), SearchFailed("no"), {"n": {1: None}})
    answer = await clew.run(caught(*[script] * 5, reserve=Cost(tokens=1)), "t", journal=journal, run_id="r")
    assert answer.text == (
        "{'a': [1, 'x']} | RateLimited: slow down | EffectFailed: act raised ValueError: odd | SearchFailed: no | "
        "{'n': {'1': None}}"
    )
    again = await replay("r", journal=journal, graph=caught(*[script] * 5))
    assert again.same and again.effects == 5 and script.calls == 5
    assert [event.state for event in journal.events("r")] == ["finished", "failed", "failed", "failed", "finished"]


async def test_what_json_cannot_hold_fails_in_a_defined_way(journal: Journal) -> None:
    script = Script({"when": object()})
    answer = await clew.run(caught(script), "t", journal=journal, run_id="r")
    assert "object is not a JSON value" in answer.text and answer.text.startswith("EffectFailed")

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        await effect("act", {"bytes": b"x"}, script)
        return {}

    with pytest.raises(ConfigError, match="'act' cannot be recorded: bytes"):
        await clew.run(single(node), "t", journal=journal)


async def test_an_unhandled_failure_is_an_answer_and_can_be_retried(journal: Journal) -> None:
    script = Script(ModelTimeout("late"), {"text": "fine"})

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        return {"text": (await effect("model", {}, script)).outcome["text"]}

    answer = await clew.run(single(node), "t", journal=journal, run_id="r")
    assert (answer.status, answer.stop_reason) == ("error", "late")
    assert journal.get_run("r").status == "error"
    assert (await clew.run(single(node), "t", journal=journal, run_id="r")).status == "error" and script.calls == 1
    assert (await replay("r", journal=journal, graph=single(node))).same
    answer = await clew.run(single(node), "t", journal=journal, run_id="r", retry=["failed"])
    assert answer.text == "fine" and script.calls == 2
    assert (await replay("r", journal=journal, graph=single(node))).same


async def test_a_retry_of_what_was_refused_needs_a_larger_budget(journal: Journal) -> None:
    script = Script({"text": "fine"})

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        return {"text": (await effect("model", {}, script, reserve=Cost(tokens=10))).outcome["text"]}

    answer = await clew.run(single(node), "t", journal=journal, run_id="r", budget=Budget(tokens=5))
    assert (answer.status, answer.stop_reason) == ("budget", "tokens") and script.calls == 0
    assert (await replay("r", journal=journal, graph=single(node))).same
    more = Budget(tokens=50)
    assert (await clew.run(single(node), "t", journal=journal, run_id="r", budget=more)).status == "budget"
    answer = await clew.run(single(node), "t", journal=journal, run_id="r", budget=more, retry=["refused"])
    assert answer.text == "fine"


async def test_an_unknown_kind_of_retry_is_an_error_and_leaves_the_run_free(journal: Journal) -> None:
    script = Script({"a": 1})
    with pytest.raises(ConfigError, match="retry"):
        await clew.run(caught(script), "t", journal=journal, run_id="r", retry=["fail"])
    assert (await clew.run(caught(script), "t", journal=journal, run_id="r")).status == "ok"


async def test_a_failed_group_of_branches_is_an_answer(journal: Journal) -> None:
    async def node(state: dict[str, Any]) -> dict[str, Any]:
        async with asyncio.TaskGroup() as group:
            for i in range(3):
                group.create_task(_branch(i, Script(ModelError("gone"))))
        return {}

    answer = await clew.run(single(node), "t", journal=journal)
    assert (answer.status, answer.stop_reason) == ("error", "gone")


async def _branch(i: int, perform: Callable[[], Awaitable[dict[str, Any]]]) -> Any:
    with scope("branch", i):
        return await effect("act", {}, perform)


async def test_a_branch_that_was_cancelled_is_cancelled_again(journal: Journal) -> None:
    started = asyncio.Event()
    calls = 0

    async def forever() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        started.set()
        await asyncio.sleep(1000)
        return {}

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        slow = asyncio.create_task(_branch(1, forever))
        first = await _branch(0, Script({"text": "enough"}))
        await started.wait()
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        return {"text": first.outcome["text"]}

    await clew.run(single(node), "t", journal=journal, run_id="r")
    assert {event.kind: event.state for event in journal.events("r") if "1" in event.place.rpartition(":")[2]} == {
        "act": "cancelled"
    }
    again = await replay("r", journal=journal, graph=single(node))
    assert again.same and calls == 1


async def test_a_cancelled_branch_is_performed_when_nobody_cancels_it_again(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sibling's failure had cancelled it; the failure is retried and does not come back."""
    monkeypatch.setattr(runs_module, "PATIENCE_S", 0.1)
    slow_calls = 0
    flaky = Script(ModelTimeout("late"), {"text": "fine"})
    begun = asyncio.Event()

    async def slow() -> dict[str, Any]:
        nonlocal slow_calls
        slow_calls += 1
        begun.set()
        await asyncio.sleep(1000 if slow_calls == 1 else 0)
        return {"text": "slow"}

    async def fails() -> dict[str, Any]:
        await begun.wait()
        return await flaky()

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_branch(0, fails)), group.create_task(_branch(1, slow))]
        return {"text": " ".join(task.result().outcome["text"] for task in tasks)}

    assert (await clew.run(single(node), "t", journal=journal, run_id="r")).status == "error"
    assert sorted(event.state for event in journal.events("r")) == ["cancelled", "failed"]
    answer = await asyncio.wait_for(
        clew.run(single(node), "t", journal=journal, run_id="r", retry=["failed"]), timeout=30
    )
    assert answer.text == "fine slow" and slow_calls == 2


async def test_stopping_a_run_leaves_its_effects_unknown(journal: Journal) -> None:
    begun, calls = asyncio.Event(), 0

    async def slow() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        begun.set()
        await asyncio.sleep(1000 if calls == 1 else 0)
        return {"text": "done"}

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        return {"text": (await effect("act", {}, slow, reserve=Cost(tokens=7))).outcome["text"]}

    task = asyncio.create_task(clew.run(single(node), "t", journal=journal, run_id="r"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [event.state for event in journal.events("r")] == ["started"] and journal.get_run("r").status == "stopped"
    with pytest.raises(ReplayMiss):
        await replay("r", journal=journal, graph=single(node))
    assert (await clew.run(single(node), "t", journal=journal, run_id="r")).text == "done"
    (event,) = journal.events("r")
    assert (event.unknowns, event.possibly.tokens, event.cost.tokens) == (1, 7, 7)


async def test_a_retried_node_meets_what_its_failed_try_left_in_flight(journal: Journal) -> None:
    release, tries, calls = asyncio.Event(), 0, 0

    async def slow() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        await release.wait()
        return {"text": "slow"}

    async def work(state: One) -> One:
        nonlocal tries
        tries += 1
        waiting = asyncio.ensure_future(effect("act", {}, slow))
        if tries == 1:
            await asyncio.sleep(0.01)
            raise ConnectionError  # as gather() does when another of its awaitables fails: `waiting` goes on
        asyncio.get_running_loop().call_later(0.01, release.set)
        return {"answer": {"text": (await waiting).outcome["text"]}}

    graph = StateGraph(One)
    graph.add_node("work", work, retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ConnectionError))
    graph.add_edge(START, "work")
    assert (await clew.run(graph.compile(), "t", journal=journal)).text == "slow"
    assert (tries, calls) == (2, 1)


async def test_one_graph_called_twice_in_a_node_needs_scopes(journal: Journal) -> None:
    number = 0

    async def server(kind: str, request: Any) -> str:
        nonlocal number
        number += 1
        return str(number)

    async def inner_node(state: dict[str, Any]) -> dict[str, Any]:
        return {"text": await ask(server, "again")}

    inner = single(inner_node)

    async def careless(state: dict[str, Any]) -> dict[str, Any]:
        return {"text": "".join([(await inner.ainvoke(state))["answer"]["text"] for _ in range(2)])}

    async def careful(state: dict[str, Any]) -> dict[str, Any]:
        text = ""
        for i in range(2):
            with scope("trial", i):
                text += (await inner.ainvoke(state))["answer"]["text"]
        return {"text": text}

    with pytest.raises(AmbiguousScope, match="scope"):
        await clew.run(single(careless), "t", journal=journal)
    number = 0
    assert (await clew.run(single(careful), "t", journal=journal)).text == "12"


async def test_nested_effects_do_not_move_the_addresses_of_others(journal: Journal) -> None:
    script = Script({"n": 1}, {"n": 2}, {"n": 3})

    async def outer() -> dict[str, Any]:
        return {"inner": (await effect("act", {}, script)).outcome["n"]}

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        whole = await effect("whole", {}, outer)
        same = await effect("act", {}, script)  # the request of the nested one, outside of it
        return {"text": f"{whole.outcome['inner']} {same.outcome['n']}"}

    assert (await clew.run(single(node), "t", journal=journal, run_id="r")).text == "1 2"
    again = await replay("r", journal=journal, graph=single(node))
    assert again.same and again.answer.text == "1 2" and script.calls == 2
    nested = [event for event in journal.events("r") if event.parent]
    assert [event.kind for event in nested] == ["act"]


async def test_what_a_broken_off_effect_had_nested_is_not_performed_again(journal: Journal) -> None:
    script, stop = Script({"n": 1}, {"n": 2}), asyncio.Event()
    block = True

    async def outer() -> dict[str, Any]:
        first = (await effect("act", {}, script)).outcome["n"]
        stop.set()
        if block:
            await asyncio.sleep(1000)
        return {"first": first}

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        return {"text": str((await effect("whole", {}, outer)).outcome)}

    task = asyncio.create_task(clew.run(single(node), "t", journal=journal, run_id="r"))
    await stop.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    block = False
    assert (await clew.run(single(node), "t", journal=journal, run_id="r")).text == "{'first': 1}"
    assert script.calls == 1


async def test_notes_are_recorded_once_and_belong_to_the_effect_around_them(journal: Journal) -> None:
    async def perform() -> dict[str, Any]:
        note("try", {"n": 1})
        return {}

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        note("hint", {"text": "go left"})
        done = await effect("act", {"note": 1}, perform)
        note("hint", {"text": "go left"})
        return {"text": done.key}

    answer = await clew.run(single(node), "t", journal=journal, run_id="r")
    events = list(journal.events("r"))
    assert [(event.kind, event.state) for event in events] == [
        ("hint", "note"), ("act", "finished"), ("try", "note"), ("hint", "note"),
    ]  # fmt: skip
    assert events[2].parent == answer.text and events[0].parent is None
    assert events[0].request == {"text": "go left"}
    assert (await replay("r", journal=journal, graph=single(node))).same
    journal.update_run("r", status="stopped")
    await clew.run(single(node), "t", journal=journal, run_id="r")
    assert len(list(journal.events("r"))) == 4


async def test_outside_of_a_run_effects_are_performed_and_transcripts_kept() -> None:
    number = 0

    async def server(kind: str, request: Any) -> str:
        nonlocal number
        number += 1
        return str(number)

    async def first(state: One) -> One:
        note("hint", {})
        text = await ask(server, "x")
        return {"answer": {"text": current().keep(Transcript().add("user", text, "prompt"))}}

    async def second(state: One) -> One:
        return {"answer": {"text": current().transcript(state["answer"]["text"]).text()}}

    graph = StateGraph(One)
    graph.add_node("first", first)
    graph.add_node("second", second)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    compiled = graph.compile()
    assert [(await compiled.ainvoke({}))["answer"]["text"] for _ in range(2)] == ["1", "2"]
    assert await ask(server, "x") == "3"
    with pytest.raises(EffectFailed, match="odd"):
        await effect("act", {}, Script(ValueError("odd")))
    with pytest.raises(Refused):
        await effect("act", {}, Script(Refused("tokens", "none left")))
