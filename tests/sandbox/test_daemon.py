"""The Docker daemon itself goes away in the middle of a run, and comes back: a second daemon, which belongs to the
test."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.graphs import start
from clew.journal import Journal
from clew.sandbox import Box, Engine, SandboxFailed
from clew.testing import Request
from tests.graphs.start_words import closing, compute, outputs, problem
from tests.graphs.words import TRANSPORTS
from tests.sandbox.conftest import LIMITS, image, running, until
from tests.sandbox.daemon import Daemon

pytestmark = [pytest.mark.anyio, pytest.mark.docker, pytest.mark.serial]


class Notebook:
    """START on a problem of two programs, of which the second needs the first and takes its time."""

    def __init__(self, mark: str) -> None:
        self.by = TRANSPORTS[0]
        slow = f"open('/proc/self/comm', 'w').write('{mark}')\nimport time; time.sleep(2)\nprint(x + 2)"
        self.programs = [compute(self.by, "x = 5 * 8"), compute(self.by, slow)]

    def answer(self, request: Request) -> Any:
        done = outputs(self.by, request)
        return self.programs[done] if done < len(self.programs) else closing(self.by)


async def test_a_daemon_that_goes_away_in_a_run_is_a_failed_sandbox_and_the_run_ends_when_it_is_back(
    tmp_path: Path,
) -> None:
    """Stopped in an orderly way, and killed: each time in the middle of a program of a session."""
    with Daemon() as daemon:
        daemon.start()
        daemon.load(image())
        for how in (signal.SIGTERM, signal.SIGKILL):
            async with Box(Engine(image(), daemon.url), LIMITS, 2) as box:
                await box.warm()
                await gone_and_back(daemon, how, box, tmp_path / f"{how}.db")
            await until(lambda: daemon.containers() == [])


async def gone_and_back(daemon: Daemon, how: signal.Signals, box: Box, path: Path) -> None:
    mark = f"{how.name}-{os.getpid()}"[:15]
    notebook = Notebook(mark)
    with notebook.by.server(notebook.answer) as server, Journal(path) as journal:
        graph = start(notebook.by.model(server), box, hint_rounds=0)
        going = asyncio.create_task(clew.run(graph, problem(), journal=journal, run_id="r"))
        await until(lambda: bool(running(mark)))
        await asyncio.to_thread(daemon.stop, how)
        answer = await going
        assert (answer.status, answer.text) == ("error", ""), answer
        assert "SandboxFailed" in answer.stop_reason and daemon.url in answer.stop_reason, answer
        with pytest.raises(SandboxFailed, match=f"no Docker Engine answers at '{daemon.url}'"):
            await box.run("print(1)")

        await asyncio.to_thread(daemon.start)
        await until(lambda: not running(mark))
        asked = len(server.requests)
        again = await clew.run(graph, problem(), journal=journal, run_id="r", retry=["failed"])
        assert (again.status, again.text) == ("ok", "42"), again
        assert len(server.requests) == asked + 1, "what the model has said is not asked for again"
        events = list(journal.events("r"))
        assert [one.state for one in events if one.kind == "program"] == ["finished", "finished"]
        assert [one.request["programs"] for one in events if one.kind == "session_rebuilt"] == [1]
        assert [done.stdout for done in await asyncio.gather(*(box.run("print(1)") for _ in range(4)))] == ["1\n"] * 4
