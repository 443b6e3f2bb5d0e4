"""Budgets: reserved before, settled after, shared by all branches, restored on resume."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clew
from clew.errors import ConfigError, ModelTimeout, Refused
from clew.journal import Budget, Cost, Hold, Journal, Run, current, effect, replay, scope
from clew.journal.cost import Ledger
from tests.journal.graphs import Stopped, single

pytestmark = pytest.mark.anyio


@pytest.fixture
def journal(tmp_path: Any) -> Any:
    with Journal(tmp_path / "j.db") as journal:
        yield journal


async def nothing() -> dict[str, Any]:
    return {}


async def spend(i: int, reserve: Cost, spent: Cost | None = None) -> Any:
    return await effect("act", {"i": i}, nothing, reserve=reserve, cost=lambda _: spent or reserve)


def spender(n: int, reserve: Cost, spent: Cost | None = None, *, stop: list[int] | None = None) -> Any:
    """`n` effects one after the other; the answer tells how many were allowed. Is stopped before the one in `stop`."""

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        for i in range(n):
            if stop and stop[0] == i:
                stop.pop()
                raise Stopped
            try:
                await spend(i, reserve, spent)
            except Refused as refusal:
                return {"text": str(i), "status": "budget", "stop_reason": refusal.limit}
        return {"text": str(n)}

    return single(node)


@pytest.mark.parametrize(
    ("budget", "reserve", "spent", "allowed"),
    [
        (Budget(tokens=100), Cost(tokens=30), None, 3),
        (Budget(tokens=100), Cost(tokens=30), Cost(tokens=10), 8),  # 7 settled + one reservation of 30 = 100
        (Budget(tokens=100), Cost(tokens=30), Cost(tokens=90), 1),  # what it really cost counts, whatever was asked
        (Budget(usd=1.0), Cost(usd=0.1), None, 10),  # ten times 0.1 is a little less than 1.0
        (Budget(model_calls=2), Cost(model_calls=1), None, 2),
        (Budget(searches=0), Cost(searches=1), None, 0),
        (Budget(code_runs=1), Cost(searches=1), None, 12),  # another limit
        (Budget(usd=0.0), Cost(tokens=5, usd=0.0), None, 12),  # a local model costs nothing
    ],
)
async def test_a_limit_ends_spending(journal: Journal, budget: Budget, reserve: Cost, spent: Any, allowed: int) -> None:
    answer = await clew.run(spender(12, reserve, spent), "t", journal=journal, budget=budget, run_id="r")
    assert answer.text == str(allowed)
    states = [event.state for event in journal.events("r")]
    assert states == ["finished"] * allowed + ["refused"] * (allowed < 12)
    assert (await replay("r", journal=journal, graph=spender(12, reserve, spent))).same


async def test_an_unknown_price_is_refused_under_a_money_limit_only(journal: Journal) -> None:
    unknown = Cost(tokens=5, usd=None)
    assert (await clew.run(spender(2, unknown), "t", journal=journal, run_id="r")).text == "2"
    answer = await clew.run(spender(2, unknown), "t", journal=journal, budget=Budget(usd=10))
    assert (answer.text, answer.stop_reason) == ("0", "usd")
    # Money that was spent without a known price cannot be counted later either.
    journal.update_run("r", status="stopped")
    answer = await clew.run(spender(3, Cost(usd=0.1)), "t", journal=journal, run_id="r", budget=Budget(usd=10))
    assert (answer.text, answer.stop_reason) == ("2", "usd")


async def test_a_resumed_run_goes_on_with_what_was_left(journal: Journal) -> None:
    stop = [2]
    graph = spender(9, Cost(tokens=30), stop=stop)
    with pytest.raises(Stopped):
        await clew.run(graph, "t", journal=journal, run_id="r", budget=Budget(tokens=100))
    assert journal.get_run("r").status == "stopped" and not stop
    assert (await clew.run(graph, "t", journal=journal, run_id="r")).text == "3"


async def test_what_may_have_been_paid_counts(journal: Journal) -> None:
    class Told(ModelTimeout):
        cost = Cost(tokens=1)

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        left = []
        for i, error in enumerate([ModelTimeout("late"), Told("late")]):

            async def fails(error: Exception = error) -> dict[str, Any]:
                raise error

            with pytest.raises(ModelTimeout):
                await effect("act", {"i": i}, fails, reserve=Cost(tokens=40))
            left.append(current().ledger.possibly.tokens)
        return {"text": repr(left)}

    answer = await clew.run(single(node), "t", journal=journal, budget=Budget(tokens=100), run_id="r")
    assert answer.text == "[40, 41]"
    assert Run(journal, "r").ledger.possibly == Cost(tokens=41) and Run(journal, "r").ledger.spent == Cost()
    assert (await clew.run(spender(9, Cost(tokens=20)), "t", journal=journal, budget=Budget(tokens=41))).text == "2"


async def test_a_slow_effect_is_cut_by_the_time_limit_and_pauses_are_free(journal: Journal) -> None:
    async def node(state: dict[str, Any]) -> dict[str, Any]:
        try:
            await effect("act", {}, lambda: asyncio.sleep(1000, {}), reserve=Cost(tokens=3))
        except Refused as refusal:
            return {"text": refusal.limit}
        return {}

    answer = await clew.run(single(node), "t", journal=journal, run_id="r", budget=Budget(seconds=0.2))
    assert answer.text == "seconds"
    (event,) = journal.events("r")
    assert (event.state, event.possibly.tokens) == ("refused", 3)
    assert 0.1 < (event.seconds or 0) < 100
    assert (await replay("r", journal=journal, graph=single(node))).same
    # The clock goes on from the active time that is recorded, not from the time of day.
    journal.update_run("r", created=0.0)
    assert Run(journal, "r").clock() < 100


async def test_no_time_left_refuses_before_performing(journal: Journal) -> None:
    answer = await clew.run(spender(2, Cost()), "t", journal=journal, budget=Budget(seconds=0))
    assert (answer.text, answer.stop_reason) == ("0", "seconds")


async def test_branches_share_one_budget(journal: Journal) -> None:
    """They never exceed it by more than what the calls in flight cost beyond their reservation."""
    limit, width, reserve, most = 1000, 16, 20, 25
    highest = 0

    async def perform() -> dict[str, Any]:
        await asyncio.sleep(os.urandom(1)[0] / 100_000)
        return {"tokens": 15 + os.urandom(1)[0] % (most - 14)}

    async def branch(i: int) -> int:
        nonlocal highest
        with scope("sample", i):
            for n in range(1000):
                try:
                    await effect(
                        "act", {"n": n}, perform, reserve=Cost(tokens=reserve),
                        cost=lambda outcome: Cost(tokens=outcome["tokens"]),
                    )  # fmt: skip
                except Refused:
                    return n
                ledger = current().ledger
                highest = max(highest, ledger.spent.tokens + ledger.reserved.tokens)
        raise AssertionError("nothing stopped it")

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        return {"text": repr(await asyncio.gather(*map(branch, range(width))))}

    await clew.run(single(node), "t", journal=journal, run_id="r", budget=Budget(tokens=limit))
    spent = sum(event.cost.tokens for event in journal.events("r"))
    assert limit - reserve < spent == Run(journal, "r").ledger.spent.tokens
    assert highest <= limit + width * (most - reserve)
    assert (await replay("r", journal=journal, graph=single(node))).same


def saver(n: int, *, stop: int | None = None) -> Any:
    """Sets the final call aside first, works until refused, and finishes with what was set aside."""

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        hold = current().hold(Cost(tokens=40))
        done = 0
        for i in range(n):
            if stop == i:
                raise Stopped
            try:
                await spend(i, Cost(tokens=25))
                done += 1
            except Refused:
                break
        final = await effect("final", {}, nothing, reserve=Cost(tokens=40), hold=hold)
        if stop == n:
            raise Stopped
        ledger = current().ledger
        return {"text": f"{done} {final.replayed} {ledger.held.tokens} {ledger.spent.tokens}"}

    return single(node)


async def test_calls_side_by_side_wait_for_what_others_only_reserve(journal: Journal) -> None:
    """Each may take 60 of 100 tokens and takes 10: as many are made as fit one after the other."""
    largest = 0

    async def call(i: int) -> str:
        async def perform() -> dict[str, Any]:
            nonlocal largest
            largest = max(largest, current().ledger.reserved.tokens or 0)
            await asyncio.sleep(0)
            return {}

        with scope("call", i):
            try:
                await effect("act", {"i": i}, perform, reserve=Cost(tokens=60), cost=lambda _: Cost(tokens=10))
            except Refused as refusal:
                return refusal.limit
            return "done"

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        return {"text": " ".join(await asyncio.gather(*map(call, range(8))))}

    answer = await clew.run(single(node), "task", journal=journal, run_id="r", budget=Budget(tokens=100))
    assert answer.text == " ".join(["done"] * 5 + ["tokens"] * 3)  # with 50 spent, 60 do not fit any more
    assert largest == 60
    assert (await replay("r", journal=journal, graph=single(node))).same


async def test_a_call_inside_of_another_does_not_wait_for_it(journal: Journal) -> None:
    async def outer() -> dict[str, Any]:
        with scope("inner"), pytest.raises(Refused):
            await spend(1, Cost(tokens=60))
        return {}

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        await effect("act", {"i": 0}, outer, reserve=Cost(tokens=60))
        return {"text": "done"}

    assert (await clew.run(single(node), "task", journal=journal, budget=Budget(tokens=100))).text == "done"


async def test_what_is_held_is_there_for_the_final_call(journal: Journal) -> None:
    answer = await clew.run(saver(9), "t", journal=journal, budget=Budget(tokens=100))
    assert answer.text == "2 False 0 90"


@pytest.mark.parametrize("stop", [0, 1, 2])
async def test_a_hold_is_restored(journal: Journal, stop: int) -> None:
    with pytest.raises(Stopped):
        await clew.run(saver(9, stop=stop), "t", journal=journal, run_id="r", budget=Budget(tokens=100))
    assert Run(journal, "r").ledger.held == Cost(tokens=40)
    answer = await clew.run(saver(9), "t", journal=journal, run_id="r")
    assert answer.text == "2 False 0 90"
    assert (await replay("r", journal=journal, graph=saver(9))).answer.text == "2 True 0 90"


async def test_a_used_hold_is_not_held_again(journal: Journal) -> None:
    with pytest.raises(Stopped):
        await clew.run(saver(2, stop=2), "t", journal=journal, run_id="r", budget=Budget(tokens=100))
    ledger = Run(journal, "r").ledger
    assert (ledger.held.tokens, ledger.spent.tokens) == (0, 90)
    assert (await clew.run(saver(2), "t", journal=journal, run_id="r")).text == "2 True 0 90"


async def test_a_refused_hold_is_a_recorded_decision(journal: Journal) -> None:
    answer = await clew.run(saver(9), "t", journal=journal, run_id="r", budget=Budget(tokens=30))
    assert (answer.status, answer.stop_reason) == ("budget", "tokens")
    assert (await replay("r", journal=journal, graph=saver(9))).same


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), max_size=30), st.integers(0, 300))
def test_a_ledger_never_starts_what_does_not_fit(calls: list[tuple[int, int]], limit: int) -> None:
    ledger = Ledger(Budget(tokens=limit))
    for reserve, spent in calls:
        asked = Cost(tokens=reserve)
        before = ledger.spent.tokens
        try:
            ledger.check(asked)
        except Refused:
            assert reserve and before + reserve > limit
            continue
        assert not reserve or before + reserve <= limit
        ledger.reserve(asked)
        ledger.settle(asked, Cost(tokens=spent))
        assert ledger.reserved == Cost()


def test_a_hold_gives_back_once_and_can_be_renewed() -> None:
    ledger = Ledger(Budget(usd=1.0))
    hold = Hold(ledger, Cost(usd=0.5))
    hold.renew()
    hold.renew()
    assert ledger.held.usd == 0.5
    hold.release()
    hold.release()
    assert ledger.held.usd == 0


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match="tokens=-1"):
        Budget(tokens=-1)
    with pytest.raises(ConfigError, match="usd=nan"):
        Budget(usd=float("nan"))
