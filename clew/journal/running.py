"""Running a graph under a journal: run, resume, replay, fork."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from clew.errors import ClewError, ConfigError, Divergence, EffectFailed, JournalError, Refused, ReplayMiss
from clew.journal.address import RUN_KEY, node_handler
from clew.journal.causal import causal_prefix
from clew.journal.cost import Budget, Cost
from clew.journal.redact import redact, redact_json
from clew.journal.runs import Mode, Run, Watcher, _run, new_run_id
from clew.journal.store import Journal, RunRow
from clew.task import Answer, Task, Trace


@dataclass(frozen=True, slots=True)
class Recipe:
    """What rebuilds a graph in another process: `builder` is `package.module:function`, `args` its JSON arguments."""

    builder: str
    args: dict[str, Any] = field(default_factory=dict)

    def build(self, trusted: Collection[str] = ("clew",)) -> Any:
        """Calls the builder. A journal is data that may come from elsewhere, so only packages in `trusted` are
        imported; raises `ConfigError` for others."""
        module, _, name = self.builder.partition(":")
        if module.partition(".")[0] not in trusted:
            raise ConfigError(
                f"the run's recipe names the builder {self.builder!r}, which is in none of the trusted packages "
                f"{sorted(trusted)}: resume it with clew.run(graph, task, run_id=...), or pass trusted=(...)"
            )
        try:
            builder = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"the run's builder {self.builder!r} cannot be imported: {error}") from error
        return builder(**self.args)

    def to_json(self) -> dict[str, Any]:
        return {"builder": self.builder, "args": self.args}


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay saw. `same` compares the answer with the recorded one; `unused` are recorded effects that the
    graph did not ask for, as (event, place, kind); `divergence` says in words how settings differ, if they do."""

    answer: Answer
    same: bool
    effects: int
    unused: list[tuple[int, str, str]]
    divergence: str = ""


async def run(
    graph: Any,
    task: Task | str,
    *,
    journal: Journal | None = None,
    run_id: str | None = None,
    budget: Budget | None = None,
    title: str = "",
    recipe: Recipe | None = None,
    retry: Collection[str] = (),
    anyway: bool = False,
    watch: Watcher | None = None,
    config: dict[str, Any] | None = None,
) -> Answer:
    """Runs `graph` on `task`, recording every effect; returns its answer.

    `graph` is any compiled LangGraph graph whose input is `{"task": dict}` and whose output holds `{"answer": dict}`.
    With the `run_id` of an unfinished run it is resumed: what is recorded costs nothing. A finished run returns its
    recorded answer. `retry` names recorded outcomes to perform again: `failed`, `refused`, `cancelled`. `budget` raises
    or sets limits; without one an old run keeps its own. `watch` is called with each event (a dict) as it happens.
    `config` is passed on to LangGraph.

    A limit or a failed effect that the graph does not handle ends in an `Answer` of status `budget` or `error`, never
    in an exception. Raises `RunBusy` while another process owns the run, `Divergence` when graph, prompts, models or
    version are not those of the recorded run (`anyway=True` goes on), and `JournalError` when nothing can be written.
    """
    own = journal is None
    journal = journal or Journal()
    try:
        row = _open_row(journal, graph, task, run_id, budget, title, recipe, anyway)
        if row.status == "done" and row.answer is not None and not retry:
            return Answer.model_validate(row.answer)
        lease = journal.acquire(row.id)
        limits = Budget(**row.budget).raised_by(budget or Budget())
        journal.update_run(row.id, budget=limits.to_json())
        live = Run(journal, row.id, budget=limits, retry=retry, lease=lease, watch=watch)
        return await _live(live, graph, row, config)
    finally:
        if own:
            journal.close()


async def _live(live: Run, graph: Any, row: RunRow, config: dict[str, Any] | None) -> Answer:
    status, answer, problem = "stopped", None, None
    try:
        try:
            answer = await _invoke(live, graph, row.task, config)
            status = "error" if answer.status == "error" else "done"
        except Refused as refusal:
            answer, status = (
                Answer(status="budget", stop_reason=refusal.limit, trace=Trace(run=row.id)),
                "done",
            )
        except EffectFailed as error:
            problem = str(error)
            answer, status = Answer(status="error", stop_reason=problem, trace=Trace(run=row.id)), "error"
        except Exception as error:
            status, problem = "error", redact(f"{type(error).__name__}: {error}")
            raise
        return answer
    finally:
        columns = {"answer": answer.model_dump(mode="json")} if answer else {}
        try:
            live.journal.release(row.id, live.lease or "", status=status, error=problem, **columns)
        except JournalError:
            # A full disk, say. Show the error that ended the run, if there is one; a dead owner's lease frees itself.
            if status == "done":
                raise


async def resume(
    run_id: str,
    *,
    journal: Journal | None = None,
    graph: Any = None,
    budget: Budget | None = None,
    retry: Collection[str] = (),
    anyway: bool = False,
    watch: Watcher | None = None,
    trusted: Collection[str] = ("clew",),
) -> Answer:
    """Goes on with a run in a new process; `graph` is rebuilt from the run's recipe unless given. See `run`."""
    own = journal is None
    journal = journal or Journal()
    try:
        row = journal.find_run(run_id)
        graph = graph if graph is not None else _rebuild(row, trusted)
        return await run(
            graph,
            Task.model_validate(row.task),
            journal=journal,
            run_id=row.id,
            budget=budget,
            retry=retry,
            anyway=anyway,
            watch=watch,
        )
    finally:
        if own:
            journal.close()


async def replay(
    run_id: str,
    *,
    journal: Journal | None = None,
    graph: Any = None,
    strict: bool = True,
    watch: Watcher | None = None,
    trusted: Collection[str] = ("clew",),
) -> Replayed:
    """Runs the graph again on recorded outcomes alone: nothing is performed, nothing written, no server is needed.

    Strict: raises `Divergence` on another graph or other settings, `ReplayMiss` for an effect without a recorded
    outcome and for recorded effects that were not asked for. Lenient: finds outcomes by address when the request
    differs, and reports the rest. Both raise `ReplayMiss` when the graph needs what was never recorded.
    """
    own = journal is None
    journal = journal or Journal()
    try:
        row = journal.find_run(run_id)
        graph = graph if graph is not None else _rebuild(row, trusted)
        divergence = _difference(row.fingerprint, fingerprint(graph))
        if strict and divergence:
            raise Divergence(f"run {row.id!r} cannot be replayed strictly: {divergence}; try a lenient replay")
        past = Run(
            journal, row.id, budget=Budget(**row.budget), mode="strict" if strict else "lenient", watch=watch
        )
        try:
            answer = await _invoke(past, graph, row.task, None)
        except Refused as refusal:
            answer = Answer(status="budget", stop_reason=refusal.limit, trace=Trace(run=row.id))
        except EffectFailed as error:
            answer = Answer(status="error", stop_reason=str(error), trace=Trace(run=row.id))
        unused = past.unused()
        if strict and unused:
            seq, place, kind = unused[0]
            raise ReplayMiss(
                f"strict replay of run {row.id!r} left {len(unused)} recorded effects unused, first event {seq}: "
                f"{kind!r} at {place!r}"
            )
        same = row.answer is not None and answer.model_dump(mode="json") == row.answer
        return Replayed(answer, same, past.replayed, unused, divergence)
    finally:
        if own:
            journal.close()


def fork(run_id: str, at: int, *, journal: Journal, title: str = "") -> str:
    """Makes a new run that shares what happened before event `at` (a seq of `run_id`), and returns its id.

    The shared effects are found by address, whatever their request, so that new settings (another model, another
    prompt) apply from event `at` on; they cost the new run nothing. Go on with `run(graph, task, run_id=...)`.
    """
    row = journal.find_run(run_id)
    event = journal.event(at)
    if event.run != row.id:
        raise ConfigError(
            f"event {at} belongs to run {event.run!r}, not to {row.id!r}: see its events with clew show {row.id}"
        )
    prefix = causal_prefix(journal.index(row.id), at)
    child = RunRow(
        id=new_run_id(),
        title=title or row.title,
        status="stopped",
        task=row.task,
        budget=row.budget,
        recipe=row.recipe,
        parent=row.id,
        forked_at=at,
    )
    journal.create_run(child)
    journal.copy_events(row.id, child.id, prefix)
    return child.id


def fingerprint(graph: Any) -> dict[str, Any]:
    """What must be equal for a resume: the graph's shape, what its builder attached, and Clew's version."""
    from clew import __version__

    shape: dict[str, Any] = {"nodes": sorted(getattr(graph, "nodes", {}))}
    builder = getattr(graph, "builder", None)
    if builder is not None:
        shape["edges"] = sorted(map(list, builder.edges))
    return {"graph": shape, "clew": __version__, **getattr(graph, "fingerprint", {})}


def _open_row(
    journal: Journal,
    graph: Any,
    task: Task | str,
    run_id: str | None,
    budget: Budget | None,
    title: str,
    recipe: Recipe | None,
    anyway: bool,
) -> RunRow:
    task = Task(prompt=task) if isinstance(task, str) else task
    # Masked before anything sees it, so that a resume, which reads the task from the journal, asks the same requests.
    data = redact_json(task.model_dump(mode="json"))
    now = json.loads(json.dumps(fingerprint(graph)))
    row = journal.get_run(run_id) if run_id else None
    if row is None:
        recipe = recipe or getattr(graph, "recipe", None)
        row = RunRow(
            id=run_id or new_run_id(),
            title=title or task.prompt.strip().partition("\n")[0][:80],
            task=data,
            budget=(budget or Budget()).to_json(),
            fingerprint=now,
            recipe=recipe.to_json() if recipe else None,
        )
        journal.create_run(row)
        return row
    if row.task != data and not anyway:
        raise Divergence(
            f"run {row.id!r} was recorded for another task ({row.title!r}): give the same task, or start a new run"
        )
    if row.parent is not None and not row.fingerprint:
        journal.update_run(row.id, fingerprint=now)  # a fork takes its settings from its first execution
        return row
    difference = _difference(row.fingerprint, now)
    if difference and not anyway:
        raise Divergence(
            f"run {row.id!r} was recorded with other settings: {difference}; go on with anyway=True (--anyway)"
        )
    return row


def _difference(recorded: dict[str, Any], now: dict[str, Any]) -> str:
    recorded, now = _flat(recorded), _flat(json.loads(json.dumps(now)))
    changed = [
        f"{name} was {recorded.get(name)!r}, is {now.get(name)!r}"
        for name in sorted(recorded.keys() | now.keys())
        if recorded.get(name) != now.get(name)
    ]
    return "; ".join(changed)


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in value.items():
        found |= _flat(item, f"{prefix}{name}.") if isinstance(item, dict) else {f"{prefix}{name}": item}
    return found


def _rebuild(row: RunRow, trusted: Collection[str]) -> Any:
    if row.recipe is None:
        raise ConfigError(
            f"run {row.id!r} has no recipe, its graph was built by hand: resume it with "
            f"clew.run(graph, task, run_id={row.id!r})"
        )
    return Recipe(**row.recipe).build(trusted)


async def _invoke(live: Run, graph: Any, task: dict[str, Any], config: dict[str, Any] | None) -> Answer:
    token = _run.set(live)
    live.root = asyncio.current_task()
    config = dict(config or {})
    config["callbacks"] = [*(config.get("callbacks") or []), node_handler(live.nodes)]
    config["configurable"] = {**(config.get("configurable") or {}), RUN_KEY: live}
    # A method's own limits end it; LangGraph's default of 25 steps would end long chains with an exception.
    config.setdefault("recursion_limit", 10_000)
    try:
        result = await graph.ainvoke({"task": task}, config)
    finally:
        _run.reset(token)
    if not isinstance(result, dict) or "answer" not in result:
        raise ConfigError(
            f"the graph {getattr(graph, 'name', graph)!r} returned no 'answer': end it with a node that sets one"
        )
    answer = result["answer"]
    answer = answer if isinstance(answer, Answer) else Answer.model_validate(answer)
    return answer if answer.trace else answer.model_copy(update={"trace": Trace(run=live.id)})


def run_sync(graph: Any, task: Task | str, **options: Any) -> Answer:
    """`run` for scripts without an event loop; takes the same arguments. Raises `ConfigError` inside a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run(graph, task, **options))
    raise ConfigError("run_sync was called inside a running event loop: use await clew.run(...) there")


__all__ = [
    "ClewError",
    "Cost",
    "Mode",
    "Recipe",
    "Replayed",
    "fingerprint",
    "fork",
    "replay",
    "resume",
    "run",
    "run_sync",
]
