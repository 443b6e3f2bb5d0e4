"""The record of one run: what is known of its events, and how new ones are written under its lease."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from clew.journal.cost import FREE, Cost
from clew.journal.store import Journal
from clew.journal.transcript import Transcript

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Address:
    """Where an event stands. `ordinal` counts the events of a kind at a place whatever their request; `within` is the
    key of the effect that an event is part of."""

    key: str
    place: str
    kind: str
    ordinal: int
    within: str = ""


@dataclass(slots=True)
class Known:
    """What is recorded about one event, without its texts. `fresh`: its outcome was written by this process."""

    seq: int
    key: str
    place: str
    kind: str
    state: str
    parent: str | None = None
    reserve: Cost = FREE
    cost: Cost = FREE
    possibly: Cost = FREE
    seconds: float = 0.0
    unknowns: int = 0
    used: bool = False
    fresh: bool = False

    def at_risk(self) -> Cost:
        """What may have been paid for outcomes that nobody saw."""
        return self.possibly + self.reserve if self.state == "started" else self.possibly


class Record:
    """The events of one run, by key; `lenient` finds all of them by place, kind and ordinal too."""

    def __init__(self, journal: Journal, run: str, lease: str | None, lenient: bool = False) -> None:
        self.journal, self.run, self.lease = journal, run, lease
        self.known: dict[str, Known] = {}
        # Whatever the request: what a fork inherited, and everything in a lenient replay.
        self._by_ordinal: dict[tuple[str, str, int], Known] = {}
        self._holds: dict[int, str | None] = {}
        self._tick = 0
        self._clock_base = self._load(lenient)
        self._clock_start = time.monotonic()

    def _load(self, lenient: bool) -> float:
        clock = 0.0
        for row in self.journal.index(self.run):
            mine = not row.inherited
            known = Known(
                row.seq, row.key, row.place, row.kind, row.state, row.parent, row.reserve,
                row.cost if mine else FREE, row.possibly if mine else FREE, row.seconds or 0.0, row.unknowns,
            )  # fmt: skip
            self.known[row.key] = known
            if (row.inherited or lenient) and row.parent is None:
                self._by_ordinal[row.place, row.kind, row.ordinal] = known
            if mine:
                clock = max(clock, row.at + (row.seconds or 0.0))
            self._tick = max(self._tick, row.begun, row.ended or 0)
        return clock

    def clock(self) -> float:
        """Active seconds of this run, earlier processes included, pauses between them not."""
        return self._clock_base + time.monotonic() - self._clock_start

    def find(self, address: Address) -> Known | None:
        known = self.known.get(address.key)
        if known is None and not address.within:
            known = self._by_ordinal.get((address.place, address.kind, address.ordinal))
        if known is not None:
            known.used = True
        return known

    def unused(self) -> list[tuple[int, str, str]]:
        """(seq, place, kind) of the outcomes that nobody asked for in this process."""
        return [
            (row.seq, row.place, row.kind)
            for row in self.known.values()
            if not row.used
            and row.state in ("finished", "failed", "refused")
            and row.parent is None
            and row.kind != "hold"
        ]

    # Writing -------------------------------------------------------------------------------------------------

    def later(self, hold: Known, active: bool) -> None:
        """Notes that a hold was given back or renewed; written together with the next event."""
        self._holds[hold.seq] = _dump(hold.reserve) if active else None

    def _write_holds(self, db: sqlite3.Connection) -> None:
        for seq, reserve in self._holds.items():
            self._update(db, seq, reserve=reserve)
        self._holds.clear()

    def keep(self, transcript: Transcript) -> None:
        with self.journal.transaction() as db:
            self.journal.texts.put_transcript(db, transcript)

    def start(
        self,
        address: Address,
        known: Known | None,
        request: dict[str, Any],
        reserve: Cost,
        transcripts: list[Transcript],
        parent: str | None,
    ) -> Known:
        """Marks an effect as started, before it is performed."""
        with self.journal.transaction() as db:
            self._write_holds(db)
            for transcript in transcripts:
                self.journal.texts.put_transcript(db, transcript)
            if known is None:
                row = self._insert(db, address, request, "started", None, reserve, parent)
            else:
                row = known
                row.possibly, row.unknowns = row.at_risk(), row.unknowns + (row.state == "started")
                row.state, row.reserve, row.cost = "started", reserve, FREE
                # An inherited event was found by its ordinal; from now on it is this run's own, at its own address.
                self.known.pop(row.key, None)
                row.key = address.key
                self._update(
                    db, row.seq, key=row.key, ordinal=address.ordinal, state="started",
                    request=self.journal.texts.pack(db, request), outcome=None, reserve=_dump(reserve), cost=None,
                    possibly=_dump(row.possibly), unknowns=row.unknowns, inherited=0, at=round(self.clock(), 6),
                    seconds=None, begun=self._next_tick(), ended=None,
                )  # fmt: skip
        self.known[row.key] = row
        return row

    def finish(self, row: Known, state: str, outcome: Any, cost: Cost, possibly: Cost, seconds: float) -> None:
        """Writes the outcome of a started effect; `possibly` is what this try may have cost beyond `cost`."""
        possibly = row.possibly if possibly is FREE else row.possibly + possibly
        with self.journal.transaction() as db:
            self._write_holds(db)
            self._update(
                db, row.seq, state=state, outcome=None if outcome is None else self.journal.texts.pack(db, outcome),
                cost=_dump(cost), possibly=_dump(possibly), seconds=round(seconds, 6), ended=self._next_tick(),
            )  # fmt: skip
        row.state, row.cost, row.possibly, row.fresh = state, cost, possibly, True

    def drop(self, row: Known) -> None:
        """Takes back the start of an effect that was not performed."""
        with self.journal.transaction() as db:
            self._write_holds(db)
            self._update(db, row.seq, state="cancelled")  # raises when the lease is lost
            db.execute("DELETE FROM events WHERE seq = ?", (row.seq,))
        del self.known[row.key]

    def write(
        self,
        address: Address,
        known: Known | None,
        request: dict[str, Any],
        state: str,
        *,
        outcome: dict[str, Any] | None = None,
        reserve: Cost = FREE,
        parent: str | None = None,
    ) -> Known:
        """Records an event that has its outcome at once: a note, a refusal, a hold."""
        with self.journal.transaction() as db:
            self._write_holds(db)
            if known is None:
                row = self._insert(db, address, request, state, outcome, reserve, parent)
            else:
                row = known
                packed = self.journal.texts.pack(db, outcome) if outcome else None
                # A try before this decision may have been paid.
                self._update(
                    db, row.seq, state=state, outcome=packed, reserve=_dump(reserve), cost=None,
                    possibly=_dump(row.at_risk()), unknowns=row.unknowns + (row.state == "started"),
                    ended=self._next_tick(),
                )  # fmt: skip
                row.possibly, row.unknowns = row.at_risk(), row.unknowns + (row.state == "started")
        row.state, row.reserve, row.cost, row.fresh = state, reserve, FREE, True
        self.known[row.key] = row
        return row

    def _insert(
        self,
        db: sqlite3.Connection,
        address: Address,
        request: dict[str, Any],
        state: str,
        outcome: dict[str, Any] | None,
        reserve: Cost,
        parent: str | None,
    ) -> Known:
        pack, tick = self.journal.texts.pack, self._next_tick()
        seq = self.journal.insert_event(
            db, self._token(),
            run=self.run, key=address.key, place=address.place, kind=address.kind, ordinal=address.ordinal, state=state,
            request=pack(db, request), outcome=pack(db, outcome) if outcome else None, parent=parent,
            reserve=_dump(reserve), at=round(self.clock(), 6), begun=tick, ended=None if state == "started" else tick,
        )  # fmt: skip
        return Known(seq, address.key, address.place, address.kind, state, parent, reserve, used=True)

    def _update(self, db: sqlite3.Connection, seq: int, **columns: Any) -> None:
        self.journal.update_event(db, self._token(), self.run, seq, **columns)

    def _token(self) -> str:
        assert self.lease is not None, "a live run holds a lease"
        return self.lease

    def _next_tick(self) -> int:
        self._tick += 1
        return self._tick


def _dump(cost: Cost) -> str | None:
    if cost is FREE:
        return None
    data = cost.to_json()
    return _encode(data) if data else None
