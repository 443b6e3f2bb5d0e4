"""A repository at one commit, copied so that it cannot leak the fix and cannot hurt the host.

The paper works on a checkout of the whole clone: `git log` there shows the fix, model-supplied paths go through a
shell, and a patch is written into a folder of the host. Here a workspace is a bare repository of our own that holds
the objects of one tree and nothing else: no commits, so no history and no future, no refs, remotes, reflogs, hooks or
configuration of the source. Files are read from blobs, byte for byte, and a patch gives another tree; no link is
followed because there is no work tree. A folder of files, which tests need, is written on demand (`checkout`) for a
sandbox to copy.

Texts are UTF-8 with their line ends as they are. Other encodings, NUL bytes, and files above `MAX_TEXT` are
`NotText`: they stay in the tree and in checkouts byte for byte, and are refused for reading and editing. Names that
are not UTF-8 likewise. All methods block for some milliseconds of git; none is an effect, since they are functions of
the tree alone.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from clew.errors import NotText, PatchRefused, RepositoryError

from .git import ATTRIBUTES, contents, git
from .paths import cleaned, is_safe, resolved, tails
from .source import Source
from .types import Change

MAX_TEXT = 4 << 20
MAX_PATCH = 8 << 20
_REGULAR = ("100644", "100755")
_RECORD = "git/workspace.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the tree: git's mode, blob id (the commit of a submodule), and size in bytes."""

    path: str
    mode: str
    blob: str
    size: int

    @property
    def regular(self) -> bool:
        """False for links and submodules."""
        return self.mode in _REGULAR


@dataclass(frozen=True)
class Workspace:
    """One tree of files. Immutable: `apply` gives another workspace beside it, so candidates never meet.

    `commit` is the id in the source, "" for its work tree with changes; `tree` git's id of all the files; `tag` the
    nearest tag before the commit ("" if none), for build back ends that ask git for a version.
    """

    folder: Path
    commit: str
    tree: str
    tag: str = ""

    @classmethod
    def make(cls, repo: Path, commit: str | None, folder: Path) -> Workspace:
        """Copies the tree of `commit` (any name that git knows) out of the repository at `repo`, or around it, into
        `folder`. `commit=None` copies what the index and the work tree say: HEAD with all changes to tracked files,
        staged or not, without untracked ones. A `folder` that already holds that workspace is opened as it is, so
        that a resumed run sees what it saw before. Submodules stay empty.

        Raises `RepositoryError` for no repository, no such commit, unresolved merges, objects that are missing (a
        partial clone), and a folder that holds another commit.
        """
        folder = folder.absolute()
        if (folder / _RECORD).exists():
            return cls._reopened(repo, commit, folder)
        source = Source.find(repo)
        folder.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=folder))
        try:
            git_dir = making / "git"
            git(
                "init", "--quiet", "--bare", "--template=", f"--object-format={source.format}", str(git_dir), cwd=making
            )
            (git_dir / "info").mkdir(exist_ok=True)
            (git_dir / "info" / "attributes").write_text(ATTRIBUTES)
            name = source.commit(commit or "HEAD")
            committed = source.tree(name)
            tree = committed if commit is not None or source.work_tree is None else source.tracked(git_dir)
            source.copy(tree, git_dir)
            record = {"commit": name if tree == committed else "", "tree": tree, "tag": source.tag(name)}
            (making / _RECORD).write_text(json.dumps(record))
            _move(git_dir, folder / "git")
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return cls._reopened(repo, commit and name, folder)

    @classmethod
    def open(cls, folder: Path) -> Workspace:
        """The workspace that `make` left in `folder`. Raises `RepositoryError` if there is none."""
        try:
            return cls(folder.absolute(), **json.loads((folder / _RECORD).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise RepositoryError(f"{str(folder)!r} holds no workspace ({error}): make one there") from None

    @classmethod
    def _reopened(cls, repo: Path, commit: str | None, folder: Path) -> Workspace:
        made = cls.open(folder)
        if commit is not None and commit != made.commit and Source.find(repo).commit(commit) != made.commit:
            was = made.commit or "a work tree with changes"
            raise RepositoryError(
                f"{str(folder)!r} holds the workspace of {was}, not of {commit!r}: give another folder"
            )
        return made

    # Reading ------------------------------------------------------------------------------------------------------

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The files by path, in git's order, without those whose name is unsafe or no UTF-8."""
        listed = git("ls-tree", "-r", "-l", "-z", self.tree, cwd=self._git)
        found = (_entry(record) for record in listed.split(b"\0") if record)
        return {entry.path: entry for entry in found if entry is not None}

    def paths(self) -> list[str]:
        """The regular files, links and submodules left out."""
        return [entry.path for entry in self.entries.values() if entry.regular]

    def blob(self, path: str) -> str:
        """Git's id of the content of `path`. Raises `RepositoryError` for a file that is not there."""
        return self._at(path).blob

    def read(self, path: str) -> str:
        """The text of a file. Raises `NotText`, and `RepositoryError` for a file that is not there."""
        entry = self._at(path)
        if not entry.regular or entry.size > MAX_TEXT:
            what = "a link or a submodule" if not entry.regular else f"of {entry.size} bytes, above {MAX_TEXT}"
            raise NotText(f"{path!r} is {what}: it can be neither shown nor edited")
        return _text(path, next(contents(self._git, [(entry.blob, entry.size)]))[1])

    def contents(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(path, bytes) of regular files that are not above `MAX_TEXT`, the others passed over."""
        wanted = [self._at(path) for path in paths]
        wanted = [entry for entry in wanted if entry.regular and entry.size <= MAX_TEXT]
        read = contents(self._git, [(entry.blob, entry.size) for entry in wanted])
        for entry, (_, data) in zip(wanted, read, strict=True):
            yield entry.path, data

    def resolve(self, written: str) -> str | None:
        """The regular file that a model's path means; None when it means none, several, or something outside."""
        return resolved(written, self._known, self._tails)

    def new_path(self, written: str) -> str | None:
        """The path as it would be for a new file; None when it leaves the repository, exists, or lies below something
        that is no folder."""
        path = cleaned(written)
        if path is None or path in self.entries or path in self._folders:
            return None
        parts = path.split("/")
        above = ("/".join(parts[:n]) for n in range(1, len(parts)))
        return None if any(folder in self.entries for folder in above) else path

    # Patches ------------------------------------------------------------------------------------------------------

    def diff(self, changes: Sequence[Change]) -> str:
        """The changes as one patch in git's format, "" when they change nothing. Modes of files are kept.

        Raises `PatchRefused` for a path that is no file here and no possible new one, a `before` that is not what the
        workspace holds, two changes of one path, and a text that is none (NUL, half characters, above `MAX_TEXT`).
        """
        lines = [self._index_line(change) for change in changes]
        if len({change.path for change in changes}) < len(lines):
            raise PatchRefused("two changes of one file: make them one")
        with self._index() as environment:
            git("update-index", "-z", "--index-info", cwd=self._git, stdin=b"".join(lines), environment=environment)
            after = git("write-tree", cwd=self._git, environment=environment).decode().strip()
        out = git(
            "diff-tree", "-r", "-p", "--no-renames", "--no-ext-diff", "--no-textconv", self.tree, after, cwd=self._git
        )
        return out.decode()

    def apply(self, diff: str) -> Workspace:
        """The workspace with the patch applied by `git apply`: exactly, all of it or nothing.

        Raises `PatchRefused` for an empty, binary or too big patch, one that does not fit, and one that touches links,
        submodules, `.git`, files that are no UTF-8 text, or anything outside.
        """
        try:
            patch = diff.encode()
        except UnicodeEncodeError:
            raise PatchRefused("the patch holds half characters that are no UTF-8") from None
        if not patch.strip() or b"\0" in patch or b"\nGIT binary patch" in patch or len(patch) > MAX_PATCH:
            what = "empty" if not patch.strip() else f"binary, or above {MAX_PATCH} bytes ({len(patch)})"
            raise PatchRefused(f"the patch is {what}: give a textual one")
        patch += b"" if patch.endswith(b"\n") else b"\n"
        with self._index() as environment:
            try:
                git(
                    "apply", "--cached", "--whitespace=nowarn", "-", cwd=self._git, stdin=patch, environment=environment
                )
                after = git("write-tree", cwd=self._git, environment=environment).decode().strip()
            except RepositoryError as error:
                said = str(error).partition(" failed: ")[2]
                raise PatchRefused(f"the patch does not apply: {said or error}") from None
        applied = replace(self, tree=after)
        self._changes_to(applied)
        return applied

    def with_files_of(self, other: Workspace, paths: Sequence[str]) -> Workspace:
        """The workspace with these paths as they are in `other`, which was made from the same: modes, links and bytes
        that are no text too, and absent where they are absent there."""
        lines = [f"0 {'0' * len(self.tree)}\t{path}\0" for path in paths]
        entries = [other.entries[path] for path in paths if path in other.entries]
        lines += [f"{entry.mode} {entry.blob}\t{entry.path}\0" for entry in entries]
        with self._index() as environment:
            git(
                "update-index", "-z", "--index-info", cwd=self._git, stdin="".join(lines).encode(),
                environment=environment,
            )  # fmt: skip
            after = git("write-tree", cwd=self._git, environment=environment).decode().strip()
        return replace(self, tree=after)

    def check(self, diff: str) -> str:
        """Why `apply` would refuse the patch; "" when it would not."""
        try:
            self.apply(diff)
        except PatchRefused as error:
            return str(error)
        return ""

    def changes_of(self, diff: str) -> tuple[Change, ...]:
        """The files that the patch changes, as they are and as they would be. Raises `PatchRefused` as `apply` does."""
        return self._changes_to(self.apply(diff))

    def checkout(self) -> Path:
        """A folder with the files of this tree and no `.git`, below `folder`, written once. It is for a sandbox to
        copy: links in it are those of the repository, and may point anywhere; read files with `read`."""
        place = self.folder / "trees" / self.tree
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            making = Path(tempfile.mkdtemp(prefix="making-", dir=place.parent))
            try:
                with self._index() as environment:
                    git(
                        f"--work-tree={making}",
                        "checkout-index",
                        "--all",
                        "--quiet",
                        cwd=self._git,
                        environment=environment,
                    )
                _move(making, place)
            finally:
                shutil.rmtree(making, ignore_errors=True)
        return place

    # ----------------------------------------------------------------------------------------------------------------

    @property
    def _git(self) -> Path:
        return self.folder / "git"

    @cached_property
    def _known(self) -> dict[str, None]:
        return dict.fromkeys(self.paths())

    @cached_property
    def _tails(self) -> dict[str, str | None]:
        return tails(self._known)

    @cached_property
    def _folders(self) -> set[str]:
        found: set[str] = set()
        for path in self.entries:
            while path := path.rpartition("/")[0]:
                found.add(path)
        return found

    def _at(self, path: str) -> Entry:
        entry = self.entries.get(path)
        if entry is None:
            raise RepositoryError(f"{path!r} is no file of the workspace: give one of its paths")
        return entry

    @contextmanager
    def _index(self) -> Iterator[dict[str, str]]:
        """The environment for commands on an index of their own that holds the tree."""
        index = self._git / f"index-{uuid.uuid4().hex}"
        environment = {"GIT_INDEX_FILE": str(index)}
        try:
            git("read-tree", self.tree, cwd=self._git, environment=environment)
            yield environment
        finally:
            index.unlink(missing_ok=True)

    def _index_line(self, change: Change) -> bytes:
        entry = self.entries.get(change.path)
        if entry is None and self.new_path(change.path) != change.path:
            raise PatchRefused(f"{change.path!r} is no file of the workspace and cannot become one")
        if (self.read(change.path) if entry else None) != change.before:
            raise PatchRefused(f"{change.path!r} is not what the change says it was: take it from the workspace")
        mode, name = "0", "0" * len(self.tree)
        if change.after is not None:
            try:
                data = change.after.encode()
                _text(change.path, data)
            except (UnicodeEncodeError, NotText) as error:
                raise PatchRefused(f"the new text of {change.path!r} is none: {error}") from None
            mode = entry.mode if entry else _REGULAR[0]
            name = git("hash-object", "-w", "--stdin", cwd=self._git, stdin=data).decode().strip()
        return f"{mode} {name}\t{change.path}\0".encode()

    def _changes_to(self, other: Workspace) -> tuple[Change, ...]:
        """What differs in `other`, as texts; raises `PatchRefused` for what is no text in either."""
        raw = git("diff-tree", "-r", "-z", "--raw", "--no-renames", self.tree, other.tree, cwd=self._git).split(b"\0")
        changes = []
        for header, name in zip(raw[0::2], raw[1::2], strict=False):
            modes = set(header.decode().lstrip(":").split()[:2]) - {"000000"}
            path = name.decode("utf-8", "backslashreplace")
            if not modes <= set(_REGULAR) or not is_safe(path):
                raise PatchRefused(f"the patch touches {path!r}, a link, a submodule or a place that is not its own")
            try:
                texts = [each.read(path) if path in each.entries else None for each in (self, other)]
            except NotText as error:
                raise PatchRefused(f"the patch touches a file that is no text: {error}") from None
            changes.append(Change(path=path, before=texts[0], after=texts[1]))
        return tuple(changes)


def _text(path: str, data: bytes) -> str:
    if len(data) > MAX_TEXT:
        raise NotText(f"{path!r} is of {len(data)} bytes, above {MAX_TEXT}: it can be neither shown nor edited")
    if b"\0" in data:
        raise NotText(f"{path!r} is binary: it can be neither shown nor edited")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NotText(f"{path!r} is no UTF-8 at byte {error.start}: it can be neither shown nor edited") from None


def _entry(record: bytes) -> Entry | None:
    """One line of `ls-tree -l`; None for a name that is unsafe or no UTF-8."""
    about, _, name = record.partition(b"\t")
    mode, _, blob, size = about.decode().split()
    try:
        path = name.decode()
    except UnicodeDecodeError:
        return None
    return Entry(path, mode, blob, 0 if size == "-" else int(size)) if is_safe(path) else None


def _move(made: Path, place: Path) -> None:
    """Puts what was made in its place, unless another one was quicker."""
    try:
        os.rename(made, place)
    except OSError:
        if not place.exists():
            raise
