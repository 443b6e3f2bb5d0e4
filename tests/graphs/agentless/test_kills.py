"""Repairs, killed anywhere and resumed: patches, votes and test results are those of a run that nobody killed, and no
test run whose result was recorded is made again."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.graphs import agentless
from clew.graphs.agentless.job import Job
from clew.graphs.agentless.mutants import MutationProposer
from clew.graphs.agentless.proposers import ModelProposer
from clew.graphs.base import Graph
from clew.journal import Event, Journal, replay
from clew.sandbox import Box, Execution, Limits
from clew.sandbox.types import Files
from clew.task import Task
from clew.testing import Request, ScriptedServer
from clew.testing.kills import Aim, Killer, Seen, account, crash, die
from tests.graphs.agentless.proposing import CART, FIX, ISSUE, SUITE, model
from tests.graphs.agentless.repositories import suite_box, workspace
from tests.graphs.agentless.speaking import one_of, talk

TASK = Task(prompt=ISSUE, kind="repair")
# The same bug on one side only, as templates can repair it.
SIZE: Mapping[str, str | bytes] = {
    **CART,
    "src/shop/price.py": str(CART["src/shop/price.py"]).replace("+ RATE", "* RATE"),
    "src/shop/cart.py": str(CART["src/shop/cart.py"]).replace("[1:]", "").replace("len(prices)", "len(prices) + 1"),
}
FREE = ("src/shop/price.py", "    return 0", "    return 1")
REPAIRS = one_of(FIX, FIX[:1], FIX[1:], (*FIX, FREE))


class Counting:
    """A real sandbox that writes down every command before it runs it, so that no kill can hide one."""

    def __init__(self, box: Box, path: Path, dying: list[bool]) -> None:
        self._box, self._path, self._dying = box, path, dying
        self.name, self.boundary, self.limits = box.name, box.boundary, box.limits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._box, name)

    async def run(
        self, program: str, files: Files | None = None, stdin: str = "", limits: Limits | None = None
    ) -> Execution:
        raise AssertionError("a repair runs commands")

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
        line = named(argv, stdin) + "\n"
        file = os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)
        if self._dying:
            die()
        return await self._box.run_command(argv, workspace, files=files, stdin=stdin, collect=collect, limits=limits)


def named(argv: Sequence[str], stdin: str) -> str:
    """The name of a command; what it reads tells the files and the tests that it is for."""
    return sha256(json.dumps([list(argv), stdin]).encode()).hexdigest()[:24]


class Stage:
    """A folder with a journal, a workspace, and the runs of both proposers. Every process that works there ends itself
    after as many events as `deaths` says for it."""

    def __init__(self, folder: Path, server: ScriptedServer, repository: Job, small: Job) -> None:
        folder.mkdir(parents=True)
        self.folder, self.server = folder, server
        self.jobs = {"model": repository, "mutate": small}
        self.journal, self.seen = folder / "j.db", Seen(folder / "seen")
        self.deaths: list[int] = []
        self.dying: list[bool] = []

    def graph(self, run: str, box: Box | None) -> Graph:
        sandbox = None if box is None else Counting(box, self.folder / "commands", self.dying)
        job = Job(self.jobs[run].workspace, sandbox, SUITE)
        if run == "mutate":
            return agentless(MutationProposer(batch=15, survivors=2), job, at_once=2)
        asking = ModelProposer(model(self.server), candidates=8, reproduction_enough=2, location_samples=2)
        return agentless(asking, job, at_once=2, early_stop=False)

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        starts = self.folder / "starts"
        begun = len(starts.read_text()) if starts.exists() else 0
        with starts.open("a") as file:
            file.write(".")
        left = self.deaths[begun] if begun < len(self.deaths) else 0
        box = suite_box("process")

        def watched(run: str) -> Any:
            seen = self.seen.watch(run)

            def watch(event: dict[str, Any]) -> None:
                nonlocal left
                seen(event)
                if event["event"] in ("started", "finished"):
                    with (self.folder / "events").open("a") as file:
                        file.write(".")
                    left -= 1
                    if left == 0 and (event["event"], event["kind"]) == ("started", "program"):
                        self.dying.append(True)  # once the sandbox has it
                    elif left == 0:
                        die()

            return watch

        with Journal(self.journal) as journal:
            for run in self.jobs:
                graph = self.graph(run, box)
                answer = await clew.run(graph, TASK, journal=journal, run_id=run, watch=watched(run))
                assert answer.status in ("ok", "partial") and answer.text, answer
        await box.close()

    def answers(self) -> dict[str, Any]:
        with Journal(self.journal) as journal:
            return {run: journal.find_run(run).answer for run in self.jobs}

    async def replay_all(self) -> None:
        box = suite_box("process")
        with Journal(self.journal) as journal:
            for run in self.jobs:
                done = await replay(run, journal=journal, graph=self.graph(run, box))
                assert done.same and not done.unused
        await box.close()


def name_of_effect(run: str, event: Event) -> str | None:
    """As the server (by the seed that the door derives for a call) and the sandbox name what they were asked."""
    if event.kind == "program":
        return named(event.request["argv"], event.request["stdin"])
    if event.kind == "model":
        text = f'["{run}", "{event.place}", ["{event.key}"]]'
        return str(int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big") & 0x7FFFFFFF)
    return None


def kill_and_check(folder: Path, kills: int) -> None:
    killer, arrivals = Killer(), Counter[str]()
    jobs = [Job(workspace(folder / name, files)) for name, files in (("two", CART), ("one", SIZE))]

    async def arrive(request: Request) -> None:
        arrivals[str(request.body["seed"])] += 1

    with talk(arrive, repairing=REPAIRS) as server:
        whole = Stage(folder / "whole", server, *jobs)
        asyncio.run(whole._work())
        events = len((whole.folder / "events").read_text())
        arrivals.clear()
        stage = Stage(folder / "killed", server, *jobs)
        # At equal steps over all events; a process that takes up the work of another begins where that one ended.
        stage.deaths = [events * (i + 1) // (kills + 1) - events * i // (kills + 1) for i in range(kills)]
        assert min(stage.deaths) > 1, "more kills than events"
        crashes = crash(stage.work, stage.journal, killer, [Aim()] * kills)
    assert crashes.kills == kills and not crashes.changed and not stage.seen.changed()
    arrivals.update((stage.folder / "commands").read_text().split())
    books = account(stage.journal, arrivals, name_of_effect)
    books.check()
    assert stage.answers() == whole.answers()
    asyncio.run(stage.replay_all())  # the server is gone now
    print(json.dumps({"kills": crashes.kills, "in_flight": crashes.in_flight, "events": events, **_told(books)}))


def _told(books: Any) -> dict[str, int]:
    return {"effects": books.finished, "unknowns": books.unknowns, "unsent": books.unsent}


def test_a_repair_survives_kills(tmp_path: Path) -> None:
    kill_and_check(tmp_path, 5)


@pytest.mark.long
def test_a_repair_survives_twenty_kills(tmp_path: Path) -> None:
    kill_and_check(tmp_path, 20)
