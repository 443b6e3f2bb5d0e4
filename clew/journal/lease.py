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
# An owner on another host cannot be looked at; it counts as gone after this many silent seconds.
EXPIRY_S = 60.0


def me() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": process_start(os.getpid())}


def process_start(pid: int) -> str | None:
    """A value that differs between two processes that had the same pid; None where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return None


def alive(owner: dict[str, Any], heartbeat: float) -> bool:
    """Whether the owner of a lease still runs."""
    if owner["host"] != socket.gethostname():
        return time.time() - heartbeat < EXPIRY_S
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return bool(owner["started"] == process_start(owner["pid"]))


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
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="clew-heartbeat", daemon=True)
                self._thread.start()

    def remove(self, lease: str) -> None:
        with self._lock:
            self._leases.discard(lease)

    def stop(self) -> None:
        self._wake.set()

    def _beat(self) -> None:
        while not self._wake.wait(HEARTBEAT_S):
            with self._lock:
                leases = json.dumps(sorted(self._leases))
            try:
                with closing(sqlite3.connect(self._path, timeout=2, isolation_level=None)) as db:
                    db.execute(
                        "UPDATE runs SET heartbeat = ? WHERE lease IN (SELECT value FROM json_each(?))",
                        (time.time(), leases),
                    )
            except sqlite3.Error:
                continue  # a busy or full disk now; the next beat tries again, and expiry is twelve beats away
