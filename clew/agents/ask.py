"""One question: from settings to a graph, from a graph to a recorded run, and from its record back to a graph."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clew.agents import doors, history, methods
from clew.config import SECRETS, Settings, checked, load
from clew.errors import ConfigError

if TYPE_CHECKING:
    from clew.graphs import Graph
    from clew.journal import Budget, Journal, Recipe, Replayed, RunRow
    from clew.task import Answer, TaskKind

BUILDER = "clew.agents.ask:build"
# What decides a graph. Secrets are read again where the run goes on; where things live may have moved.
_SHAPE = ("method", "model", "reader_model", "temperature", "max_tokens", "max_searches", "top_k", "rerank")
_PLACES = ("api_base", "store", "embedder", "timeout", "price_in", "price_out")

Watcher = Callable[[dict[str, Any]], None]


def build(**args: Any) -> Graph:
    """The graph of a recipe. `args` are the settings that were recorded; the key comes from the environment or the
    configuration of whoever resumes."""
    settings, form = _recorded(args, load())
    return graph_of(settings, None, form)


def graph_of(settings: Settings, library: doors.Library | None, form: methods.Form = "full") -> Graph:
    """The graph that the settings describe, with its recipe. `library=None` opens the store at the first search."""
    return methods.build(methods.of(settings), settings, library, form=form, recipe=recipe(settings, form))


def recipe(settings: Settings, form: methods.Form = "full") -> Recipe:
    """What rebuilds the graph of `settings` in another process: no key, and the store as an absolute path."""
    from clew.journal import Recipe

    args = {name: getattr(settings, name) for name in (*_SHAPE, *_PLACES)}
    if methods.of(settings).searches:
        args["store"] = str(doors.place(settings))
    else:
        del args["store"]
    if settings.origin("embedder") == "default":
        del args["embedder"]
    if form != "full":
        args["form"] = form
    return Recipe(BUILDER, {name: value for name, value in args.items() if value is not None})


def _recorded(args: dict[str, Any], here: Settings) -> tuple[Settings, methods.Form]:
    """The settings and the form of a recipe. Only where things live may be overridden, and only by the command line."""
    args = dict(args)
    form = args.pop("form", "full")
    unknown = sorted(set(args) - set(_SHAPE) - set(_PLACES))
    if form not in methods.FORMS:
        unknown.append(f"form={form!r}")
    if unknown:
        raise ConfigError(f"the run's recipe has unknown arguments {unknown}: a newer Clew wrote it, upgrade")
    known = {name: checked(name, value, f"the run's recipe: {name}") for name, value in args.items()}
    moved = {name: getattr(here, name) for name in _PLACES if here.origin(name) == "command line"}
    secrets: dict[str, Any] = {name: getattr(here, name) for name in SECRETS}
    origins = dict.fromkeys(known, "recipe") | dict.fromkeys(moved, "command line")
    return Settings(**{"journal": here.journal, **known, **moved}, **secrets, origins=origins), form


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
    import clew

    task = clew.Task(prompt=question, kind=kind)
    library = doors.library(settings) if methods.of(settings).searches else None
    graph = graph_of(settings, library)
    try:
        await _ready(library)
        return await clew.run(graph, task, journal=journal, run_id=run_id, budget=budget(settings), watch=watch)
    finally:
        if library is not None:
            library.close()


async def _ready(library: doors.Library | None) -> None:
    """Does what is slow before the run's clock starts: a limit on seconds is about the run, not about imports. A store
    that cannot be opened shows here, not as a failed search."""
    from clew.models.engine import load as load_litellm

    if library is not None:
        await library.warm()
    await load_litellm()


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
    graph, library = _rebuilt(row, settings)
    try:
        if library is not None and (row.status != "done" or chosen):
            await _ready(library)
        return await clew.resume(
            row.id, journal=journal, graph=graph, budget=new, retry=chosen, anyway=anyway, watch=watch
        )
    finally:
        if library is not None:
            library.close()


async def replay(run_id: str, settings: Settings, *, journal: Journal, strict: bool = True) -> Replayed:
    """Replays a run from its record alone; see `clew.replay`."""
    import clew

    row = journal.find_run(run_id)
    graph, _ = _rebuilt(row, settings)
    return await clew.replay(row.id, journal=journal, graph=graph, strict=strict)


def fork(run_id: str, at: int, settings: Settings, *, journal: Journal) -> str:
    """A new run that shares what happened before event `at`; settings of the command line replace recorded ones.
    Returns its id; `resume` runs it."""
    from clew.journal import fork as fork_run

    row = journal.find_run(run_id)
    if row.recipe is None or row.recipe.get("builder") != BUILDER:
        raise ConfigError(
            f"run {row.id!r} was not started by clew ask: fork it in Python with clew.fork and clew.run(graph, ...)"
        )
    given = {n: getattr(settings, n) for n in (*_SHAPE, *_PLACES) if settings.origin(n) == "command line"}
    changed = {**row.recipe["args"], **given}
    if "store" in given:
        changed["store"] = str(doors.place(settings))
    child = fork_run(row.id, at, journal=journal)
    journal.update_run(child, recipe={"builder": BUILDER, "args": changed})
    return child


def _rebuilt(row: RunRow, settings: Settings) -> tuple[Graph | None, doors.Library | None]:
    """The run's graph and its searcher; (None, None) for a recipe of another builder, which rebuilds itself."""
    if row.recipe is None or row.recipe.get("builder") != BUILDER:
        return None, None
    recorded, form = _recorded(row.recipe["args"], settings)
    if not methods.of(recorded).searches:
        return graph_of(recorded, None, form), None
    name = doors.Library(row.recipe["args"].get("store", recorded.store), rerank=recorded.rerank).name
    library = doors.library(recorded, name)
    return graph_of(recorded, library, form), library


def _given_budget(settings: Settings) -> Budget:
    """The limits of the command line alone: a default in a file must not change a run that has limits of its own."""
    names = ("budget_tokens", "budget_usd", "budget_seconds")
    other: dict[str, Any] = {name: None for name in names if settings.origin(name) != "command line"}
    return budget(replace(settings, **other))
