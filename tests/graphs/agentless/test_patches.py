"""Patches on a workspace: byte for byte what was meant, and nothing that was not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.errors import PatchRefused
from clew.graphs.agentless.repository import MAX_PATCH, MAX_TEXT, Workspace
from clew.graphs.agentless.types import Change

from .repositories import commit, git, repository, workspace, write

CODE = {"src/a.py": "x = 1\n", "README.md": "A readme\n"}
ONE = "--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"


def change(made: Workspace, path: str, after: str | None) -> Change:
    return Change(path=path, before=made.read(path) if path in made.entries else None, after=after)


def new_file(path: str, mode: str = "100644") -> str:
    return f"diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\nb\nc\n", "A\nb\nc\n"),
        ("a\nb", "a\nB"),
        ("a\nb", "a\nb\n"),
        ("a\nb\n", "a\nb"),
        ("a\r\nb\r\n", "a\r\nB\r\n"),
        ("a\r\nb\n", "a\nb\r\n"),
        ("\ufeffa\n", "\ufeffb\n"),
        ("", "a"),
        ("a\n", ""),
        ("trailing  \n\t\n\n", "trailing  \n\t \n\n\n"),
        ("a\x0cb\u2028c\rd\n", "a\x0cb\u2028C\rd\n"),
        ("GIT binary patch\n", "--- a/x\n+++ b/x\n@@ -1 +1 @@\n"),
    ],
)
def test_a_diff_gives_the_same_bytes_here_and_on_the_users_side(tmp_path: Path, before: str, after: str) -> None:
    made = workspace(tmp_path, {"ü b/a.py": before, "other.py": "1\n"})
    diff = made.diff([change(made, "ü b/a.py", after)])
    assert made.check(diff) == ""
    applied = made.apply(diff)
    assert applied.read("ü b/a.py") == after and applied.read("other.py") == "1\n"
    assert made.read("ü b/a.py") == before
    assert made.changes_of(diff) == (Change(path="ü b/a.py", before=before, after=after),)
    git(tmp_path / "repo", "apply", "-", stdin=diff.encode())
    assert (tmp_path / "repo" / "ü b/a.py").read_bytes() == after.encode()


# Lines without NUL and half characters: everything else that a text file may hold.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.sampled_from(
    ["", "x = 1", "\r"]
)
FILES = st.lists(TEXTS, max_size=6).map("\n".join)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return workspace(tmp_path_factory.mktemp("shared"), {"keep.py": "1\n", "old.py": "1\n2\n3\n"})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=FILES, second=FILES)
def test_any_texts_survive_a_diff(shared: Workspace, first: str, second: str) -> None:
    made = shared.apply(shared.diff([Change(path="n.py", before=None, after=first + "_")]))
    assert made.read("n.py") == first + "_"
    changes = (
        Change(path="n.py", before=first + "_", after=second),
        Change(path="old.py", before="1\n2\n3\n", after=None),
    )
    if first + "_" != second:
        assert made.changes_of(made.diff(changes)) == changes


def test_several_files_made_changed_and_deleted(tmp_path: Path) -> None:
    made = workspace(tmp_path, CODE)
    changes = [
        change(made, "src/a.py", "x = 2\n"),
        change(made, "README.md", None),
        change(made, "new/b.py", "y = 1\n"),
    ]
    diff = made.diff(changes)
    applied = made.apply(diff)
    assert applied.paths() == ["new/b.py", "src/a.py"]
    assert sorted(made.changes_of(diff), key=lambda each: each.path) == sorted(changes, key=lambda each: each.path)
    assert made.diff([]) == "" == made.diff([change(made, "src/a.py", "x = 1\n")])
    assert (applied.checkout() / "new/b.py").read_text() == "y = 1\n"


def test_modes_are_kept(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", {"run.sh": "1\n"})
    (source / "run.sh").chmod(0o755)
    commit(source)
    made = Workspace.make(source, "HEAD", tmp_path / "workspace")
    diff = made.diff([change(made, "run.sh", "2\n")])
    assert "mode" not in diff
    assert made.apply(diff).entries["run.sh"].mode == "100755"


def test_attributes_of_the_tree_do_not_hide_a_change(tmp_path: Path) -> None:
    made = workspace(tmp_path, {".gitattributes": "*.py binary -diff\n* whitespace=fix\n", "a.py": "x \n"})
    diff = made.diff([change(made, "a.py", "y \n")])
    assert "+y \n" in diff and made.apply(diff).read("a.py") == "y \n"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (Change(path="src/a.py", before="other\n", after="x\n"), "is not what"),
        (Change(path="src/a.py", before=None, after="x\n"), "is not what"),
        (Change(path="none.py", before="x\n", after="y\n"), "is not what"),
        (Change(path="../x.py", before=None, after="x\n"), "cannot become"),
        (Change(path="./x.py", before=None, after="x\n"), "cannot become"),
        (Change(path="/etc/x", before=None, after="x\n"), "cannot become"),
        (Change(path=".git/hooks/x", before=None, after="x\n"), "cannot become"),
        (Change(path="src/a.py/x", before=None, after="x\n"), "cannot become"),
        (Change(path="src", before=None, after="x\n"), "cannot become"),
        (Change(path="x.py", before=None, after="a\0b"), "binary"),
        (Change(path="x.py", before=None, after="a\ud800b"), "surrogates"),
        (Change(path="x.py", before=None, after="x" * (MAX_TEXT + 1)), "above"),
    ],
)
def test_changes_that_cannot_be_are_refused(tmp_path: Path, given: Change, why: str) -> None:
    made = workspace(tmp_path, CODE)
    with pytest.raises(PatchRefused, match=why):
        made.diff([given])


def test_two_changes_of_one_file_are_refused(tmp_path: Path) -> None:
    made = workspace(tmp_path, CODE)
    with pytest.raises(PatchRefused, match="two changes"):
        made.diff([change(made, "src/a.py", "1\n"), change(made, "src/a.py", "2\n")])


NO_END = "\\ No newline at end of file\n"
LINK = "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n" + NO_END
MODULE = "diff --git a/s b/s\nnew file mode 160000\n--- /dev/null\n+++ b/s\n@@ -0,0 +1 @@\n+Subproject commit "
OUT = "--- a/out\n+++ b/out\n@@ -1 +1 @@\n-/tmp\n" + NO_END + "+/etc\n" + NO_END
OUT_GONE = "diff --git a/out b/out\ndeleted file mode 120000\n--- a/out\n+++ /dev/null\n@@ -1 +0,0 @@\n-/tmp\n" + NO_END
BINARY = (
    "diff --git a/b b/b\nnew file mode 100644\nindex 0000000..1111111\nGIT binary patch\nliteral 1\nIcmZQz00961\n\n"
)


def renamed(path: str) -> str:
    return f"diff --git a/src/a.py b/{path}\nsimilarity index 100%\nrename from src/a.py\nrename to {path}\n"


HOSTILE = {
    "parent": new_file("../escaped"),
    "deep parent": new_file("src/../../escaped"),
    "absolute": new_file("/tmp/escaped"),
    "hook": new_file(".git/hooks/post-checkout", "100755"),
    "hook in capitals": new_file(".GIT/hooks/post-checkout"),
    "hook by its short name": new_file("git~1/hooks/x"),
    "hook of a nested repository": new_file("src/.git/hooks/x"),
    "link": LINK,
    "submodule": f"{MODULE}{'1' * 40}\n",
    "below a link": new_file("out/escaped"),
    "a link's target": OUT,
    "a link's removal": OUT_GONE,
    "rename away": renamed("../escaped"),
    "rename into git": renamed(".git/config"),
    "binary": BINARY,
    "NUL": new_file("n").replace("+x", "+x\0"),
    "latin file": "--- a/latin.py\n+++ b/latin.py\n@@ -1 +1,2 @@\n \ufffd\n+x\n",
    "latin file removed": "diff --git a/latin.py b/latin.py\ndeleted file mode 100644\n",
    "half characters": new_file("h").replace("+x", "+\ud800"),
    "too big": new_file("big").replace("+x", "+" + "x" * MAX_PATCH),
    "too big a text": new_file("big").replace("+x", "+" + "x" * MAX_TEXT),
    "empty": " \n",
    "no patch": "rm -rf /\n",
    "other text": ONE.replace("x = 1", "x = 7"),
    "part of it": ONE + new_file("src/a.py"),
    "unknown file": ONE.replace("src/a.py", "src/b.py"),
    "control characters": new_file('"a\\nb"'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_patches_are_refused_and_leave_no_trace(tmp_path: Path, name: str) -> None:
    source = repository(tmp_path / "repo", {**CODE, "latin.py": b"\xe9\n"})
    (source / "out").symlink_to("/tmp")
    commit(source)
    assert git(source, "apply", "--check", "-", stdin=(LINK + OUT_GONE).encode()) == "", "git itself takes links"
    made = Workspace.make(source, "HEAD", tmp_path / "workspace")
    before = sorted(path for path in tmp_path.rglob("*") if "objects" not in path.parts)
    reason = made.check(HOSTILE[name])
    assert reason and str(tmp_path) not in reason
    for refuse in (made.apply, made.changes_of):
        with pytest.raises(PatchRefused):
            refuse(HOSTILE[name])
    assert sorted(path for path in tmp_path.rglob("*") if "objects" not in path.parts) == before
    assert not Path("/tmp/escaped").exists()


def test_a_refusal_says_which_file_and_why(tmp_path: Path) -> None:
    made = workspace(tmp_path, CODE)
    assert made.check(ONE.replace("x = 1", "x = 7")).endswith("src/a.py: patch does not apply")
    assert made.check("") == "the patch is empty: give a textual one"


def test_patches_of_many_candidates_do_not_meet(tmp_path: Path) -> None:
    made = workspace(tmp_path, CODE)
    candidates = [made.apply(ONE.replace("x = 2", f"x = {n}")) for n in range(5)]
    assert [each.read("src/a.py") for each in candidates] == [f"x = {n}\n" for n in range(5)]
    assert made.apply(ONE[:-1]).read("src/a.py") == "x = 2\n"
    assert len({each.checkout() for each in candidates}) == 5
    assert list((made.folder / "git").glob("index-*")) == []


def test_the_source_is_never_touched(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    write(source, {"README.md": "changed\n"})
    state = subprocess.run(
        ["find", source, "-type", "f", "-printf", "%p %s %T@\n"], capture_output=True, check=True
    ).stdout
    made = Workspace.make(source, None, tmp_path / "workspace")
    made.apply(ONE).checkout()
    made.check("no")
    assert subprocess.run(["find", source, "-type", "f", "-printf", "%p %s %T@\n"], capture_output=True).stdout == state
