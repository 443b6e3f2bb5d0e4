"""A workspace holds one tree and nothing that leads on from it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from clew.errors import NotText, RepositoryError
from clew.graphs.agentless.repository import MAX_TEXT, Workspace

from .repositories import commit, git, repository, workspace, write

CODE = {"src/a.py": "x = 1\n", "README.md": "A readme\n"}


def everything(folder: Path) -> bytes:
    """All bytes below a folder, and the objects of the repository in it in plain."""
    plain = git(folder / "git", "cat-file", "--batch-all-objects", "--batch").encode("utf-8", "surrogateescape")
    return plain + b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_nothing_of_the_future_past_or_origin_is_in_it(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", {"a.py": "x = 'past'\n"})
    write(source, {"a.py": "x = 'bug'\n"})
    base = commit(source, "buggy-message")
    git(source, "checkout", "-q", "-b", "fix")
    write(source, {"a.py": "x = 'the fix'\n"})
    fix = commit(source, "fixing-message")
    git(source, "remote", "add", "origin", "https://secret.example/repo.git")
    git(source, "tag", "v9")
    write(source / ".git" / "hooks", {"post-checkout": "#!/bin/sh\ntouch pwned\n"})
    made = Workspace.make(source, base, tmp_path / "workspace")
    made.checkout()
    held = everything(made.folder)
    for secret in (b"the fix", b"'past'", b"fixing-message", b"buggy-message", b"secret.example", b"pwned", b"v9"):
        assert secret not in held, secret
    assert fix.encode() not in held and b"'bug'" in held
    assert git(made.folder / "git", "for-each-ref") == ""
    kinds = git(made.folder / "git", "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)")
    assert sorted(kinds.split()) == ["blob", "tree"]
    names = {path.name for path in (made.folder / "git").rglob("*")}
    assert not names & {"logs", "hooks", "alternates", "packed-refs", "index", "ORIG_HEAD", "FETCH_HEAD"}


def test_a_workspace_of_a_commit_knows_nothing_of_the_work_tree(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    write(source, {"src/a.py": "x = 2\n"})
    made = Workspace.make(source, "HEAD", tmp_path / "workspace")
    assert made.read("src/a.py") == "x = 1\n"
    assert made.commit == git(source, "rev-parse", "HEAD")


def test_without_a_commit_it_holds_changes_of_tracked_files_alone(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", {**CODE, "gone.py": "1\n", "staged.py": "1\n", "sub/deep é.py": "1\n"})
    write(source, {"src/a.py": "x = 2\n", "staged.py": "2\n", "added.py": "3\n", "untracked.py": "4\n"})
    write(source, {"sub/deep é.py": "5\n"})
    (source / "gone.py").unlink()
    git(source, "add", "staged.py", "added.py")
    before = git(source, "status", "--porcelain=2"), (source / ".git" / "index").read_bytes()
    made = Workspace.make(source / "src", None, tmp_path / "workspace")
    assert made.commit == ""
    assert made.paths() == ["README.md", "added.py", "src/a.py", "staged.py", "sub/deep é.py"]
    assert [made.read(path) for path in made.paths()[1:]] == ["3\n", "x = 2\n", "2\n", "5\n"]
    assert (git(source, "status", "--porcelain=2"), (source / ".git" / "index").read_bytes()) == before


def test_a_clean_work_tree_is_its_commit(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    made = Workspace.make(source, None, tmp_path / "workspace")
    assert made.commit == git(source, "rev-parse", "HEAD")
    assert made.tree == git(source, "rev-parse", "HEAD^{tree}")


def test_a_second_make_opens_what_the_first_one_left(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    made = Workspace.make(source, None, tmp_path / "workspace")
    write(source, {"src/a.py": "x = 2\n"})
    assert Workspace.make(source, None, tmp_path / "workspace") == made == Workspace.open(tmp_path / "workspace")
    other = commit(source)
    with pytest.raises(RepositoryError, match="give another folder"):
        Workspace.make(source, other, tmp_path / "workspace")


def test_what_a_killed_make_left_does_no_harm(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    write(tmp_path / "workspace" / "making-1", {"git/HEAD": "ref: refs/heads/main\n"})
    assert Workspace.make(source, "HEAD", tmp_path / "workspace").read("src/a.py") == "x = 1\n"


def test_worktrees_bare_repositories_tags_and_alternates(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    git(source, "tag", "v1.2")
    write(source, {"src/a.py": "x = 3\n"})
    commit(source)
    git(source, "worktree", "add", "-q", str(tmp_path / "tree"), "HEAD")
    git(tmp_path, "clone", "-q", "--bare", str(source), "bare.git")
    git(tmp_path, "clone", "-q", "--shared", str(source), "shared")
    for number, place in enumerate(("tree", "bare.git", "shared")):
        made = Workspace.make(tmp_path / place, None, tmp_path / f"workspace{number}")
        assert (made.read("src/a.py"), made.tag) == ("x = 3\n", "v1.2")


@pytest.mark.parametrize("name", ["nothing", "--upload-pack=touch pwned", "HEAD:src/a.py", "HEAD; touch pwned", ""])
def test_a_name_that_is_no_commit_is_refused(tmp_path: Path, name: str) -> None:
    source = repository(tmp_path / "repo", CODE)
    if name:
        with pytest.raises(RepositoryError, match="is no commit"):
            Workspace.make(source, name, tmp_path / "workspace")
        assert not (tmp_path / "workspace" / "git").exists()
    assert not list(tmp_path.rglob("pwned"))


def test_places_that_are_no_repository_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="is no folder"):
        Workspace.make(tmp_path / "nowhere", None, tmp_path / "workspace")
    with pytest.raises(RepositoryError) as told:
        Workspace.make(tmp_path, None, tmp_path / "workspace")
    assert str(told.value).startswith(f"{str(tmp_path)!r} is not a git repository, nor in one: give the folder of one")
    assert "`git init` and commit" in str(told.value)
    write(tmp_path, {"damaged/.git/HEAD": "", "moved/.git": "gitdir: /nowhere\n"})
    for name, why in (("damaged", "or any"), ("moved", "/nowhere")):
        with pytest.raises(RepositoryError, match=f"failed: fatal: not a git repository.*{why}"):
            Workspace.make(tmp_path / name, None, tmp_path / "workspace")
    with pytest.raises(RepositoryError, match="holds no workspace"):
        Workspace.open(tmp_path)
    git(tmp_path, "init", "-q", "empty")
    with pytest.raises(RepositoryError, match="has no commit yet: commit its files first"):
        Workspace.make(tmp_path / "empty", None, tmp_path / "workspace")


def test_unresolved_merges_are_refused(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    for branch, text in (("one", "x = 1.5\n"), ("two", "x = 2.5\n")):
        git(source, "checkout", "-q", "-b", branch, "main")
        write(source, {"src/a.py": text})
        commit(source)
    with pytest.raises(AssertionError):
        git(source, "merge", "one")
    with pytest.raises(RepositoryError, match=r"unresolved merge of .src/a\.py"):
        Workspace.make(source, None, tmp_path / "workspace")


def test_nothing_that_a_repository_configures_is_started(tmp_path: Path) -> None:
    pwned = tmp_path / "pwned"
    source = repository(tmp_path / "repo", {**CODE, ".gitattributes": "* filter=evil diff=evil merge=evil\n"})
    inner = repository(source / "inner", {"i.py": "1\n"})
    git(source, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "./inner", "inner")
    commit(source)
    script = tmp_path / "evil"
    script.write_text(f"#!/bin/sh\ntouch {pwned}\ncat\n")
    script.chmod(0o755)
    for folder in (source, inner):
        for key in (
            "core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv",
            "diff.evil.command", "diff.external", "core.pager", "core.editor", "core.sshCommand", "core.gitProxy",
            "alias.rev-parse", "alias.add", "core.alternateRefsCommand", "credential.helper", "gpg.program",
        ):  # fmt: skip
            git(folder, "config", key, str(script))
        git(folder, "config", "core.hooksPath", str(tmp_path / "hooks"))
    for hook in ("post-checkout", "pre-commit", "post-index-change", "reference-transaction", "pre-applypatch"):
        write(tmp_path / "hooks", {hook: script.read_text()})
        (tmp_path / "hooks" / hook).chmod(0o755)
    write(source, {"src/a.py": "x = 7\n", "inner/i.py": "8\n"})
    for folder in (source, inner):
        subprocess.run(["git", "-C", folder, "status"], capture_output=True)
        assert pwned.exists(), "the trap itself must work"
        pwned.unlink()
    made = Workspace.make(source, None, tmp_path / "workspace")
    assert made.read("src/a.py") == "x = 7\n"
    made.checkout()
    assert made.apply("--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-x = 7\n+x = 9\n").read("src/a.py") == "x = 9\n"
    assert not pwned.exists()


def test_files_around_a_repository_are_not_its_own_whatever_it_is_configured_to_say(tmp_path: Path) -> None:
    write(tmp_path, {"outer/secret.txt": "SECRET"})
    source = repository(tmp_path / "outer" / "repo", CODE)
    blob = git(source, "rev-parse", "HEAD:src/a.py")
    git(source, "update-index", "--add", "--cacheinfo", f"100644,{blob},secret.txt")
    for number, place in enumerate(("../..", str(tmp_path))):
        git(source, "config", "core.worktree", place)
        for commit_name in (None, "HEAD"):
            with pytest.raises(RepositoryError, match=r"core\.worktree"):
                Workspace.make(source, commit_name, tmp_path / f"workspace{number}")
        repository(tmp_path / "outer", {"mine.py": "1\n"})
    git(source, "config", "core.worktree", "..")
    assert Workspace.make(source, "HEAD", tmp_path / "workspace").read("src/a.py") == "x = 1\n"


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_an_index_that_is_no_file_is_told(kind: str, tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    index = source / ".git" / "index"
    index.unlink()
    {"folder": index.mkdir, "pipe": lambda: os.mkfifo(index), "link": lambda: index.symlink_to("/dev/tty")}[kind]()
    with pytest.raises(RepositoryError, match="is no file"):
        Workspace.make(source, None, tmp_path / "workspace")
    assert not list((tmp_path / "workspace").iterdir())


def test_an_index_in_two_parts_is_one(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    git(source, "update-index", "--split-index")
    write(source, {"src/a.py": "x = 2\n"})
    made = Workspace.make(source, None, tmp_path / "workspace")
    assert made.read("src/a.py") == "x = 2\n" and not list((made.folder / "git").glob("*index*"))


@pytest.mark.parametrize("name", ["a:b", '"a"', "a\\b", "-a", "a\u2028b", "a\x0cb", "a\tb", "$(touch pwned)", "\udcff"])
def test_a_folder_may_have_any_name_but_one_of_two_lines(name: str, tmp_path: Path) -> None:
    source = repository(tmp_path / name, CODE)
    assert Workspace.make(source, None, tmp_path / "workspace").read("src/a.py") == "x = 1\n"
    with pytest.raises(RepositoryError, match="line break"):
        Workspace.make(repository(tmp_path / "two\nlines", CODE), None, tmp_path / "other")
    assert not (tmp_path / "pwned").exists()


def test_missing_objects_are_told_and_never_fetched(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    git(source, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--no-local", "--filter=blob:none", "--no-checkout", source.as_uri(), "partial")
    with pytest.raises(RepositoryError):
        Workspace.make(tmp_path / "partial", "HEAD", tmp_path / "workspace")


# Reading ---------------------------------------------------------------------------------------------------------


def test_bytes_are_those_of_git_whatever_attributes_say(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        ".gitattributes": "*.txt text eol=crlf\n*.id ident\n*.py working-tree-encoding=UTF-16\n",
        "crlf.c": b"int a;\r\nint b;\r\n",
        "end.c": b"no end",
        "a.id": b"$Id$\n",
        "bom.c": b"\xef\xbb\xbfint a;\n",
        "mixed.c": b"a\nb\r\nc\rd\x0c\xe2\x80\xa8e\n",
        "leer zeichen/ä ö.py2": "ü = 1\n",
        "empty.py2": b"",
        "sp ecial$(x)`y`;'\".c": b"1\n",
    }
    source = tmp_path / "repo"
    repository(source, {"f.c": "1\n"})
    git(source, "config", "core.autocrlf", "false")
    # Written as blobs: `git add` would convert some of them.
    for name, data in files.items():
        raw = data.encode() if isinstance(data, str) else data
        blob = git(source, "hash-object", "-w", "--stdin", stdin=raw)
        git(source, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    tree = git(source, "write-tree")
    made = Workspace.make(source, git(source, "commit-tree", "-m", "x", tree), tmp_path / "workspace")
    folder = made.checkout()
    assert set(files) <= set(made.paths())
    for name, data in files.items():
        raw = data.encode() if isinstance(data, str) else data
        assert made.read(name).encode() == raw == (folder / name).read_bytes()
        assert made.blob(name) == git(source, "hash-object", "--stdin", "--no-filters", stdin=raw)
    assert dict(made.contents(["end.c", "crlf.c"])) == {"end.c": b"no end", "crlf.c": b"int a;\r\nint b;\r\n"}


def test_what_is_no_text_stays_but_is_not_read(tmp_path: Path) -> None:
    source = repository(
        tmp_path / "repo",
        {
            **CODE,
            "binary.py": b"x\0y",
            "latin.py": "é = 1\n".encode("latin-1"),
            "big.py": b"x" * (MAX_TEXT + 1),
            os.fsdecode(b"name-\xff.py"): b"1\n",
        },
    )
    (source / "link.py").symlink_to("/etc/passwd")
    (source / "folder").symlink_to("src")
    commit(source)
    made = Workspace.make(source, "HEAD", tmp_path / "workspace")
    assert made.paths() == ["README.md", "big.py", "binary.py", "latin.py", "src/a.py"]
    for name, what in (("binary.py", "binary"), ("latin.py", "no UTF-8 at byte 0"), ("big.py", str(MAX_TEXT))):
        with pytest.raises(NotText, match=what):
            made.read(name)
    for name in ("link.py", "folder"):
        with pytest.raises(NotText, match="a link"):
            made.read(name)
        assert made.resolve(name) is None
    for name in ("nothing.py", "folder/a.py", "../repo/src/a.py", "/etc/passwd", "git/HEAD"):
        with pytest.raises(RepositoryError, match="no file of the workspace"):
            made.read(name)
    folder = made.checkout()
    assert (folder / "latin.py").read_bytes() == "é = 1\n".encode("latin-1")
    assert os.readlink(folder / "link.py") == "/etc/passwd"
    assert (folder / os.fsdecode(b"name-\xff.py")).exists()


def test_submodules_stay_empty(tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner", {"secret.py": "1\n"})
    source = repository(tmp_path / "repo", CODE)
    git(source, "submodule", "--quiet", "add", str(inner), "vendored")
    commit(source)
    made = Workspace.make(source, None, tmp_path / "workspace")
    assert made.paths() == [".gitmodules", "README.md", "src/a.py"]
    assert not list((made.checkout() / "vendored").iterdir())
    with pytest.raises(NotText, match="submodule"):
        made.read("vendored")


def test_a_tree_with_names_that_leave_it_is_never_written(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    blob = git(source, "rev-parse", "HEAD:src/a.py")
    inner = git(source, "mktree", stdin=f"100755 blob {blob}\tpost-checkout\n".encode())
    for name in ("..", ".git", ".GIT", "git~1"):
        raw = f"40000 {name}".encode() + b"\0" + bytes.fromhex(inner)
        tree = git(source, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=raw)
        place = tmp_path / re.sub(r"\W", "_", f"workspace-{name}-{len(name)}-{name.isupper()}")
        made = Workspace.make(source, git(source, "commit-tree", "-m", "x", tree), place)
        assert made.paths() == []
        with pytest.raises(RepositoryError):
            made.checkout()
        assert not list(tmp_path.glob("workspace*/**/post-checkout"))


def test_a_checkout_keeps_modes_and_is_made_once(tmp_path: Path) -> None:
    source = repository(tmp_path / "repo", CODE)
    write(source, {"run.sh": "#!/bin/sh\n"})
    (source / "run.sh").chmod(0o755)
    commit(source)
    made = Workspace.make(source, "HEAD", tmp_path / "workspace")
    folder = made.checkout()
    assert os.access(folder / "run.sh", os.X_OK) and not os.access(folder / "README.md", os.X_OK)
    assert not (folder / ".git").exists()
    assert made.checkout() == folder == Workspace.open(made.folder).checkout()
    assert [path.name for path in folder.parent.iterdir()] == [made.tree]


def test_paths_of_a_model_are_found_in_the_workspace(tmp_path: Path) -> None:
    made = workspace(tmp_path, {"src/a.py": "1\n", "src/b.py": "1\n", "lib/b.py": "1\n"})
    assert made.resolve('"./src\\a.py"') == "src/a.py"
    assert made.resolve("b.py") is None
    assert made.resolve("../../etc/passwd") is None
    assert made.new_path("./src/new.py") == "src/new.py"
    for refused in ("src/a.py", "src", "src/a.py/x.py", "../x.py", ".git/hooks/x", "/", "", "C:\\x.py", "a\0b"):
        assert made.new_path(refused) is None, refused
