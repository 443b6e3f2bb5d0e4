"""Tests at the base commit and with candidates, run by real runners in the sandbox of processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.graphs import agentless
from clew.graphs.agentless.job import Job
from clew.graphs.agentless.suites import Suite
from clew.graphs.agentless.validation import LEFT_BEHIND, OWN_TESTS, base_tests
from clew.journal import Budget, Journal, replay
from clew.sandbox import Box, Limits
from clew.task import Answer, Task
from tests.graphs.agentless.proposing import ALL_PRICES, CART, ISSUE, RATE, SUITE, Given, Swap, job_of
from tests.graphs.agentless.repositories import LIMITS, workspace

pytestmark = pytest.mark.anyio

TOTAL = "tests/test_cart.py::test_total"
FREE = "tests/test_price.py::test_free"
OTHER = "tests/test_other.py::test_it"
BOTH = [RATE, ALL_PRICES]


async def judged(
    folder: Path, job: Job, *waves: Sequence[Sequence[Swap]], budget: Budget | None = None, **more: Any
) -> tuple[Answer, dict[str, Any], list[Any]]:
    """The answer, its report, and the test runs of candidates; a strict replay says the same."""
    graph = agentless(Given(*waves, **more), job, early_stop=False)
    with Journal(folder / "j.db") as journal:
        task = Task(prompt=ISSUE, kind="repair")
        answer = await clew.run(graph, task, journal=journal, run_id="r", budget=budget)
        again = await replay("r", journal=journal, graph=graph)
        assert again.same and not again.unused
        events = [each for each in journal.events("r") if each.kind == "program" and "validate" in each.place]
    return answer, answer.artifacts["repair"], events


# The base commit -------------------------------------------------------------------------------------------------


async def test_the_base_tells_what_passes_and_what_failing_tests_said(box: Box, tmp_path: Path) -> None:
    files = {
        **CART,
        "tests/test_gone.py": "import nothing\n\n\ndef test_a():\n    pass\n",
        "tests/test_bad.py": "def test_bad():\n    assert 0, 'x' * 9000\n",
    }
    tests = await base_tests(job_of(tmp_path, box, files, targets=("tests/test_gone.py::test_a", "tests/test_cart.py")))
    assert set(tests.failing) == {"tests/test_gone.py::test_a", TOTAL, "tests/test_bad.py::test_bad"}
    assert {FREE, OTHER} < set(tests.passing) and len(tests.passing) == 5 and not tests.why
    assert "assert 4 == 6" in tests.messages[TOTAL] and len(tests.messages["tests/test_bad.py::test_bad"]) <= 1500
    assert "No module named 'nothing'" in tests.broken["tests/test_gone.py"]
    job = job_of(tmp_path / "2", box, targets=("tests/test_gone.py::test_a", "tests/test_cart.py"))
    assert job.targets_of(tests) == tuple(test for test in tests.failing if "bad" not in test)
    assert job_of(tmp_path / "3", box).targets_of(tests) == tests.failing
    assert job_of(tmp_path / "4", box, targets=("tests/test_c",)).targets_of(tests) == ()


WITHOUT = {
    "no tests at all": {"a.py": "A = 1\n"},
    "one that ends the runner": {"test_a.py": "import os\n\n\ndef test_a():\n    os._exit(0)\n"},
    "a configuration that is none": {"test_a.py": "def test_a():\n    pass\n", "pytest.ini": "[pytest\n"},
    "all skipped": {"test_a.py": "import pytest\n\n\n@pytest.mark.skip\ndef test_a():\n    pass\n"},
}


@pytest.mark.parametrize("what", WITHOUT)
async def test_a_repository_without_tests_is_repaired_without(what: str, box: Box, tmp_path: Path) -> None:
    job = job_of(tmp_path, box, {**WITHOUT[what], "a.py": "A = 1\n"})
    answer, report, runs = await judged(tmp_path, job, [[("a.py", "1", "2")]])
    assert (answer.status, answer.stop_reason) == ("partial", "untested") and answer.text
    assert "no_tests" in report["flags"] and report["tests"]["why"] and not runs
    assert report["candidates"][0]["untested"] == report["tests"]["why"]


async def test_targets_that_nobody_knows_are_flagged(box: Box, tmp_path: Path) -> None:
    job = job_of(tmp_path, box, targets=("tests/test_none.py",))
    answer, report, _ = await judged(tmp_path, job, [BOTH])
    assert "unknown_targets" in report["flags"] and report["tests"]["targets"] == []
    assert answer.status == "ok"


async def test_a_file_that_cannot_be_imported_is_a_target(box: Box, tmp_path: Path) -> None:
    """The bug is a module that is no Python: its tests do not exist until it is repaired."""
    files = {
        **CART,
        "src/shop/price.py": str(CART["src/shop/price.py"]).replace("def taxed(price):", "def taxed(price)"),
    }
    job = job_of(tmp_path, box, files, targets=(FREE,))
    fix = ("src/shop/price.py", "def taxed(price)\n", "def taxed(price):\n")
    answer, report, _ = await judged(tmp_path, job, [[fix]])
    assert report["tests"]["targets"] == [FREE] and answer.status == "ok", report
    assert report["candidates"][0]["fixed"] == 1


# Candidates ------------------------------------------------------------------------------------------------------


async def test_a_change_is_tested_once_and_all_tests_run_for_the_best(box: Box, tmp_path: Path) -> None:
    free = ("src/shop/price.py", "return 0", "return 1")  # breaks test_free, which is near
    comment = ("src/shop/price.py", "RATE = 2", "RATE = 2  # per item")
    answer, report, runs = await judged(
        tmp_path, job_of(tmp_path, box), [BOTH, [*BOTH, comment], [*BOTH, free]], [[RATE], BOTH, [comment]]
    )
    assert (answer.status, report["chosen"]) == ("ok", "0.0")
    assert [each["votes"] for each in report["candidates"]] == [3, 3, 1, 1, 3, 0]
    assert [each["fixed"] for each in report["candidates"]] == [1, 1, 1, 0, 1, 0]
    trials = [report["trials"].get(each["key"]) for each in report["candidates"]]
    assert [each and each["whole"] for each in trials] == [True, True, False, False, True, None]
    assert len(runs) == 5  # three changes, of which one runs all and one runs again what failed
    broken = report["candidates"][2]
    assert (broken["broken"], broken["regression"]["failed"], broken["untested"]) == ([FREE], 1, LEFT_BEHIND)
    assert "assert 1 == 0" in trials[2]["messages"][FREE]
    assert report["reasons"]["2.0"] == "1 regression tests fail, 0 at best"
    assert report["reasons"]["0.1"] == "it fixes 0 failing tests, 1 at best"


async def test_a_failure_far_away_brings_the_next_best_change_up(box: Box, tmp_path: Path) -> None:
    """What looks best in the near tests breaks a test elsewhere; the others are then tested to the end as well."""
    far = (
        "from importlib import import_module\n\n\n"
        "def test_it():\n    assert not hasattr(import_module('shop' + '.ca' + 'rt'), 'NEW')\n"
    )
    files = {**CART, "tests/test_other.py": far}
    new = ("src/shop/cart.py", "def size", "NEW = 1\n\n\ndef size")
    answer, report, runs = await judged(tmp_path, job_of(tmp_path, box, files), [[*BOTH, new], [RATE]])
    assert [each["fixed"] for each in report["candidates"]] == [1, 0]
    assert all(each["whole"] for each in report["trials"].values()) and len(runs) == 5
    assert report["candidates"][0]["broken"] == [OTHER]
    assert (report["chosen"], answer.status, answer.stop_reason) == ("1.0", "partial", "targets_failing")


async def test_a_test_that_fails_now_and_then_is_asked_twice(box: Box, tmp_path: Path) -> None:
    """It fails with the change where test_cart.py ran before it, and passes on its own."""
    chance = (
        "import sys\nfrom shop.cart import total\n\n\n"
        "def test_it():\n    assert total([1, 2]) == 4 or 'test_cart' not in sys.modules\n"
    )
    answer, report, runs = await judged(
        tmp_path, job_of(tmp_path, box, {**CART, "tests/test_other.py": chance}), [BOTH]
    )
    (trial,) = report["trials"].values()
    assert (trial["late"], trial["broken"], trial["counts"]["failed"]) == ([OTHER], [], 0)
    assert answer.status == "ok" and len(runs) == 2


CRASHES = {
    "it ends the runner": "import ctypes\nctypes.string_at(0)\n",
    "it never ends": "while True:\n    pass\n",
}


@pytest.mark.parametrize("crash", CRASHES)
async def test_a_crash_is_no_pass(crash: str, box: Box, tmp_path: Path) -> None:
    suite = Suite(limits=Limits(4, LIMITS.memory, 1, 128, LIMITS.disk), environment=SUITE.environment)
    job = Job(workspace(tmp_path, CART), box, suite)
    bad = ("src/shop/price.py", "RATE = 2\n", f"{CRASHES[crash]}RATE = 2\n")
    waves = [[[*BOTH, bad], [*BOTH, bad], [RATE]]]
    _, report, _ = await judged(tmp_path, job, *waves)
    assert report["chosen"] == "2.0"
    crashed = report["candidates"][0]
    assert crashed["regression"] is None and "did not come to their end" in crashed["untested"]
    assert report["reasons"]["0.0"] == crashed["untested"]


async def test_a_patch_is_judged_by_nothing_that_it_wrote(box: Box, tmp_path: Path) -> None:
    easy = ("tests/test_cart.py", "== 6", "== 4")
    hook = (
        "import pytest\n\n\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
        "    outcome = yield\n    outcome.get_result().outcome = 'passed'\n"
    )
    conftest = ("tests/conftest.py", "", hook)
    ini = ("pytest.ini", "", "[pytest]\naddopts = --collect-only\n")
    waves = [[[easy], [RATE, conftest], [RATE, ini], [*BOTH, easy]]]
    _, report, _ = await judged(tmp_path, job_of(tmp_path, box), *waves)
    assert report["candidates"][0]["reason"] == OWN_TESTS
    assert [each["fixed"] for each in report["candidates"]] == [0, 0, 0, 1] and report["chosen"] == "3.0"
    guarded = [event["paths"] for event in report["events"] if event["kind"] == "guarded"]
    assert guarded == [["tests/test_cart.py"], ["tests/conftest.py"], ["pytest.ini"], ["tests/test_cart.py"]]


async def test_tests_that_may_break_are_not_counted(box: Box, tmp_path: Path) -> None:
    free = ("src/shop/price.py", "return 0", "return 1")
    keep = ["tests/test_cart.py::test_size", OTHER, "tests/test_cart.py::test_made_up"]
    answer, report, _ = await judged(tmp_path, job_of(tmp_path, box), [[*BOTH, free]], regression=keep)
    assert answer.status == "ok" and report["candidates"][0]["regression"]["passed"] == 2


async def test_a_budget_of_runs_leaves_changes_untested(box: Box, tmp_path: Path) -> None:
    answer, report, _ = await judged(
        tmp_path, job_of(tmp_path, box), [[RATE], BOTH, [ALL_PRICES]], budget=Budget(code_runs=4)
    )
    assert (answer.status, answer.stop_reason) == ("budget", "code_runs") and answer.text
    assert sum(each["regression"] is None for each in report["candidates"]) >= 2
    answer, report, _ = await judged(
        tmp_path / "2", job_of(tmp_path / "2", box), [[RATE], BOTH, BOTH], budget=Budget(code_runs=2)
    )
    assert (answer.status, report["ended"], report["chosen"]) == ("budget", ["budget", "code_runs"], None)


# Other runners ---------------------------------------------------------------------------------------------------

JUNIT = """
import sys
sys.path.insert(0, "src")
from shop import cart, price

cases = {"total": cart.total([1, 2]) == 6, "size": cart.size([5]) == 1, "free": price.free() == 0}
with open("report.xml", "w") as file:
    file.write("<testsuite>")
    for name, good in cases.items():
        file.write(f'<testcase classname="shop" name="{name}">{"" if good else "<failure/>"}</testcase>')
    file.write("</testsuite>")
sys.exit(not all(cases.values()))
"""


async def test_another_runner_with_reports(box: Box, tmp_path: Path) -> None:
    suite = Suite.of("python3 check.py", ["report.xml"], limits=LIMITS)
    job = Job(workspace(tmp_path, {**CART, "check.py": JUNIT}), box, suite)
    free = ("src/shop/price.py", "return 0", "return 1")
    answer, report, runs = await judged(tmp_path, job, [BOTH, [*BOTH, free], [RATE]])
    assert (answer.status, report["chosen"], len(runs)) == ("ok", "0.0", 3)
    assert report["tests"]["targets"] == ["shop::total"] and report["tests"]["passing"] == 2
    assert [each["broken"] for each in report["candidates"]] == [[], ["shop::free"], []]


async def test_a_command_that_tells_its_exit_code_alone(box: Box, tmp_path: Path) -> None:
    suite = Suite.of("python3 check.py", limits=LIMITS)
    files: Mapping[str, str | bytes] = {**CART, "check.py": JUNIT}
    answer, report, runs = await judged(tmp_path, Job(workspace(tmp_path, files), box, suite), [[RATE], BOTH])
    assert (answer.status, report["chosen"], len(runs)) == ("ok", "1.0", 2)
    assert report["tests"]["targets"] == ["all tests"] and report["tests"]["passing"] == 0
    # Where the command passes at the base, a change may not break it.
    fixed = {**files, "src/shop/cart.py": str(CART["src/shop/cart.py"]).replace("[1:]", "")}
    fixed["src/shop/price.py"] = str(CART["src/shop/price.py"]).replace("+ RATE", "* RATE")
    job = Job(workspace(tmp_path / "2", fixed), box, suite)
    worse = ("src/shop/price.py", "return 0", "return 1")
    fine = ("src/shop/price.py", "RATE = 2", "RATE = 1 + 1")
    answer, report, _ = await judged(tmp_path / "2", job, [[worse], [fine]])
    assert (answer.status, report["chosen"]) == ("ok", "1.0")
    assert report["candidates"][0]["broken"] == ["all tests"]


async def test_files_that_cannot_be_imported_are_what_to_fix_where_nothing_fails(box: Box, tmp_path: Path) -> None:
    right = str(CART["src/shop/price.py"]).replace("+ RATE", "* RATE")
    files = {
        **CART,
        "src/shop/cart.py": str(CART["src/shop/cart.py"]).replace("[1:]", ""),
        "src/shop/price.py": right.replace("taxed(price):", "taxed(price)"),
    }
    fix = ("src/shop/price.py", "def taxed(price)\n", "def taxed(price):\n")
    worse = ("src/shop/price.py", right.replace("taxed(price):", "taxed(price)"), "def taxed(price):\n    return 0\n")
    answer, report, _ = await judged(tmp_path, job_of(tmp_path, box, files), [[worse], [fix]])
    assert (report["tests"]["passing"], report["tests"]["failing"]) == (1, 0)
    assert [each["fixed"] for each in report["candidates"]] == [3, 5], report
    assert (answer.status, report["chosen"]) == ("ok", "1.0")
