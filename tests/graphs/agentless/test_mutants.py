"""Repair without a model, end to end: the graph, real tests in a real sandbox, and templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import ConfigError
from clew.graphs import agentless
from clew.graphs.agentless.job import Job
from clew.graphs.agentless.mutants import MutationProposer, nearest, spread
from clew.graphs.agentless.suites import Suite
from clew.journal import Budget, Journal, replay
from clew.sandbox import Box
from clew.task import Answer, Task
from tests.graphs.agentless.proposing import job_of
from tests.graphs.agentless.repositories import LIMITS, suite_box
from tests.sandbox.conftest import DOCKER

pytestmark = pytest.mark.anyio

TASK = Task(prompt="The total is wrong.", kind="repair")
# `prices[1:]` leaves out the first price. A test that is weaker than another is passed by more than the fix.
SHOP = {
    "src/shop/__init__.py": "",
    "src/shop/price.py": "RATE = 2\n\n\ndef total(prices):\n    result = 0\n    for price in prices[1:]:\n"
    "        result += price\n    return result * RATE\n\n\ndef free():\n    return 0\n",
    "tests/test_price.py": "from shop import price\n\n\ndef test_some():\n    assert price.total([1, 2]) == 6\n\n\n"
    "def test_none():\n    assert price.total([]) == 0\n",
    "tests/test_free.py": "from shop.price import free, total\n\n\ndef test_free():\n    assert free() == 0\n\n\n"
    "def test_nothing():\n    assert total([0, 2]) == 4\n",
}  # fmt: skip
RIGHT = SHOP["src/shop/price.py"].replace("[1:]", "")
FIX = "-    for price in prices[1:]:\n+    for price in prices[0:]:\n"


async def repaired(folder: Path, job: Job, budget: Budget | None = None, **more: Any) -> tuple[Answer, list[Any]]:
    """The answer and what the stages told, after a strict replay without anything to perform."""
    with Journal(folder / "j.db") as journal:
        answer = await clew.run(
            agentless(MutationProposer(**more), job), TASK, journal=journal, run_id="r", budget=budget
        )
        again = await replay("r", journal=journal, graph=agentless(MutationProposer(**more), job))
        assert again.same and not again.unused
        return answer, [event for event in journal.events("r") if event.kind == "stage"]


@pytest.mark.parametrize("kind", [DOCKER, "process"])
async def test_a_slip_is_found_and_undone(kind: str, tmp_path: Path) -> None:
    box = suite_box(kind)
    try:
        answer, told = await repaired(tmp_path, job_of(tmp_path, box, SHOP), limit=200, batch=50)
    finally:
        await box.close()
    assert answer.status == "ok" and FIX in answer.text, answer
    report = answer.artifacts["repair"]
    assert report["phases"][:3] == ["tests", "blame", "mutate"]
    assert report["proposer"] == "mutate"
    blamed = next(event.request for event in told if event.request["stage"] == "blame")
    assert blamed["source"] == "coverage" and blamed["suspects"][0][:2] == ["src/shop/price.py", 7]


async def test_a_weak_test_is_not_enough(box: Box, tmp_path: Path) -> None:
    """`result * RATE` with a constant passes the failing test, but not the others."""
    answer, told = await repaired(tmp_path, job_of(tmp_path, box, SHOP), limit=200, batch=50, survivors=1)
    made = [event.request for event in told if event.request["stage"] == "candidate"]
    assert answer.status == "ok" and FIX in answer.text and made


@pytest.mark.parametrize(
    ("files", "suite", "flag"),
    [
        (SHOP, Suite.of("true", limits=LIMITS), "mutate_needs_pytest"),
        (
            {**SHOP, "src/shop/price.py": SHOP["src/shop/price.py"].replace("[1:]", "")},
            None,
            "mutate_needs_failing_tests",
        ),
        ({"tests/test_a.py": "def test_a():\n    assert 0\n"}, None, "mutate_blames_nothing"),
    ],
)
async def test_where_nothing_can_be_made_it_says_why(
    files: dict[str, str], suite: Suite | None, flag: str, box: Box, tmp_path: Path
) -> None:
    job = job_of(tmp_path, box, files)
    job.suite = suite or job.suite
    answer, _ = await repaired(tmp_path, job)
    assert answer.status == "no_answer" and flag in answer.artifacts["repair"]["flags"]


async def test_a_file_that_cannot_be_imported_is_blamed_by_its_message(box: Box, tmp_path: Path) -> None:
    broken = RIGHT.replace("RATE = 2", "RATE = -None or 2")
    job = job_of(tmp_path, box, {**SHOP, "src/shop/price.py": broken})
    _, told = await repaired(tmp_path, job, limit=50)
    blamed = next(event.request for event in told if event.request["stage"] == "blame")
    assert blamed["source"] == "messages" and blamed["suspects"][0][:2] == ["src/shop/price.py", 1]


async def test_tests_that_no_edit_can_mend_do_not_stop_the_others(box: Box, tmp_path: Path) -> None:
    other = "def test_elsewhere():\n    assert open('/nowhere')\n"
    job = job_of(tmp_path, box, {**SHOP, "tests/test_elsewhere.py": other})
    answer, _ = await repaired(tmp_path, job, limit=120)
    assert FIX in answer.text


async def test_tests_that_hang_hold_up_few_edits(box: Box, tmp_path: Path) -> None:
    code = (
        "def halvings(n):\n    steps = 0\n    while n > 1:\n        n = n // 1\n        steps += 1\n    return steps\n"
    )
    tests = "from halvings import halvings\n\n\n" + "\n\n".join(
        f"def test_{n}():\n    assert halvings({2**n}) == {n}\n" for n in range(1, 5)
    )
    job = job_of(tmp_path, box, {"halvings.py": code, "tests/test_halvings.py": tests})
    job.suite = Suite(limits=LIMITS, test_seconds=1.0)
    answer, told = await repaired(tmp_path, job, limit=100)
    assert answer.status == "ok" and "+        n = n // 2\n" in answer.text, answer
    blamed = next(event.request for event in told if event.request["stage"] == "blame")
    assert len(blamed["targets"]) == 2  # of four


async def test_a_budget_ends_it(box: Box, tmp_path: Path) -> None:
    answer, _ = await repaired(tmp_path, job_of(tmp_path, box, SHOP), Budget(code_runs=4))
    assert answer.status == "budget"


def test_tests_near_the_targets_come_first() -> None:
    passing = [*(f"tests/test_a.py::{n}" for n in range(3)), *(f"tests/test_b.py::{n}" for n in range(10))]
    assert nearest(passing, ["tests/test_a.py::x"], 5) == [*passing[:3], "tests/test_b.py::0", "tests/test_b.py::5"]
    assert nearest(passing, ["tests/test_b.py::x"], 2) == ["tests/test_b.py::0", "tests/test_b.py::5"]
    assert spread(["a", "b"], 5) == ["a", "b"]
    with pytest.raises(ConfigError, match="batch=0"):
        MutationProposer(batch=0)
