"""The sandbox of an earlier run, opened when the first program runs in it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clew.sandbox import Box, Execution, Limits, Protection
    from clew.sandbox.types import Files, Interpreter


class Reopened:
    """A `Sandbox` from the `lock` of a prepared environment and the `name` that it was recorded with. A replay, which
    runs no program, so needs neither an Engine nor the packages."""

    def __init__(self, lock: Mapping[str, Any], name: str, boundary: bool, limits: Limits) -> None:
        self.name, self.boundary, self.limits = name, boundary, limits
        self._lock, self._opening = lock, asyncio.Lock()
        self._box: Box | None = None

    async def run(
        self, program: str, files: Files | None = None, stdin: str = "", limits: Limits | None = None
    ) -> Execution:
        return await (await self.box()).run(program, files, stdin, limits or self.limits)

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
        box = await self.box()
        return await box.run_command(argv, workspace, files=files, stdin=stdin, collect=collect, limits=limits)

    async def interpreter(self) -> Interpreter:
        return await (await self.box()).interpreter()

    async def protections(self) -> list[Protection]:
        return await (await self.box()).protections()

    async def box(self) -> Box:
        """The sandbox, opened now. Raises `WheelsMissing`, `SandboxFailed`, `ImageMissing`."""
        from clew.graphs.agentless.environment import reopened

        async with self._opening:
            if self._box is None:
                box, _ = await asyncio.to_thread(reopened, self._lock)
                if box.name != self.name:
                    warnings.warn(
                        f"the tests ran in {self.name} before, and run in {box.name} now: the image has changed",
                        stacklevel=2,
                    )
                self._box = box
            return self._box

    async def close(self) -> None:
        if self._box is not None:
            await self._box.close()
            self._box = None
