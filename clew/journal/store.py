"""The journal file: SQLite in WAL mode, shared by many runs and several processes."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from clew.errors import ConfigError, JournalError, RunBusy, RunNotFound
from clew.journal import lease
from clew.journal.cost import Cost
from clew.journal.redact import redact_json
from clew.journal.schema import open_database
from clew.journal.texts import Texts
from clew.journal.transcript import Transcript


@dataclass(slots=True)
class Event:
    """One recorded event. `request` and `outcome` are JSON values with their texts in place."""

    seq: int
    run: str
    key: str
    place: str
    kind: str
    ordinal: int
    state: str
    request: Any
    outcome: Any
    parent: str | None
    reserve: Cost
    cost: Cost
    possibly: Cost
    unknowns: int
    inherited: bool
    at: float
    seconds: float | None
    begun: int
    ended: int | None


@dataclass(slots=True)
class RunRow:
    """One recorded run; JSON columns are decoded."""

    id: str
    title: str = ""
    created: float = field(default_factory=time.time)
    status: str = "running"
    task: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] | None = None
    error: str | None = None
    budget: dict[str, Any] = field(default_factory=dict)
    fingerprint: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] | None = None
    parent: str | None = None
    forked_at: int | None = None


@dataclass(slots=True)
class IndexRow:
    """What a resume must know of an event: all but its texts."""

    seq: int
    key: str
    place: str
    kind: str
    ordinal: int
    state: str
    parent: str | None
    reserve: Cost
    cost: Cost
    possibly: Cost
    unknowns: int
    inherited: bool
    at: float
    seconds: float | None
    begun: int
    ended: int | None


_EVENT_COLUMNS = ", ".join(field.name for field in fields(Event))
_RUN_COLUMNS = ", ".join(field.name for field in fields(RunRow))


def default_path() -> Path:
    """`$CLEW_JOURNAL`, else `.clew/journal.db` below the current folder."""
    return Path(os.environ.get("CLEW_JOURNAL") or Path(".clew") / "journal.db")


class Journal:
    """An open journal file. `Journal()` opens `default_path()`, `Journal.memory()` one that ends with the process.

    `durability="normal"` survives the death of the process at any moment; `"full"` also survives power loss, at the
    price of a disk flush per event. Raises `JournalError` when the file cannot be opened and `SchemaTooNew` when a
    newer Clew wrote it.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, *, durability: str = "normal") -> None:
        self.path = str(path or default_path())
        self._lock = threading.RLock()
        if durability not in ("normal", "full"):
            raise ConfigError(f"durability {durability!r} is unknown: give 'normal' or 'full'")
        try:
            if self.path != ":memory:":
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            self._db = open_database(self.path, durability)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"cannot open journal {self.path!r}: {error}; give another file with --journal"
            ) from error
        self.texts = Texts(self._read)
        self.heartbeat = lease.Heartbeat(self.path)

    @classmethod
    def memory(cls) -> Journal:
        return cls(":memory:")

    def close(self) -> None:
        self.heartbeat.stop()
        self._db.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One atomic write; a failed one leaves the file as it was and raises `JournalError`."""
        with self._lock:
            if self._db.in_transaction:  # part of a larger write, which commits or rolls back as a whole
                yield self._db
                return
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                    self._db.execute("COMMIT")
                except BaseException:
                    self.texts.forget()
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise JournalError(
                    f"cannot write journal {self.path!r}: {error}; what was recorded before is safe, "
                    "free some space or mend the permissions, and resume the run"
                ) from error

    def _read(self, sql: str, args: tuple[Any, ...] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(sql, args).fetchall()
            except sqlite3.Error as error:
                raise JournalError(f"cannot read journal {self.path!r}: {error}") from error

    def transcript(self, head: str) -> Transcript:
        """The chain that ends in `head`. Raises `JournalError` when the file does not have it."""
        found = self.texts.transcript(head)
        if found is None:
            raise JournalError(f"journal {self.path!r} has no transcript {head!r}")
        return found

    # Runs ----------------------------------------------------------------------------------------------------

    def create_run(self, row: RunRow) -> None:
        values = _run_values({field.name: getattr(row, field.name) for field in fields(RunRow)})
        with self.transaction() as db:
            db.execute(f"INSERT INTO runs ({_RUN_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)

    def update_run(self, run: str, **columns: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        with self.transaction() as db:
            db.execute(f"UPDATE runs SET {names} WHERE id = ?", (*_run_values(columns), run))

    def runs(self, limit: int = -1) -> list[RunRow]:
        """All runs, the newest first."""
        rows = self._read(f"SELECT {_RUN_COLUMNS} FROM runs ORDER BY created DESC, rowid DESC LIMIT ?", (limit,))
        return [_run_row(row) for row in rows]

    def find_run(self, prefix: str) -> RunRow:
        """The run whose id is `prefix` or alone begins with it. Raises `RunNotFound`."""
        escaped = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        rows = self._read(
            f"SELECT {_RUN_COLUMNS} FROM runs WHERE id LIKE ? || '%' ESCAPE '\\' ORDER BY id = ? DESC LIMIT 3",
            (escaped, prefix),
        )
        if not prefix or not rows:
            raise RunNotFound(f"no run {prefix!r} in journal {self.path!r}: see the ids with clew runs")
        exact = [row for row in rows if row[0] == prefix]
        if not exact and len(rows) > 1:
            ids = ", ".join(row[0] for row in rows)
            raise RunNotFound(f"run {prefix!r} is ambiguous in {self.path!r} ({ids}): give more of the id")
        return _run_row((exact or rows)[0])

    def get_run(self, id: str) -> RunRow | None:
        rows = self._read(f"SELECT {_RUN_COLUMNS} FROM runs WHERE id = ?", (id,))
        return _run_row(rows[0]) if rows else None

    def acquire(self, run: str) -> str:
        """Takes the lease of a run and returns its token. Raises `RunBusy` while another live process holds it."""
        token = secrets.token_hex(8)
        with self.transaction() as db:
            held, owner, beat = db.execute("SELECT lease, owner, heartbeat FROM runs WHERE id = ?", (run,)).fetchone()
            if held is not None and lease.alive(held, json.loads(owner), beat):
                raise RunBusy(
                    f"run {run!r} is owned by {lease.describe(json.loads(owner))}, "
                    f"last seen {max(time.time() - beat, 0):.0f} s ago: wait for it or stop it"
                )
            db.execute(
                "UPDATE runs SET lease = ?, owner = ?, heartbeat = ?, status = 'running' WHERE id = ?",
                (token, json.dumps(lease.me()), time.time(), run),
            )
        self.heartbeat.add(token)
        return token

    def release(self, run: str, token: str, **columns: Any) -> None:
        """Ends the lease and writes the run's last columns, unless another process has taken the run over."""
        self.heartbeat.remove(token)
        names = "".join(f"{name} = ?, " for name in columns)
        with self.transaction() as db:
            db.execute(
                f"UPDATE runs SET {names} lease = NULL, owner = NULL WHERE id = ? AND lease = ?",
                (*_run_values(columns), run, token),
            )

    # Events --------------------------------------------------------------------------------------------------

    def insert_event(self, db: sqlite3.Connection, token: str, **columns: Any) -> int:
        """Adds a row if `token` still is the run's lease, and returns its seq. Raises `RunBusy` otherwise."""
        done = db.execute(_insert_sql(tuple(columns)), (*columns.values(), columns["run"], token))
        self._fence(done.rowcount, columns["run"])
        return int(done.lastrowid or 0)

    def update_event(self, db: sqlite3.Connection, token: str, run: str, seq: int, **columns: Any) -> None:
        done = db.execute(_update_sql(tuple(columns)), (*columns.values(), seq, run, token))
        self._fence(done.rowcount, run)

    def _fence(self, rowcount: int, run: str) -> None:
        if rowcount != 1:
            raise RunBusy(
                f"run {run!r} was taken over by another process while this one was suspended; nothing was written"
            )

    def events(self, run: str, since: int = 0) -> Iterator[Event]:
        """The events of a run in the order of their start, those with a seq above `since`."""
        rows = self._read(f"SELECT {_EVENT_COLUMNS} FROM events WHERE run = ? AND seq > ? ORDER BY begun", (run, since))
        for row in rows:
            yield self._event(row)

    def event(self, seq: int) -> Event:
        rows = self._read(f"SELECT {_EVENT_COLUMNS} FROM events WHERE seq = ?", (seq,))
        if not rows:
            raise RunNotFound(f"journal {self.path!r} has no event {seq}: see their numbers with clew show RUN")
        return self._event(rows[0])

    def index(self, run: str) -> list[IndexRow]:
        """All events of a run without their texts, in the order of their start."""
        names = ", ".join(field.name for field in fields(IndexRow))
        found = [
            IndexRow(*row) for row in self._read(f"SELECT {names} FROM events WHERE run = ? ORDER BY begun", (run,))
        ]
        for row in found:
            row.reserve, row.cost, row.possibly = map(_cost, (row.reserve, row.cost, row.possibly))
        return found

    def copy_events(self, run: str, child: str, seqs: Sequence[int]) -> None:
        """Gives `child` the events `seqs` of `run`, marked as inherited: their cost stays the parent's."""
        names = [f.name for f in fields(Event) if f.name not in ("seq", "run", "inherited")]
        columns = ", ".join(names)
        with self.transaction() as db:
            db.execute(
                f"INSERT INTO events (run, inherited, {columns}) SELECT ?, 1, {columns} FROM events "
                "WHERE run = ? AND seq IN (SELECT value FROM json_each(?)) ORDER BY begun",
                (child, run, json.dumps(list(seqs))),
            )

    def outcome(self, seq: int) -> Any:
        return self.texts.unpack(self._read("SELECT outcome FROM events WHERE seq = ?", (seq,))[0][0])

    def _event(self, row: Any) -> Event:
        event = Event(*row)
        event.request, event.outcome = self.texts.unpack(event.request), self.texts.unpack(event.outcome)
        event.reserve, event.cost, event.possibly = map(_cost, (event.reserve, event.cost, event.possibly))
        event.inherited = bool(event.inherited)
        return event


# An event is written only under the lease of its run; the same few statements come again and again.
_HELD = "EXISTS (SELECT 1 FROM runs WHERE id = ? AND lease = ?)"


@lru_cache
def _insert_sql(names: tuple[str, ...]) -> str:
    return f"INSERT INTO events ({', '.join(names)}) SELECT {', '.join('?' * len(names))} WHERE {_HELD}"


@lru_cache
def _update_sql(names: tuple[str, ...]) -> str:
    return f"UPDATE events SET {', '.join(f'{name} = ?' for name in names)} WHERE seq = ? AND {_HELD}"


def _cost(text: Any) -> Cost:
    return Cost.from_json(json.loads(text)) if text else Cost()


def _run_values(columns: dict[str, Any]) -> list[Any]:
    """Column values as they are stored: masked, and JSON columns encoded."""
    masked = [redact_json(value) for value in columns.values()]
    return [json.dumps(value) if isinstance(value, dict) else value for value in masked]


def _run_row(row: Any) -> RunRow:
    run = RunRow(*row)
    for name in ("task", "answer", "budget", "fingerprint", "recipe"):
        value = getattr(run, name)
        setattr(run, name, json.loads(value) if value else None)
    return run
