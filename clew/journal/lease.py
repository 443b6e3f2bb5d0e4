"""One owner per run: who holds it, whether that process still lives, and the heartbeat that says so."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
import time
from contextlib import closing
from typing import Any

HEARTBEAT_S = 5.0
# Twelve beats without a sign: the owner is suspended, or on a host that is gone.
EXPIRY_S = 60.0

_held: set[str] = set()  # by this process, in any file


def me() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": _start_of(os.getpid())}


def _start_of(pid: int) -> str | None:
    """A value that differs between two processes that had the same pid; None for a zombie, for a pid that is free, and
    where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *rest = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if state in (b"Z", b"X") else rest[18].decode()


def alive(token: str, owner: dict[str, Any], heartbeat: float) -> bool:
    """Whether the owner of a lease still runs. One that was suspended for long counts as gone: should it wake up, its
    writes are refused, because they name the old token."""
    if time.time() - heartbeat >= EXPIRY_S:
        return False
    if owner["host"] != socket.gethostname():
        return True
    if owner["pid"] == os.getpid():
        return token in _held and owner["started"] == _start_of(os.getpid())
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return bool(owner["started"] == _start_of(owner["pid"]))


def describe(owner: dict[str, Any]) -> str:
    return f"process {owner['pid']} on {owner['host']}"


class Heartbeat:
    """A daemon thread that renews the leases of this process in one file, also while the event loop is busy."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._leases: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, lease: str) -> None:
        with self._lock:
            self._leases.add(lease)
            _held.add(lease)
            if self._thread is None and self._path != ":memory:":
                self._thread = threading.Thread(target=self._beat, name="clew-heartbeat", daemon=True)
                self._thread.start()

    def remove(self, lease: str) -> None:
        with self._lock:
            self._leases.discard(lease)
            _held.discard(lease)

    def stop(self) -> None:
        """Ends the thread and lets go of what it still held."""
        self._wake.set()
        with self._lock:
            _held.difference_update(self._leases)
            self._leases.clear()

    def _beat(self) -> None:
        while not self._wake.wait(HEARTBEAT_S):
            with self._lock:
                leases = json.dumps(sorted(self._leases))
            if leases == "[]":
                continue
            try:
                with closing(sqlite3.connect(self._path, timeout=2, isolation_level=None)) as db:
                    db.execute(
                        "UPDATE runs SET heartbeat = ? WHERE lease IN (SELECT value FROM json_each(?))",
                        (time.time(), leases),
                    )
            except sqlite3.Error:
                continue  # a busy or full disk now; the next beat tries again, and expiry is twelve beats away
