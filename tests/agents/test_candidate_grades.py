"""Every patch that a repair could have chosen, graded over a real little repository in a real sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.agents.bug_grades import Benches, grade
from clew.agents.candidate_grades import Kept, labels, repairs, staged
from clew.config import load
from clew.errors import ConfigError
from clew.evals.repair_stages import Recall
from clew.graphs import agentless
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.suites import Suite
from clew.graphs.agentless.types import Change
from clew.journal import Journal
from clew.sandbox import Box
from clew.training import repair_rows
from tests.graphs.agentless.proposing import CART, FIX, change, job_of
from tests.graphs.agentless.repositories import LIMITS, repository, suite_box
from tests.graphs.agentless.speaking import talk
from tests.training.test_repair_rows import HALF, RIGHT, TASK, in_turn, proposer

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    made = suite_box("process")
    yield made
    asyncio.run(made.close())


async def test_all_candidates_are_graded_once_and_rows_know_it(box: Box, tmp_path: Path) -> None:
    repo = repository(tmp_path / "shop", CART)
    tree = Workspace.make(repo, "HEAD", tmp_path / "tree")
    row = {
        "instance_id": "cart-1", "repo": "shop", "base_commit": "HEAD", "patch": tree.diff(change(tree, *FIX)),
        "FAIL_TO_PASS": ["tests/test_cart.py::test_total"], "PASS_TO_PASS": ["tests/test_price.py::test_free"],
    }  # fmt: skip
    instances, side = tmp_path / "i.jsonl", tmp_path / "p.report.jsonl"
    cost = {"tokens": 70, "seconds": 2.5}
    instances.write_text(json.dumps(row))
    rows = [
        {"instance_id": "cart-1", "run": "r", "status": "ok", "cost": cost},
        {"instance_id": "cart-1", "run": "", "status": "error"},
    ]
    side.write_text("\n".join(map(json.dumps, rows)))
    with talk(repairing=in_turn(HALF, RIGHT, HALF)) as server, Journal(tmp_path / "j.db") as journal:
        asking = proposer(server, candidates=3, reproduction_samples=1)
        graph = agentless(asking, job_of(tmp_path / "w", box), early_stop=False)
        with pytest.raises(ConfigError, match="in no journal"):
            list(repairs([instances], [side], [journal]))
        await clew.run(graph, TASK, journal=journal, run_id="r")
        found, never = repairs([instances], [side], [journal])
        benches = Benches(load({"sandbox": "process"}))
        try:
            kept = Kept(tmp_path / "grades.jsonl")
            stages = await staged(found, benches, kept)
            assert (await staged(never, benches, kept)).resolved is False
        finally:
            await benches.close()
        assert stages.recall["locations"] == Recall(1.0, 1.0, 1.0) and stages.recall["files"].file == 1.0
        assert (stages.candidates, stages.any, stages.resolved) == (2, True, True)
        assert (stages.scripts, stages.right, stages.tokens, stages.seconds) == (1, 1, 70, 2.5)
        assert sorted((what, each["status"]) for (what, *_), each in kept.rows.items()) == [
            ("patch", "failed"), ("patch", "resolved"), ("script", "resolved"),
        ]  # fmt: skip
        # What is in the file is not run again: there is no place to run it in.
        assert await staged(found, Nowhere(load({})), Kept(tmp_path / "grades.jsonl")) == stages
        resolved, after_gold = labels(found, kept)
        assert resolved == {"0.0": False, "0.1": True, "0.2": False}
        judged = repair_rows(journal, "r", resolved=resolved, after_gold=after_gold).rows
        assert {each.judged_by for each in judged if each.part == "reproduction"} == {"gold"}
        assert [each.reward for each in judged if each.part == "repair"] == [0.0, 1.0, 0.0]
    with pytest.raises(ConfigError, match="holds no grades"):
        Kept(instances)


class Nowhere(Benches):
    async def of(self, *given: Any) -> Any:
        raise AssertionError("nothing is to be run")


class Lucky:
    """A sandbox in which a file shows how often tests ran."""

    def __init__(self, box: Box) -> None:
        self.box, self.runs = box, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.box, name)

    async def run_command(self, *words: Any, files: Any, **options: Any) -> Any:
        self.runs += 1
        return await self.box.run_command(*words, files={**files, "runs.txt": str(self.runs)}, **options)


async def test_a_test_that_fails_now_and_then_is_not_held_against_a_patch(box: Box, tmp_path: Path) -> None:
    def test(name: str, fails: str) -> str:
        return f"def test_{name}():\n    assert not ({fails})\n\n\n"

    runs = "RUNS = int(open('runs.txt').read())\n\n\n"
    tests = {"now_and_then": "RUNS < 3", "sound": "0", "never": "FIXED", "new": "RUNS < 2"}
    text = "from fix import FIXED\n\n" + runs + "".join(test(*each) for each in tests.items())
    files = {"fix.py": "FIXED = 0\n", "tests/test_it.py": text}
    tree = Workspace.make(repository(tmp_path / "repo", files), "HEAD", tmp_path / "workspace")
    patch = tree.diff([Change(path="fix.py", before="FIXED = 0\n", after="FIXED = 1\n")])

    async def of(wanted: str, *others: str) -> tuple[str, str, int]:
        row = {
            "instance_id": "a", "FAIL_TO_PASS": [f"tests/test_it.py::test_{wanted}"],
            "PASS_TO_PASS": [f"tests/test_it.py::test_{name}" for name in others],
        }  # fmt: skip
        lucky = Lucky(box)
        found = await grade(row, patch, tree, lucky, Suite(limits=LIMITS))
        return found.status, found.why, lucky.runs

    assert await of("sound", "now_and_then") == (
        "resolved", "passed only when they ran again: tests/test_it.py::test_now_and_then", 3,
    )  # fmt: skip
    status, why, runs_of_never = await of("sound", "now_and_then", "never")
    assert status == "failed" and "test_never" in why and runs_of_never == 5
    # What the patch should mend has one run.
    assert (await of("new", "sound"))[::2] == ("failed", 1)
