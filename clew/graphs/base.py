"""The shape that every graph shares: phases over one JSON state, as a LangGraph graph and as steps for search.

A method gives a function that starts a state from a task, a table of phases (each an async function from state to
state, which names the next one in `state["phase"]`), and a function that turns a state into an answer. From these come
both the compiled graph, with a node for every phase, and `graph.steps`, which a tree search drives by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import count
from typing import Any, TypedDict, TypeVar
from weakref import WeakKeyDictionary

from langgraph.errors import GraphInterrupt
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from clew.errors import ConfigError
from clew.journal import Cost, Hold, Recipe, Run, current
from clew.journal.address import RUN_KEY, here, node_handler
from clew.journal.runs import in_run, scratch_run
from clew.task import Answer, Task

T = TypeVar("T")
State = dict[str, Any]
Phase = Callable[[State], Awaitable[State]]

END_PHASE = "end"


class MethodState(TypedDict, total=False):
    """What flows through a graph: the task, one plain JSON state, and at the end the answer."""

    task: dict[str, Any]
    state: dict[str, Any]
    answer: dict[str, Any]


class Steps:
    """A method step by step. A step leads from one decision of the model to the next: it ends when the method would
    enter `boundary` again, or is over. States are JSON; transcripts are named by head and live in the journal."""

    def __init__(
        self,
        begin: Callable[[Task], Awaitable[State]],
        phases: Mapping[str, Phase],
        finish: Callable[[State], Answer],
        boundary: str,
    ) -> None:
        self._begin, self.phases, self._finish, self._boundary = begin, dict(phases), finish, boundary

    async def start(self, task: Task | dict[str, Any]) -> State:
        """The state before the first step. Raises `ConfigError` when the task is malformed."""
        task = as_task(task)
        state = await self._begin(task)
        return {**state, "task": task.model_dump(mode="json"), "phase": self._boundary}

    async def step(self, state: State) -> State:
        """The state after the next decision; a finished state is returned as it is."""
        while state["phase"] != END_PHASE:
            state = await self.phases[state["phase"]](state)
            if state["phase"] == self._boundary:
                break
        return state

    def answer(self, state: State) -> Answer | None:
        """The answer of a finished state, None before."""
        return self._finish(state) if state["phase"] == END_PHASE else None


def as_task(given: Task | dict[str, Any]) -> Task:
    """The task in a graph's input. Raises `ConfigError` when it is malformed."""
    if isinstance(given, Task):
        return given
    try:
        return Task.model_validate(given)
    except ValueError as error:
        raise ConfigError(f"this is not a task: {error}") from error


class Graph(CompiledStateGraph[Any, Any, Any, Any]):
    """A compiled LangGraph graph with `steps`, a `fingerprint` and a `recipe`. Invoked outside of a run, it records to
    a journal in memory."""

    steps: Steps | None
    fingerprint: dict[str, Any]
    recipe: Recipe | None

    @classmethod
    def of(
        cls,
        compiled: CompiledStateGraph[Any, Any, Any, Any],
        *,
        steps: Steps | None = None,
        fingerprint: Mapping[str, Any] | None = None,
        recipe: Recipe | None = None,
    ) -> Graph:
        """`compiled` as a Clew graph: also for graphs that were built by hand."""
        graph = cls(**{name: value for name, value in vars(compiled).items() if name != "__orig_class__"})
        graph.steps, graph.fingerprint, graph.recipe = steps, dict(fingerprint or {}), recipe
        return graph

    def copy(self, update: dict[str, Any] | None = None) -> Graph:
        own = ("__orig_class__", "steps", "fingerprint", "recipe")
        attributes = {name: value for name, value in vars(self).items() if name not in own}
        graph = type(self)(**{**attributes, **(update or {})})
        graph.steps, graph.fingerprint, graph.recipe = self.steps, self.fingerprint, self.recipe
        return graph

    async def astream(self, input: Any, config: Any = None, **options: Any) -> AsyncIterator[Any]:
        async for chunk in super().astream(input, _with_run(config), **options):
            yield chunk


def _with_run(config: Any) -> Any:
    """`config`, with a run in memory where there is none: nodes must find one transcript store for the whole graph."""
    if in_run(config):
        return config
    run = scratch_run()
    config = dict(config or {})
    callbacks = config.get("callbacks") or []
    if isinstance(callbacks, list):
        config["callbacks"] = [*callbacks, node_handler(run.nodes)]
    config["configurable"] = {**(config.get("configurable") or {}), RUN_KEY: run}
    return config


def graph_of(
    steps: Steps, *, name: str, fingerprint: Mapping[str, Any] | None = None, recipe: Recipe | None = None
) -> Graph:
    """The LangGraph graph over `steps`: `start`, one node per phase, `finish`."""
    builder = StateGraph(MethodState)

    async def start(state: MethodState) -> MethodState:
        return {"state": await steps.start(state["task"])}

    async def finish(state: MethodState) -> MethodState:
        answer = steps.answer(state["state"])
        assert answer is not None, "the phases have ended"
        return {"answer": answer.model_dump(mode="json")}

    def node(phase: Phase) -> Any:
        async def run_phase(state: MethodState) -> MethodState:
            return {"state": await phase(state["state"])}

        return run_phase

    def next_phase(state: MethodState) -> str:
        return str(state["state"]["phase"])

    routes = {phase: phase for phase in steps.phases} | {END_PHASE: "finish"}
    builder.add_node("start", start)
    builder.add_node("finish", finish)
    builder.add_edge(START, "start")
    builder.add_edge("finish", END)
    for phase, function in steps.phases.items():
        builder.add_node(phase, node(function))
    for source in ("start", *steps.phases):
        builder.add_conditional_edges(source, next_phase, routes)  # type: ignore[arg-type]
    return Graph.of(builder.compile(name=name), steps=steps, fingerprint=fingerprint, recipe=recipe)


async def side_by_side(work: Sequence[Callable[[], Awaitable[T]]], at_once: int | None = None) -> list[T]:
    """The results of `work`, at most `at_once` of it at a time (default: all), in its order, whatever comes first. Each
    item names its own scope.

    When some fail the others still end, and the first error in order is raised; when that is an interrupt, it holds the
    interrupts of all.
    """
    room = asyncio.Semaphore(at_once or max(len(work), 1))

    async def one(item: Callable[[], Awaitable[T]]) -> T:
        async with room:
            return await item()

    results = await asyncio.gather(*map(one, work), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures and isinstance(failures[0], GraphInterrupt):
        interrupted = [failure for failure in failures if isinstance(failure, GraphInterrupt)]
        raise GraphInterrupt([interrupt for failure in interrupted for interrupt in failure.args[0]])
    if failures:
        raise failures[0]
    return [result for result in results if not isinstance(result, BaseException)]


def prompt_hashes(**prompts: str) -> dict[str, str]:
    """Short hashes of a method's prompts, for its fingerprint."""
    return {name: blake2b(text.encode(), digest_size=6).hexdigest() for name, text in prompts.items()}


def check_limits(method: str, given: Mapping[str, Any], least: Mapping[str, int]) -> None:
    """Raises `ConfigError` for a limit in `given` that is no whole number or below its `least`."""
    for name, lowest in least.items():
        if not isinstance(given[name], int) or given[name] < lowest:
            raise ConfigError(
                f"{method}: {name}={given[name]!r} makes no sense: give a whole number of {lowest} or more"
            )


def render_notes(task: Task) -> str:
    """The notes of a task as the last part of a prompt, those of a kind numbered; empty without notes."""
    titles = {"lesson": "Lesson", "draft": "Earlier attempt", "critique": "Critique", "demo": "Worked example"}
    if not task.notes:
        return ""
    numbers = {kind: count(1) for kind in titles}
    parts = [f"[{titles[note.kind]} {next(numbers[note.kind])}]\n{note.text.strip()}" for note in task.notes]
    return "\n\nNotes on this problem. Use what helps, and say so if one is wrong.\n\n" + "\n\n".join(parts)


# Holds live in the process, not in the state: a state must be JSON, and a resumed run takes its holds again.
_holds: WeakKeyDictionary[Run, dict[str, Hold]] = WeakKeyDictionary()


def hold_final(owner: str, cost: Callable[[], Cost]) -> None:
    """Sets budget aside for the final answer of `owner` (a transcript's first head) in this branch of the run, in place
    of what was held before.

    Does nothing in a run without limits. Raises `Refused` when the limits leave no room; the earlier hold then stays.
    """
    run = current()
    if not run.budget.to_json():
        return
    held, owner = _holds.setdefault(run, {}), _in_branch(owner)
    before = held.get(owner)
    if before is not None:
        before.release()
    try:
        held[owner] = run.hold(cost())
    except Exception:
        if before is not None:
            before.renew()
        raise


def take_hold(owner: str) -> Hold | None:
    """The hold of `owner`, for the call that it was made for."""
    return _holds.get(current(), {}).pop(_in_branch(owner), None)


def _in_branch(owner: str) -> str:
    """Runs of one method that stand side by side, as samples do, begin with the same transcript."""
    return here(current().nodes).place.rpartition("/")[0] + " " + owner
