"""Stages of a repair that ask a scripted model over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from clew.graphs.agentless.job import Job, Tests
from clew.graphs.agentless.localise import Localiser, Search
from clew.graphs.base import State
from clew.journal import Budget, Journal, Run, RunRow
from clew.journal.runs import _run
from clew.models import Model, Retries
from clew.task import Note, Task
from clew.testing import Request, Rule, ScriptedServer
from tests.graphs.agentless.repositories import workspace

FILES = {
    "src/cart.py": """\
RATE = 0.2


class Cart:
    def __init__(self):
        self.items = []

    def save(self):
        return list(self.items)

    def total(self):
        return sum(self.items) * RATE


class Order:
    def save(self):
        return None


def load(path):
    with open(path) as file:
        return file.read()
""",
    "src/store.py": "".join(f"def step_{n}(value):\n    return value + {n}\n\n\n" for n in range(30)),
    "src/util/text.py": "def shorten(text, limit):\n    return text[:limit]\n",
    "web/app.ts": "export class App {\n  start(): void {}\n}\n",
    "docs/index.md": "# Docs\n",
    "tests/test_cart.py": "def test_total():\n    assert False\n",
}
ISSUE = "The sum of a basket is too small.\n\nIt should not be multiplied."
NAMES = "Your step: name the files"
FOLDERS = "Your step: name the folders"
ELEMENTS = "Your step: name the elements"
LOCATIONS = "Your step: name the places"


def fenced(*lines: str) -> str:
    return "\n".join(["```", *lines, "```"])


def script(**steps: Any) -> list[Rule]:
    """What the model says to each step: `files`, `folders`, `elements`, `locations`; a list is used up in order."""
    marks = {"files": NAMES, "folders": FOLDERS, "elements": ELEMENTS, "locations": LOCATIONS}
    return [Rule(marks[step], reply) for step, reply in steps.items()]


def asked(server: ScriptedServer, mark: str) -> list[Request]:
    return [request for request in server.requests if mark in request.prompt]


def job(folder: Path, files: Mapping[str, str | bytes] | None = None, **options: Any) -> Job:
    return Job(workspace(folder, files or FILES), **options)


class Stages:
    """A run in which the phases of a localiser are called one after another."""

    def __init__(self, run: Run, phases: Mapping[str, Any], state: State) -> None:
        self.run, self.phases, self.state = run, phases, state

    async def go(self, *names: str) -> State:
        for name in names or tuple(self.phases):
            self.state = await self.phases[name](self.state)
        return self.state

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What the stages told, in order."""
        events = self.run.journal.events(self.run.id)
        return [event.request for event in events if event.state == "note" and event.kind == "stage"]

    def happened(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.state.get("events", []) if event["kind"] == kind]


@asynccontextmanager
async def stages(
    server: ScriptedServer,
    job: Job,
    issue: str = ISSUE,
    *,
    search: Search | None = None,
    base: Tests | None = None,
    notes: Sequence[Note] = (),
    model: Mapping[str, Any] | None = None,
    budget: Budget | None = None,
    **options: Any,
) -> AsyncIterator[Stages]:
    """The stages of one repair, in a run of their own in memory."""
    door = Model("openai/scripted", api_base=server.url, retries=Retries(base=0.001), **(model or {}))
    task = Task(prompt=issue, kind="repair", notes=tuple(notes)).model_dump(mode="json")
    state: State = {"task": task, "base": base.model_dump(mode="json") if base else None}
    journal = Journal.memory()
    journal.create_run(RunRow(id="run"))
    run = Run(journal, "run", budget=budget or Budget(), lease=journal.acquire("run"))
    token = _run.set(run)
    try:
        yield Stages(run, Localiser(door, search, **options).phases(job, "repair"), state)
    finally:
        _run.reset(token)
