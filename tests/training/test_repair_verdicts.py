"""What a row says of a patch or a script is never more than somebody knows: each case from a journal of a real run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import SandboxFailed
from clew.graphs import agentless
from clew.journal import Journal
from clew.sandbox import Box
from clew.testing import ScriptedServer
from clew.training import RepairRow, RepairRows, repair_rows
from clew.training.repair_rows import apart
from tests.graphs.agentless.proposing import CART, FIX, job_of, words
from tests.graphs.agentless.repositories import suite_box
from tests.graphs.agentless.speaking import SCRIPT, talk
from tests.training.test_repair_rows import FILES, GOLD, HALF, RIGHT, TASK, in_turn, proposer

pytestmark = pytest.mark.anyio

# No test fails: what is wrong is in the issue alone.
QUIET = {**CART, "tests/test_cart.py": "from shop import cart\n\n\ndef test_empty():\n    assert cart.total([]) == 0\n"}
WRONG_SCRIPT = "```python\ndef check():\n    print('Issue reproduced' if check else 'Issue resolved')\n\n\ncheck()\n```"
DYING = SCRIPT.replace("    print({4", "    import os\n\n    print({4").replace(
    '"Other problem"))\n\n\ncheck', '"Other problem"), flush=True)\n    os._exit(130 if found == 6 else 0)\n\n\ncheck'
)


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    made = suite_box("process")
    yield made
    asyncio.run(made.close())


def graph_of(server: ScriptedServer, folder: Path, box: Any, files: Mapping[str, str | bytes], **options: Any) -> Any:
    usual = {"candidates": 2, "reproduction_samples": 1}
    return agentless(proposer(server, **{**usual, **options}), job_of(folder, box, files), early_stop=False)


async def rows_of(
    folder: Path, box: Box, *repairs: str, files: Mapping[str, str | bytes] = CART, script: str = SCRIPT, **known: Any
) -> RepairRows:
    more = {"candidates": len(repairs), "reproduction_samples": int(bool(script))}
    with talk(repairing=in_turn(*repairs), reproducing=script) as server, Journal(folder / "j.db") as journal:
        await clew.run(graph_of(server, folder, box, files, **more), TASK, journal=journal, run_id="r")
        return repair_rows(journal, "r", **known)


def part(found: RepairRows, name: str) -> list[RepairRow]:
    return [row for row in found.rows if row.part == name]


def repaired(found: RepairRows) -> list[tuple[str, str]]:
    return [(row.about["outcome"], row.judged_by) for row in part(found, "repair")]


async def test_scripts_that_chose_a_patch_are_not_judged_by_it(box: Box, tmp_path: Path) -> None:
    with talk(repairing=in_turn(RIGHT, RIGHT)) as server, Journal(tmp_path / "j.db") as journal:
        await clew.run(graph_of(server, tmp_path, box, QUIET), TASK, journal=journal, run_id="r")
        alone = repair_rows(journal, "r")
        known = repair_rows(journal, "r", resolved={"0.1": True})
        wrong = repair_rows(journal, "r", resolved={"0.1": False})
        gold = repair_rows(
            journal, "r", gold=GOLD, after_gold={part(known, "reproduction")[0].about["key"]: "resolved"}
        )
        torn = repair_rows(journal, "r", resolved={"0.0": True, "0.1": False})
    assert repaired(alone) == [("resolved", "scripts")] * 2
    assert not part(alone, "reproduction")
    assert alone.dropped["reproduction: did not run after a patch that is right"] == 1
    # The two candidates are one change, and so is the verdict.
    assert repaired(known) == [("resolved", "caller")] * 2
    assert [(row.reward, row.judged_by) for row in part(known, "reproduction")] == [(1.0, "chosen_patch")]
    assert repaired(wrong) == [("failed", "caller")] * 2 and not part(wrong, "reproduction")
    assert [(row.reward, row.judged_by) for row in part(gold, "reproduction")] == [(1.0, "gold")]
    assert not part(torn, "repair")


async def test_a_right_patch_that_a_wrong_script_refuses_is_no_failure(box: Box, tmp_path: Path) -> None:
    found = await rows_of(tmp_path, box, RIGHT, HALF, script=WRONG_SCRIPT)
    assert repaired(found) == [("failed", "tests")]
    assert found.dropped["repair: verdicts contradict each other, or tell nothing"] == 1


async def test_a_script_that_dies_says_nothing(box: Box, tmp_path: Path) -> None:
    found = await rows_of(tmp_path, box, RIGHT, script=DYING)
    (row,) = part(found, "reproduction")
    assert (row.reward, row.about["before"], row.about["after"]) == (0.0, "reproduced", "invalid")


async def test_a_test_that_is_skipped_now_does_not_pass(box: Box, tmp_path: Path) -> None:
    more = {
        "src/shop/level.py": "LEVEL = 1\n",
        "tests/test_level.py": "import pytest\nfrom shop import level\n\n\n"
        "@pytest.mark.skipif(level.LEVEL > 1, reason='later')\ndef test_level():\n    assert level.LEVEL\n",
    }
    skipping = words(*FIX, ("src/shop/level.py", "LEVEL = 1", "LEVEL = 2"))
    found = await rows_of(tmp_path, box, skipping, files={**CART, **more}, script="")
    assert repaired(found) == [("failed", "tests")]
    assert part(found, "repair")[0].about["tests"]["skipped"] == 1


async def test_less_than_another_patch_mends_is_not_resolved(box: Box, tmp_path: Path) -> None:
    more = {"tests/test_rate.py": "from shop.price import taxed\n\n\ndef test_rate():\n    assert taxed(3) == 6\n"}
    found = await rows_of(tmp_path, box, HALF, RIGHT, files={**CART, **more}, script="")
    assert repaired(found) == [("failed", "tests"), ("resolved", "tests")]
    (pair,) = part(found, "preference")
    assert pair.about["candidates"] == ["0.1", "0.0"]


async def test_what_no_stage_could_name_is_no_gold(box: Box, tmp_path: Path) -> None:
    more = (
        "--- /dev/null\n+++ b/src/shop/tax.py\n@@ -0,0 +1 @@\n+RATE = 2\n"
        "--- a/CHANGES.rst\n+++ b/CHANGES.rst\n@@ -1 +1 @@\n-a\n+b\n"
    )
    found = await rows_of(tmp_path, box, RIGHT, script="", gold=GOLD + more)
    assert all(row.about["gold"] == FILES for row in part(found, "localisation"))
    assert {row.stage: row.reward for row in part(found, "localisation")}["files_named"] == 1.0
    none = await rows_of(tmp_path / "none", box, RIGHT, script="", gold=more)
    assert not part(none, "localisation")


class Failing:
    """A sandbox that fails from a run of its own on."""

    def __init__(self, box: Box, runs: int) -> None:
        self.box, self.left = box, runs

    def __getattr__(self, name: str) -> Any:
        return getattr(self.box, name)

    async def run_command(self, *words: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise SandboxFailed("the engine is gone")
        return await self.box.run_command(*words, **options)


async def test_what_a_resumed_run_did_again_counts_and_not_what_it_did_before(box: Box, tmp_path: Path) -> None:
    with talk(repairing=in_turn(HALF, RIGHT)) as server, Journal(tmp_path / "j.db") as journal:
        # Three runs of tests at the base, one script; then nothing could be tried.
        first = graph_of(server, tmp_path, Failing(box, 4), CART)
        before = await clew.run(first, TASK, journal=journal, run_id="r")
        assert before.status == "partial" and before.artifacts["repair"]["chosen"] == "0.0"
        again = graph_of(server, tmp_path / "again", box, CART)
        after = await clew.run(again, TASK, journal=journal, run_id="r", retry=("failed",))
        assert after.status == "ok" and after.artifacts["repair"]["chosen"] == "0.1"
        found = repair_rows(journal, "r", gold=GOLD)
    assert repaired(found) == [("failed", "tests"), ("resolved", "tests")]
    assert [row.reward for row in part(found, "reproduction")] == [1.0]
    (choice,) = part(found, "selector")
    assert choice.about["chosen"] == "0.1"
    texts = [(row.stage, row.completion[0]["content"]) for row in part(found, "localisation")]
    assert len(texts) == len(set(texts))


def test_rows_of_repositories_that_are_evaluated_are_kept_apart() -> None:
    def row(repo: str) -> RepairRow:
        return RepairRow("repair", "task", "r", "repair", [], [], repo=repo, commit="c")

    rows = [row("attrs.repos/attrs.git"), row("parse"), row("/repos/more_itertools"), row("")]
    left = apart(
        rows, [{"repo": "python-attrs/attrs"}, {"repo": "https://github.com/more-itertools/more-itertools.git"}]
    )
    assert [each.repo for each in left] == ["parse"]
