"""Who owns a container, and whether that process still lives."""

from __future__ import annotations

import json
import os
import socket
from functools import lru_cache


def me() -> str:
    """This process, as the text of a label."""
    pid = os.getpid()
    return json.dumps({"pid": pid, "started": _start_of(pid), **_here()})


def gone(owner: str) -> bool | None:
    """Whether the process that wrote `owner` is no more; None when that cannot be known from here: another host,
    another namespace of pids, or no label of ours."""
    try:
        label = json.loads(owner)
        pid, started, place = int(label["pid"]), label["started"], {key: label[key] for key in _here()}
    except (ValueError, KeyError, TypeError):
        return None
    here = _here()
    if place["host"] != here["host"]:
        return None
    if place["boot"] != here["boot"]:
        return True
    if place["pids"] != here["pids"]:
        return None
    return not _exists(pid) if started is None else _start_of(pid) != started


def _exists(pid: int) -> bool:
    """Where there is no /proc: an owner whose pid was taken over by another process counts as alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@lru_cache(maxsize=1)
def _here() -> dict[str, str]:
    return {"host": socket.gethostname(), "boot": _read("/proc/sys/kernel/random/boot_id"), "pids": _pid_namespace()}


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def _start_of(pid: int) -> str | None:
    """When a process started, in ticks since boot; None for one that is gone or a zombie."""
    state, *rest = _read(f"/proc/{pid}/stat").rpartition(")")[2].split() or [""]
    return None if state in ("", "Z", "X") else rest[18]
