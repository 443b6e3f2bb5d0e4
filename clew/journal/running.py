"""Running a graph under a journal: run, resume, replay, fork."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clew.errors import ClewError, ConfigError, Divergence, EffectFailed, JournalError, Refused, ReplayMiss
from clew.journal.address import RUN_KEY, at_root, node_handler
from clew.journal.causal import causal_prefix
from clew.journal.cost import Budget
from clew.journal.identity import Recipe, difference, fingerprint, new_run_id
from clew.journal.redact import redact, redact_json
from clew.journal.runs import Run, Watcher, enter
from clew.journal.store import Journal, RunRow
from clew.task import Answer, Task, Trace

if TYPE_CHECKING:
    from langgraph.types import Command

INTERRUPT = "interrupt"


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
    task: Task | str | Command[Any],
    *,
    journal: Journal | None = None,
    run_id: str | None = None,
    budget: Budget | None = None,
    title: str = "",
    recipe: Recipe | None = None,
    retry: Collection[str] = (),
    anyway: bool = False,
    watch: Watcher | None = None,
    stream: Collection[str] = (),
    config: dict[str, Any] | None = None,
) -> Answer:
    """Runs `graph` on `task`, recording every effect; returns its answer.

    `graph` is any compiled LangGraph graph whose input is `{"task": dict}` and whose output holds `{"answer": dict}`.
    With the `run_id` of an unfinished run it is resumed: what is recorded costs nothing. A finished run returns its
    recorded answer. `retry` names recorded outcomes to perform again: `failed`, `refused`, `cancelled`. `budget` raises
    or sets limits; without one an old run keeps its own. `watch` is called with each event (a dict) as it happens, and
    with `{"event": "stream", "mode": ..., "chunk": ...}` for each LangGraph stream mode in `stream`. `config` is passed
    on to LangGraph.

    A limit or a failed effect that the graph does not handle ends in an `Answer` of status `budget` or `error`, never
    in an exception. A LangGraph `interrupt` ends in one of status `partial` and stop reason `interrupt`, its values in
    `artifacts["interrupt"]`; give LangGraph's `Command(resume=...)` in place of the task, with the same `run_id` and
    `config`, to go on.

    Raises `RunBusy` while another process owns the run, `Divergence` when graph, prompts, models or version are not
    those of the recorded run (`anyway=True` goes on), and `JournalError` when nothing can be written.
    """
    own = journal is None
    journal = journal or Journal()
    try:
        row = _open_row(journal, graph, task, run_id, budget, title, recipe, anyway)
        if row.status == "done" and row.answer is not None and not retry:
            return Answer.model_validate(row.answer)
        lease = journal.acquire(row.id)
        ending: dict[str, Any] = {"status": "stopped"}
        try:
            limits = Budget(**row.budget).raised_by(budget or Budget())
            journal.update_run(row.id, budget=limits.to_json())
            live = Run(journal, row.id, budget=limits, retry=retry, lease=lease, watch=watch)
            given = {"task": row.task} if isinstance(task, Task | str) else task
            if run_id is not None:
                given = await _where_it_was(graph, given, config)
            return await _concluded(live, graph, given, config, stream, ending)
        finally:
            _release(journal, row.id, lease, ending)
    finally:
        if own:
            journal.close()


async def _concluded(
    live: Run, graph: Any, given: Any, config: dict[str, Any] | None, stream: Collection[str], ending: dict[str, Any]
) -> Answer:
    """The answer of a live run, however it ends; `ending` gets the columns that say so."""
    try:
        try:
            answer = await _answer(live, graph, given, config, stream)
        finally:
            await live.end()
    except ClewError as error:
        ending |= {"status": "error", "error": str(error)}
        raise
    except Exception as error:
        ending |= {"status": "error", "error": redact(f"{type(error).__name__}: {error}")}
        raise
    for seq, place, kind in live.unused():
        live.emit({"event": "unused", "kind": kind, "place": place, "seq": seq})
    if answer.stop_reason == INTERRUPT:
        return answer
    failed = answer.status == "error"
    ending |= {
        "status": "error" if failed else "done",
        "answer": answer.model_dump(mode="json"),
        "error": answer.stop_reason if failed else None,
    }
    return answer


def _release(journal: Journal, run: str, lease: str, ending: dict[str, Any]) -> None:
    try:
        journal.release(run, lease, **ending)
    except JournalError:
        # A full disk, say. The error that ended the run is shown, if there is one; the lease is free all the same.
        if ending["status"] == "done":
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
        return await run(
            graph if graph is not None else _rebuild(row, trusted),
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
        divergence = difference(row.fingerprint, fingerprint(graph))
        if strict and divergence:
            raise Divergence(f"run {row.id!r} cannot be replayed strictly: {divergence}; try a lenient replay")
        past = Run(journal, row.id, budget=Budget(**row.budget), mode="strict" if strict else "lenient", watch=watch)
        # The journal is the only memory of a replay, and a checkpointer would be written to.
        graph = graph.copy({"checkpointer": None}) if getattr(graph, "checkpointer", None) else graph
        answer = await _answer(past, graph, {"task": row.task}, None, ())
        unused = past.unused()
        # A failure ends its siblings by arrival, so that what they still did is not asked for again.
        if strict and unused and answer.status not in ("error", "budget"):
            seq, place, kind = unused[0]
            raise ReplayMiss(
                f"strict replay of run {row.id!r} left {len(unused)} recorded effects unused, first event {seq}: "
                f"{kind!r} at {place!r}"
            )
        same = row.answer is not None and redact_json(answer.model_dump(mode="json")) == row.answer
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
    with journal.transaction():
        journal.create_run(child)
        journal.copy_events(row.id, child.id, causal_prefix(journal.index(row.id), at))
    return child.id


def _open_row(
    journal: Journal,
    graph: Any,
    task: Task | str | Command[Any],
    run_id: str | None,
    budget: Budget | None,
    title: str,
    recipe: Recipe | None,
    anyway: bool,
) -> RunRow:
    now = fingerprint(graph)
    row = journal.get_run(run_id) if run_id else None
    if isinstance(task, str):
        task = Task(prompt=redact(task))
    # Masked before anything sees it, so that a resume, which reads the task from the journal, asks the same requests.
    data: Any = redact_json(task.model_dump(mode="json")) if isinstance(task, Task) else None
    if row is None:
        if not isinstance(task, Task):
            raise ConfigError(f"run {run_id!r} is not in {journal.path!r}, so {task!r} has nothing to go on with")
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
    if data not in (None, row.task):
        raise Divergence(
            f"run {row.id!r} was recorded for another task ({row.title!r}): give the same task, or start a new run"
        )
    if row.parent is not None and not row.fingerprint:
        journal.update_run(row.id, fingerprint=now)  # a fork takes its settings from its first execution
        return row
    changed = difference(row.fingerprint, now)
    if changed and not anyway:
        raise Divergence(
            f"run {row.id!r} was recorded with other settings: {changed}; go on with anyway=True (--anyway)"
        )
    return row


def _rebuild(row: RunRow, trusted: Collection[str]) -> Any:
    if row.recipe is None:
        raise ConfigError(
            f"run {row.id!r} has no recipe, its graph was built by hand: resume it with "
            f"clew.run(graph, task, run_id={row.id!r})"
        )
    return Recipe(**row.recipe).build(trusted)


async def _where_it_was(graph: Any, given: Any, config: dict[str, Any] | None) -> Any:
    """A checkpointer that knows this thread goes on where it was: given the task again, it would count on from there,
    and every address would be a new one."""
    thread = ((config or {}).get("configurable") or {}).get("thread_id")
    if thread is None or not getattr(graph, "checkpointer", None) or not isinstance(given, dict):
        return given
    return None if (await graph.aget_state(config)).next else given


async def _answer(live: Run, graph: Any, given: Any, config: dict[str, Any] | None, stream: Collection[str]) -> Answer:
    """The graph's answer; a limit and a failed effect, alone or in a group, are answers too."""
    try:
        return await _invoke(live, graph, given, config, stream)
    except (Refused, EffectFailed, ExceptionGroup) as error:
        causes = list(_leaves(error))
        if not all(isinstance(cause, Refused | EffectFailed) for cause in causes):
            raise
        # Which branch of a group failed first is chance; which ones failed is not.
        cause = min(causes, key=lambda cause: (not isinstance(cause, Refused), str(cause)))
        trace = Trace(run=live.id)
        if isinstance(cause, Refused):
            return Answer(status="budget", stop_reason=cause.limit, trace=trace)
        return Answer(status="error", stop_reason=str(cause), trace=trace)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error


async def _invoke(live: Run, graph: Any, given: Any, config: dict[str, Any] | None, stream: Collection[str]) -> Answer:
    # A task and a context of its own: cancelling the run is told from cancelling a branch by who is cancelled, and a
    # run inside a node of another run has the same addresses as one that stands alone.
    live.root = asyncio.current_task()
    context = copy_context()
    context.run(at_root)
    context.run(enter, live)
    result = await asyncio.create_task(_result(live, graph, given, _config(live, config), stream), context=context)
    if "__interrupt__" in result:
        values = [redact_json(interrupt.value) for interrupt in result["__interrupt__"]]
        artifacts = {INTERRUPT: values}
        return Answer(status="partial", stop_reason=INTERRUPT, artifacts=artifacts, trace=Trace(run=live.id))
    if "answer" not in result:
        raise ConfigError(
            f"the graph {getattr(graph, 'name', graph)!r} returned no 'answer': end it with a node that sets one"
        )
    answer = result["answer"]
    answer = answer if isinstance(answer, Answer) else Answer.model_validate(answer)
    return answer if answer.trace else answer.model_copy(update={"trace": Trace(run=live.id)})


def _config(live: Run, config: dict[str, Any] | None) -> dict[str, Any]:
    # A method's own limits end it; LangGraph's default of 25 steps would end long chains with an exception.
    config = {"recursion_limit": 10_000, **(config or {})}
    callbacks, handler = config.get("callbacks"), node_handler(live.nodes)
    if callbacks is None or isinstance(callbacks, list):
        callbacks = [*(callbacks or []), handler]
    else:  # a callback manager
        callbacks = callbacks.copy()
        callbacks.add_handler(handler)
    configurable = {**(config.get("configurable") or {}), RUN_KEY: live}
    return {**config, "callbacks": callbacks, "configurable": configurable}


async def _result(live: Run, graph: Any, given: Any, config: dict[str, Any], stream: Collection[str]) -> dict[str, Any]:
    """The last state of the graph, as `ainvoke` returns it; the modes in `stream` go to whoever watches."""
    last: Any = None
    interrupts: list[Any] = []
    async for mode, chunk in graph.astream(given, config, stream_mode=list({"values", "updates", *stream})):
        if mode == "values":
            last = chunk
        elif mode == "updates" and "__interrupt__" in chunk:
            interrupts += chunk["__interrupt__"]
        if mode in stream:
            live.emit({"event": "stream", "mode": mode, "chunk": chunk})
    last = last if isinstance(last, dict) else {}
    return {**last, "__interrupt__": interrupts} if interrupts else last


def run_sync(graph: Any, task: Task | str, **options: Any) -> Answer:
    """`run` for scripts without an event loop; takes the same arguments. Raises `ConfigError` inside a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(run(graph, task, **options))
    raise ConfigError("run_sync was called inside a running event loop: use await clew.run(...) there")
