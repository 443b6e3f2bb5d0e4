"""An evaluation killed anywhere comes out as one that was left alone, and nothing is paid twice."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.agents.methods import FORMS
from clew.evals import plan, report, running
from clew.evals.tasks import TaskSet, read_items
from clew.graphs import search_o1
from clew.graphs.closed_book import closed_book
from clew.graphs.rag import rag
from clew.graphs.strategies import vote
from clew.journal import Journal
from clew.testing import Reply, Request, ScriptedSearcher, ScriptedServer, vllm
from clew.testing.kills import Aim, Killer, account, crash
from tests.evals import world
from tests.graphs.test_kills import name_of_effect, name_of_request
from tests.graphs.words import TRANSPORTS

REPEATS = 2


class Stage:
    """The evaluation of four graphs in a folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.journal, self.out = folder, folder / "j.db", folder / "out"
        model = clew.Model("hosted_vllm/scripted", api_base=url, capabilities=TRANSPORTS[0].capabilities)
        searcher, forms = ScriptedSearcher(world.documents()), FORMS["short"]
        graphs = {
            "closed_book": closed_book(model, forms=forms),
            "rag": rag(model, searcher, top_k=3, forms=forms),
            "search_o1": search_o1(model, searcher, max_searches=1, forms=forms),
            "vote(closed_book, n=3)": vote(closed_book(model, forms=forms), n=3, adaptive=False),
        }
        items = tuple(read_items(folder / "tasks.jsonl"))
        self.plan = plan.Plan(TaskSet("world", items), graphs, repeats=REPEATS, command="clew eval ...")

    def work(self) -> None:
        report.claim(self.out, self.plan)
        with Journal(self.journal) as journal:
            done = asyncio.run(running.carry_out(self.plan, journal, concurrency=4))
            report.write(self.out, done)

    def results(self) -> tuple[list[dict[str, Any]], str]:
        """Rows without seconds, and the report without their column."""
        lines = (self.out / "results.jsonl").read_text().splitlines()
        rows = [{**json.loads(line), "seconds": None} for line in lines]
        cells = [line.split(" | ") for line in (self.out / "report.md").read_text().splitlines()]
        return rows, "\n".join(" | ".join(line[:-2]) if len(line) > 8 else " | ".join(line) for line in cells)


def stage(folder: Path, arrive: Callable[[Request], None], work: Callable[[Stage], None]) -> Stage:
    world.make(folder)

    async def reply(request: Request) -> Reply:
        arrive(request)
        await asyncio.sleep(random.uniform(0, 0.02))
        return world.model(request)

    with ScriptedServer(reply, features=vllm) as server:
        there = Stage(folder, server.url)
        work(there)
    return there


def kill_and_compare(folder: Path, kills: int) -> None:
    alone = stage(folder / "alone", lambda request: None, Stage.work)
    left, done = kills, 0
    while left > 0:
        arrivals, killer = Counter[str](), Killer()
        aims = [
            Aim(seconds=random.uniform(0.05, 1.0)) if i % 2 else Aim(arrivals=random.randrange(1, 20))
            for i in range(min(left, 7))
        ]

        def arrive(request: Request, arrivals: Counter[str] = arrivals, killer: Killer = killer) -> None:
            arrivals[name_of_request(request)] += 1
            killer.arrived()

        def work(there: Stage, aims: list[Aim] = aims, killer: Killer = killer) -> None:
            nonlocal left
            crashes = crash(there.work, there.journal, killer, aims)
            assert not crashes.changed
            left -= crashes.kills
            assert crashes.kills

        killed = stage(folder / f"round{done}", arrive, work)
        done += 1
        assert killed.results() == alone.results()
        books = account(killed.journal, arrivals, name_of_effect)
        books.check()
        # search_o1 and the vote make three calls for each task, the others one.
        assert books.finished == REPEATS * 7 * (1 + 1 + 3 + 3)


def test_a_killed_evaluation_ends_as_if_it_had_been_left_alone(tmp_path: Path) -> None:
    kill_and_compare(tmp_path, 3)


@pytest.mark.long
def test_twenty_kills(tmp_path: Path) -> None:
    kill_and_compare(tmp_path, 20)
