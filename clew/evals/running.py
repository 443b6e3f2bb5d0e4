"""Running an evaluation: every run once, some at a time, and what came of them read back from the journal."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from clew.agents import history
from clew.errors import ClewError, ConfigError, JournalError
from clew.evals.plan import Cell, Plan
from clew.evals.rows import Reader, Row
from clew.evals.table import figures
from clew.journal import Budget, Cost, Journal, run
from clew.scoring.verdict import Scorer
from clew.task import Answer, TaskKind

if TYPE_CHECKING:
    from clew.evals.tasks import TaskSet

# So many runs that fail alike, of every graph and one after the other, say that something is broken for all.
ALIKE = 5

Watcher = Callable[[Cell, Row | None], None]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation came to. `rows` are its finished runs in the plan's order; `why` says why others are missing,
    empty if none is. `spent` is what all its runs cost, whenever they were made, `possibly` what may have been paid
    besides for calls without an outcome."""

    plan: Plan
    rows: tuple[Row, ...]
    why: str
    spent: Cost
    possibly: Cost

    def figures(self) -> list[dict[str, Any]]:
        """One JSON object per graph; docs/eval.md says what each field means."""
        return self._figures

    @cached_property
    def _figures(self) -> list[dict[str, Any]]:
        return figures(self.plan, self.rows, self.why)


async def evaluate(
    tasks: TaskSet,
    graphs: Mapping[str, Any],
    *,
    journal: Journal,
    repeats: int = 1,
    seed: int = 0,
    concurrency: int = 8,
    budget: Budget | None = None,
    scorers: Mapping[TaskKind, Scorer] | None = None,
    decides: Mapping[str, Mapping[str, Any]] | None = None,
) -> Evaluation:
    """Evaluates compiled graphs, by label, on a task set.

    Each graph answers each task `repeats` times, `concurrency` runs at a time. Every run is one run of `journal`, whose
    id follows from what decides it: called again after a kill, finished runs are not run again and what is recorded
    costs nothing. `budget.tokens` and `budget.usd` bound the sum of all runs; when the next one may not fit, no more
    begin, and `why` of the result says so. `scorers` replaces the usual scorer of a kind of task; `code` needs one,
    such as `UnitTests`. `decides` says, by label, what else decides a graph's runs, such as
    `{"memory": store.digest(tasks.identity)}`: runs are shared only where it is the same.

    Raises `ConfigError` for an empty task set and other arguments that make no sense, `RunBusy` while another process
    has one of the runs, and what `ALIKE` runs in a row failed with when the latest ones of every graph failed alike.
    """
    plan = Plan(tasks, graphs, repeats=repeats, seed=seed, decides=decides or {})
    return await carry_out(plan, journal, concurrency=concurrency, budget=budget, scorers=scorers)


async def carry_out(
    plan: Plan,
    journal: Journal,
    *,
    concurrency: int = 8,
    budget: Budget | None = None,
    scorers: Mapping[TaskKind, Scorer] | None = None,
    keep_errors: bool = False,
    watch: Watcher | None = None,
) -> Evaluation:
    """`evaluate` for a plan. Runs that ended by an error are tried again (what failed of them) unless `keep_errors`.
    `watch` is called with each run that begins (and None) and with each that has ended (and its row)."""
    if concurrency < 1:
        raise ConfigError(f"concurrency={concurrency!r} runs nothing: give 1 or more")
    work = _Work(plan, journal, Reader(plan, journal, scorers), Purse(budget or Budget(), journal), watch, keep_errors)
    waiting = [cell for cell in plan.in_turn() if not await work.finished(cell)]
    turns = iter(waiting)
    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(concurrency, len(waiting))):
                workers.create_task(work.through(turns))
    except ExceptionGroup as group:
        raise _first(group) from None
    rows = tuple([row for cell in plan.cells if (row := await work.row(cell)) is not None])
    return Evaluation(plan, rows, work.purse.why, *_sums(journal, plan))


async def so_far(
    plan: Plan, journal: Journal, why: str, scorers: Mapping[TaskKind, Scorer] | None = None
) -> Evaluation:
    """The evaluation as far as it has come; `why` says why no more runs are made now."""
    reader = Reader(plan, journal, scorers)
    rows = tuple([row for cell in plan.cells if (row := await reader.row(cell)) is not None])
    return Evaluation(plan, rows, why, *_sums(journal, plan))


class Purse:
    """The budget of the whole evaluation. A run that begins is ended whatever it costs; the next one begins only if
    there is room for as much as the dearest run of its graph so far."""

    def __init__(self, budget: Budget, journal: Journal) -> None:
        other = [name for name in budget.to_json() if name not in ("tokens", "usd")]
        if other:
            raise ConfigError(f"an evaluation has no limit on {other[0]}: give tokens or usd")
        self._limits, self._journal = budget.to_json(), journal
        self._spent: dict[tuple[str, str], float] = {}
        self._taken = dict.fromkeys(self._limits, 0.0)
        self._dearest: dict[tuple[str, str], float] = {}
        self._begun: Counter[str] = Counter()
        self.why = ""

    def ended(self, cell: Cell) -> None:
        """Counts what a run has cost, earlier processes and calls without an outcome included."""
        if not self._limits:
            return
        spent = history.spent(self._journal, cell.run)
        for name in self._limits:
            cost = getattr(spent.cost + spent.possibly, name)
            if cost is None:
                raise ConfigError(f"the price of a call of {cell.graph!r} is unknown, so --budget-usd cannot be kept")
            self._taken[name] += cost - self._spent.get((cell.run, name), 0)
            self._spent[cell.run, name] = cost
            self._dearest[cell.graph, name] = max(cost, self._dearest.get((cell.graph, name), 0))

    def begins(self, cell: Cell) -> bool:
        """Whether the run may begin; if so, it is counted as under way."""
        for name, limit in self._limits.items():
            taken = self._taken[name] - self._spent.get((cell.run, name), 0)
            under_way = sum(n * self._dearest.get((graph, name), 0) for graph, n in self._begun.items())
            if taken >= limit or taken + under_way + self._dearest.get((cell.graph, name), 0) > limit:
                self.why = f"the limit on {name} ({limit:g}) leaves no room for another run, {taken:.6g} are spent"
                return False
        self._begun[cell.graph] += 1
        return True

    def done(self, cell: Cell) -> None:
        """The run is no longer under way."""
        self._begun[cell.graph] -= 1
        self.ended(cell)


@dataclass
class _Work:
    plan: Plan
    journal: Journal
    reader: Reader
    purse: Purse
    watch: Watcher | None
    keep_errors: bool
    rows: dict[tuple[str, str, int], Row] = field(default_factory=dict)
    new: dict[str, deque[str]] = field(default_factory=dict)

    async def row(self, cell: Cell) -> Row | None:
        """The row of a finished run, read from the journal once."""
        place = (cell.graph, cell.item.task.id, cell.repeat)
        row = self.rows.get(place) or await self.reader.row(cell)
        if row is not None:
            self.rows[place] = row
        return row

    async def finished(self, cell: Cell) -> bool:
        """Whether the journal has the end of a run. Whatever it has is counted."""
        known = self.journal.get_run(cell.run)
        if known is None:
            self.new.setdefault(cell.graph, deque(maxlen=ALIKE))
            return False
        self.purse.ended(cell)
        if known.status == "error" and not self.keep_errors:
            return False
        row = await self.row(cell)
        if row is not None:
            self._tell(cell, row)
        return row is not None

    async def through(self, turns: Iterator[Cell]) -> None:
        """Runs one cell after the other, until none is left or the budget ends."""
        for cell in turns:
            if self.purse.why or not self.purse.begins(cell):
                return
            self._tell(cell, None)
            tried_before = self.journal.get_run(cell.run) is not None
            answer = await self._answer(cell)
            self.purse.done(cell)
            row = await self.row(cell)
            if row is not None:
                self._tell(cell, row)
            if not tried_before:
                self._all_alike(cell, answer)

    async def _answer(self, cell: Cell) -> Answer:
        graph, known = self.plan.graphs[cell.graph], self.journal.get_run(cell.run)
        # What a graph got over must come out the same after a kill; what ended a run is tried again.
        retry = ("failed",) if known is not None and known.error else ()
        try:
            return await run(graph, cell.task, journal=self.journal, run_id=cell.run, retry=retry)
        except JournalError:
            raise
        except Exception as error:
            # The journal has it as the end of this run; one graph that raises does not end the evaluation of others.
            return Answer(status="error", stop_reason=f"{type(error).__name__}: {error}")

    def _all_alike(self, cell: Cell, answer: Answer) -> None:
        """Raises what every graph's latest new runs have failed with, as soon as these are `ALIKE`."""
        self.new.setdefault(cell.graph, deque(maxlen=ALIKE)).append(
            _cause(answer.stop_reason) if answer.status == "error" else ""
        )
        name = self.new[cell.graph][-1]
        latest = [cause for causes in self.new.values() for cause in causes]
        if name and len(latest) >= ALIKE and set(latest) == {name} and all(self.new.values()):
            said = answer.stop_reason.removeprefix(f"{name}: ")
            after = f"{len(latest)} runs have all failed this way: when that is mended, the same command goes on"
            raise ClewError.rebuild(name, f"{said}; {after}")

    def _tell(self, cell: Cell, row: Row | None) -> None:
        if self.watch is not None:
            self.watch(cell, row)


def _cause(reason: str) -> str:
    """The name of the error's class that a stop reason begins with; the whole reason without one."""
    name, colon, _ = reason.partition(": ")
    return name if colon and name.isidentifier() else reason


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _sums(journal: Journal, plan: Plan) -> tuple[Cost, Cost]:
    known, possibly = Cost(), Cost()
    for id in dict.fromkeys(cell.run for cell in plan.cells):
        spent = history.spent(journal, id)
        known, possibly = known + spent.cost, possibly + spent.possibly
    return known, possibly
