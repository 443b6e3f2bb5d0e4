"""Unified diffs, read and applied as git does it."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.errors import PatchRefused
from clew.scoring.diffs import lines_of, patched, read_diff, unified

ONE = "--- a/src/a.py\n+++ b/src/a.py\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3\n"


def test_a_diff_is_read_and_applied_by_hand() -> None:
    (file,) = read_diff(ONE)
    assert (file.old, file.new) == ("src/a.py", "src/a.py")
    assert (file.hunks[0].old, file.hunks[0].new) == (("x = 1\n", "y = 2\n"), ("x = 1\n", "y = 3\n"))
    text = "x = 1\ny = 2\nz = 4\n"
    assert patched({"src/a.py": text}, ONE) == {"src/a.py": (text, "x = 1\ny = 3\nz = 4\n")}
    assert unified(text, "x = 1\ny = 3\nz = 4\n") == "@@ -1,3 +1,3 @@\n x = 1\n-y = 2\n+y = 3\n z = 4"


def test_a_hunk_that_moved_is_found_where_its_lines_stand_once() -> None:
    text = "# one\n# two\nx = 1\ny = 2\n"
    assert patched({"src/a.py": text}, ONE)["src/a.py"][1] == "# one\n# two\nx = 1\ny = 3\n"
    for lost in ("x = 1\ny = 7\n", "#\n" + "x = 1\ny = 2\n" * 2):
        with pytest.raises(PatchRefused, match="does not apply"):
            patched({"src/a.py": lost}, ONE)


def test_of_a_file_that_is_not_given_the_hunks_are_all_that_is_known() -> None:
    assert patched({}, ONE) == {"src/a.py": ("x = 1\ny = 2\n", "x = 1\ny = 3\n")}


GIT = "diff --git a/{0} b/{0}\n"
NEW = GIT + "new file mode 100644\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+x\n"


def test_files_made_deleted_renamed_and_emptied() -> None:
    assert patched({}, NEW.format("n.py")) == {"n.py": (None, "x\n")}
    gone = GIT.format("o.py") + "deleted file mode 100644\n--- a/o.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
    assert patched({"o.py": "x\n"}, gone) == {"o.py": ("x\n", None)}
    moved = "diff --git a/o.py b/n.py\nsimilarity index 100%\nrename from o.py\nrename to n.py\n"
    assert patched({"o.py": "x\n"}, moved) == {"o.py": ("x\n", None), "n.py": (None, "x\n")}
    assert patched({}, GIT.format("e.py") + "new file mode 100644\nindex 0000..1111\n") == {"e.py": (None, "")}
    mode = GIT.format("m b/m.py") + "old mode 100644\nnew mode 100755\n"
    assert patched({"m b/m.py": "x\n"}, mode) == {"m b/m.py": ("x\n", "x\n")}


@pytest.mark.parametrize(
    ("diff", "why"),
    [
        ("", "names no file"),
        ("rm -rf /\n", "names no file"),
        ("--- a/a.py\n+++ b/a.py\n@@ -1,2 +1 @@\n-x\n", "ends early"),
        ("--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\nno\n", "ends early"),
        (GIT.format("a.py") + "GIT binary patch\nliteral 1\n", "binary"),
        (GIT.format("a.py") + "Binary files a/a.py and b/a.py differ\n", "binary"),
        (NEW.format("a.py"), "exists"),
        (NEW.format("n.py") * 2, "two parts"),
        (GIT.format("a.py") + "deleted file mode 100644\n", "leaves 2 characters"),
    ],
)
def test_what_is_no_diff_of_these_files_is_refused(diff: str, why: str) -> None:
    with pytest.raises(PatchRefused, match=why):
        patched({"a.py": "x\n"}, diff)


LINES = st.text(st.sampled_from("ab+- @\\\t\r\x0cü"), max_size=3)
TEXTS = st.lists(LINES, max_size=8).map("\n".join)


def git_diff(folder: Path, name: str, before: str, after: str) -> str:
    for side, text in (("a", before), ("b", after)):
        (folder / side).mkdir(parents=True, exist_ok=True)
        (folder / side / name).write_bytes(text.encode())
    argv = ["git", "-c", "core.autocrlf=false", "diff", "--no-index", "--no-ext-diff", "--no-color", "-a", "a", "b"]
    return subprocess.run(argv, cwd=folder, capture_output=True).stdout.decode().replace("a/a/", "a/").replace(
        "b/b/", "b/"
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(before=TEXTS, after=TEXTS)
def test_what_git_writes_is_applied_to_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, before: str, after: str
) -> None:
    name = "we ird \tü.py"
    diff = git_diff(tmp_path_factory.mktemp("d"), name, before, after)
    if before != after:
        assert patched({name: before}, diff) == {name: (before, after)}
    else:
        assert diff == ""


@given(st.text(st.sampled_from('ab+- @\\\n-,01diffgt/"'), max_size=60) | TEXTS)
def test_no_text_is_more_than_refused(text: str) -> None:
    for diff in (text, ONE + text, "--- a/a\n+++ b/a\n" + text, "diff --git a/a b/a\n" + text):
        with suppress(PatchRefused):
            patched({"a": "a\nb\n", "src/a.py": "x = 1\ny = 2\n"}, diff)


@given(TEXTS)
def test_lines_end_at_line_feeds_alone(text: str) -> None:
    assert "".join(lines_of(text)) == text
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines_of(text)[:-1])
    assert unified(text, text) == "" == unified(text, text + "\n" if text and not text.endswith("\n") else text)
