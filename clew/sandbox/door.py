"""Programs and commands of graphs, recorded in the journal whatever sandbox runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from clew.errors import ClewError, SandboxFailed
from clew.journal import Cost, Hold, effect

from .archive import pack
from .types import Execution, Files, Limits, Sandbox

KIND = "program"
ONE_RUN = Cost(code_runs=1)


async def run(
    sandbox: Sandbox,
    program: str,
    files: Files | None = None,
    stdin: str = "",
    limits: Limits | None = None,
    *,
    hold: Hold | None = None,
) -> Execution:
    """Runs a Python program in a clean process, as an effect of kind `program` that costs one code run of the budget.

    A program that fails, is too slow or too big is an `Execution`. Raises `SandboxFailed` when the sandbox failed
    (recorded, and raised again on replay), `Refused` when the budget has no code run left, `ConfigError` for arguments
    that make no sense. `hold` is a place in the budget that was set aside earlier.
    """

    async def perform() -> dict[str, Any]:
        return await performed(sandbox.run(program, files, stdin, limits))

    request = {"program": program, "files": _hashes(files), "stdin": stdin}
    return await recorded(sandbox, request, limits, perform, hold)


async def run_command(
    sandbox: Sandbox,
    argv: Sequence[str],
    workspace: str | Path | None = None,
    *,
    files: Files | None = None,
    stdin: str = "",
    collect: Sequence[str] = (),
    limits: Limits | None = None,
    hold: Hold | None = None,
) -> Execution:
    """Runs a command in a copy of the folder `workspace`, with `files` laid over it, as an effect like that of `run`.
    The folder stays as it is; `collect` names files of the working directory to return, 64 MiB in all at most. The
    request holds a hash of all that the folder contains: the same command in a folder that changed is another one."""
    room = (limits or sandbox.limits).disk
    digest = await asyncio.to_thread(_digest, workspace, room) if workspace is not None else None

    async def perform() -> dict[str, Any]:
        return await performed(
            sandbox.run_command(argv, workspace, files=files, stdin=stdin, collect=collect, limits=limits)
        )

    request = {
        "argv": list(argv), "workspace": digest, "files": _hashes(files), "stdin": stdin,
        "collect": list(collect),
    }  # fmt: skip
    return await recorded(sandbox, request, limits, perform, hold)


async def recorded(
    sandbox: Sandbox, request: Mapping[str, Any], limits: Limits | None, perform: Any, hold: Hold | None
) -> Execution:
    """The outcome of one effect of kind `program`."""
    full = {"sandbox": sandbox.name, **request, "limits": (limits or sandbox.limits).to_json()}
    done = await effect(KIND, full, perform, reserve=ONE_RUN, hold=hold)
    return Execution(**done.outcome)


async def performed(execution: Any) -> dict[str, Any]:
    """The outcome as it is recorded; what a sandbox of somebody else raises is a failure of that sandbox."""
    try:
        done: Execution = await execution
    except ClewError:
        raise
    except Exception as error:
        raise SandboxFailed(f"the sandbox failed: {type(error).__name__}: {error}") from error
    return done.to_json()


def _digest(workspace: str | Path, room: int) -> str:
    archive = pack(workspace, None, room)
    assert archive is not None, "a folder is given"
    archive.close()
    return archive.digest


def _hashes(files: Files | None) -> dict[str, str]:
    """Files by hash: their texts may be large, and are at hand when the run is resumed."""
    return {
        name: sha256(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text).hexdigest()[:32]
        for name, text in (files or {}).items()
    }
