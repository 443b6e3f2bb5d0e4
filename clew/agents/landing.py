"""A patch lands in the repository that it is for: in its work tree, or as a commit on a branch of its own.

Nothing of the repository is started: no hooks, no filters, no file-system monitor, no signing.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from clew.errors import PatchRefused, RepositoryError
from clew.graphs.agentless.git import git
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.source import Source

_APPLY = ("apply", "--whitespace=nowarn")


def check_work_tree(repo: Path) -> Path:
    """The top of the work tree at `repo`. Raises `RepositoryError` for a bare repository, and for none."""
    top = Source.find(repo).work_tree
    if top is None:
        raise RepositoryError(f"{str(repo)!r} has no work tree that a patch could go into: leave --apply out")
    return top


def check_branch(repo: Path, name: str) -> None:
    """Raises `RepositoryError` for a name that no branch can have, for a branch that exists, and when git does not know
    who commits."""
    source = Source.find(repo)
    try:
        git("check-ref-format", f"refs/heads/{name}", cwd=source.git_dir)
        if name.startswith("-") or name == "HEAD":
            raise RepositoryError(name)
    except RepositoryError:
        raise RepositoryError(f"{name!r} can be no branch: give a name such as fix/rounding") from None
    if _tip(source, name):
        raise RepositoryError(f"there is a branch {name!r} already: give another name, or delete it")
    _author(source)


def apply(diff: str, workspace: Workspace, repo: Path) -> bool:
    """Writes the patch into the work tree at `repo`; False when it was there already.

    Raises `PatchRefused`, with nothing written, when a file that it changes is no longer as it was in the workspace.
    """
    top = check_work_tree(repo)
    changes = workspace.changes_of(diff)
    now = {change.path: _bytes(top, change.path) for change in changes}
    if all(now[change.path] == _encoded(change.after) for change in changes):
        return False
    other = sorted(change.path for change in changes if now[change.path] != _encoded(change.before))
    if other:
        raise PatchRefused(
            f"the work tree has another {', '.join(other)} than the run saw: nothing was written, apply it by hand"
        )
    # The workspace's own repository knows no filters and turns attributes off.
    there = {"GIT_DIR": str(workspace.folder / "git"), "GIT_WORK_TREE": str(top)}
    patch = diff.encode()
    for more in (("--check",), ()):
        try:
            git(*_APPLY, *more, "-", cwd=top, stdin=patch, environment=there)
        except RepositoryError as error:
            raise PatchRefused(f"the patch could not be written ({error}): apply it by hand") from None
    return True


def commit(diff: str, workspace: Workspace, repo: Path, branch: str, message: str) -> str | None:
    """Commits the patch on the new branch `branch`, on top of the commit that the workspace was made of, and returns
    the commit's id; None when the branch is already this patch. Work tree, index and current branch stay as they are.

    Raises `PatchRefused` for a patch that needs changes that are not committed, and `RepositoryError` for a branch of
    that name and a repository without an author.
    """
    source = Source.find(repo)
    base = source.commit(workspace.commit or "HEAD")
    with tempfile.TemporaryDirectory() as folder:
        environment = {"GIT_DIR": str(source.git_dir), "GIT_INDEX_FILE": str(Path(folder) / "index")}
        git("read-tree", base, cwd=source.git_dir, environment=environment)
        try:
            git(*_APPLY, "--cached", "-", cwd=source.git_dir, stdin=diff.encode(), environment=environment)
        except RepositoryError as error:
            raise PatchRefused(
                f"the patch does not fit the commit {base[:12]}, for the run also saw what is not committed ({error}): "
                "apply it by hand"
            ) from None
        tree = git("write-tree", cwd=source.git_dir, environment=environment).decode().strip()
        if tip := _tip(source, branch):
            if source.tree(tip) == tree:
                return None
            raise RepositoryError(f"there is a branch {branch!r} already: give another name, or delete it")
        identity = _author(source)
        words = ("commit-tree", tree, "-p", base)
        made = git(*words, cwd=source.git_dir, stdin=message.encode(), environment={**environment, **identity})
        id = made.decode().strip()
        # The last argument says that there must be no such branch yet.
        new = ("update-ref", "-m", "clew repair", f"refs/heads/{branch}", id, "0" * len(id))
        git(*new, cwd=source.git_dir, environment={**environment, **identity})
    return id


def _tip(source: Source, branch: str) -> str:
    try:
        return source.commit(f"refs/heads/{branch}")
    except RepositoryError:
        return ""


def _author(source: Source) -> dict[str, str]:
    """The person's name and address, from their own configuration, which the careful git does not read."""
    done = subprocess.run(
        ["git", "var", "GIT_AUTHOR_IDENT"], cwd=source.git_dir, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    name, _, rest = done.stdout.strip().partition(" <")
    if done.returncode or not name:
        raise RepositoryError("git does not know who commits: set user.name and user.email, and try again")
    email = rest.partition(">")[0]
    parts = {"NAME": name, "EMAIL": email}
    return {f"GIT_{who}_{part}": text for who in ("AUTHOR", "COMMITTER") for part, text in parts.items()}


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _bytes(top: Path, path: str) -> bytes | None:
    """What a file holds now; None where there is none. A link is no file, nor is what lies behind one."""
    place = top / path
    if place.resolve() != top.resolve() / path:
        raise PatchRefused(f"{path!r} is behind a link now: nothing was written; apply the patch by hand")
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PatchRefused(f"{os.fspath(place)!r} cannot be read ({error.strerror}): nothing was written") from None
