"""Bugs made and graded: real little repositories, real tests in a real sandbox, and the patch that takes them back."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clew.agents.bug_grades import Grade, grade
from clew.agents.bug_grades import tests_of as named_tests
from clew.agents.bug_history import history_bugs
from clew.agents.bug_issues import issue_text
from clew.agents.bug_kinds import OTHER, bug_of, in_turns, known_edits, other_edits
from clew.agents.bugs import Family, Field, Shelf, make_bugs, named
from clew.agents.instances import Instance
from clew.errors import ConfigError
from clew.graphs.agentless.mutate import applied
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.suites import Suite
from clew.graphs.agentless.templates import mutations
from clew.graphs.agentless.types import Change, TestResult
from clew.sandbox import Box
from tests.graphs.agentless.repositories import LIMITS, commit, git, repository, suite_box, write

pytestmark = pytest.mark.anyio

PRICE = """RATE = 2


def total(prices):
    result = 0
    for price in prices:
        if price > 100:
            result += price - 1
        else:
            result += price
    return result * RATE


def first(prices, other=0):
    try:
        return prices["first"]
    except KeyError:
        return other
"""
FILES = {
    "src/shop/__init__.py": "",
    "src/shop/price.py": PRICE,
    "tests/test_price.py": "from shop.price import first, total\n\n\n"
    "def test_total():\n    assert total([1, 2]) == 6\n\n\n"
    "def test_dear():\n    assert total([200]) == 398\n    assert total([100]) == 200\n\n\n"
    "def test_first():\n    assert first({'first': 3}) == 3\n    assert first({}, 7) == 7\n\n\n"
    "def test_nothing():\n    assert total([]) == 0\n\n\ndef test_other():\n    assert 1\n",
}


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    made = suite_box("process")
    yield made
    asyncio.run(made.close())


def field(folder: Path, box: Box, files: dict[str, str] = FILES) -> Field:
    repo = repository(folder / "shop", files)
    return Field("shop", repo, Workspace.make(repo, "HEAD", folder / "workspace"), box, Suite(limits=LIMITS))


async def made(field: Field, shelf: Shelf, count: int, families: list[Family], **more: Any) -> list[dict[str, Any]]:
    return [row async for row in make_bugs(field, shelf, "bugs.repos/shop.git", count, families, **more)]


async def test_each_bug_fails_a_test_and_its_patch_takes_it_back(box: Box, tmp_path: Path) -> None:
    ground = field(tmp_path, box)
    shelf = Shelf(tmp_path / "bugs.repos/shop.git")
    rows = await made(ground, shelf, 4, ["known", "other"])
    assert len({row["instance_id"] for row in rows}) == 4 and [row["family"] for row in rows].count("known") == 2
    for row in rows:
        assert (row["kind"] in OTHER) == (row["family"] == "other")
        instance = Instance.of(row)
        assert "shop/price.py" not in instance.problem_statement and "fails" in instance.problem_statement
        assert not set(row["FAIL_TO_PASS"]) & set(row["PASS_TO_PASS"])
        assert "tests/test_price.py::test_other" in row["PASS_TO_PASS"]
        # No history holds the fix, and the tree is another one.
        assert git(shelf.folder, "rev-list", "--count", row["base_commit"]) == "1"
        broken = Workspace.make(shelf.folder, row["base_commit"], tmp_path / row["instance_id"])
        assert broken.read("src/shop/price.py") != PRICE
        assert broken.apply(row["patch"]).tree == ground.workspace.tree
        gold = await grade(row, row["patch"], broken, box, ground.suite)
        assert gold.status == "resolved" and gold.fail_to_pass[0] == len(row["FAIL_TO_PASS"]) > 0
    again = await made(ground, Shelf(tmp_path / "again.git"), 4, ["known", "other"])
    assert [row["base_commit"] for row in again] == [row["base_commit"] for row in rows]
    more = await made(ground, shelf, 1, ["known"], known=[row["instance_id"] for row in rows])
    assert more and more[0]["instance_id"] not in {row["instance_id"] for row in rows}


async def test_a_patch_is_judged_by_the_tests_of_its_instance_alone(box: Box, tmp_path: Path) -> None:
    wrong = {**FILES, "src/shop/price.py": PRICE.replace("price - 1", "price - 2")}
    tree = Workspace.make(repository(tmp_path / "repo", wrong), "HEAD", tmp_path / "workspace")
    row = {
        "instance_id": "shop-1", "FAIL_TO_PASS": '["tests/test_price.py::test_dear"]',
        "PASS_TO_PASS": ["tests/test_price.py::test_total"], "test_patch": "",
    }  # fmt: skip

    async def of(path: str, old: str, new: str) -> Grade:
        text = tree.read(path)
        diff = tree.diff([Change(path=path, before=text, after=text.replace(old, new))])
        return await grade(row, diff, tree, box, Suite(limits=LIMITS))

    assert (await of("src/shop/price.py", "price - 2", "price - 1")).status == "resolved"
    half = await of("src/shop/price.py", "return result * RATE", "return 398 if prices[0] > 100 else 200")
    assert (half.status, half.fail_to_pass, half.pass_to_pass) == (
        "failed",
        (1, 1),
        (0, 1),
    ) and "test_total" in half.why
    cheat = await of("tests/test_price.py", "== 398", "== 396")
    assert cheat.status == "failed" and cheat.fail_to_pass == (0, 1)
    empty = await grade(row, "", tree, box, Suite(limits=LIMITS))
    assert (empty.status, empty.why) == ("failed", "there is no patch")
    unfit = await grade(
        row, "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", tree, box, Suite(limits=LIMITS)
    )
    assert unfit.status == "error" and "does not apply" in unfit.why
    assert Grade.of(unfit.to_row()) == unfit
    with pytest.raises(ConfigError, match="no list of tests"):
        named_tests({"FAIL_TO_PASS": "x"}, "FAIL_TO_PASS")


async def test_where_no_test_passes_there_is_nothing_to_break(box: Box, tmp_path: Path) -> None:
    bad = field(tmp_path, box, {**FILES, "tests/test_price.py": "def test_a():\n    assert 0\n"})
    with pytest.raises(ConfigError, match="no test of shop passes"):
        await made(bad, Shelf(tmp_path / "s.git"), 1, ["known"])


def test_known_bugs_are_undone_by_one_template_and_others_by_none() -> None:
    known = [bug for path, edit in known_edits("a.py", PRICE) if (bug := bug_of(path, PRICE, edit))]
    other = [bug for path, edit in other_edits("a.py", PRICE) if (bug := bug_of(path, PRICE, edit))]
    right = ast.dump(ast.parse(PRICE))

    def undone(text: str) -> bool:
        made = (applied(text, edit) for edit in mutations(text))
        return any(_dump(each) == right for each in made if each is not None)

    assert len(known) > 20 and all(undone(bug.after) for bug in known[::7])
    assert {"lost_statement", "lost_else", "wrong_exception", "wrong_key"} <= {bug.kind for bug in other} <= set(OTHER)
    assert not any(undone(bug.after) for bug in other)


def _dump(text: str) -> str:
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return ""


def test_kinds_take_turns_and_a_seed_decides() -> None:
    places = list(known_edits("a.py", PRICE))
    one, same, two = (list(in_turns(places, seed)) for seed in (1, 1, 2))
    kinds = {edit.kind for _, edit in places}
    assert one == same != two and {edit.kind for _, edit in one[: len(kinds)]} == kinds
    assert sorted(one, key=repr) == sorted(places, key=repr)


def test_lines_that_commits_changed_are_bugs_of_history(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo", {**FILES, "src/shop/price.py": PRICE.replace("> 100", ">= 100")})
    write(repo, {"src/shop/price.py": PRICE + "# end\n"})
    commit(repo)
    write(repo, {"src/shop/price.py": PRICE.replace("# end\n", "") + "# the end\n"})
    head = commit(repo)
    text = PRICE + "# the end\n"
    found = list(history_bugs(repo, head, {"src/shop/price.py": text}))
    assert [bug.after for bug in found] == [text.replace("> 100", ">= 100")]
    assert (found[0].kind, found[0].first) == ("one_line", 7)


def test_an_issue_says_what_was_asked_and_what_came() -> None:
    message = (
        "def test_total():\n>       assert total([1, 2]) == 6\nE       assert 3 == 6\n"
        "E        +  where 3 = total([1, 2])\n\n"
        "tests/test_price.py:5: AssertionError"
    )
    other = "src/shop/price.py:9: in total\nE   KeyError: 'first' at src/shop/price.py:7, line 7"
    text = issue_text(
        [
            TestResult(name="tests/test_price.py::test_total[1-2]", outcome="failed", message=message),
            TestResult(name="tests/test_price.py::test_first", outcome="failed", message=other),
            TestResult(name="tests/test_price.py::test_same", outcome="failed", message=message),
        ]
    )
    assert text.startswith("Test total (1-2) fails: assert 3 == 6\n")
    assert "```\nassert total([1, 2]) == 6\n```" in text and "assert 3 == 6\n" in text
    assert "KeyError: 'first'" in text and "shop/price.py" not in text and "line 7" not in text
    assert text.endswith("One more test fails.\n")
    assert issue_text([TestResult(name="a::b", outcome="error")]).startswith("B fails: no result")


def test_a_repository_has_a_name(tmp_path: Path) -> None:
    assert named(tmp_path / "a b.git") == "a-b"
