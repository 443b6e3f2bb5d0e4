"""The `process` backend, for machines without Docker: rlimits, and Linux namespaces where the kernel allows them.

It is no boundary. Programs meet the host's kernel, from which a list of calls is refused, and limits of memory hold for
each process and not for all together. `protections` says what is active here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from clew.errors import SandboxFailed

from .boot import command, environment, greeting
from .cell import Cell, Stream
from .pool import started
from .types import Limits, Protection

WORK, SCRATCH = "/sandbox", ("/tmp", "/dev/shm")
# Where programs find the packages of an environment, and a Python that their own folders would cover.
PLACE, PYTHON_PLACE = "/environment", "/python"
START_S = 30.0
LIFETIME_S = 24 * 3600
_CLOSING_S = 3.0
_SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/alternatives", "/etc/localtime", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types",
)  # fmt: skip


class Host:
    """Starts fork servers on the host itself, with the Python that runs this. `namespaces=False` leaves rlimits alone,
    as on a kernel that allows nothing else. `environment` is a folder that programs find at `PLACE`, where they
    have a root of their own; its name is part of the sandbox's."""

    boundary = False

    def __init__(self, namespaces: bool = True, environment: Path | None = None) -> None:
        self.name = "process" if environment is None else f"process:{environment.name}"
        self._namespaces, self._environment = namespaces, environment
        self._active: dict[str, bool] | None = None

    async def start(self, limits: Limits) -> Cell:
        """See `Backend.start`. Raises `SandboxFailed` where there is no Linux."""
        if sys.platform != "linux":
            raise SandboxFailed(f"the process sandbox needs Linux, and this is {sys.platform}: use Docker")
        cell = await started(partial(_spawn, limits))
        binds = [(path, _seen(path)) for path in _binds()]
        if self._environment is not None:
            binds.append((str(self._environment.resolve()), PLACE))
        jail = {"binds": binds, "disk": limits.disk, "namespaces": self._namespaces}
        try:
            await cell.start(greeting({"place": place(limits), "jail": jail}), START_S)
        except BaseException:
            await asyncio.to_thread(cell.close)
            raise
        self._active = cell.hello["active"]
        return cell

    def close(self) -> None:
        """Nothing is kept open."""

    async def protections(self) -> list[Protection]:
        """What is active here; starts a fork server to find out. Raises `SandboxFailed`."""
        if self._active is None:
            cell = await self.start(Limits())
            await asyncio.to_thread(cell.close)
        return _protections(self._active or {})


def _protections(active: dict[str, bool]) -> list[Protection]:
    def namespace(name: str, of: str, inside: str, without: str) -> Protection:
        return Protection(name, active.get(of, False), inside if active.get(of) else without)

    user = "another user" if os.geteuid() == 0 else "the user of this process"
    return [
        Protection("boundary", False, "a hole in the kernel is a way out: run programs of strangers in Docker"),
        namespace("network", "network", "a namespace with loopback alone", "programs reach the network"),
        namespace("host files", "files", "a root with system folders alone, read-only", "what you can read, they can"),
        namespace("host processes", "processes", "a namespace of processes", "programs see, and may signal, yours"),
        namespace("host IPC", "ipc", "a namespace of IPC", "shared memory of the host can be reached"),
        Protection("privileges", True, f"no capabilities, no new privileges, {user}"),
        namespace("system calls", "system calls", "those that lead out are refused (seccomp)", "none is refused"),
        Protection("memory", True, "a limit for each process"),
        Protection("memory in sum", False, "several processes together may take more than the limit"),
        Protection("cpu", False, "a limit of CPU seconds for each process, no share of cores"),
        Protection("processes", True, "a limit for the user that programs have"),
        namespace("disk", "files", "memory file systems of limited size", "a limit for each file alone"),
        Protection("time", True, "watched by the fork server and from outside"),
        Protection("output", True, "head and tail are kept"),
    ]


def _spawn(limits: Limits) -> Cell:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            server = subprocess.Popen(
                command(sys.executable),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=environment(WORK, os.defpath),
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise SandboxFailed(f"no process can be started on this machine: {error}") from error
    return Cell(f"process {server.pid}", Stream(ours, False), limits, partial(_end, server), partial(_why_gone, server))


def _end(server: subprocess.Popen[bytes]) -> None:
    """It ends its programs and itself when its stream closes; one that does not is killed."""
    try:
        server.wait(_CLOSING_S)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


async def _why_gone(server: subprocess.Popen[bytes], since: int) -> str:
    try:
        code = await asyncio.to_thread(server.wait, 1)
    except subprocess.TimeoutExpired:
        return ""
    return f"its fork server ended (exit code {code})"


def place(limits: Limits) -> dict[str, Any]:
    """How programs live on the host; the jail completes it. See `inside.supervisor.Supervisor`."""
    path = os.pathsep.join([_seen(os.path.dirname(sys.executable)), "/usr/local/bin", "/usr/bin", "/bin"])
    threads = {"OMP_NUM_THREADS": str(max(1, int(limits.cpus)))}
    return {
        "work": WORK, "scratch": SCRATCH, "user": None, "environment": {**environment(WORK, path), **threads},
        "rlimits": True, "alone": False, "lifetime": LIFETIME_S,
    }  # fmt: skip


def _binds() -> list[str]:
    """What programs may read of the host: the system's programs and libraries, and this Python."""
    python = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.path.realpath(sys.executable))}
    wanted = [*_SYSTEM, *sorted(python)]
    return [path for path in wanted if os.path.lexists(path) and not any(_under(path, other) for other in wanted)]


def _seen(path: str) -> str:
    """Where programs find a path of the host: at the same place, but for a virtual environment below a folder that
    they have for themselves, such as /tmp."""
    hidden = any(_under(sys.prefix, folder) for folder in (WORK, *SCRATCH))
    inside = path == sys.prefix or _under(path, sys.prefix)
    return PYTHON_PLACE + path[len(sys.prefix) :] if hidden and inside else path


def _under(path: str, other: str) -> bool:
    return path != other and path.startswith(other.rstrip("/") + "/")
