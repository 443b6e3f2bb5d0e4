"""Texts and transcripts of a journal file: each text and each segment is stored once, whoever refers to it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from clew.errors import JournalError
from clew.journal.redact import redact, redact_json
from clew.journal.transcript import EMPTY_HEAD, Segment, Transcript

# Shorter strings cost less in place than a row and a reference.
_LONG_TEXT = 96
_CACHED = 50_000

Read = Callable[[str, tuple[Any, ...]], list[Any]]


class Texts:
    """JSON values and transcripts in and out of the tables `texts` and `segments`.

    Writers pass the connection of their open transaction; `forget` must follow when it is rolled back.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._text_ids: dict[bytes, int] = {}
        self._segment_ids: dict[str, int] = {}

    def forget(self) -> None:
        """Drops what was learned about ids: rows of a transaction that was rolled back do not exist."""
        self._text_ids.clear()
        self._segment_ids.clear()

    def put(self, db: sqlite3.Connection, text: str) -> int:
        """The id of `text` (already redacted)."""
        digest = blake2b(text.encode(), digest_size=16).digest()
        known = self._text_ids.get(digest)
        if known is not None:
            return known
        row = db.execute("SELECT id FROM texts WHERE hash = ?", (digest,)).fetchone()
        if row is None:
            row = (db.execute("INSERT INTO texts (hash, text) VALUES (?, ?)", (digest, text)).lastrowid,)
        if len(self._text_ids) > _CACHED:
            self._text_ids.clear()
        self._text_ids[digest] = row[0]
        return int(row[0])

    def pack(self, db: sqlite3.Connection, value: Any) -> str:
        """`value` (already redacted) as JSON text, its long strings replaced by references to stored texts."""
        return json.dumps(self._pack(db, value), ensure_ascii=False, separators=(",", ":"))

    def _pack(self, db: sqlite3.Connection, value: Any) -> Any:
        if isinstance(value, str):
            return {"$text": self.put(db, value)} if len(value) >= _LONG_TEXT else value
        if isinstance(value, dict):
            packed = {key: self._pack(db, item) for key, item in value.items()}
            return {"$raw": packed} if "$text" in value or "$raw" in value else packed
        if isinstance(value, list):
            return [self._pack(db, item) for item in value]
        return value

    def unpack(self, packed: str | None) -> Any:
        """What was packed; None for None."""
        return None if packed is None else self._unpack(json.loads(packed))

    def _unpack(self, value: Any) -> Any:
        if isinstance(value, dict):
            if value.keys() == {"$text"}:
                return self._read("SELECT text FROM texts WHERE id = ?", (value["$text"],))[0][0]
            return {key: self._unpack(item) for key, item in value.get("$raw", value).items()}
        if isinstance(value, list):
            return [self._unpack(item) for item in value]
        return value

    def put_transcript(self, db: sqlite3.Connection, transcript: Transcript) -> None:
        """Stores those segments that the file lacks."""
        missing: list[tuple[str, Segment]] = []
        found: int | None = None
        for head, segment in transcript.links():
            found = self._segment_id(db, head)
            if found is not None:
                break
            missing.append((head, segment))
        for head, segment in reversed(missing):
            extra = json.dumps(redact_json(segment.extra), sort_keys=True) if segment.extra else None
            found = db.execute(
                "INSERT INTO segments (head, parent, role, origin, effect, extra, text) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    bytes.fromhex(head), found, segment.role, segment.origin, segment.effect, extra,
                    self.put(db, redact(segment.text)),
                ),
            ).lastrowid  # fmt: skip
            assert found is not None
            if len(self._segment_ids) > _CACHED:
                self._segment_ids.clear()
            self._segment_ids[head] = found

    def _segment_id(self, db: sqlite3.Connection, head: str) -> int | None:
        known = self._segment_ids.get(head)
        if known is None:
            row = db.execute("SELECT id FROM segments WHERE head = ?", (bytes.fromhex(head),)).fetchone()
            known = row[0] if row else None
        return known

    def transcript(self, head: str) -> Transcript | None:
        """The chain that ends in `head`; None when the file does not have it."""
        if head == EMPTY_HEAD:
            return Transcript()
        try:
            digest = bytes.fromhex(head)
        except ValueError as error:
            raise JournalError(f"{head!r} is not the head of a transcript: give 32 hexadecimal digits") from error
        rows = self._read(
            """
            WITH RECURSIVE chain (id, depth) AS (
                SELECT id, 0 FROM segments WHERE head = ?
                UNION ALL
                SELECT s.parent, chain.depth + 1 FROM chain JOIN segments s ON s.id = chain.id
                WHERE s.parent IS NOT NULL
            )
            SELECT s.head, s.role, t.text, s.origin, s.effect, s.extra
            FROM chain JOIN segments s ON s.id = chain.id JOIN texts t ON t.id = s.text ORDER BY chain.depth DESC
            """,
            (digest,),
        )
        transcript = Transcript()
        for stored, role, text, origin, effect, extra in rows:
            segment = Segment(role, text, origin, effect, json.loads(extra) if extra else None)
            transcript = transcript.append(segment, stored.hex())
        return transcript if rows else None
