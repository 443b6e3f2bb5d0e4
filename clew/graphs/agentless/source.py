"""The repository that a workspace is copied from. Nothing is written there, and nothing that it sets is started."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from clew.errors import RepositoryError

from .git import git


@dataclass(frozen=True, slots=True)
class Source:
    """A repository on this host. `work_tree` is None for a bare one; `index` is that of the work tree."""

    git_dir: Path
    objects: Path
    index: Path
    work_tree: Path | None
    format: str

    @classmethod
    def find(cls, repo: Path) -> Source:
        """The repository at the folder `repo`, or around it. Raises `RepositoryError` when there is none."""
        if not repo.is_dir():
            raise RepositoryError(f"{str(repo)!r} is no folder: give the folder of a git repository")
        asked = (
            "--git-dir",
            "--git-path",
            "objects",
            "--git-path",
            "index",
            "--show-object-format",
            "--is-bare-repository",
        )
        try:
            lines = _asked(repo, *asked).split("\n")
        except RepositoryError as error:
            # Where there is a `.git`, what git says about it is the reason.
            if "not a git repository (or any" not in str(error) or any(map(_has_git, (repo, *repo.absolute().parents))):
                raise
            raise RepositoryError(
                f"{str(repo.absolute())!r} is not a git repository, nor in one: give the folder of one, or make it one"
                " with `git init` and commit its files"
            ) from None
        if len(lines) != len(asked) - 2:
            raise RepositoryError(f"{str(repo)!r} has a line break in its path: move the repository")
        git_dir, objects, index, form, bare = lines
        top = None
        if bare == "false" and Path(index).exists():
            top = Path(_asked(repo, "--show-toplevel"))
            # `core.worktree` may name any folder, with files that are none of the repository's.
            try:
                own = _asked(top, "--git-dir") == git_dir
            except RepositoryError:
                own = False
            if not own:
                raise RepositoryError(
                    f"{str(repo)!r} is configured to have its files in {str(top)!r}, which is not its own folder: see "
                    "core.worktree in its configuration"
                )
        return cls(Path(git_dir), Path(objects), Path(index), top, form)

    def commit(self, name: str) -> str:
        """The full id of the commit that `name` means. Raises `RepositoryError` when it means none."""
        try:
            return self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        except RepositoryError:
            where = f"the repository at {str(self.git_dir)!r}"
            if name == "HEAD":
                raise RepositoryError(f"{where} has no commit yet: commit its files first") from None
            raise RepositoryError(f"{name!r} is no commit of {where}: give an id, a tag or a branch of it") from None

    def tree(self, commit: str) -> str:
        """The id of the commit's tree."""
        return self._ask("rev-parse", "--verify", f"{commit}^{{tree}}")

    def tag(self, commit: str) -> str:
        """The nearest tag at or before the commit, "" when there is none."""
        try:
            return self._ask("describe", "--tags", "--abbrev=0", commit)
        except RepositoryError:
            return ""

    def tracked(self, git_dir: Path) -> str:
        """The tree of all tracked files as they are in the work tree, written into the repository `git_dir`.

        The copy of the index keeps its time: by it git tells which files may have changed, and reads only those.
        """
        assert self.work_tree is not None
        index = git_dir / "index"
        environment = {
            **self._objects(),
            "GIT_DIR": str(git_dir),
            "GIT_INDEX_FILE": str(index),
            "GIT_WORK_TREE": str(self.work_tree),
        }
        try:
            for part in (self.index, *self.index.parent.glob("sharedindex.*")):
                if not part.is_file():
                    raise RepositoryError(f"{str(part)!r} is no file, as the index of a repository is: repair it")
                shutil.copy2(part, git_dir / part.name)
            # Submodules are passed over: git would start a git of their own configuration in them.
            asked = ("diff-files", "-z", "--raw", "--ignore-submodules=all", "--no-ext-diff")
            raw = git(*asked, cwd=self.work_tree, environment=environment).split(b"\0")
            gone: list[bytes] = []
            changed: list[bytes] = []
            for header, path in zip(raw[0::2], raw[1::2], strict=False):
                if header.endswith(b"U"):
                    raise RepositoryError(
                        f"an unresolved merge of {path.decode(errors='replace')!r}: end it, or name a commit"
                    )
                (gone if header.endswith(b"D") else changed).append(path)
            update, none = ("update-index", "-z"), b"0" * (64 if self.format == "sha256" else 40)
            lines = b"".join(b"0 %s\t%s\0" % (none, path) for path in gone)
            git(*update, "--index-info", cwd=self.work_tree, stdin=lines, environment=environment)
            paths = b"".join(path + b"\0" for path in changed)
            git(*update, "--stdin", cwd=self.work_tree, stdin=paths, environment=environment)
            return git("write-tree", cwd=self.work_tree, environment=environment).decode().strip()
        finally:
            for part in git_dir.glob("*index*"):
                part.unlink()

    def copy(self, tree: str, git_dir: Path) -> None:
        """Packs all objects of a tree, and no others, into the repository `git_dir`."""
        pack = str(git_dir / "objects" / "pack" / "pack")
        git(
            "pack-objects",
            "--revs",
            "--quiet",
            pack,
            cwd=git_dir,
            stdin=f"{tree}\n".encode(),
            environment=self._objects(),
        )

    def _objects(self) -> dict[str, str]:
        # Quoted, since colons divide several.
        quoted = str(self.objects).replace("\\", "\\\\").replace('"', '\\"')
        return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"'}

    def _ask(self, *arguments: str) -> str:
        return git(*arguments, cwd=self.git_dir, environment={"GIT_DIR": str(self.git_dir)}).decode().strip()


def _has_git(folder: Path) -> bool:
    return os.path.lexists(folder / ".git")


def _asked(folder: Path, *words: str) -> str:
    out = git("rev-parse", "--path-format=absolute", *words, cwd=folder)
    return out.decode("utf-8", "surrogateescape").removesuffix("\n")
