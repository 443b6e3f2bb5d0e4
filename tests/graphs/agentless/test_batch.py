"""Edits tried by the hundred in one run of pytest, and those that fight back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.graphs.agentless.batches import Tried, try_all
from clew.graphs.agentless.mutate import Proposal
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.suites import Suite
from clew.graphs.agentless.types import Change
from clew.journal import Journal, RunRow
from clew.journal.runs import Run, enter
from clew.sandbox import Box
from tests.graphs.agentless.repositories import LIMITS, suite_box, workspace
from tests.sandbox.conftest import BACKENDS

pytestmark = pytest.mark.anyio

SUITE = Suite(limits=LIMITS)
SOURCE = "\ufeff# Größe\nRATE = 2\n\n\ndef total(prices):\n    return sum(prices) + RATE\n"
FILES = {
    "src/shop/__init__.py": "",
    "src/shop/price.py": SOURCE,
    "tests/test_price.py": "from shop.price import total\n\n\ndef test_some():\n    assert total([1, 2]) == 6\n\n\n"
    "def test_none():\n    assert total([]) >= 0\n",
}
TARGET, NEAR = "tests/test_price.py::test_some", "tests/test_price.py::test_none"


def edits(tree: Workspace, *pairs: tuple[str, str], path: str = "src/shop/price.py") -> list[Proposal]:
    before = tree.read(path)
    return [
        Proposal(Change(path=path, before=before, after=before.replace(old, new, 1)), "any", 1, old, new, 1.0)
        for old, new in pairs
    ]


def verdicts(tried: list[Tried]) -> list[str]:
    return [each.verdict for each in tried]


@pytest.fixture(scope="module", params=BACKENDS)
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    made = suite_box(request.param)
    yield made
    asyncio.run(made.close())


@pytest.fixture
def process() -> Iterator[Box]:
    made = suite_box("process")
    yield made
    asyncio.run(made.close())


BODY = "return sum(prices) + RATE"
HOSTILE = {
    "crashes": "import os; os.kill(os.getpid(), 9)",
    "ends as if all were well": "import os; os._exit(0)",
    "never ends": "while True: pass",
    "forks for ever": "import os\n    while True: os.fork()",
    "leaves something running": "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'while 1: pass'], "
    "start_new_session=True); return 0",
    "takes all memory": "x = [0]\n    while True: x = x * 2",
    "kills its parent's group": "import os, signal; os.killpg(os.getpgid(0), signal.SIGKILL)",
}  # fmt: skip


async def test_each_edit_gets_its_own_verdict(box: Box, tmp_path: Path) -> None:
    tree = workspace(tmp_path, FILES)
    pairs = [
        ("+ RATE", "- RATE"), ("+ RATE", "* RATE"), (BODY, "raise ValueError"), ("RATE = 2", "RATE = 3"),
        (BODY, "return 6 if prices else -1"), ("2", ")"), (BODY, "import pytest; pytest.skip('no')"),
    ]  # fmt: skip
    tried, why = await try_all(box, SUITE, tree, edits(tree, *pairs), [TARGET], [[NEAR]] * len(pairs))
    assert why == "" and verdicts(tried) == ["fail", "pass", "fail", "pass", "near", "fail", "fail"]


async def test_no_edit_takes_the_others_with_it(box: Box, tmp_path: Path) -> None:
    tree = workspace(tmp_path, FILES)
    pairs = [*((BODY, body) for body in HOSTILE.values()), ("+ RATE", "* RATE")]
    tried, why = await try_all(box, SUITE, tree, edits(tree, *pairs), [TARGET])
    found = dict(zip([*HOSTILE, "good"], verdicts(tried), strict=True))
    assert why == "" and found.pop("good") == "pass", found
    assert found.pop("leaves something running") == "fail"
    # What the limits refuse is an exception, which pytest tells of.
    assert {found.pop("takes all memory"), found.pop("forks for ever")} <= {"fail", "died"}
    assert set(found.values()) == {"died"}, found


async def test_an_edit_that_ends_the_run_or_removes_files_is_alone_in_that(process: Box, tmp_path: Path) -> None:
    tree = workspace(tmp_path, FILES)
    pairs = [
        ("+ RATE", "* RATE"),
        (BODY, "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"),
        ("+ RATE", "* RATE"),
        (BODY, "import os; os.remove(__file__.replace('price', '__init__')); return 6"),
        ("RATE = 2", "RATE = 3"),
    ]  # fmt: skip
    with Journal(tmp_path / "journal.db") as journal:
        journal.create_run(RunRow(id="r"))
        enter(run := Run(journal, "r", lease=journal.acquire("r")))
        tried, _ = await try_all(process, SUITE, tree, edits(tree, *pairs), [TARGET])
    assert verdicts(tried) == ["pass", "died", "pass", "died", "pass"] and run.performed == 3


async def test_tests_that_do_not_come_to_an_end_are_told(process: Box, tmp_path: Path) -> None:
    tree = workspace(tmp_path, {**FILES, "tests/conftest.py": "import os\nos._exit(3)\n"})
    tried, why = await try_all(process, SUITE, tree, edits(tree, ("+ RATE", "* RATE")), [TARGET])
    assert verdicts(tried) == ["died"] and "did not come to their end" in why


async def test_a_file_that_could_not_be_imported_is_a_target(process: Box, tmp_path: Path) -> None:
    tree = workspace(tmp_path, {**FILES, "src/shop/price.py": SOURCE.replace("RATE = 2", "RATE = None + 3")})
    pairs = [("None + 3", "None"), ("None + 3", "3"), ("None + 3", "4")]
    tried, why = await try_all(process, SUITE, tree, edits(tree, *pairs), ["tests/test_price.py"])
    assert why == "" and verdicts(tried) == ["fail", "pass", "some"], tried


async def test_edits_that_make_some_targets_pass_are_told_apart(process: Box, tmp_path: Path) -> None:
    other = "tests/test_price.py::test_other"
    more = FILES["tests/test_price.py"] + "\n\ndef test_other():\n    assert total([5]) == 9\n"
    tree = workspace(tmp_path, {**FILES, "tests/test_price.py": more})
    tried, why = await try_all(
        process, SUITE, tree, edits(tree, ("+ RATE", "* RATE"), (BODY, "return 1")), [TARGET, other]
    )
    assert why == "" and [(each.verdict, each.fixed) for each in tried] == [("some", 1), ("fail", 0)]
