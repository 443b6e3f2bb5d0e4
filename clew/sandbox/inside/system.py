"""Calls to Linux that Python does not offer, and what a forked process gives up before it runs a program."""

from __future__ import annotations

import ctypes
import os
import resource
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_SET_CHILD_SUBREAPER = 36
_CAPSET_VERSION_3 = 0x20080522
# Not among the descriptors that programs count on, and below their limit of open files.
HIGH_DESCRIPTOR = 900
OPEN_FILES = 1024
LAST_CAPABILITY = 63
_LARGEST_LIMIT = (1 << 63) - 1


def checked(name: str, *arguments: Any) -> int:
    """Calls a function of libc; raises `OSError` when it fails."""
    result: int = getattr(_libc, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int) -> None:
    checked("prctl", option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def prctl_pointer(option: int, value: int, data: bytes) -> None:
    checked("prctl", option, ctypes.c_ulong(value), data, ctypes.c_ulong(0), ctypes.c_ulong(0))


def become(user: int | None) -> None:
    """Gives up every privilege, for good: another user (None: stay), no capabilities, no way to get new ones."""
    for capability in range(LAST_CAPABILITY + 1):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            break  # beyond the last that this kernel knows, or no right to drop: no_new_privs covers that
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    header = (ctypes.c_uint32 * 2)(_CAPSET_VERSION_3, 0)
    checked("capset", ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
    # A change of user makes a process's own /proc/self unreadable to it; the server's stays so.
    prctl(PR_SET_DUMPABLE, 1)


def limit(kind: int, value: int) -> None:
    """A limit of this process that it cannot raise again; one that is lower already stays."""
    _, hard = resource.getrlimit(kind)
    value = min(value, _LARGEST_LIMIT if hard == resource.RLIM_INFINITY else hard)
    resource.setrlimit(kind, (value, value))


def choose_for_oom() -> None:
    """When memory ends, this process and those that it starts are killed before the server."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass  # /proc is not there, or not ours to write: the kernel chooses by size, and the server is small


def oom_kills() -> int:
    """How often the kernel has killed for this container's memory limit; 0 where it does not tell."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(path) as file:
                for line in file:
                    name, _, count = line.partition(" ")
                    if name == "oom_kill":
                        return int(count)
        except OSError:
            continue
    return 0
