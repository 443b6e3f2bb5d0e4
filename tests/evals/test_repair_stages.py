"""The figures of a repair's stages, on a repository where everything can be counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clew.evals.repair_stages import Recall, Stages, chosen_key, distinct, recalls, table, touched
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
FILES = {
    "bank.py": BANK, "tests/test_bank.py": "def test_bank():\n    assert True\n", "rates.py": "X = 1\nY = 2\n",
    "CHANGES.rst": "a\n",
}  # fmt: skip


def gold(base: Workspace) -> str:
    return base.diff(
        [
            Change(path="bank.py", before=BANK, after=BANK[::-1].replace("+", "-", 1)[::-1]),
            Change(path="rates.py", before="X = 1\nY = 2\n", after="X = 1\nZ = 0\nY = 2\n"),
            Change(path="tests/test_bank.py", before=FILES["tests/test_bank.py"], after="def test_bank(): pass\n"),
            Change(path="new.py", before=None, after="N = 1\n"),
            Change(path="CHANGES.rst", before="a\n", after="b\n"),
        ]
    )


def located(*places: tuple[str, str, str, int, int]) -> dict[str, Any]:
    names = ("path", "kind", "name", "start", "end")
    return {"files": ["bank.py"], "sets": [[dict(zip(names, place, strict=True)) for place in places]]}


def test_what_a_patch_touches_is_what_a_stage_could_name(tmp_path: Path) -> None:
    base = workspace(tmp_path, FILES)
    found = touched(base, gold(base))
    assert found.files == {"bank.py", "rates.py"}
    assert found.functions == {("bank.py", "Account.withdraw")}
    assert found.lines == {("bank.py", 10), ("rates.py", 1)}  # an added line: the one before it


def test_recall_is_of_what_each_stage_names(tmp_path: Path) -> None:
    base = workspace(tmp_path, FILES)
    known = touched(base, gold(base))
    elements = {"stage": "elements", "places": [["bank.py:Account.deposit", "bank.py:1"], ["rates.py:2-1"]]}
    near = recalls(located(("bank.py", "line", "", 9, 9)), [elements, {"stage": "sets"}], base, known, window=1)
    assert near == {
        "files": Recall(file=0.5),
        "elements": Recall(file=1.0, function=0.0, line=0.5),
        "locations": Recall(file=0.5, function=1.0, line=0.5),
    }
    far = recalls(located(("bank.py", "line", "", 14, 14)), [{"stage": "sets"}], base, known, window=1)
    assert far["locations"] == Recall(file=0.5, function=0.0, line=0.0)
    # A try that named nothing is followed by another one, and a class is all of its methods.
    tries = [{"stage": "elements", "places": [[]]}, {"stage": "elements", "places": [["bank.py:Account"]]}]
    assert recalls({"files": []}, tries, base, known) == {"elements": Recall(file=0.5, function=1.0, line=0.5)}
    blame = {"stage": "blame", "suspects": [["bank.py", 10, 0.9], ["bank.py", 6, 0.5]]}
    assert recalls({"files": []}, [blame], base, known) == {"blame": Recall(file=0.5, function=1.0, line=0.5)}
    assert recalls({"files": []}, [], base, known) == {}


def test_changes_that_differ_are_those_that_could_be_chosen() -> None:
    def candidate(id: str, key: str, **more: Any) -> dict[str, Any]:
        return {"id": id, "key": key, "syntax_ok": True, "reason": "", "diff": f"diff {id}", **more}

    report = {
        "chosen": "0.2",
        "candidates": [
            candidate("0.0", "a"), candidate("1.0", "b"), candidate("0.1", "", diff=""),
            candidate("0.2", "a"), candidate("0.3", "c", reason="only tests"), candidate("1.3", "d", syntax_ok=False),
        ],
    }  # fmt: skip
    assert distinct(report) == {"a": "diff 0.0", "b": "diff 1.0"} and chosen_key(report) == "a"
    assert distinct({}) == {} and chosen_key({"chosen": None, "candidates": []}) == ""


def test_the_table_says_of_how_many_a_figure_is() -> None:
    def stages(any: bool | None, resolved: bool | None, **more: Any) -> Stages:
        recall = {"files": Recall(file=1.0), "locations": Recall(file=1.0, line=0.5)}
        return Stages("a", recall, True, 4, any, resolved, **more)

    rows = [
        stages(True, True, scripts=2, right=1, tokens=3000, seconds=4),
        stages(True, False, scripts=0, right=0, tokens=1000, seconds=6),
        stages(False, False),
        Stages("b", seconds=5),
    ]
    lines = dict(line.strip("| ").split(" | ", 1) for line in table({"model": rows, "none": []}).split("\n")[2:])
    assert {name: cells.split(" | ")[0] for name, cells in lines.items()} == {
        "repairs": "4",
        "file recall, files": "1.000 (of 3)",
        "file recall, locations": "1.000 (of 3)",
        "line recall, locations": "0.500 (of 3)",
        "with a patch": "3 of 4 (75%)",
        "changes that differ, mean": "3.00",
        "any candidate resolves": "2 of 3 (67%), 1 not graded",
        "resolved": "1 of 3 (33%), 1 not graded",
        "selection efficiency": "1 of 2 (50%)",
        "with a reproduction test": "1 of 2 (50%)",
        "reproduction tests right after gold": "1 of 2",
        "tokens, mean": "1,000",
        "seconds, median": "4",
    }
    assert lines["resolved"].endswith("| –")
