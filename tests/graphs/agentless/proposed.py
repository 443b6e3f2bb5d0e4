"""Phases of `ModelProposer`, one by one, in a run of their own, with a scripted model over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from clew.graphs.agentless.job import Tests
from clew.graphs.agentless.types import Candidate, Location
from clew.graphs.base import State
from clew.journal import Budget, Journal, RunRow
from clew.journal.runs import Run, enter
from clew.models import Model, Retries
from clew.task import Note, Task
from clew.testing import Request, ScriptedServer, vllm
from tests.graphs.agentless.proposing import ISSUE

REPAIRING = "Your step: fix the issue"
CHOOSING = "Your step: choose the tests"
REPRODUCING = "Your step: write a Python script"


def model(server: ScriptedServer, **options: Any) -> Model:
    options = {"retries": Retries(server=0, connection=0, bad_reply=0, base=0.001), "price": (1e-6, 1e-6), **options}
    return Model("hosted_vllm/scripted", api_base=server.url, api_key="test-key-0123456789", **options)


def serving(*replies: Any) -> ScriptedServer:
    """A server that gives `replies` in turn, or what one function or rule says to every request."""
    return ScriptedServer(replies[0] if len(replies) == 1 else list(replies), features=vllm)


def state_of(
    files: Sequence[str] = (),
    sets: Sequence[Sequence[Location]] = (),
    *,
    issue: str = ISSUE,
    base: Tests | None = None,
    notes: Sequence[Note] = (),
    **more: Any,
) -> State:
    """The state as the graph begins it, with what the stages before have found."""
    task = Task(prompt=issue, kind="repair", notes=tuple(notes))
    return {
        "task": task.model_dump(mode="json"),
        "base": (base or Tests()).model_dump(mode="json"),
        "candidates": [], "pending": 0, "again": "", "regression": None, "reproduction": [], "files": list(files),
        "sets": [[place.model_dump(mode="json") for place in one] for one in sets],
        "trials": {}, "flags": [], "events": [], "ended": None,
        **more,
    }  # fmt: skip


def at(path: str, start: int, end: int, name: str = "") -> Location:
    return Location(path=path, kind="line", name=name or f"{start}-{end}", start=start, end=end)


class Ran:
    """What a phase left in its run."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def told(self, stage: str) -> list[dict[str, Any]]:
        events = [event for event in self.run.journal.events(self.run.id) if event.kind == "stage"]
        return [event.request for event in events if event.request["stage"] == stage]

    def effects(self, kind: str) -> list[Any]:
        return [event for event in self.run.journal.events(self.run.id) if event.kind == kind]


@contextmanager
def running(budget: Budget | None = None, journal: Journal | None = None) -> Iterator[Ran]:
    """A run, the first or a resumed one of `journal`."""
    own = journal or Journal.memory()
    if not own.get_run("r"):
        own.create_run(RunRow(id="r"))
    lease = own.acquire("r")
    run = Run(own, "r", lease=lease, budget=budget or Budget())
    enter(run)
    try:
        yield Ran(run)
    finally:
        own.release("r", lease)


def candidates(state: State) -> list[Candidate]:
    return [Candidate.model_validate(each) for each in state["candidates"]]


def sent(request: Request) -> str:
    """All that a request says, in order."""
    return "".join(f"[{message['role']}]{message['content']}" for message in request.messages)


async def through(phases: Mapping[str, Any], state: State, name: str, times: int = 1) -> State:
    for _ in range(times):
        state = await phases[name](state)
    return state
