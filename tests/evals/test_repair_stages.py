"""The figures of a repair's stages, on a repository where everything can be counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clew.evals.repair_stages import Stages, measured, table, touched
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.types import Change
from tests.graphs.agentless.repositories import workspace

BANK = """\
RATE = 3


class Account:
    def deposit(self, amount):
        self.balance += amount
        return self.balance

    def withdraw(self, amount):
        self.balance += amount
        return self.balance


def total(accounts):
    return sum(each.balance for each in accounts)
"""
FILES = {"bank.py": BANK, "tests/test_bank.py": "def test_bank():\n    assert True\n", "rates.py": "X = 1\nY = 2\n"}


def gold(base: Workspace) -> str:
    return base.diff(
        [
            Change(path="bank.py", before=BANK, after=BANK[::-1].replace("+", "-", 1)[::-1]),
            Change(path="rates.py", before="X = 1\nY = 2\n", after="X = 1\nZ = 0\nY = 2\n"),
            Change(path="tests/test_bank.py", before=FILES["tests/test_bank.py"], after="def test_bank(): pass\n"),
            Change(path="new.py", before=None, after="N = 1\n"),
        ]
    )


def report(files: list[str], *places: tuple[str, str, str, int, int]) -> dict[str, Any]:
    names = ("path", "kind", "name", "start", "end")
    sets = [[dict(zip(names, place, strict=True)) for place in places]] if places else []
    return {"files": files, "sets": sets, "chosen": "0.0", "candidates": [{}, {}]}


def test_what_a_patch_touches_is_counted_without_tests_and_new_files(tmp_path: Path) -> None:
    base = workspace(tmp_path, FILES)
    found = touched(base, gold(base))
    assert found.files == {"bank.py", "rates.py"}
    assert found.functions == {("bank.py", "Account.withdraw")}
    assert found.lines == {("bank.py", 10), ("rates.py", 1)}  # an added line: the one before it


def test_recall_is_of_what_the_repair_prompt_showed(tmp_path: Path) -> None:
    base = workspace(tmp_path, FILES)
    known = touched(base, gold(base))
    near = measured("a", report(["bank.py"], ("bank.py", "line", "", 9, 9)), base, known, window=1)
    assert near == Stages("a", file=0.5, function=1.0, line=0.5, nonempty=True, candidates=2)
    far = measured("a", report(["rates.py", "bank.py"], ("bank.py", "line", "", 14, 14)), base, known, window=1)
    assert far == Stages("a", file=1.0, function=0.0, line=0.0, nonempty=True, candidates=2)
    none = measured("a", report([]), base, known)
    assert (none.file, none.function, none.line) == (None, None, None)


def test_selection_is_measured_against_a_perfect_choice_only() -> None:
    def stages(any: bool | None, resolved: bool | None) -> Stages:
        return Stages("a", 1.0, None, 0.5, True, 4, any, resolved)

    rows = [stages(True, True), stages(True, False), stages(False, False), stages(None, None)]
    assert dict(table(rows)) == {
        "file recall": "1.000 (n = 4)",
        "function recall": "not measured",
        "line recall": "0.500 (n = 4)",
        "with a patch": "1.000 (n = 4)",
        "any candidate resolves": "0.667 (n = 3)",
        "resolved": "0.333 (n = 3)",
        "selection efficiency": "0.500 (n = 2)",
    }
