"""From an answer to a candidate, in a real repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.graphs.agentless.candidates import Texts, from_answer
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.types import Candidate
from tests.graphs.agentless.repositories import workspace

FILES: dict[str, str | bytes] = {
    "src/cart.py": "def total(price, count):\n    return price\n",
    "dos.txt": "one\r\ntwo\r\nthree",
    "logo.png": b"\x89PNG\0\1",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return workspace(tmp_path_factory.mktemp("tree"), FILES)


def made(tree: Workspace, path: str, search: str, replace: str) -> Candidate:
    text = f"```\n### {path}\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n```\n"
    return from_answer(text, tree, Texts(tree), (), set=1, sample=2)


def test_case_1_an_answer_becomes_a_patch_that_applies(tree: Workspace) -> None:
    candidate = made(tree, "src/cart.py", "    return price\n", "    return price * count\n")
    assert candidate.diff.splitlines()[2:] == [
        "--- a/src/cart.py",
        "+++ b/src/cart.py",
        "@@ -1,2 +1,2 @@",
        " def total(price, count):",
        "-    return price",
        "+    return price * count",
    ]
    assert (candidate.id, candidate.syntax_ok, candidate.reason) == ("1.2", True, "")
    assert tree.apply(candidate.diff).read("src/cart.py") == "def total(price, count):\n    return price * count\n"
    assert Candidate.model_validate(candidate.model_dump(mode="json")) == candidate


def test_case_12_the_patch_of_a_file_without_a_last_line_end_applies(tree: Workspace) -> None:
    candidate = made(tree, "dos.txt", "three\n", "three\nfour\n")
    assert tree.apply(candidate.diff).read("dos.txt") == "one\r\ntwo\r\nthree\r\nfour"


def test_case_13_a_hostile_path_is_a_reason(tree: Workspace, tmp_path: Path) -> None:
    for path in ("../../etc/passwd", f"{tmp_path}/x", ".git/hooks/pre-commit", "a.py; touch x", "logo.png"):
        for search in ("", "root\n"):
            candidate = made(tree, path, search, "text\n")
            assert (candidate.diff, candidate.key) == ("", "")
            assert candidate.reason
    assert list(tmp_path.iterdir()) == []


def test_case_14_a_syntax_error_is_the_reason(tree: Workspace) -> None:
    candidate = made(tree, "src/cart.py", "    return price\n", "    return (price\n")
    assert not candidate.syntax_ok
    assert candidate.reason.startswith("src/cart.py, line 2: ")
    comment = made(tree, "src/cart.py", "    return price\n", "    return price  # each\n")
    assert (comment.key, comment.syntax_ok, comment.reason) == ("", True, "it changes nothing that runs")


def test_what_a_model_should_do_next_is_the_reason(tree: Workspace) -> None:
    candidate = made(tree, "src/cart.py", "    return prize\n", "    return price * count\n")
    assert "'return prize'" in candidate.reason
    assert candidate.events[0]["kind"] == "edit_not_found"
    assert from_answer("No idea.", tree, Texts(tree), (), set=0, sample=0).reason.startswith("the answer has no SEARCH")


def test_a_new_file_is_a_patch(tree: Workspace) -> None:
    candidate = made(tree, "src/tax.py", "", "RATE = 0.2\n")
    assert tree.apply(candidate.diff).read("src/tax.py") == "RATE = 0.2\n"
