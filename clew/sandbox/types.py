"""The nouns of a sandbox: limits, what an execution returns, what protects, and who can run programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from clew.errors import ConfigError

MiB = 1 << 20

Files = Mapping[str, str | bytes]
Status = Literal["ok", "error", "timeout", "oom", "killed"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use. Raises `ConfigError` for a limit that is not positive and finite.

    seconds    wall time
    memory     bytes of RAM, of all its processes together (`process` backend: of each). A container also counts the
               files in memory and its fork server, and has `disk` and 32 MiB more: what files leave of that, programs
               can take
    cpus       cores
    processes  processes and threads at once
    disk       bytes of files in the working directory, and as many in /tmp; one file for every 4 KiB of it
    output     bytes kept of stdout, and as many of stderr: half from the beginning, half from the end
    """

    seconds: float = 30.0
    memory: int = 512 * MiB
    cpus: float = 1.0
    processes: int = 64
    disk: int = 64 * MiB
    output: int = 64 * 1024

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not 0 < value < math.inf:
                raise ConfigError(f"limit {item.name}={value!r} is none: give a finite number above 0")

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @property
    def place(self) -> tuple[float, ...]:
        """The limits that belong to a container, and so cannot change from one program in it to the next."""
        return self.memory, self.cpus, self.processes, self.disk


@dataclass(frozen=True, slots=True)
class Execution:
    """How a program ended. Whatever is in here is the program's doing; a sandbox that fails raises `SandboxFailed`.

    `exit_code` is negative for a signal (-9: killed), as in `subprocess`. `stdout` and `stderr` keep head and tail,
    with a line between that says how many bytes were left out; `truncated` is that number for both. Bytes that are no
    UTF-8 appear as `\\xNN`. `oom`: the memory limit ended the program or one of its processes. `files` are the
    collected ones, as text. `lost`: the interpreter of the session ended with this program, and what the program did is
    forgotten.
    """

    stdout: str
    stderr: str
    exit_code: int
    seconds: float
    timed_out: bool = False
    oom: bool = False
    truncated: int = 0
    files: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def status(self) -> Status:
        """The one word for it; `killed` is a signal for another reason than time and memory."""
        if self.timed_out:
            return "timeout"
        if self.oom:
            return "oom"
        if self.exit_code < 0:
            return "killed"
        return "ok" if self.exit_code == 0 else "error"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "files": dict(self.files)}


@dataclass(frozen=True, slots=True)
class Protection:
    """One thing that a sandbox keeps programs from; `active` tells whether it does here, `detail` how, or why not."""

    name: str
    active: bool
    detail: str


@runtime_checkable
class Interpreter(Protocol):
    """A resident interpreter in a place of its own: what one program defines is there for the next."""

    @property
    def alive(self) -> bool:
        """False once it is closed, killed, or lost with a program."""
        ...

    async def run(self, program: str, limits: Limits | None = None) -> Execution:
        """Runs a program in the interpreter's namespace. Raises `SandboxFailed`."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Sandbox(Protocol):
    """What runs programs that nobody trusts. It knows nothing of the journal: graphs reach it through the doors
    `clew.sandbox.run`, `run_command` and `session`.

    `name` goes into recorded requests. `boundary` tells whether it may run programs of strangers. `limits` hold where a
    call gives none. All methods raise `SandboxFailed` when the sandbox fails, and `ConfigError` for bad arguments.
    """

    name: str
    boundary: bool
    limits: Limits

    async def run(
        self, program: str, files: Files | None = None, stdin: str = "", limits: Limits | None = None
    ) -> Execution:
        """Runs a Python program in a clean process and an empty working directory that holds `files`."""
        ...

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
        """Runs a command in a copy of the folder `workspace`, with `files` laid over it. The folder itself never
        changes; `collect` names files to return, 64 MiB in all at most; others are left out."""
        ...

    async def interpreter(self) -> Interpreter:
        """A new resident interpreter."""
        ...

    async def protections(self) -> list[Protection]:
        """What is protected here, and what is not."""
        ...

    async def close(self) -> None:
        """Ends everything that runs. The sandbox can be used again."""
        ...
