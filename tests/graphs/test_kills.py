"""Twenty Search-o1 runs at a time, killed anywhere, over real HTTP and a server that never says a thing twice."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy

import clew
from clew.graphs import search_o1
from clew.graphs.base import MethodState
from clew.graphs.search_o1 import BEGIN_QUERY, END_QUERY
from clew.journal import Event, Journal, replay, scope
from clew.testing import RandomText, Reply, Request, Rule, ScriptedSearcher, ScriptedServer, vllm
from clew.testing.kills import Aim, Killer, Seen, account, crash
from tests.graphs.words import READING, TRANSPORTS

RUNS = 20
PAGES = {f"page{i}": f"Page {i} tells of {word}." for i, word in enumerate(["bridges", "rivers", "bread", "ships"])}


class Stage:
    """One folder with a journal, a server, and runs in which a node fails once for ever after its work is done."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(parents=True)
        self.folder, self.url = folder, url
        self.journal, self.seen = folder / "j.db", Seen(folder / "seen")

    def graph(self, run: str) -> Any:
        model = clew.Model("hosted_vllm/scripted", api_base=self.url, capabilities=TRANSPORTS[0].capabilities)
        inner = search_o1(model, ScriptedSearcher(PAGES), max_turns=4, max_searches=3)

        async def method(state: MethodState) -> MethodState:
            with scope("method"):
                done = await inner.ainvoke({"task": state["task"]})
            try:
                (self.folder / run).touch(exist_ok=False)
            except FileExistsError:
                return {"answer": done["answer"]}
            raise ConnectionError("once")

        outer = StateGraph(MethodState)
        outer.add_node("method", method, retry_policy=RetryPolicy(initial_interval=0.001, retry_on=ConnectionError))
        outer.add_edge(START, "method")
        return outer.compile()

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        with Journal(self.journal) as journal:
            await asyncio.gather(*[self._run(journal, f"r{i:02}") for i in range(RUNS)])

    async def _run(self, journal: Journal, run: str) -> None:
        watch = self.seen.watch(run)
        answer = await clew.run(self.graph(run), f"question {run}", journal=journal, run_id=run, watch=watch)
        assert answer.status in ("ok", "turn_cap", "no_answer", "search_quota"), answer

    async def replay_all(self) -> int:
        with Journal(self.journal) as journal:
            done = [await replay(f"r{i:02}", journal=journal, graph=self.graph(f"r{i:02}")) for i in range(RUNS)]
        assert all(one.same and not one.unused for one in done)
        return sum(one.effects for one in done)


def name_of_request(request: Request) -> str:
    return str(request.body["seed"])


def name_of_effect(run: str, event: Event) -> str | None:
    """The seed that the model door derives from run, place and key of an effect names its request on both sides."""
    if event.kind != "model":
        return None
    text = json.dumps([run, event.place, [event.key]])
    return str(int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big") & 0x7FFFFFFF)


def kill_and_check(folder: Path, kills: int) -> Counter[str]:
    killer, arrivals = Killer(), Counter[str]()
    chain = RandomText(markers=[(BEGIN_QUERY, END_QUERY)], p=0.6, words=6)
    reader = RandomText(prefix="**Final Information**\n", final="Pages: 1, 2", words=6)

    def arrive(words: RandomText) -> Any:
        async def reply(request: Request) -> Reply:
            arrivals[name_of_request(request)] += 1
            killer.arrived()
            await asyncio.sleep(random.uniform(0, 0.02))
            return words(request)

        return reply

    rules = [Rule(READING, arrive(reader)), Rule(lambda request: True, arrive(chain))]
    with ScriptedServer(rules, features=vllm) as server:
        stage = Stage(folder, server.url)
        aims = [
            Aim(seconds=random.uniform(0.1, 1.5)) if i % 2 else Aim(arrivals=random.randrange(1, 20))
            for i in range(kills)
        ]
        crashes = crash(stage.work, stage.journal, killer, aims)
    assert not crashes.changed and not stage.seen.changed()
    books = account(stage.journal, arrivals, name_of_effect)
    books.check()
    # the server is gone now
    assert asyncio.run(stage.replay_all()) >= books.finished
    retried = sum((folder / f"r{i:02}").exists() for i in range(RUNS))
    assert retried == RUNS, "every run had its one failing node"
    return Counter(
        kills=crashes.kills,
        in_flight=crashes.in_flight,
        requests=books.arrivals,
        unknowns=books.unknowns,
        unsent=books.unsent,
    )


def kill_many(folder: Path, kills: int) -> None:
    asyncio.run(_preload())
    total, rounds = Counter[str](), 0
    while total["kills"] < kills:
        total += kill_and_check(folder / str(rounds), min(12, kills))
        rounds += 1
    print(json.dumps({**total, "rounds": rounds}))
    assert total["in_flight"] >= total["kills"] / 3


async def _preload() -> None:
    """What a child would import at its first call; the children are forked from here."""
    with ScriptedServer([r"\boxed{x}"], features=vllm) as server:
        model = clew.Model("hosted_vllm/scripted", api_base=server.url, capabilities=TRANSPORTS[0].capabilities)
        await search_o1(model, ScriptedSearcher(PAGES)).ainvoke({"task": {"prompt": "x"}})


def test_nothing_is_lost_by_kills(tmp_path: Path) -> None:
    kill_many(tmp_path, 10)


@pytest.mark.long
def test_nothing_is_lost_by_two_hundred_kills(tmp_path: Path) -> None:
    kill_many(tmp_path, 200)
