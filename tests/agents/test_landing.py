"""A patch lands in a real repository: its work tree, or a branch."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from clew.agents import landing
from clew.errors import PatchRefused, RepositoryError
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.types import Change
from tests.graphs.agentless.repositories import git, repository, write

FILES = {"a.py": "one = 1\n", "b/c.py": "two = 2\r\nthree = 3", "run.sh": "#!/bin/sh\n"}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "config").mkdir()
    config = tmp_path / "config" / "gitconfig"
    config.write_text("[user]\n\tname = Berta Quill\n\temail = berta@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    return repository(tmp_path / "repo", FILES)


def patched(repo: Path, changes: dict[str, str | None]) -> tuple[Workspace, str]:
    workspace = Workspace.make(repo, None, repo.parent / "workspace")
    before = {path: workspace.read(path) if path in workspace.entries else None for path in changes}
    return workspace, workspace.diff([Change(path=p, before=before[p], after=t) for p, t in changes.items()])


def booby_trapped(repo: Path) -> Path:
    """Hooks, filters and a monitor that leave a mark when git starts them."""
    mark = repo.parent / "mark"
    for name in ("pre-commit", "post-commit", "post-checkout", "reference-transaction", "applypatch-msg"):
        hook = repo / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho {name} >> {mark}\n")
        hook.chmod(0o755)
    for key in ("filter.evil.clean", "filter.evil.smudge"):
        git(repo, "config", key, f"echo filter >> {mark}; cat")
    git(repo, "config", "core.fsmonitor", f"echo monitor >> {mark}; true")
    git(repo, "config", "commit.gpgsign", "true")
    git(repo, "config", "gpg.program", f"/bin/sh -c 'echo gpg >> {mark}'")
    (repo / ".git" / "info" / "attributes").write_text("* filter=evil\n")
    return mark


def test_a_patch_is_written_byte_for_byte_and_starts_nothing(repo: Path) -> None:
    changes = {"a.py": "one = 11\n", "b/c.py": "two = 2\r\nthree = 33", "new/d.py": "four = 4\n", "run.sh": None}
    workspace, diff = patched(repo, changes)
    mark = booby_trapped(repo)
    index = (repo / ".git" / "index").read_bytes()
    assert landing.apply(diff, workspace, repo / "b") is True
    found = {path: (repo / path).read_bytes().decode() if (repo / path).exists() else None for path in changes}
    assert found == changes
    assert (repo / ".git" / "index").read_bytes() == index and not mark.exists()
    assert landing.apply(diff, workspace, repo) is False, "a second time there is nothing to do"


def test_changes_that_were_not_committed_stay(repo: Path) -> None:
    write(repo, {"a.py": "one = 1\nmine = 0\n"})
    workspace, diff = patched(repo, {"a.py": "one = 11\nmine = 0\n"})
    assert landing.apply(diff, workspace, repo) and (repo / "a.py").read_text() == "one = 11\nmine = 0\n"


@pytest.mark.parametrize("meanwhile", ["changed", "gone", "link", "folder_link"])
def test_a_file_that_changed_meanwhile_is_refused_and_nothing_written(repo: Path, meanwhile: str) -> None:
    workspace, diff = patched(repo, {"a.py": "one = 11\n", "b/c.py": "two = 22\r\nthree = 3"})
    if meanwhile == "changed":
        write(repo, {"b/c.py": "two = 2\r\nthree = 3\n"})
    elif meanwhile == "folder_link":
        (repo / "b").rename(repo.parent / "outside")
        (repo / "b").symlink_to(repo.parent / "outside")
    else:
        (repo / "b/c.py").unlink()
        if meanwhile == "link":
            (repo.parent / "outside.py").write_text("two = 2\r\nthree = 3")
            (repo / "b/c.py").symlink_to(repo.parent / "outside.py")
    with pytest.raises(PatchRefused, match=r"b/c.py.*nothing was written"):
        landing.apply(diff, workspace, repo)
    assert (repo / "a.py").read_text() == "one = 1\n"


def test_a_branch_gets_the_patch_alone(repo: Path) -> None:
    write(repo, {"run.sh": "#!/bin/sh\necho mine\n"})
    head = git(repo, "rev-parse", "HEAD")
    workspace, diff = patched(repo, {"a.py": "one = 11\n"})
    mark = booby_trapped(repo)
    status = git(repo, "-c", "core.fsmonitor=false", "status", "--porcelain")
    mark.unlink(missing_ok=True)  # status runs filters
    landing.check_branch(repo, "fix/one")
    made = landing.commit(diff, workspace, repo, "fix/one", "One is eleven\n\nBecause.\n")
    assert not mark.exists() and git(repo, "rev-parse", "HEAD") == head and (repo / "a.py").read_text() == "one = 1\n"
    assert git(repo, "-c", "core.fsmonitor=false", "status", "--porcelain") == status
    assert git(repo, "rev-parse", "fix/one^") == head and git(repo, "rev-parse", "fix/one") == made
    assert git(repo, "diff", "--name-only", head, "fix/one") == "a.py"
    assert git(repo, "show", "fix/one:a.py") == "one = 11"
    assert git(repo, "log", "-1", "--format=%an %ae %cn|%s|%b", "fix/one").startswith(
        "Berta Quill berta@example.org Berta Quill|One is eleven|Because."
    )
    assert landing.commit(diff, workspace, repo, "fix/one", "again") is None


def test_branches_that_cannot_be(repo: Path) -> None:
    workspace, diff = patched(repo, {"a.py": "one = 11\n"})
    with pytest.raises(RepositoryError, match="there is a branch 'main'"):
        landing.check_branch(repo, "main")
    with pytest.raises(RepositoryError, match="there is a branch 'main'"):
        landing.commit(diff, workspace, repo, "main", "x")
    for name in ("", "-f", "a..b", "HEAD", "x.lock"):
        with pytest.raises(RepositoryError, match="can be no branch"):
            landing.check_branch(repo, name)


def test_who_commits_must_be_known_before_anything_is_paid(repo: Path) -> None:
    Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text("[user]\n\tuseConfigOnly = true\n")
    with pytest.raises(RepositoryError, match=r"set user\.name and user\.email"):
        landing.check_branch(repo, "fix/one")


def test_a_patch_on_what_is_not_committed_is_no_commit(repo: Path) -> None:
    write(repo, {"a.py": "one = 111\n"})
    workspace, diff = patched(repo, {"a.py": "one = 11\n"})
    with pytest.raises(PatchRefused, match="not committed"):
        landing.commit(diff, workspace, repo, "fix", "x")
    assert git(repo, "branch", "--list", "fix") == ""


def test_without_an_author_there_is_no_commit(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, diff = patched(repo, {"a.py": "one = 11\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git(repo, "config", "user.useConfigOnly", "true")
    with pytest.raises(RepositoryError, match=r"set user\.name"):
        landing.commit(diff, workspace, repo, "fix", "x")


def test_a_bare_repository_has_no_work_tree(repo: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", "--bare", str(repo), str(repo.parent / "bare.git")], check=True)
    with pytest.raises(RepositoryError, match="no work tree"):
        landing.check_work_tree(repo.parent / "bare.git")
