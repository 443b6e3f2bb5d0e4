"""Texts and transcripts of a journal file: a segment is stored once, whoever refers to it, and so are new texts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from clew.errors import JournalError
from clew.journal.transcript import EMPTY_HEAD, Segment, Transcript

# Shorter strings cost less in place than a row and a reference.
_LONG_TEXT = 96
_CACHED = 50_000

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Read = Callable[[str, tuple[Any, ...]], list[Any]]


class Texts:
    """JSON values and transcripts in and out of the tables `texts` and `segments`.

    Writers pass the connection of their open transaction; `forget` must follow when it is rolled back.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        # What this process has stored or found. A text that another process stored is stored again: an index over all
        # texts would cost every write more than that.
        self._text_ids: dict[bytes, int] = {}
        self._heads: set[str] = set()

    def forget(self) -> None:
        """Drops what was learned: rows of a transaction that was rolled back do not exist."""
        self._text_ids.clear()
        self._heads.clear()

    def put(self, db: sqlite3.Connection, text: str) -> int:
        """The id of `text` (already redacted)."""
        digest = blake2b(text.encode(), digest_size=16).digest()
        known = self._text_ids.get(digest)
        if known is None:
            known = db.execute("INSERT INTO texts (text) VALUES (?)", (text,)).lastrowid
            assert known is not None
            if len(self._text_ids) > _CACHED:
                self._text_ids.clear()
            self._text_ids[digest] = known
        return known

    def pack(self, db: sqlite3.Connection, value: Any) -> str:
        """`value` (already redacted) as JSON text, its long strings replaced by references to stored texts."""
        return _encode(self._pack(db, value))

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
        parent: bytes | None = None
        for head, segment in transcript.links():
            # The last two, a reply and what was said to it, are new as a rule: they are not looked for.
            if head in self._heads or (len(missing) >= 2 and self._stored(db, head)):
                parent = bytes.fromhex(head)
                break
            missing.append((head, segment))
        if len(self._heads) > _CACHED:
            self._heads.clear()
        for head, segment in reversed(missing):
            own = bytes.fromhex(head)
            extra = json.dumps(segment.extra, sort_keys=True) if segment.extra else None
            db.execute(
                "INSERT INTO segments (head, parent, role, origin, effect, extra, text) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                (own, parent, segment.role, segment.origin, segment.effect, extra, self.put(db, segment.text)),
            )
            self._heads.add(head)
            parent = own

    def _stored(self, db: sqlite3.Connection, head: str) -> bool:
        return db.execute("SELECT 1 FROM segments WHERE head = ?", (bytes.fromhex(head),)).fetchone() is not None

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
            WITH RECURSIVE chain (head, depth) AS (
                SELECT head, 0 FROM segments WHERE head = ?
                UNION ALL
                SELECT s.parent, chain.depth + 1 FROM chain JOIN segments s ON s.head = chain.head
                WHERE s.parent IS NOT NULL
            )
            SELECT s.head, s.role, t.text, s.origin, s.effect, s.extra
            FROM chain JOIN segments s ON s.head = chain.head JOIN texts t ON t.id = s.text ORDER BY chain.depth DESC
            """,
            (digest,),
        )
        transcript = Transcript()
        for stored, role, text, origin, effect, extra in rows:
            segment = Segment(role, text, origin, effect, json.loads(extra) if extra else None)
            transcript = transcript.append(segment, stored.hex())
        return transcript if rows else None
