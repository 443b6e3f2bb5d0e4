"""What a store on a server knows besides vectors, read from and written to the payloads of its points.

A page's point is written after its passages and lists them: passages that no page lists are what an interrupted index
left behind. Readers pass them over, the next index deletes them.
"""

from __future__ import annotations

import base64
import os
import socket
import time
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from clew.errors import RetrievalError, StoreBusy

from .catalog import Catalog, Passage, page_point_id
from .server import ServerStore

# Requests of more than 32 MB are refused by servers: a text that could come near is kept compressed.
_LONG_TEXT = 4_000_000
_POLL_SECONDS = 0.2
# How long a writer on another machine may be silent before it counts as dead.
_SILENT_SECONDS = 600.0


def passage_data(source: str, title: str, heading: str, text: str) -> dict[str, Any]:
    """The payload of a passage."""
    return {"kind": "passage", "source": source, "title": title, "heading": heading, "text": text}


def page_data(
    source: str, title: str, text: str, *, folder: int, path: str, digest: str, passages: Sequence[int]
) -> dict[str, Any]:
    """The payload of a whole page, `path` inside the folder of that number."""
    body = {"body": text}
    if len(text) > _LONG_TEXT:
        body = {"zipped": base64.b64encode(zlib.compress(text.encode("utf-8"))).decode()}
    return {
        "kind": "page", "source": source, "title": title, "folder": folder, "path": path, "digest": digest,
        "passages": list(passages), **body,
    }  # fmt: skip


class ServerContents:
    """Pages and passages for readers."""

    def __init__(self, store: ServerStore) -> None:
        self._store = store

    def page(self, source: str) -> tuple[str, str] | None:
        id = page_point_id(source)
        found = self._store.payloads([id], ["title", "body", "zipped"]).get(id)
        if found is None:
            return None
        if "zipped" in found:
            return found["title"], zlib.decompress(base64.b64decode(found["zipped"])).decode("utf-8")
        return found["title"], found["body"]

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        found = self._store.payloads(ids, ["page", "source", "title", "heading", "text"])
        pages = self._store.payloads(sorted({each["page"] for each in found.values()}), ["passages", "title"])
        listed = {id for page in pages.values() for id in page["passages"]}
        return {
            id: Passage(id, each["page"], each["source"], each["title"], each["heading"], each["text"])
            for id, each in found.items()
            if id in listed
        }

    def counts(self) -> tuple[int, int]:
        return self._store.count("page"), self._store.count("passage")


class WorkingCatalog(Catalog):
    """What an indexer must know of a store on a server, in memory and without the texts; pages are numbered by the ids
    of their points."""

    def __init__(self, store: ServerStore, settings: Mapping[str, Any]) -> None:
        super().__init__(":memory:")
        with self.transaction():
            for key, value in settings.items():
                if isinstance(value, str) and key != "kind":
                    self.set(key, value)
            for id, path, label in settings.get("folders", ()):
                self.db.execute("INSERT INTO folders VALUES (?, ?, ?)", (id, path, label))
            self._load(store, {id for id, _, _ in self.folders()})

    def _load(self, store: ServerStore, folders: set[int]) -> None:
        stored = {id for id, _ in store.all_payloads("passage", ["page"])}
        for id, page in store.all_payloads("page", ["folder", "path", "digest", "source", "title", "passages"]):
            if page["folder"] not in folders:
                self.db.execute("INSERT INTO removed VALUES (?)", (id,))
                continue
            here = [passage for passage in page["passages"] if passage in stored]
            row = (id, page["folder"], page["path"], page["digest"], len(here) < len(page["passages"]), page["source"])
            self.db.execute("INSERT INTO pages VALUES (?, ?, ?, ?, ?, ?, ?, '')", (*row, page["title"]))
            self.db.executemany("INSERT INTO passages VALUES (?, ?, 0, 0, '', 0)", [(passage, id) for passage in here])
            stored.difference_update(here)
        self.db.executemany("INSERT INTO removed VALUES (?)", [(id,) for id in stored])

    def put_page(self, folder: int, path: str, digest: str, source: str, title: str, text: str) -> int:
        id = page_point_id(source)
        self.db.execute(
            "INSERT INTO pages VALUES (?, ?, ?, ?, 1, ?, ?, '')"
            " ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, pending = 1, title = excluded.title",
            (id, folder, path, digest, source, title),
        )
        self.forget_removed([id])
        return id


# Of this process: its own number says nothing about whether a note of it still holds.
_AT_WORK: set[str] = set()


class Writer:
    """The right to write to a store on a server, one indexer at a time.

    It is a note in the store that says who writes and when that was last heard of. A writer that died is passed over:
    at once if it ran on this machine, else after ten minutes. Raises `StoreBusy` after `wait` seconds.
    """

    def __init__(self, store: ServerStore, wait: float) -> None:
        self._store = store
        self._note: dict[str, Any] = {"token": uuid4().hex, "pid": os.getpid(), "host": socket.gethostname()}
        until = time.monotonic() + wait
        while True:
            self._settings: Mapping[str, Any] = store.settings()
            holder = self._settings.get("writer")
            if not holder or not _alive(holder):
                self._settings = {key: value for key, value in self._settings.items() if key != "writer"}
                return
            if time.monotonic() >= until:
                raise self._busy(holder, f"; waited {wait:g} s")
            time.sleep(_POLL_SECONDS)

    def begin(self) -> None:
        """Takes the right; of two that do so at once, one gets `StoreBusy`."""
        self.save(self._settings)
        holder = self._store.settings().get("writer") or {}
        if holder.get("token") != self._note["token"]:
            raise self._busy(holder, "")
        _AT_WORK.add(self._note["token"])

    def save(self, settings: Mapping[str, Any]) -> None:
        """Writes the settings of the store, and that this process is at work."""
        self._settings = settings
        self._store.save_settings({**settings, "writer": {**self._note, "at": time.time()}})

    def end(self) -> None:
        """Gives the right back; if the server is gone the note stays, and is void when this process ends."""
        _AT_WORK.discard(self._note["token"])
        with suppress(RetrievalError):
            self._store.save_settings(self._settings)

    def _busy(self, holder: Mapping[str, Any], waited: str) -> StoreBusy:
        return StoreBusy(
            f"the store '{self._store.address}' is being written by process {holder.get('pid')} on"
            f" {holder.get('host')}{waited}. Many may read, one may write: stop that one or try again later"
        )


def _alive(holder: Mapping[str, Any]) -> bool:
    if holder.get("host") == socket.gethostname() and os.name == "posix":
        if holder.get("pid") == os.getpid():
            return holder.get("token") in _AT_WORK
        try:
            os.kill(int(holder["pid"]), 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True
    at = holder.get("at")
    return isinstance(at, int | float) and time.time() - at < _SILENT_SECONDS
