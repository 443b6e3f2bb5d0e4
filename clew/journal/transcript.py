"""Transcripts: immutable chains of segments, each with its role and origin.

A chain is addressed by its head, a hash over all of its segments, so that a request names a whole conversation in 32
characters, storage grows with new text only, and two calls of which one continues the other share a prefix of heads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

from clew.journal.redact import redact, redact_json

Role = Literal["system", "user", "assistant", "tool"]
Origin = Literal["prompt", "model", "injected", "notice"]

EMPTY_HEAD = "0" * 32


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of text in one message. Only text of origin `model` was written by the model, and only it may be
    trained on; `effect` is then the key of the model call. `extra` holds `tool_calls` or `tool_call_id`."""

    role: Role
    text: str
    origin: Origin
    effect: str | None = None
    extra: dict[str, Any] | None = None


class Transcript:
    """An immutable chain of segments; `add` returns a new one that shares this one as its prefix."""

    def __init__(self) -> None:
        self._parent: Transcript | None = None
        self._segment: Segment | None = None
        self.head = EMPTY_HEAD

    def add(
        self,
        role: Role,
        text: str,
        origin: Origin,
        effect: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Transcript:
        """A new chain with one more segment. Credentials in it are masked here already: what a model is shown is what
        the journal holds, so that a resumed run goes on with the same text."""
        return self.append(Segment(role, redact(text), origin, effect, redact_json(extra)))

    def append(self, segment: Segment, head: str | None = None) -> Transcript:
        """`head` is given where a chain is read back."""
        child = Transcript.__new__(Transcript)
        child._parent, child._segment = self, segment
        child.head = head or _head(self.head, segment)
        return child

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments from the first; not kept, because every prefix of a long chain would keep its own."""
        return tuple(segment for _, segment in self.links())[::-1]

    def links(self) -> Iterator[tuple[str, Segment]]:
        """(head, segment) from the last segment back to the first."""
        node = self
        while node._parent is not None and node._segment is not None:
            yield node.head, node._segment
            node = node._parent

    def messages(self) -> list[dict[str, Any]]:
        """OpenAI messages: neighbours of one role are one message, unless one of them carries `extra`."""
        messages: list[dict[str, Any]] = []
        # Pieces are joined once: `+=` would copy a message of a thousand segments a thousand times.
        pieces: list[str] | None = None
        for segment in (*self.segments, None):
            if segment and pieces is not None and segment.extra is None and messages[-1]["role"] == segment.role:
                pieces.append(segment.text)
                continue
            if pieces is not None:
                messages[-1]["content"] = "".join(pieces)
            if segment:
                messages.append({"role": segment.role, "content": segment.text, **(segment.extra or {})})
                pieces = None if segment.extra else [segment.text]
        return messages

    def text(self, role: Role | None = None, origin: Origin | None = None) -> str:
        """The text of all segments of `role` and `origin`, joined without separators."""
        return "".join(s.text for s in self.segments if role in (None, s.role) and origin in (None, s.origin))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Transcript) and self.head == other.head

    def __hash__(self) -> int:
        return hash(self.head)

    def __repr__(self) -> str:
        return f"Transcript({sum(1 for _ in self.links())} segments, head={self.head[:8]})"


def _head(parent: str, segment: Segment) -> str:
    # Lengths make the boundaries unambiguous: ("ab", "c") and ("a", "bc") are different chains.
    text = segment.text.encode()
    extra = json.dumps(segment.extra, sort_keys=True) if segment.extra else ""
    fields = f"{parent}|{segment.role}|{segment.origin}|{segment.effect or ''}|{len(text)}|{extra}"
    return blake2b(fields.encode() + b"\0" + text, digest_size=16).hexdigest()
