"""STRUCTURE, the first stage: the definitions of every source file of a workspace, and their skeletons.

As in the released code, test files are left out, there every file and folder whose name begins with "test"; here the
rule can be given, and its default knows the names of other languages' tests too, and that `testing.py` is a source (but
a package called `testing` is out in both; see `is_test`). Differs: eight languages instead of Python; files without
definitions stay, as does a file with syntax errors.

Outlines and skeletons depend on a file's bytes and suffix alone, so they are kept in an SQLite file by git's blob id:
another commit or another issue of the same repository reads only what changed.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from clew.errors import RepositoryError

from .languages import suffix_of
from .repository import Workspace
from .skeleton import skeleton_of
from .syntax import Syntax, read_syntax
from .types import Outline

MAX_SOURCE = 512 << 10
_VERSION = 2
_BATCH = 100
# "test" as a word of its own at the beginning of a name, or at its end: `testing.py` and `tester.py` are sources.
_TEST = re.compile(
    r"""(?:^|/)(?:
        tests?(?![a-z]) | Tests?/ | testing[/_-] | test(?:data|utils?|lib|helpers?|suites?|cases?|fixtures?)(?![a-z])
        | [^/]*[._-]tests?/ | [^/]*[a-z0-9]Tests?/ | unittests/ | __(?:tests|mocks|snapshots)__(?:/|$) | conftest\.py$
        | Test[A-Z][^/]*\.(?:java|cc|cpp|cxx)$
    )
    | [._-](?:unit)?tests?(?:\.[A-Za-z]+)+$ | [a-z0-9]Tests?\.(?:java|cc|cpp|cxx)$ | [a-z0-9](?:TestCase|IT)\.java$
    | (?:^specs?/.*|[._-]spec)\.[cm]?[jt]sx?(?:\.snap)?$""",
    re.VERBOSE,
)
Key = tuple[str, str]


def is_test(path: str) -> bool:
    """The default rule for test files: a file or folder whose name begins or ends with the word `test`, or is named as
    tests of eight languages and what helps them are (`unit-tests/`, `testing/`, `testdata/`, `__tests__/`, `a_test.go`,
    `a.spec.ts`, `FooTest.java`, `conftest.py`)."""
    return _TEST.search(path) is not None


@dataclass(frozen=True)
class Structure:
    """The source files of a workspace that are no tests. `outlines` by path, in git's order; `skipped` gives a reason
    for each source file that has none."""

    outlines: dict[str, Outline]
    skipped: dict[str, str] = field(default_factory=dict)
    skeletons: dict[str, bytes] = field(default_factory=dict, repr=False)

    def skeleton(self, path: str) -> str:
        """The skeleton of a file (see `clew.graphs.agentless.skeleton`). Raises `RepositoryError` for one that is not
        among the outlines."""
        if path not in self.skeletons:
            raise RepositoryError(f"{path!r} is no source file of the structure: give one of its paths")
        return zlib.decompress(self.skeletons[path]).decode()


def read_structure(
    workspace: Workspace, cache: Path | None = None, leave_out: Callable[[str], bool] = is_test
) -> Structure:
    """Outlines and skeletons of all source files for which `leave_out(path)` is False.

    `cache` is a folder for what was read (made when absent, shared by repositories and processes); None keeps nothing.
    Files above `MAX_SOURCE` bytes and those with a NUL byte are skipped. Blocks; some 100 files a second and core cold.
    """
    wanted, skipped = _wanted(workspace, leave_out)
    keys = {path: (workspace.blob(path), suffix_of(path)) for path in wanted}
    rows = _rows(workspace, keys, cache)
    skipped.update((path, "binary") for path, key in keys.items() if key not in rows)
    found = {path: rows[key] for path, key in keys.items() if key in rows}
    return Structure(
        {path: _outline(path, row.outline) for path, row in found.items()},
        skipped,
        {path: row.skeleton for path, row in found.items()},
    )


def outline(workspace: Workspace, path: str) -> Outline:
    """The outline of one file as it is in the workspace, a test file too. Raises as `Workspace.read` does."""
    return _outline_of(path, read_syntax(workspace.read(path).encode(), suffix_of(path)))


# Reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """An outline as JSON, without its path, and a compressed skeleton."""

    outline: bytes
    skeleton: bytes


def _wanted(workspace: Workspace, leave_out: Callable[[str], bool]) -> tuple[list[str], dict[str, str]]:
    wanted: list[str] = []
    skipped: dict[str, str] = {}
    for path in workspace.paths():
        if not suffix_of(path) or leave_out(path):
            continue
        size = workspace.entries[path].size
        if size > MAX_SOURCE:
            skipped[path] = f"{size} bytes, above {MAX_SOURCE}"
        else:
            wanted.append(path)
    return wanted, skipped


def _parsed(workspace: Workspace, missing: dict[Key, str]) -> Iterator[dict[Key, _Row]]:
    """Rows of the files in `missing`, some at a time. Threads do: the grammars let go of the interpreter."""
    by_path = {path: key for key, path in missing.items()}
    read = ((by_path[path], data) for path, data in workspace.contents(by_path) if b"\0" not in data)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for batch in _batches(read):
            rows = threads.map(lambda item: _row(item[1], item[0][1]), batch)
            yield dict(zip((key for key, _ in batch), rows, strict=True))


def _batches(items: Iterable[tuple[Key, bytes]]) -> Iterator[list[tuple[Key, bytes]]]:
    batch: list[tuple[Key, bytes]] = []
    for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _row(data: bytes, suffix: str) -> _Row:
    syntax = read_syntax(data, suffix)
    written = _outline_of("", syntax).model_dump_json(exclude={"path"})
    return _Row(written.encode(), zlib.compress(skeleton_of(data, syntax).encode(), 1))


def _outline_of(path: str, syntax: Syntax) -> Outline:
    return Outline(
        path=path, language=syntax.language, symbols=tuple(syntax.symbols), lines=syntax.lines, broken=syntax.broken
    )


def _outline(path: str, row: bytes) -> Outline:
    return Outline.model_validate_json(b'{"path":%s,%s' % (json.dumps(path).encode(), row[1:]))


# The cache ---------------------------------------------------------------------------------------------------------


def _rows(workspace: Workspace, keys: dict[str, Key], cache: Path | None) -> dict[Key, _Row]:
    """A row for each key whose file can be parsed, from the cache or made and put there. A cache that is damaged is
    thrown away: it holds nothing that cannot be made anew."""
    place = None if cache is None else cache / f"structure-{_VERSION}.db"
    try:
        return _through(workspace, keys, place)
    except (OSError, sqlite3.OperationalError) as error:
        raise RepositoryError(f"the cache {str(place)!r} cannot be used ({error}): give another folder") from None
    except sqlite3.DatabaseError:
        for end in ("", "-wal", "-shm"):
            Path(f"{place}{end}").unlink(missing_ok=True)
        return _through(workspace, keys, place)


def _through(workspace: Workspace, keys: dict[str, Key], place: Path | None) -> dict[Key, _Row]:
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(place or ":memory:", timeout=30, isolation_level=None)) as database:
        _prepare(database)
        rows = _load(database, set(keys.values()))
        missing = {key: path for path, key in keys.items() if key not in rows}
        for batch in _parsed(workspace, missing):
            rows.update(batch)
            _save(database, batch)
    return rows


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=OFF")
    database.execute(
        "CREATE TABLE IF NOT EXISTS files(blob TEXT, suffix TEXT, outline BLOB, skeleton BLOB,"
        " PRIMARY KEY(blob, suffix)) WITHOUT ROWID"
    )


def _load(database: sqlite3.Connection, keys: set[Key]) -> dict[Key, _Row]:
    database.execute("CREATE TEMP TABLE wanted(blob TEXT, suffix TEXT)")
    database.execute("BEGIN")
    database.executemany("INSERT INTO temp.wanted VALUES(?, ?)", keys)
    rows = database.execute("SELECT blob, suffix, outline, skeleton FROM temp.wanted JOIN files USING(blob, suffix)")
    found = {(blob, suffix): _Row(outline, skeleton) for blob, suffix, outline, skeleton in rows}
    database.execute("COMMIT")
    return found


def _save(database: sqlite3.Connection, rows: dict[Key, _Row]) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.executemany(
        "INSERT OR REPLACE INTO files VALUES(?, ?, ?, ?)",
        [(blob, suffix, row.outline, row.skeleton) for (blob, suffix), row in rows.items()],
    )
    database.execute("COMMIT")
