"""The tables of a journal file, and how an older file becomes a current one."""

from __future__ import annotations

import sqlite3
import time

from clew.errors import JournalError, SchemaTooNew

APPLICATION_ID = int.from_bytes(b"Clew", "big")
BUSY_S = 30.0

# Each entry takes a file from version i to i + 1. Entries are never edited after a release, only appended.
MIGRATIONS: list[str] = [
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        created REAL NOT NULL,          -- Unix seconds
        status TEXT NOT NULL,           -- running, done, error, stopped
        task TEXT NOT NULL,             -- JSON
        answer TEXT,                    -- JSON
        error TEXT,
        budget TEXT NOT NULL,           -- JSON
        fingerprint TEXT NOT NULL,      -- JSON: what must be equal for a resume
        recipe TEXT,                    -- JSON: builder path and arguments that rebuild the graph
        parent TEXT,                    -- the run that this one was forked from
        forked_at INTEGER,              -- and the event, a seq of the parent
        lease TEXT,                     -- token of the process that owns the run now
        owner TEXT,                     -- JSON: pid, host, process start
        heartbeat REAL                  -- Unix seconds
    );
    CREATE TABLE texts (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL
    );
    CREATE TABLE segments (
        head BLOB PRIMARY KEY,          -- hash over the whole chain up to here
        parent BLOB,                    -- head of the segment before; NULL for the first
        role TEXT NOT NULL,
        origin TEXT NOT NULL,
        effect TEXT,                    -- key of the model call that wrote the text
        extra TEXT,                     -- JSON
        text INTEGER NOT NULL REFERENCES texts (id)
    ) WITHOUT ROWID;
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (id),
        key TEXT NOT NULL,              -- hash of place, kind, request, occurrence
        place TEXT NOT NULL,
        kind TEXT NOT NULL,
        ordinal INTEGER NOT NULL,       -- n-th effect of this kind here, whatever its request
        state TEXT NOT NULL,            -- started, finished, failed, refused, cancelled, note
        request TEXT NOT NULL,          -- JSON; long texts as {"$text": id}
        outcome TEXT,                   -- JSON, likewise
        parent TEXT,                    -- key of the effect that this event belongs to
        reserve TEXT,                   -- JSON cost
        cost TEXT,                      -- JSON cost
        possibly TEXT,                  -- JSON cost of earlier tries whose outcome nobody saw
        unknowns INTEGER NOT NULL DEFAULT 0,
        inherited INTEGER NOT NULL DEFAULT 0,
        at REAL NOT NULL,               -- active seconds of the run at the start
        seconds REAL,
        begun INTEGER NOT NULL,         -- the run's own order of starts and outcomes
        ended INTEGER
    );
    CREATE UNIQUE INDEX events_key ON events (run, key);
    """,
]


def open_database(path: str, durability: str) -> sqlite3.Connection:
    """A connection to the journal file at `path`, brought to the current version. Raises `SchemaTooNew` for a newer
    file and `JournalError` for another program's, both without touching it, and `sqlite3.Error` for what is no
    database."""
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        version = _version(db, path)
        db.execute(f"PRAGMA synchronous = {durability.upper()}")
        # 16 MiB: a checkpoint flushes, and between two of them pages that change often are written back once.
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        if version < len(MIGRATIONS):
            db.execute("PRAGMA page_size = 4096")
            _use_wal(db)
            _migrate(db, path)
        return db
    except BaseException:
        db.close()
        raise


def _version(db: sqlite3.Connection, path: str) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (version or tables):
        raise JournalError(
            f"{path!r} is a database of another program, not a Clew journal: give another file with --journal"
        )
    if version > len(MIGRATIONS):
        raise SchemaTooNew(
            f"journal {path!r} has schema version {version}, this Clew knows up to {len(MIGRATIONS)}: "
            "upgrade Clew, or use another file with --journal"
        )
    return int(version)


def _use_wal(db: sqlite3.Connection) -> None:
    """Two processes may create a file at once, and for this change SQLite does not wait by itself."""
    for _ in range(int(BUSY_S / 0.05)):
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(0.05)
    raise sqlite3.OperationalError("database is locked")


def _migrate(db: sqlite3.Connection, path: str) -> None:
    # The write lock is taken before the version is read again: two processes may open a new file at once.
    db.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[_version(db, path) :]:
            for statement in _statements(script):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    """`executescript` would commit the open transaction, so statements are split here."""
    found, buffer = [], ""
    for line in script.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            found.append(buffer)
            buffer = ""
    return found
