"""Rule 1: an effect's address is the same in every execution of its run, whatever the shape of the graph."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

import clew
from clew.errors import AmbiguousScope
from clew.journal import Journal, replay, scope
from tests.journal.graphs import ask, calls_of_fan_out, fan_out, single, subgraph_in_a_cycle

pytestmark = pytest.mark.anyio


class RandomServer:
    """Answers each request with new random text, in no order: only a record can give the same text twice."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    async def __call__(self, kind: str, request: Any) -> str:
        self.requests.append(request)
        await asyncio.sleep(os.urandom(1)[0] / 50_000)
        return os.urandom(3).hex()


async def test_fan_out_with_retried_nodes_replays_strictly(tmp_path: Any) -> None:
    failed: set[str] = set()

    def once(who: str) -> bool:
        return who.endswith("1") and not (who in failed or failed.add(who))

    server = RandomServer()
    with Journal(tmp_path / "j.db") as journal:
        answer = await clew.run(fan_out(server, flaky=once), "t", journal=journal, run_id="r")
        assert answer.status == "ok" and failed
        assert len(server.requests) == calls_of_fan_out()
        # The transient error does not recur: the retried node's attempts must not have moved any address.
        again = await replay("r", journal=journal, graph=fan_out(_no_server))
        assert again.same and again.effects == calls_of_fan_out() and not again.unused


async def test_a_nested_graph_in_a_cycle_and_under_send_has_an_address_per_round(tmp_path: Any) -> None:
    server = RandomServer()
    with Journal(tmp_path / "j.db") as journal:
        answer = await clew.run(subgraph_in_a_cycle(server), "t", journal=journal, run_id="r")
        texts = answer.text.split("|")
        assert len(texts) == len(set(texts)) == len(server.requests) == 6
        assert (await replay("r", journal=journal, graph=subgraph_in_a_cycle(_no_server))).same


async def test_equal_requests_one_after_the_other_are_different_effects(tmp_path: Any) -> None:
    server = RandomServer()

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        first = await ask(server, "x")
        # wait_for runs its coroutine in a new task: the count must belong to the node, not to the task
        second = await asyncio.wait_for(ask(server, "x"), 10)
        third = await asyncio.wait_for(ask(server, "x"), 10)
        return {"text": " ".join([first, second, third])}

    with Journal(tmp_path / "j.db") as journal:
        answer = await clew.run(single(node), "t", journal=journal, run_id="r")
        assert len(set(answer.text.split())) == 3
        assert (await replay("r", journal=journal, graph=single(node))).same


async def test_equal_effects_in_flight_need_scopes(tmp_path: Any) -> None:
    server = RandomServer()

    async def careless(state: dict[str, Any]) -> dict[str, Any]:
        await asyncio.gather(ask(server, "x"), ask(server, "x"))
        return {}

    async def careful(state: dict[str, Any]) -> dict[str, Any]:
        async def branch(i: int) -> str:
            with scope("branch", i):
                return await ask(server, "x")

        return {"text": " ".join(await asyncio.gather(branch(0), branch(1)))}

    with Journal(tmp_path / "j.db") as journal:
        with pytest.raises(AmbiguousScope, match="scope"):
            await clew.run(single(careless), "t", journal=journal)
        answer = await clew.run(single(careful), "t", journal=journal)
        assert len(set(answer.text.split())) == 2


async def test_an_address_reads_like_the_graph(tmp_path: Any) -> None:
    with Journal(tmp_path / "j.db") as journal:
        await clew.run(fan_out(RandomServer(), width=2, samples=1), "t", journal=journal, run_id="r")
        places = {event.place for event in journal.events("r")}
    assert "best@1/sample:0/branch@1.0/branch:0/think@1" in places
    assert "best@1/sample:0/judge@2" in places


async def _no_server(kind: str, request: Any) -> str:
    raise AssertionError(f"a replay performed {request!r}")
