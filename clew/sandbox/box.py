"""A sandbox over any backend: a warm pool of fork servers for programs, one more for each resident interpreter."""

from __future__ import annotations

import asyncio
import json
from codecs import getincrementaldecoder
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from weakref import ref

from clew.errors import ConfigError, SandboxFailed

from .archive import Archive, checked, encoded, pack
from .cell import Answer, Cell, Gone, Overdue
from .pool import Pool
from .types import Execution, Files, Limits, Protection

LONGEST_PROGRAM = 1 << 20
LONGEST_STDIN = 4 << 20
_KILLED = -9


class Backend(Protocol):
    """Where fork servers are started."""

    name: str
    boundary: bool

    async def start(self, limits: Limits) -> Cell:
        """A fork server in a new place with these limits. Raises `SandboxFailed`."""
        ...

    async def protections(self) -> list[Protection]: ...

    def close(self) -> None:
        """Lets go of what it needs to start more; it comes back when it is needed."""
        ...


class Box:
    """A `Sandbox` on a backend. At most `size` programs run at once, in places that stay warm in between; what a
    program leaves behind is removed, and a place that cannot be cleaned is thrown away."""

    def __init__(self, backend: Backend, limits: Limits, size: int) -> None:
        if size < 1:
            raise ConfigError(f"size={size!r} is no number of programs at once: give 1 or more")
        self._backend, self.limits = backend, limits
        self.name, self.boundary = backend.name, backend.boundary
        self._pool = Pool(lambda: backend.start(limits), size)
        self._resident: set[Resident] = set()

    async def __aenter__(self) -> Box:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def warm(self) -> None:
        """Starts all places of the pool now, so that the first programs need not wait for them."""
        await self._pool.warm()

    async def run(
        self, program: str, files: Files | None = None, stdin: str = "", limits: Limits | None = None
    ) -> Execution:
        """See `Sandbox.run`."""
        return await self._task(limits, files=files, stdin=stdin, program=checked_program(program))

    async def run_command(
        self,
        argv: Sequence[str],
        workspace: str | Path | None = None,
        *,
        files: Files | None = None,
        stdin: str = "",
        collect: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> Execution:
        """See `Sandbox.run_command`."""
        if isinstance(argv, str) or not argv or any("\0" in word for word in argv):
            raise ConfigError(f"argv={argv!r} is no command: give a list of words, the program first")
        return await self._task(
            limits, workspace, files, stdin, json.dumps(list(argv)), True, [checked(name) for name in collect]
        )

    async def interpreter(self) -> Resident:
        """See `Sandbox.interpreter`."""
        cell = await self._pool.take()
        self._pool.detach(cell)
        resident = Resident(self, cell)
        self._resident.add(resident)
        return resident

    async def protections(self) -> list[Protection]:
        return await self._backend.protections()

    async def close(self) -> None:
        """Ends every place, interpreters too, and returns when they are gone."""
        for resident in list(self._resident):
            self.discard(resident)
        await self._pool.close()
        self._backend.close()

    def has(self, resident: Resident) -> bool:
        """Whether an interpreter is one of this sandbox and was not ended."""
        return resident in self._resident

    def discard(self, resident: Resident) -> None:
        """Ends an interpreter."""
        if resident in self._resident:
            self._resident.discard(resident)
            self._pool.close_later(resident.cell)

    async def _task(
        self,
        limits: Limits | None,
        workspace: str | Path | None = None,
        files: Files | None = None,
        stdin: str = "",
        program: str = "",
        command: bool = False,
        collect: Sequence[str] = (),
    ) -> Execution:
        limits = limits or self.limits
        archive = await asyncio.to_thread(pack, workspace, files, limits.disk) if workspace or files else None
        source, given = program.encode("utf-8", "surrogatepass"), encoded(stdin)
        request = {
            "do": "task", "command": command, "program": len(source), "stdin": len(given), "files": archive is not None,
            "collect": list(collect),
        }  # fmt: skip
        if len(stdin) > LONGEST_STDIN:
            raise ConfigError(f"stdin has {len(stdin)} characters, more than {LONGEST_STDIN}: give a file")
        try:
            if limits.place == self.limits.place:
                return await self._in_pool(request, limits, source + given, archive)
            cell = await self._backend.start(limits)
            try:
                return (await _asked(cell, request, limits, source + given, archive))[0]
            finally:
                self._pool.close_later(cell)
        finally:
            if archive:
                archive.close()

    async def _in_pool(
        self, request: dict[str, Any], limits: Limits, data: bytes, archive: Archive | None
    ) -> Execution:
        cell = await self._pool.take()
        clean = False
        try:
            execution, clean = await _asked(cell, request, limits, data, archive)
        finally:
            (self._pool.give if clean else self._pool.throw)(cell)
        return execution


class Resident:
    """A resident interpreter; see `Interpreter`."""

    def __init__(self, box: Box, cell: Cell) -> None:
        # Weak, so that interpreters that are kept somewhere do not keep a sandbox that nobody closed.
        self._box, self.cell, self._busy = ref(box), cell, False

    @property
    def alive(self) -> bool:
        box = self._box()
        return box is not None and box.has(self) and not self._busy and self.cell.alive

    async def run(self, program: str, limits: Limits | None = None) -> Execution:
        """See `Interpreter.run`."""
        box = self._box()
        if box is None or not self.alive:
            raise SandboxFailed(f"the interpreter in {self.cell.name} is gone or at work: open another one")
        limits = limits or box.limits
        checked_program(program)
        if limits.place != box.limits.place:
            raise ConfigError("memory, cpus, processes and disk of a session are those of its sandbox: give them there")
        self._busy, keep = True, False
        try:
            source = program.encode("utf-8", "surrogatepass")
            execution, keep = await _asked(self.cell, {"do": "session", "seed": 0}, limits, source)
        finally:
            self._busy = False
            if not keep:
                box.discard(self)
        return execution

    async def close(self) -> None:
        if (box := self._box()) is not None:
            box.discard(self)


def checked_program(program: str) -> str:
    """`program`; raises `ConfigError` when it is too long for one."""
    if len(program) > LONGEST_PROGRAM:
        raise ConfigError(f"the program has {len(program)} characters, more than {LONGEST_PROGRAM}: give data as files")
    return program


async def _asked(
    cell: Cell, request: dict[str, Any], limits: Limits, data: bytes, archive: Archive | None = None
) -> tuple[Execution, bool]:
    """How the program ended, and whether its place may be used again. Raises `SandboxFailed`."""
    try:
        answer = await cell.ask(request, limits, data, archive)
    except (Gone, Overdue) as error:
        # A stream that ends, or a server that is starved, may be the program's doing or the host's: ask the host.
        why = await cell.why_gone()
        if why:
            raise SandboxFailed(f"{cell.name} was lost while a program ran: {why}") from error
        overdue = isinstance(error, Overdue)
        return Execution("", "", _KILLED, limits.seconds, overdue, not overdue, lost=True), False
    try:
        execution = _execution(cell, answer)
    except ConfigError:
        raise
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SandboxFailed(f"{cell.name} broke the protocol: {error!r}; it was thrown away") from error
    return execution, not (answer[0].get("suspect") or answer[0].get("lost"))


def _execution(cell: Cell, answer: Answer) -> Execution:
    header, parts = answer
    if header.get("files_refused"):
        raise ConfigError(
            f"the files cannot be laid out in the sandbox ({header['files_refused']}): give shorter names, no file "
            "where a folder is, or a higher Limits(disk=...), which also bounds their number"
        )
    if header.get("failed"):
        raise SandboxFailed(f"{cell.name} could not start the program: {header['failed']}")
    stdout, stderr = _text(parts[0], parts[1], header["cut"][0]), _text(parts[2], parts[3], header["cut"][1])
    if header.get("forged"):
        stderr += "the program wrote into the sandbox's own protocol, and was ended\n"
    # Where a limit holds per process and not per container, its end is an exception.
    memory_error = header["exit"] == 1 and stderr.rstrip().rpartition("\n")[2].startswith("MemoryError")
    return Execution(
        stdout,
        stderr,
        exit_code=header["exit"],
        seconds=round(header["seconds"], 6),
        timed_out=header["timed_out"],
        oom=header["oom"] or memory_error,
        truncated=sum(header["cut"]),
        files={name: _text(data, b"", 0) for name, data in zip(header["files"], parts[4:], strict=True)},
        lost=header.get("lost", False),
    )


def _text(head: bytes, tail: bytes, cut: int) -> str:
    if not cut:
        return (head + tail).decode("utf-8", "backslashreplace")
    # A character that the cut went through is left out whole.
    before = getincrementaldecoder("utf-8")("backslashreplace").decode(head)
    start = next((at for at, byte in enumerate(tail[:3]) if byte & 0xC0 != 0x80), len(tail[:3]))
    after = tail[start:].decode("utf-8", "backslashreplace")
    return f"{before}\n[... {cut} bytes left out ...]\n{after}"
