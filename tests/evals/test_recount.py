"""The figures of one small evaluation, counted again from the rows of the journal's database, without Clew."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from clew.evals import evaluate
from clew.graphs import cot, vote
from clew.journal import Journal
from tests.graphs.strategies.simulated import Simulated, model, problems, task_set

pytestmark = pytest.mark.anyio

REPEATS, VOTES = 3, 4


class Told:
    """A run as the database has it: its task, its candidates' texts and tokens in order, the whole, the answer."""

    def __init__(self, database: sqlite3.Connection, run: str) -> None:
        ((task, answer),) = database.execute("SELECT task, answer FROM runs WHERE id = ?", (run,))
        said = json.loads(answer)
        self.task, self.text = json.loads(task)["id"], said["text"]
        self.texts = [each["text"] for each in said["candidates"]]
        self.tokens, self.parts = 0, [0] * len(self.texts)
        scopes = [each["trace"]["scope"] for each in said["candidates"]]
        for place, cost in database.execute(
            "SELECT place, cost FROM events WHERE run = ? AND kind = 'model' AND state = 'finished'", (run,)
        ):
            tokens = json.loads(cost)["tokens"]
            self.tokens += tokens
            for index, scope in enumerate(scopes):
                self.parts[index] += tokens if f"{place}/".startswith(f"{scope}/") else 0

    def majority(self, k: int) -> str:
        ((text, _),) = Counter(self.texts[:k]).most_common(1)
        return str(text)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def any_of(right: list[bool], k: int) -> float:
    """The share of the subsets of k in which one is right."""
    return mean([float(any(each)) for each in combinations(right, k)])


async def test_pass_at_k_and_equal_compute_counted_from_the_database(tmp_path: Path) -> None:
    given = problems(6, [0.2, 0.5, 0.8], wrong=2)
    gold = {str(each.number): each.right for each in given}
    with Simulated(given, seed=3).serve() as server, Journal(tmp_path / "j.db") as journal:
        inner = cot(model(server))
        graphs = {"cot": inner, "vote": vote(inner, n=VOTES, adaptive=False)}
        done = await evaluate(task_set(given), graphs, journal=journal, repeats=REPEATS)
    plain, voted = done.figures()
    database = sqlite3.connect(tmp_path / "j.db")
    runs: dict[str, list[Told]] = defaultdict(list)
    for row in done.rows:
        runs[row.graph].append(Told(database, row.run))
    assert all(sum(told.parts) == told.tokens and len(told.parts) == VOTES for told in runs["vote"])

    for figures, label in ((plain, "cot"), (voted, "vote")):
        by_task: dict[str, list[bool]] = defaultdict(list)
        for told in runs[label]:
            by_task[told.task].append(told.text == gold[told.task])
        assert len(by_task) == 6 and {len(found) for found in by_task.values()} == {REPEATS}
        for at in figures["pass_at"]:
            assert at["right"] == pytest.approx(mean([any_of(r, at["k"]) for r in by_task.values()]), abs=1e-6)
        assert [at["k"] for at in figures["pass_at"]] == [1, 2, 3]
        assert figures["tokens"] == pytest.approx(mean([told.tokens for told in runs[label]]))

    spent, right = [], []
    for k, at in enumerate(voted["curve"], 1):
        spent.append(mean([sum(told.parts[:k]) for told in runs["vote"]]))
        right.append(mean([told.majority(k) == gold[told.task] for told in runs["vote"]]))
        covered = mean([any_of([text == gold[told.task] for text in told.texts], k) for told in runs["vote"]])
        assert (at["k"], at["tokens"]) == (k, pytest.approx(spent[-1]))
        assert (at["right"], at["coverage"]) == (pytest.approx(right[-1], abs=1e-6), pytest.approx(covered, abs=1e-6))

    cells = {at["of"]: at for at in voted["equal_compute"]["tokens"]["at"]}
    for of, label in (("cot", "cot"), ("vote", "vote")):
        budget = mean([told.tokens for told in runs[label]])
        assert cells[of]["budget"] == pytest.approx(budget)
        expected = interpolated(spent, right, budget)
        assert cells[of]["cell"]["right"] == pytest.approx(expected, abs=1e-6)
    (apart,) = voted["equal_compute"]["tokens"]["differences"]
    alone = mean([told.text == gold[told.task] for told in runs["cot"]])
    assert apart["right"] == pytest.approx(interpolated(spent, right, cells["cot"]["budget"]) - alone, abs=1e-6)
    assert 0 < alone < 1 and len(set(right)) > 1  # there is something to tell apart


def interpolated(costs: list[float], values: list[Any], budget: float) -> float:
    """The value at `budget` on the straight lines between the points; the first one below them, the last above."""
    for (low, one), (high, other) in zip(
        list(zip(costs, values, strict=True)), list(zip(costs, values, strict=True))[1:], strict=False
    ):
        if budget < high:
            return float(one + (other - one) * max(budget - low, 0) / (high - low))
    return float(values[-1])
