"""Rejection sampling of chains against gold."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from clew.evals.tasks.items import Gold, Item
from clew.journal import Journal
from clew.task import Task
from clew.testing import Features, Reply, Request
from clew.testing.kills import Aim, Killer, crash
from clew.training import Sampled, rows_of, sample_chains
from tests.graphs.corag_words import DESIGNER, QUESTION, model, reading, scored, searcher, talk

pytestmark = pytest.mark.anyio

OPENING = "When did the Ariel bridge open?"
ITEMS = [
    Item(task=Task(prompt=QUESTION, id="born"), gold=Gold(answers=("Gent", "Ghent"))),
    Item(task=Task(prompt="Who is the mayor of Zyx?", id="mayor")),
]


def plan(request: Request) -> str:
    """Goes the right way in about half of the chains."""
    if "Answer 1: Ilse Maar" in request.prompt:
        return "Where was Ilse Maar born?"
    if "Answer 1" in request.prompt:
        return OPENING
    return DESIGNER if request.body["seed"] % 2 else "What is bread made from?"


def conclude(request: Request) -> str:
    return "Ghent" if "Ghent" in request.prompt.rpartition("Question 1:")[2] else "unknown"


def informed(context: str, token: str) -> float:
    """The gold answer is likely where the chain says so."""
    return -0.1 if "born?\nAnswer 2: Ghent" in context and "Gh" in token else -4.0


async def collect(server: Any, journal: Journal, **options: Any) -> list[Sampled]:
    options = {"chains": 6, "lengths": (2, 2), "final_passages": "chain", **options}
    return [one async for one in sample_chains(model(server), searcher(), ITEMS, journal=journal, **options)]


async def test_the_chain_that_makes_gold_likely_is_kept(tmp_path: Path) -> None:
    with talk(plan, final=conclude, logprob=informed) as server, Journal(tmp_path / "j.db") as journal:
        born, mayor = await collect(server, journal)
        assert born.kept and born.by == "likelihood" and born.value == pytest.approx(-0.1)
        assert (mayor.question, mayor.kept) == ("mayor", False) and mayor.value == pytest.approx(-4.0)
        assert not any("Gent" in r.prompt for r in server.requests if r not in scored(server)), "gold reached a graph"
        rows = list(rows_of(journal, [born, mayor]))
        assert [row.part for row in rows] == ["subquery", "subanswer"] * 2 + ["final"]
        assert {(row.question, row.gold_logprob) for row in rows} == {("born", born.value)}
        assert rows[3].completion[0]["content"] == rows[4].completion[0]["content"] == "Ghent"
        before = server.count
        assert await collect(server, journal) == [born, mayor] and server.count == before


async def test_without_prompt_scores_the_exact_match_decides() -> None:
    features = Features(prompt_logprobs=False)
    with talk(plan, final=conclude, features=features) as server, Journal.memory() as journal:
        born, mayor = await collect(server, journal)
        assert (born.by, born.value, born.kept) == ("exact_match", 1.0, True)
        assert (mayor.by, mayor.value, mayor.kept) == ("exact_match", 1.0, True), "to abstain is right there"


async def test_lengths_are_drawn_from_the_seed_and_within_bounds() -> None:
    def other(request: Request) -> str:
        return f"What opened at part {request.digest[:6]}?"

    with talk(other, final="x") as server:
        drawn = []
        for seed in (0, 0, 1):
            with Journal.memory() as journal:
                await collect(server, journal, seed=seed, lengths=(1, 5))
                answers = [journal.find_run(f"chains.born.{i}").answer or {} for i in range(6)]
                drawn.append([len(answer["artifacts"]["chain"]) for answer in answers])
        assert drawn[0] == drawn[1] != drawn[2]
        assert {*drawn[0], *drawn[2]} <= {1, 2, 3, 4, 5} and len({*drawn[0]}) > 2


async def test_chains_without_an_answer_are_not_kept() -> None:
    with talk(Reply(status=400, text="no"), final="x") as server, Journal.memory() as journal:
        done = await collect(server, journal)
        assert [(one.run, one.kept) for one in done] == [(None, False)] * 2


# Killed ---------------------------------------------------------------------------------------------------------------


def test_sampling_that_is_killed_goes_on_and_pays_nothing_twice(tmp_path: Path) -> None:
    killer = Killer()

    def arrive(words: Any) -> Any:
        async def reply(request: Request) -> Any:
            killer.arrived()
            return words(request) if callable(words) else words

        return reply

    async def work(path: Path) -> list[Sampled]:
        with Journal(path) as journal:
            return await collect(server, journal, chains=3)

    server = talk(
        arrive(plan),
        read=arrive(reading),
        final=arrive(conclude),
        score=arrive("."),
        logprob=lambda c, t: -len(c) / 1e5,
    )
    with server:
        whole = asyncio.run(work(tmp_path / "whole.db"))
        before = server.count
        aims = [Aim(arrivals=random.randrange(1, 16)) for _ in range(3)]
        crashes = crash(lambda: void(work(tmp_path / "j.db")), tmp_path / "j.db", killer, aims)
        assert crashes.kills == 3 and not crashes.changed
        assert server.count - before <= before + 3 * 30, "only what was in flight is asked for again"
        count = server.count
        assert asyncio.run(work(tmp_path / "j.db")) == whole and server.count == count
    assert any(one.kept for one in whole)


def void(work: Any) -> None:
    asyncio.run(work)
