"""What a choice must stand before it is one: its tests again, and no script of a model in place of tests."""

from __future__ import annotations

from pathlib import Path

import pytest

import clew
from clew.agents.repair_report import verdict
from clew.graphs import agentless
from clew.graphs.agentless.job import Job, ReproductionTest
from clew.graphs.agentless.mutants import MutationProposer
from clew.graphs.agentless.suites import Suite
from clew.graphs.agentless.validation import OWN_TESTS
from clew.journal import Journal
from clew.sandbox import Box
from clew.task import Task
from tests.graphs.agentless.proposing import ALL_PRICES, CART, ISSUE, RATE, Given, job_of
from tests.graphs.agentless.repositories import LIMITS, workspace
from tests.graphs.agentless.test_validation import FREE, TOTAL, judged

pytestmark = pytest.mark.anyio

RESOLVED = ReproductionTest(script="print('Issue resolved')\n", key="k")
# It passes in neither run at the base, and not alone, but with a few others: as if by chance.
BY_CHANCE = "def test_by_chance(request):\n    assert 2 < len(request.session.items) < 6\n"
CHANCE = "tests/test_chance.py::test_by_chance"
IDLE = ("src/shop/price.py", "def free():\n    return 0", "def free():\n    return 0 * 1")


async def test_a_test_that_passes_once_by_chance_is_not_mended(box: Box, tmp_path: Path) -> None:
    job = job_of(tmp_path, box, {**CART, "tests/test_chance.py": BY_CHANCE})
    answer, report, _ = await judged(tmp_path, job, [[IDLE]])
    (trial,) = report["trials"].values()
    assert report["tests"]["targets"] == [TOTAL] and report["tests"]["flaky"] == 1
    assert "flaky_tests" in report["flags"] and report["candidates"][0]["fixed"] == 0
    assert trial["unsteady"] == [CHANCE] and trial["fixed"] == []
    assert (answer.status, answer.stop_reason) == ("partial", "targets_failing")


async def test_the_choice_is_made_again_among_whole_results(box: Box, tmp_path: Path) -> None:
    """What one mends by chance put another one behind, and some of that one's tests were spared."""
    files = {**CART, "tests/test_chance.py": BY_CHANCE}
    files["tests/test_cart.py"] = str(files["tests/test_cart.py"]) + "\n\ndef test_more():\n    assert cart\n"
    both = [RATE, ALL_PRICES]  # near so many tests that the one of chance fails with it
    job = job_of(tmp_path, box, files, targets=(CHANCE, TOTAL))
    answer, report, _ = await judged(tmp_path, job, [[IDLE], both])
    assert report["chosen"] == "1.0" and report["candidates"][1]["fixed"] == 1, report["trials"]
    assert all(trial["whole"] for trial in report["trials"].values())
    assert answer.status == "ok" and report["tests"]["targets"] == [TOTAL]


async def test_tests_that_may_break_are_told_when_they_do(box: Box, tmp_path: Path) -> None:
    worse = ("src/shop/price.py", "def free():\n    return 0", "def free():\n    return 1")
    kept = ["tests/test_cart.py::test_empty", "tests/test_cart.py::test_size", "tests/test_other.py::test_it"]
    answer, report, _ = await judged(tmp_path, job_of(tmp_path, box), [[RATE, ALL_PRICES, worse]], regression=kept)
    assert answer.status == "ok" and "excused_failures" in report["flags"]
    (trial,) = report["trials"].values()
    assert trial["excused"] == [FREE] and trial["counts"]["failed"] == 0
    said = verdict({"status": "ok", **report})
    assert said == "A patch was found, and it passes the tests; those that the model said a right fix breaks fail."


async def test_a_script_of_the_model_is_no_test_of_the_repository(box: Box, tmp_path: Path) -> None:
    """A patch that ends the runner had no test report, passed such a script, and was said to pass the tests."""
    ends = ("src/shop/price.py", "RATE = 2", "RATE = 2\n__import__('os').abort()")
    answer, report, _ = await judged(tmp_path, job_of(tmp_path, box), [[ends]], reproduction=[RESOLVED])
    assert (answer.status, answer.stop_reason) == ("partial", "untested"), report["candidates"]
    # So it is where the command of the tests never ran them.
    job = Job(workspace(tmp_path / "2", CART), box, Suite.of("sh -c 'exit 127'", limits=LIMITS))
    answer, report, _ = await judged(tmp_path / "2", job, [[RATE]], reproduction=[RESOLVED])
    assert (answer.status, answer.stop_reason, report["flags"][0]) == ("partial", "untested", "no_tests")


async def test_who_goes_by_failing_tests_alone_mends_all_of_them(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**CART, "tests/test_never.py": "def test_never():\n    assert 0\n"}
    answer, report, _ = await judged(tmp_path, job_of(tmp_path, box, files), [[RATE, ALL_PRICES]])
    assert answer.status == "ok"
    monkeypatch.setattr(Given, "mends_all", True)
    other, _, _ = await judged(tmp_path / "2", job_of(tmp_path / "2", box, files), [[RATE, ALL_PRICES]])
    assert (other.status, other.stop_reason) == ("partial", "targets_failing")
    assert verdict({"status": "ok", **report}).endswith("passes the tests; of 2 that failed before it mends 1.")


async def test_a_command_that_tells_its_exit_code_alone_is_marked(box: Box, tmp_path: Path) -> None:
    job = Job(workspace(tmp_path, CART), box, Suite.of("true", limits=LIMITS))
    _, report, _ = await judged(tmp_path, job, [[RATE]])
    assert "exit_code_only" in report["flags"]


async def test_files_that_tests_were_found_in_judge_a_patch_as_they_were(box: Box, tmp_path: Path) -> None:
    """Only names decided what a test file is, and a patch changed what `check_*.py` asked of it."""
    rename = {"tests/test_cart.py": "checks/check_cart.py", "tests/test_price.py": "checks/check_price.py"}
    files = {rename.get(path, path): text for path, text in CART.items() if "other" not in path}
    files |= {"pytest.ini": "[pytest]\npython_files = check_*.py\naddopts = --doctest-modules\n"}
    files["src/shop/doc.py"] = 'def one():\n    """\n    >>> one()\n    1\n    """\n    return 2\n'
    easier = ("checks/check_cart.py", "== 6", "== 4")
    doc = ("src/shop/doc.py", "return 2", "return 1")
    job = job_of(tmp_path, box, files)
    answer, report, _ = await judged(tmp_path, job, [[easier], [easier, doc], [RATE, ALL_PRICES, doc]])
    first, second, third = report["candidates"]
    assert first["reason"] == OWN_TESTS and (second["fixed"], third["fixed"]) == (1, 2), report["trials"]
    assert (answer.status, report["chosen"]) == ("ok", "2.0")


async def test_mutate_leaves_such_files_alone(box: Box, tmp_path: Path) -> None:
    files = {
        "pytest.ini": "[pytest]\npython_files = check_*.py\n",
        "price.py": "def price():\n    return open('price.txt').read()\n",
        "price.txt": "3",
        "check_price.py": "import price\n\n\ndef test_price():\n    assert price.price() == '4'\n",
    }
    job = job_of(tmp_path, box, files)
    with Journal(tmp_path / "j.db") as journal:
        task = Task(prompt=ISSUE, kind="repair")
        answer = await clew.run(agentless(MutationProposer(limit=40), job), task, journal=journal, run_id="r")
    assert not answer.text and answer.artifacts["repair"]["candidates"] == []


async def test_what_excused_tests_do_to_the_runner_says_nothing_of_mended_ones(box: Box, tmp_path: Path) -> None:
    files = {**CART, "tests/test_ends.py": "import os\nfrom shop import price\n\n\ndef test_ends():\n"
             "    price.free() and os.abort()\n"}  # fmt: skip
    worse = ("src/shop/price.py", "def free():\n    return 0", "def free():\n    return 1")
    kept = ["tests/test_cart.py::test_empty", "tests/test_other.py::test_it"]
    answer, report, _ = await judged(
        tmp_path, job_of(tmp_path, box, files), [[RATE, ALL_PRICES, worse]], regression=kept
    )
    (trial,) = report["trials"].values()
    assert answer.status == "ok" and trial["fixed"] == [TOTAL] and trial["unsteady"] == []
    assert "tests/test_ends.py::test_ends" in trial["excused"]
