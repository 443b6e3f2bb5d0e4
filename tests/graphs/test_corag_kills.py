"""CoRAG runs, killed anywhere and resumed: the chains, scores and answers are those of runs that nobody killed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.graphs import corag
from clew.graphs.base import Graph
from clew.journal import Budget, Event, Journal, replay
from clew.testing import Reply, Request, ScriptedSearcher, ScriptedServer
from clew.testing.kills import Aim, Killer, Seen, account, crash
from tests.graphs.corag_words import model, scores, talk

PAGES = {f"p{i}": f"Part of thing {i}, opened in {1900 + i}." for i in range(40)}
OPTIONS: list[dict[str, Any]] = [
    {"strategy": "greedy", "length": 3, "early_stop": True},
    {"strategy": "best_of_n", "n": 3, "length": 2},
    {"strategy": "tree_search", "expand": 3, "rollouts": 1, "length": 2},
]
RUNS = 6


class Stage:
    """A folder with a journal, a server's address and runs of all strategies."""

    def __init__(self, folder: Path, server: ScriptedServer) -> None:
        folder.mkdir(parents=True)
        self.server, self.journal, self.seen = server, folder / "j.db", Seen(folder / "seen")
        self.names = [f"r{i}" for i in range(RUNS)]

    def graph(self, run: str) -> Graph:
        return corag(model(self.server), ScriptedSearcher(PAGES), **OPTIONS[int(run[1:]) % len(OPTIONS)])

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        with Journal(self.journal) as journal:
            await asyncio.gather(*[self._run(journal, name) for name in self.names])

    async def _run(self, journal: Journal, run: str) -> None:
        watch = self.seen.watch(run)
        # Never reached, but it makes every run set its final answer aside.
        limit = Budget(model_calls=1_000)
        graph, task = self.graph(run), f"question {run}"
        answer = await clew.run(graph, task, journal=journal, run_id=run, watch=watch, budget=limit)
        assert answer.status == "ok", answer

    def answers(self) -> dict[str, Any]:
        with Journal(self.journal) as journal:
            return {name: journal.find_run(name).answer for name in self.names}

    async def replay_all(self) -> None:
        with Journal(self.journal) as journal:
            for name in self.names:
                done = await replay(name, journal=journal, graph=self.graph(name))
                assert done.same and not done.unused


def name_of_request(request: Request) -> str:
    return "scores" if scores(request) else str(request.body["seed"])


def name_of_effect(run: str, event: Event) -> str | None:
    """The seed that the model door derives from run, place and key of an effect names its request on both sides."""
    if event.kind != "model":
        return None
    if event.request["call"] == "logprob":
        return "scores"
    text = f'["{run}", "{event.place}", ["{event.key}"]]'
    return str(int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big") & 0x7FFFFFFF)


def kill_and_check(folder: Path, kills: int) -> Counter[str]:
    killer, arrivals = Killer(), Counter[str]()

    def arrive(words: Any) -> Any:
        async def reply(request: Request) -> Reply | str:
            arrivals[name_of_request(request)] += 1
            killer.arrived()
            await asyncio.sleep(random.uniform(0, 0.01))
            return str(words(request))

        return reply

    def number(request: Request, below: int) -> int:
        return int(request.digest[:8], 16) % below

    def log(context: str, token: str) -> float:
        return -float(len(context) % 97) / 10

    server = talk(
        arrive(lambda r: f"What opened at thing {number(r, 40)}, part {number(r, 7)}?"),
        read=arrive(lambda r: f"in {number(r, 2_000)}"),
        verdict=arrive(lambda r: "no"),
        final=arrive(lambda r: rf"\boxed{{{number(r, 10_000)}}}"),
        logprob=log,
        score=arrive(lambda r: "."),
    )
    with server:
        whole = Stage(folder / "whole", server)
        whole.work()
        arrivals.clear()
        stage = Stage(folder / "killed", server)
        aims = [
            Aim(seconds=random.uniform(0.05, 0.8)) if i % 2 else Aim(arrivals=random.randrange(1, 30))
            for i in range(kills)
        ]
        crashes = crash(stage.work, stage.journal, killer, aims)
    assert not crashes.changed and not stage.seen.changed()
    books = account(stage.journal, arrivals, name_of_effect)
    books.check()
    assert stage.answers() == whole.answers()
    asyncio.run(stage.replay_all())  # the server is gone now
    return Counter(kills=crashes.kills, in_flight=crashes.in_flight)


def kill_many(folder: Path, kills: int) -> None:
    total, rounds = Counter[str](), 0
    while total["kills"] < kills:
        total += kill_and_check(folder / str(rounds), min(8, kills))
        rounds += 1
    assert total["in_flight"] >= total["kills"] / 3


def test_chains_and_scores_survive_kills(tmp_path: Path) -> None:
    kill_many(tmp_path, 6)


@pytest.mark.long
def test_chains_and_scores_survive_a_hundred_kills(tmp_path: Path) -> None:
    kill_many(tmp_path, 100)
