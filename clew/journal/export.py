"""A run as JSON lines, for other programs and other machines, and back.

Lines of `type` `run` (one), `segment` (parents before children) and `event` (in the order of their start).
All texts are in place; events name transcripts by head.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any

from clew.errors import JournalError
from clew.journal.cost import Cost
from clew.journal.redact import MASK, redact_json
from clew.journal.store import Event, Journal, RunRow
from clew.journal.transcript import EMPTY_HEAD, Segment, Transcript

FORMAT = 1


def export_jsonl(journal: Journal, run_id: str) -> Iterator[str]:
    """The lines of one run, without line ends. Raises `RunNotFound`."""
    row = journal.find_run(run_id)
    yield _line({"type": "run", "format": FORMAT, **asdict(row)})
    written = {EMPTY_HEAD}
    for event in journal.events(row.id):
        for head in _heads(event.request):
            parent = EMPTY_HEAD
            for own, segment in reversed(list(journal.transcript(head).links())):
                if own not in written:
                    written.add(own)
                    yield _line({"type": "segment", "head": own, "parent": parent, **asdict(segment)})
                parent = own
        data = asdict(event)
        data |= {name: getattr(event, name).to_json() for name in ("reserve", "cost", "possibly")}
        del data["run"]
        yield _line({"type": "event", **data})


def import_jsonl(journal: Journal, lines: Iterable[str], *, run_id: str | None = None) -> str:
    """Writes one exported run into `journal`, all or nothing, and returns its id (`run_id` renames it).

    Raises `JournalError` for malformed lines (naming the line) and for an id that is already there.
    """
    row: RunRow | None = None
    segments: list[dict[str, Any]] = []
    events: list[Event] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            kind = data.pop("type")
            if kind == "run":
                if data.pop("format") > FORMAT:
                    raise JournalError(f"line {number}: the export was written by a newer Clew; upgrade to import it")
                row = RunRow(**data)
            elif kind == "segment":
                segments.append(data)
            elif kind == "event":
                costs = {name: Cost.from_json(data.pop(name)) for name in ("reserve", "cost", "possibly")}
                events.append(Event(**{"run": "", **data, **costs}))
            else:
                raise ValueError(f"unknown type {kind!r}")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise JournalError(
                f"line {number} is not part of an exported run ({error}): nothing was imported"
            ) from error
    if row is None:
        raise JournalError("the lines hold no run: export one with clew show RUN --export, nothing was imported")
    row.id = run_id or row.id
    if journal.get_run(row.id) is not None:
        raise JournalError(f"run {row.id!r} is already in {journal.path!r}: import it under another id")
    if row.status == "running":
        row.status = "stopped"
    with journal.transaction() as db:
        journal.create_run(row)
        _write(journal, db, row.id, segments, events)
    return row.id


def _write(journal: Journal, db: Any, run: str, segments: list[dict[str, Any]], events: list[Event]) -> None:
    known = {EMPTY_HEAD: Transcript()}
    for data in segments:
        head, parent = data.pop("head"), data.pop("parent")
        if parent not in known:
            raise JournalError(f"segment {head!r} names the parent {parent!r}, which is not above it")
        segment = Segment(**data)
        known[head] = known[parent].append(Segment(**redact_json(data)), head)
        # Segments are shared by all runs of a file: a false head would put words into another conversation. What was
        # masked late, when its text had been used already, has the head of that text.
        if known[parent].append(segment).head != head and MASK not in _line(data):
            raise JournalError(f"the text of segment {head!r} is not what its hash says: nothing was imported")
        journal.texts.put_transcript(db, known[head])
    names = [f.name for f in fields(Event) if f.name != "seq"]
    for event in sorted(events, key=lambda e: e.seq):
        event.run = run
        values = [_column(journal, db, name, getattr(event, name)) for name in names]
        db.execute(f"INSERT INTO events ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", values)


def _column(journal: Journal, db: Any, name: str, value: Any) -> Any:
    if isinstance(value, Cost):
        return json.dumps(value.to_json()) if value.to_json() else None
    if name in ("request", "outcome"):
        return None if value is None else journal.texts.pack(db, redact_json(value))
    return value


def _heads(request: Any) -> Iterator[str]:
    if isinstance(request, dict):
        for value in request.values():
            if isinstance(value, dict) and set(value) == {"transcript"}:
                yield value["transcript"]


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False)
