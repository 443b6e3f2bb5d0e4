"""What a vector engine must do for memory: `clew.memory.edge` is one inside the process, `server` one over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .entry import Entry, prefixes

if TYPE_CHECKING:
    from clew.retrieval.embedding import Vectors

# The one point that is no entry: it says what the store was built with.
SETTINGS_ID = "00000000-0000-0000-0000-000000000000"
VECTOR = "text"
PREFIXES, ITEM = "prefixes", "item"
PAGE = 1_000


class Points(Protocol):
    """Entries with any number of unit vectors each; an entry is as near as the nearest of them.

    Methods block and are called from one thread at a time; a write that has returned survives the death of the process.
    Every error is a `RetrievalError`.
    """

    def settings(self) -> dict[str, Any]:
        """What the store was built with; empty in a place without one."""
        ...

    def create(self, size: int, settings: Mapping[str, Any]) -> None:
        """Makes the store, for vectors of `size`."""
        ...

    def write(self, rows: Sequence[tuple[Entry, Vectors]]) -> None:
        """Writes entries with vectors of shape (n, size), n may be 0; an entry of the same id is replaced."""
        ...

    def change(self, entries: Sequence[Entry]) -> None:
        """Replaces stored entries; their vectors stay."""
        ...

    def remove(self, ids: Sequence[str]) -> None:
        """Removes entries; unknown ids are ignored."""
        ...

    def read(self, ids: Sequence[str]) -> list[Entry]:
        """Those that are stored, in any order."""
        ...

    def scan(self, prefix: tuple[str, ...]) -> Iterator[Entry]:
        """All entries whose namespace begins with `prefix`, in any order."""
        ...

    def nearest(self, vector: Vectors, prefix: tuple[str, ...], limit: int) -> list[tuple[float, Entry]]:
        """The `limit` entries with vectors that are nearest, by cosine."""
        ...

    def close(self) -> None: ...


def payload(entry: Entry) -> dict[str, Any]:
    """An entry as a point keeps it: the prefixes of its namespace to filter by, and all of it as one JSON text, so that
    every value comes back exactly."""
    return {PREFIXES: list(prefixes(entry.namespace)), ITEM: json.dumps(entry.to_json())}


def entry_of(payload: Mapping[str, Any] | None) -> Entry:
    return Entry.of_json(json.loads((payload or {})[ITEM]))
