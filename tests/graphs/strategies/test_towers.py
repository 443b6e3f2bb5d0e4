"""Every strategy over every method, every strategy over every other, and towers of three: they run under one budget,
replay exactly, and go on after kill -9."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import clew
from clew.journal import Budget, Cost, Journal, replay
from clew.task import Answer
from clew.testing import ScriptedServer
from clew.testing.kills import Aim, Killer, crash
from tests.graphs.strategies.towers import COLOURS, QUESTION, TOWERS, World, server

pytestmark = pytest.mark.anyio

# Never reached, but with limits methods set their final answers aside.
PLENTY = Budget(model_calls=1_000, tokens=50_000_000, searches=1_000, code_runs=1_000)
SEED = 2026


@pytest.fixture(scope="module")
def words() -> Iterator[ScriptedServer]:
    with server() as running:
        yield running


class Climbed(NamedTuple):
    """The answer of a tower, what it cost, how many requests arrived, and where its model calls stand."""

    answer: Answer
    cost: Cost
    sent: int
    places: list[str]


async def climb(words: ScriptedServer, folder: Path, tower: str, budget: Budget) -> Climbed:
    """Runs a tower, and replays it without the server's help."""
    before = words.count
    with Journal.memory() as journal:
        async with World(words.url, folder) as world:
            answer = await clew.run(world.tower(tower), QUESTION, journal=journal, run_id="run", budget=budget)
            sent = words.count - before
            again = await replay("run", journal=journal, graph=world.tower(tower))
        assert again.same and words.count - before == sent
        assert not again.unused or answer.status == "budget"
        events = list(journal.events("run"))
        places = [event.place for event in events if event.kind == "model"]
        return Climbed(answer, sum((event.cost for event in events), Cost()), sent, places)


@pytest.mark.parametrize("tower", TOWERS)
async def test_a_tower_stands(words: ScriptedServer, tmp_path: Path, tower: str) -> None:
    answer, cost, sent, places = await climb(words, tmp_path, tower, PLENTY)
    assert answer.status in ("ok", "exhausted") and answer.text in COLOURS
    assert answer.trace and answer.trace.run == "run"
    assert answer.artifacts[tower.partition("/")[0]]["chosen"] < len(answer.candidates)
    scopes = [candidate.trace.scope for candidate in answer.candidates if candidate.trace]
    assert len(set(scopes)) == len(answer.candidates)
    assert all(any(f"{place}/".startswith(f"{scope}/") for place in places) for scope in scopes)
    assert not any(candidate.candidates for candidate in answer.candidates)

    drawn = random.Random(f"{SEED} {tower}")
    calls, tokens = drawn.randrange(1, max(sent, 2)), drawn.randrange(cost.tokens // 4, cost.tokens + 20_000)
    small = drawn.choice([Budget(model_calls=calls), Budget(tokens=tokens)])
    answer, less, arrived, _ = await climb(words, tmp_path, tower, small)
    assert answer.text or answer.status == "budget"
    assert less.model_calls <= (small.model_calls or sent + 1_000) and less.tokens <= (small.tokens or less.tokens)
    assert arrived == less.model_calls


class Stage:
    """A folder with a journal, in which one tower is climbed."""

    def __init__(self, folder: Path, url: str, tower: str) -> None:
        folder.mkdir(parents=True)
        self.folder, self.url, self.tower = folder, url, tower
        self.journal = folder / "j.db"

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        with Journal(self.journal) as journal:
            async with World(self.url, self.folder) as world:
                await clew.run(world.tower(self.tower), QUESTION, journal=journal, run_id="run", budget=PLENTY)

    def answer(self) -> Any:
        with Journal(self.journal) as journal:
            return journal.find_run("run").answer

    async def replayed(self) -> bool:
        with Journal(self.journal) as journal:
            async with World(self.url, self.folder) as world:
                done = await replay("run", journal=journal, graph=world.tower(self.tower))
            return done.same and not done.unused


def kill_and_compare(folder: Path, tower: str, kills: int, seed: str) -> int:
    """Climbs a tower without and with kills; returns how often it was killed."""
    killer, drawn = Killer(), random.Random(seed)
    with server(killer.arrived) as running:
        whole = Stage(folder / "whole", running.url, tower)
        whole.work()
        killed = Stage(folder / "killed", running.url, tower)
        aims = [Aim(arrivals=drawn.randrange(1, max(2, running.count // kills))) for _ in range(kills)]
        crashes = crash(killed.work, killed.journal, killer, aims)
    assert not crashes.changed and killed.answer() == whole.answer()
    assert asyncio.run(killed.replayed()), "the server is gone now"
    return crashes.kills


@pytest.mark.parametrize("tower", random.Random(SEED).sample(TOWERS, 10))
def test_a_tower_goes_on_after_a_kill(tmp_path: Path, tower: str) -> None:
    assert kill_and_compare(tmp_path, tower, 2, f"{SEED} {tower}") >= 1


@pytest.mark.long
@pytest.mark.parametrize("tower", TOWERS)
def test_every_tower_goes_on_after_many_kills(tmp_path: Path, tower: str) -> None:
    assert sum(kill_and_compare(tmp_path / str(i), tower, 3, f"{i} {tower}") for i in range(3)) >= 3
