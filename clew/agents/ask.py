"""One question: from settings to a graph, from a graph to a recorded run, and from its record back to a graph."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clew.agents import doors, history, methods
from clew.config import SECRETS, Settings, checked, load, without_login
from clew.errors import ConfigError

if TYPE_CHECKING:
    from clew.graphs import Graph
    from clew.journal import Budget, Journal, Recipe, Replayed, RunRow
    from clew.task import Answer, Task, TaskKind

BUILDER = "clew.agents.ask:build"
REPAIR = "clew.agents.repair:build"
# What decides a graph. Secrets are read again where the run goes on; where things live may have moved.
SHAPE = (
    "method", "model", "reader_model", "temperature", "max_tokens", "max_searches", "top_k", "rerank", "sandbox",
    "image",
)  # fmt: skip
PLACES = ("api_base", "store", "embedder", "memory", "timeout", "price_in", "price_out")

Watcher = Callable[[dict[str, Any]], None]


def build(**args: Any) -> Graph:
    """The graph of a recipe. `args` are the settings that were recorded; the key comes from the environment or the
    configuration of whoever resumes."""
    settings, form = recorded(args, load())
    return graph_of(settings, None, form)


def graph_of(settings: Settings, through: doors.Doors | None = None, form: methods.Form = "full") -> Graph:
    """The graph that the settings describe, with its recipe. Without doors it has its own, which open when they are
    first used; only the sandbox is decided now."""
    through = through or doors.Doors(settings)
    return methods.build(methods.of(settings), settings, through, form=form, recipe=_recipe(settings, through, form))


def _recipe(settings: Settings, through: doors.Doors, form: methods.Form) -> Recipe:
    """What rebuilds the graph of `settings` in another process: no key, folders as absolute paths, and the sandbox that
    `auto` came to be."""
    from clew.journal import Recipe

    spec = methods.of(settings)
    args = {name: getattr(settings, name) for name in (*SHAPE, *PLACES)}
    args["store"] = str(doors.place(settings)) if spec.searches else None
    args["memory"] = str(doors.memory_place(settings)) if spec.remembers else None
    args["sandbox"] = through.sandbox_kind if spec.computes else None
    if args["sandbox"] != "docker":
        args["image"] = None
    if settings.origin("embedder") == "default":
        args["embedder"] = None
    args["form"] = form if form != "full" else None
    return Recipe(BUILDER, {name: public(value) for name, value in args.items() if value is not None})


def recorded(args: Mapping[str, Any], here: Settings) -> tuple[Settings, methods.Form]:
    """The settings and the form of a recipe. Only where things live may be overridden, and only by the command line; a
    login of an address, which is in no recipe, comes from the settings that name the same address with one."""
    args = dict(args)
    form = args.pop("form", "full")
    unknown = sorted(set(args) - set(SHAPE) - set(PLACES))
    if form not in methods.FORMS:
        unknown.append(f"form={form!r}")
    if unknown:
        raise ConfigError(f"the run's recipe has unknown arguments {unknown}: a newer Clew wrote it, upgrade")
    known = {name: checked(name, value, f"the run's recipe: {name}") for name, value in args.items()}
    moved = {
        name: getattr(here, name)
        for name in PLACES
        if here.origin(name) == "command line" or (name in known and public(getattr(here, name)) == known[name])
    }
    secrets: dict[str, Any] = {name: getattr(here, name) for name in SECRETS}
    origins = dict.fromkeys(known, "recipe") | dict.fromkeys(moved, "command line")
    return Settings(**{"journal": here.journal, **known, **moved}, **secrets, origins=origins), form


def public(value: Any) -> Any:
    """`value` as a recipe may hold it: an address without its login."""
    return without_login(value) if isinstance(value, str) else value


def budget(settings: Settings) -> Budget:
    from clew.journal import Budget

    return Budget(tokens=settings.budget_tokens, usd=settings.budget_usd, seconds=settings.budget_seconds)


async def ask(
    question: str,
    settings: Settings,
    *,
    journal: Journal,
    run_id: str | None = None,
    kind: TaskKind = "qa",
    watch: Watcher | None = None,
) -> Answer:
    """Asks `question` with the method, model, store and budget of the settings, as a run that `resume` can go on with.

    Raises `ConfigError` for settings that do not fit together and what opening the store raises; what goes wrong
    later is the answer's status.
    """
    from clew.task import Task

    return await begin(Task(prompt=question, kind=kind), settings, journal=journal, run_id=run_id, watch=watch)


async def begin(
    task: Task, settings: Settings, *, journal: Journal, run_id: str | None = None, watch: Watcher | None = None
) -> Answer:
    """Runs the method of the settings on `task`; see `ask`. What runs programs warns when it is no boundary."""
    import clew

    settings = replace(settings, method=methods.equipped(methods.of(settings), settings).text)
    async with doors.Doors(settings) as through:
        # Whether an Engine answers may take a while to find out.
        graph = await asyncio.to_thread(graph_of, settings, through)
        await through.ready()
        return await clew.run(graph, task, journal=journal, run_id=run_id, budget=budget(settings), watch=watch)


def retry_by_default(journal: Journal, row: RunRow, new: Budget) -> tuple[str, ...]:
    """What a resume performs again when nobody said: what failed, if the run ended by a failure; what was refused, if
    it ended by a limit and a new limit is given."""
    ended = history.status(journal, row)
    if ended == "error":
        return ("failed",)
    return ("refused",) if ended == "budget" and new.to_json() else ()


async def resume(
    run_id: str,
    settings: Settings,
    *,
    journal: Journal,
    retry: Collection[str] | None = None,
    anyway: bool = False,
    watch: Watcher | None = None,
) -> Answer:
    """Goes on with a run; `settings` bring the key, new limits, and places given on the command line.

    `retry=None` decides by how the run ended, see `retry_by_default`. A run whose graph was not built here is rebuilt
    from its own recipe.
    """
    import clew

    row = journal.find_run(run_id)
    history.free(journal, row)  # before the store is opened, which that process may hold too
    new = _given_budget(settings)
    chosen = retry_by_default(journal, row, new) if retry is None else tuple(retry)
    graph, through = _rebuilt(row, settings)
    async with through:
        if graph is not None and (row.status != "done" or chosen):
            await through.ready()
        return await clew.resume(
            row.id, journal=journal, graph=graph, budget=new, retry=chosen, anyway=anyway, watch=watch
        )


async def replay(run_id: str, settings: Settings, *, journal: Journal, strict: bool = True) -> Replayed:
    """Replays a run from its record alone; see `clew.replay`."""
    import clew

    row = journal.find_run(run_id)
    graph, through = _rebuilt(row, settings)
    async with through:
        return await clew.replay(row.id, journal=journal, graph=graph, strict=strict)


def fork(run_id: str, at: int, settings: Settings, *, journal: Journal) -> str:
    """A new run that shares what happened before event `at`; settings of the command line replace recorded ones.
    Returns its id; `resume` runs it."""
    from clew.journal import fork as fork_run

    row = journal.find_run(run_id)
    builder = _builder(row)
    if row.recipe is None or builder not in (BUILDER, REPAIR):
        raise ConfigError(
            f"run {row.id!r} was not started by clew ask, clew solve or clew repair: fork it in Python with clew.fork "
            "and clew.run(graph, ...)"
        )
    given = {n: public(getattr(settings, n)) for n in (*SHAPE, *PLACES) if settings.origin(n) == "command line"}
    changed = {**row.recipe["args"], **given}
    if "store" in given:
        changed["store"] = public(str(doors.place(settings)))
    child = fork_run(row.id, at, journal=journal)
    journal.update_run(child, recipe={"builder": builder, "args": changed})
    return child


def _rebuilt(row: RunRow, settings: Settings) -> tuple[Graph | None, doors.Doors]:
    """The run's graph and its doors; no graph for a recipe of another builder, which rebuilds itself."""
    builder, args = _builder(row), (row.recipe or {}).get("args", {})
    if builder == REPAIR:
        from clew.agents import repair

        return repair.rebuilt(args, settings)
    if builder != BUILDER:
        return None, doors.Doors(settings)
    before, form = recorded(args, settings)
    name = doors.Library(args["store"], rerank=before.rerank).name if "store" in args else ""
    through = doors.Doors(before, name)
    return graph_of(before, through, form), through


def repairs(row: RunRow) -> bool:
    """Whether the run is one of `clew repair`."""
    return _builder(row) == REPAIR


def _builder(row: RunRow) -> str:
    return str((row.recipe or {}).get("builder", ""))


def _given_budget(settings: Settings) -> Budget:
    """The limits of the command line alone: a default in a file must not change a run that has limits of its own."""
    names = ("budget_tokens", "budget_usd", "budget_seconds")
    other: dict[str, Any] = {name: None for name in names if settings.origin(name) != "command line"}
    return budget(replace(settings, **other))
