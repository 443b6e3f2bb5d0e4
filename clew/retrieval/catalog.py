"""What a store knows besides vectors: folders, whole pages, where each passage lies in its page, and the settings.

One SQLite file next to the vectors. A page row is `pending` until all of its vectors are on disk, so an index that was
killed anywhere is finished by running it again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from clew.errors import RetrievalError

from .chunking import Chunk

SCHEMA = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS folders (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, label TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS pages (
    id INTEGER PRIMARY KEY, folder INTEGER NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL,
    pending INTEGER NOT NULL, source TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (folder, path)
);
CREATE INDEX IF NOT EXISTS pages_source ON pages (source);
CREATE TABLE IF NOT EXISTS passages (
    id INTEGER PRIMARY KEY, page INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
    heading TEXT NOT NULL, pending INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS passages_page ON passages (page);
CREATE TABLE IF NOT EXISTS removed (id INTEGER PRIMARY KEY);
"""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stored passage with its page's number, source and title."""

    id: int
    page: int
    source: str
    title: str
    heading: str
    text: str


@contextmanager
def clear_errors(store: str | Path) -> Iterator[None]:
    """What SQLite or the file system raises inside becomes a `RetrievalError` that says what to do."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise RetrievalError(
            f"the store {str(store)!r} could not be read or written ({error});"
            " free disk space or check permissions, then run the same command again: nothing that was finished is lost"
        ) from error


class Contents(Protocol):
    """What readers ask of a store besides vectors."""

    def page(self, source: str) -> tuple[str, str] | None:
        """(title, text) of the page with that source."""
        ...

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """The finished passages among `ids`."""
        ...

    def counts(self) -> tuple[int, int]:
        """(pages, passages)."""
        ...


class Catalog:
    """The SQLite file of a store. Not for use by several threads at once; the caller holds the folder's lock."""

    def __init__(self, file: Path | str) -> None:
        self.db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.executescript(_TABLES)

    def close(self) -> None:
        self.db.close()

    def transaction(self) -> _Transaction:
        """`with catalog.transaction():` commits at the end, rolls back on an exception."""
        return _Transaction(self.db)

    # Settings ------------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, str]:
        return dict(self.db.execute("SELECT key, value FROM meta"))

    def set(self, key: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    # Folders -------------------------------------------------------------------------------------------------

    def folders(self) -> list[tuple[int, str, str]]:
        """(id, path, label) of every folder; the label is the prefix of its pages' sources, empty for none."""
        return list(self.db.execute("SELECT id, path, label FROM folders ORDER BY id"))

    def add_folder(self, path: str, label: str) -> int:
        return int(self.db.execute("INSERT INTO folders (path, label) VALUES (?, ?)", (path, label)).lastrowid or 0)

    def move_folder(self, folder: int, path: str) -> None:
        self.db.execute("UPDATE folders SET path = ? WHERE id = ?", (path, folder))

    def drop_folder(self, folder: int) -> None:
        self.db.execute("DELETE FROM folders WHERE id = ?", (folder,))

    # Pages ---------------------------------------------------------------------------------------------------

    def digests(self, folder: int) -> dict[str, tuple[int, str]]:
        """Path inside the folder to (page id, digest); a page that was not finished has an empty digest."""
        rows = self.db.execute("SELECT path, id, digest, pending FROM pages WHERE folder = ?", (folder,))
        return {path: (page, "" if pending else digest) for path, page, digest, pending in rows}

    def put_page(self, folder: int, path: str, digest: str, source: str, title: str, text: str) -> int:
        """Writes a page as pending; returns its id, which it keeps when it changes."""
        row = self.db.execute(
            "INSERT INTO pages (folder, path, digest, pending, source, title, text) VALUES (?, ?, ?, 1, ?, ?, ?)"
            " ON CONFLICT (folder, path) DO UPDATE SET digest = excluded.digest, pending = 1,"
            " source = excluded.source, title = excluded.title, text = excluded.text RETURNING id",
            (folder, path, digest, source, title, text),
        ).fetchone()
        self.forget_removed([page_point_id(source)])
        return int(row[0])

    def finish_pages(self, pages: Sequence[int]) -> None:
        """The vectors of `pages` are on disk: from now on their passages are found."""
        marks = [(page,) for page in pages]
        self.db.executemany("UPDATE pages SET pending = 0 WHERE id = ?", marks)
        self.db.executemany("UPDATE passages SET pending = 0 WHERE page = ?", marks)

    def remove_page(self, page: int) -> None:
        """Forgets a page; the ids of its points are kept as `removed` until their vectors are gone."""
        (source,) = self.db.execute("SELECT source FROM pages WHERE id = ?", (page,)).fetchone()
        self.db.execute("INSERT OR IGNORE INTO removed VALUES (?)", (page_point_id(source),))
        self.db.execute("INSERT OR IGNORE INTO removed SELECT id FROM passages WHERE page = ?", (page,))
        self.db.execute("DELETE FROM passages WHERE page = ?", (page,))
        self.db.execute("DELETE FROM pages WHERE id = ?", (page,))

    def has_sources_in(self, label: str) -> bool:
        """Whether the source of any page starts with `label/`."""
        row = self.db.execute("SELECT 1 FROM pages WHERE substr(source, 1, ?) = ?", (len(label) + 1, label + "/"))
        return row.fetchone() is not None

    def page(self, source: str) -> tuple[str, str] | None:
        """(title, text) of the page with that source."""
        row = self.db.execute("SELECT title, text FROM pages WHERE source = ? ORDER BY pending", (source,)).fetchone()
        return (str(row[0]), str(row[1])) if row else None

    # Passages ------------------------------------------------------------------------------------------------

    def passages_of(self, page: int) -> dict[int, bool]:
        """Passage id to whether it is pending."""
        rows = self.db.execute("SELECT id, pending FROM passages WHERE page = ?", (page,))
        return {passage: bool(pending) for passage, pending in rows}

    def put_passages(self, page: int, passages: Iterable[tuple[int, Chunk, bool]]) -> None:
        """Replaces the passages of a page by (id, chunk, pending); ids that go are kept as `removed`."""
        self.db.execute("INSERT OR IGNORE INTO removed SELECT id FROM passages WHERE page = ?", (page,))
        self.db.execute("DELETE FROM passages WHERE page = ?", (page,))
        rows = [(id, page, each.start, each.end, each.heading, pending) for id, each, pending in passages]
        self.db.executemany("INSERT OR REPLACE INTO passages VALUES (?, ?, ?, ?, ?, ?)", rows)
        self.db.executemany("DELETE FROM removed WHERE id = ?", [(row[0],) for row in rows])

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """The finished passages among `ids`."""
        marks = ",".join("?" * len(ids))
        rows = self.db.execute(
            "SELECT passages.id, page, source, title, heading, substr(text, start + 1, stop - start)"
            f" FROM passages JOIN pages ON pages.id = page WHERE passages.pending = 0 AND passages.id IN ({marks})",
            list(ids),
        )
        return {row[0]: Passage(*row) for row in rows}

    def removed(self) -> list[int]:
        return [row[0] for row in self.db.execute("SELECT id FROM removed")]

    def forget_removed(self, ids: Iterable[int]) -> None:
        self.db.executemany("DELETE FROM removed WHERE id = ?", [(id,) for id in ids])

    def counts(self) -> tuple[int, int]:
        """(pages, passages), finished ones only."""
        pages = self.db.execute("SELECT count(*) FROM pages WHERE pending = 0").fetchone()[0]
        passages = self.db.execute("SELECT count(*) FROM passages WHERE pending = 0").fetchone()[0]
        return int(pages), int(passages)


def page_point_id(source: str) -> int:
    """The 63-bit id of a whole page among the points."""
    digest = blake2b(b"page\0" + source.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def __enter__(self) -> None:
        self.db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.db.execute("ROLLBACK" if kind else "COMMIT")
