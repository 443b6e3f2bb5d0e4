"""From settings and names to an evaluation: graphs by their specs, the store that they search, the command that repeats
it, and what the server can do, found out once."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from clew.agents import ask, doors, methods
from clew.config import NAMES, PREFIX, SECRETS, Settings, without_login
from clew.errors import ConfigError, ModelError
from clew.evals import report
from clew.evals.plan import Plan
from clew.evals.rows import BY_TESTS
from clew.evals.running import Evaluation, Watcher, carry_out, so_far
from clew.journal import Budget, Journal

if TYPE_CHECKING:
    from clew.evals.tasks import TaskSet
    from clew.models import Model
    from clew.retrieval import StoreContents
    from clew.scoring.verdict import Scorer
    from clew.task import TaskKind

OUT = Path(".clew") / "evals"
# Settings that are options of `clew eval`; others stand in its command as variables.
OPTIONS = (
    "model", "api_base", "reader_model", "temperature", "max_tokens", "timeout", "store", "embedder", "rerank",
    "sandbox", "image", "journal",
)  # fmt: skip
# Limits belong to a pass, not to what is evaluated; the method is a graph's own.
_LEFT_OUT = ("method", "budget_tokens", "budget_usd", "budget_seconds")


@dataclass(frozen=True)
class Wanted:
    """What a command asks for: a task set by file, folder or name, and graphs by their specs."""

    tasks: str
    graphs: tuple[str, ...]
    split: str | None = None
    limit: int | None = None
    repeats: int = 1
    seed: int = 0
    fresh: bool = False
    out: str | None = None


@dataclass(frozen=True)
class Prepared:
    """An evaluation that can begin: its plan, its folder, and the doors that its graphs share, not yet open."""

    plan: Plan
    specs: tuple[methods.Spec, ...]
    settings: Settings
    out: Path
    through: doors.Doors
    warning: str = ""


def prepare(wanted: Wanted, settings: Settings) -> Prepared:
    """Loads the tasks, builds the graphs, and claims the folder.

    Raises `ConfigError` for an unknown task set or graph, an empty task set, a missing store, a model without a price
    under a limit on money, and a folder that holds another evaluation.
    """
    from clew.evals.tasks import load
    from clew.retrieval import StoreContents

    model = doors.model(settings)  # no model is the first thing to say
    specs = tuple(dict((spec.text, spec) for spec in map(_spec, wanted.graphs)).values())
    _check_prices(specs, settings)
    tasks = load(wanted.tasks, split=wanted.split, limit=wanted.limit, seed=wanted.seed)
    through = doors.Doors(settings)
    searching = any(spec.searches for spec in specs)
    held = _contents(through.searcher, tasks, specs, settings) if searching else StoreContents({}, {})
    content = repr([sorted(held.pages.items()), sorted(held.built.items())])
    graphs, decides = {}, {}
    for spec in specs:
        equipped = methods.equipped(spec, settings)
        graphs[spec.text] = ask.graph_of(replace(settings, method=equipped.text), through, "short")
        decides[spec.text] = {"where": model.where}
        if equipped.searches:
            decides[spec.text]["store"] = blake2b(content.encode(), digest_size=8).hexdigest()
        if equipped.computes:
            decides[spec.text]["sandbox"] = through.sandbox.name
        if equipped.remembers:
            decides[spec.text]["memory"] = _memory(through, tasks)
    plan = Plan(
        tasks, graphs, repeats=wanted.repeats, seed=wanted.seed, decides=decides, model=settings.model or "",
        command=command(wanted, settings),
    )  # fmt: skip
    if wanted.fresh:
        # The folder tells two fresh evaluations of one thing apart, and is the same when the command is given again.
        plan = replace(plan, fresh=f"{plan.digest} {Path(wanted.out).resolve() if wanted.out else ''}".strip())
    out = Path(wanted.out).expanduser() if wanted.out else OUT / f"{_stem(tasks.name)}-{plan.digest}"
    report.claim(out, plan)
    return Prepared(plan, specs, settings, out, through, _warning(held.pages, tasks) if searching else "")


async def perform(
    prepared: Prepared,
    journal: Journal,
    *,
    concurrency: int = 8,
    keep_errors: bool = False,
    watch: Watcher | None = None,
) -> Evaluation:
    """Runs what was prepared and writes its files; the limits are `budget_tokens` and `budget_usd` of the settings.
    Raises what `carry_out` raises, and what opening the store or asking the server raises."""
    from clew.sandbox import run as try_out

    settings, through = prepared.settings, prepared.through
    limits = Budget(tokens=settings.budget_tokens, usd=settings.budget_usd)
    async with through:
        if await _anything_left(prepared, journal, keep_errors):
            await through.ready()
            if _by_tests(prepared.plan.tasks):
                # A sandbox that does not work shows here, not as answers that nobody can judge.
                await try_out(through.sandbox, "pass")
            if any(spec.continues for spec in prepared.specs):
                await know(doors.model(settings), settings, journal, prepared.plan)
        return await carry_out(
            prepared.plan, journal, concurrency=concurrency, budget=limits, keep_errors=keep_errors, watch=watch,
            scorers=_scorers(prepared.plan.tasks, through),
        )  # fmt: skip


async def finished(prepared: Prepared, journal: Journal, why: str) -> Evaluation:
    """What an evaluation has come to that stopped; `why` says by what."""
    async with doors.Doors(prepared.settings) as through:
        return await so_far(prepared.plan, journal, why, _scorers(prepared.plan.tasks, through))


def _by_tests(tasks: TaskSet) -> bool:
    return any(item.task.kind in BY_TESTS for item in tasks.items)


def _scorers(tasks: TaskSet, through: doors.Doors) -> dict[TaskKind, Scorer]:
    """The scorers that need a door: programs are judged by the tests of their task."""
    if not _by_tests(tasks):
        return {}
    from clew.scoring.unit_tests import UnitTests

    tests = UnitTests({item.task.id: item.gold.tests for item in tasks.items}, through.sandbox)
    return dict.fromkeys(BY_TESTS, tests)


async def _anything_left(prepared: Prepared, journal: Journal, keep_errors: bool) -> bool:
    done = ("done", "error") if keep_errors else ("done",)
    rows = (journal.get_run(cell.run) for cell in prepared.plan.in_turn())
    return any(row is None or row.status not in done for row in rows)


def command(wanted: Wanted, settings: Settings) -> str:
    """The command line that repeats an evaluation from anywhere with the same files: each setting that is not at its
    default stands in it, the key never."""
    words, variables = ["clew", "eval", "--tasks", wanted.tasks], []
    for graph in wanted.graphs:
        words += ["--graph", graph]
    for name in NAMES:
        value = getattr(settings, name)
        if settings.origin(name) == "default" or name in SECRETS or name in _LEFT_OUT or value is None:
            continue
        if name in OPTIONS:
            words += ["--" + name.replace("_", "-"), without_login(str(value))]
        else:
            variables.append(f"{PREFIX}{name.upper()}={shlex.quote(without_login(str(value)))}")
    given = {"split": wanted.split, "limit": wanted.limit, "out": wanted.out}
    for option, setting in given.items():
        if setting is not None:
            words += [f"--{option}", str(setting)]
    words += ["--repeats", str(wanted.repeats)] if wanted.repeats != 1 else []
    words += ["--seed", str(wanted.seed)] if wanted.seed else []
    words += ["--fresh"] if wanted.fresh else []
    return " ".join([*variables, *map(shlex.quote, words)])


async def know(model: Model, settings: Settings, journal: Journal, plan: Plan) -> None:
    """Finds out what the model's server can do, as a run of its own, so that no item pays for it, and a resumed
    evaluation does not ask again."""
    from clew.graphs.base import END_PHASE, State, Steps, graph_of
    from clew.journal import run
    from clew.journal.runs import scratch_run
    from clew.models import Capabilities, capabilities, pricing
    from clew.task import Answer, Task

    async def begin(task: Task) -> State:
        return {"transport": ""}

    async def probe(state: State) -> State:
        return {**state, "transport": (await model.capabilities()).transport, "phase": END_PHASE}

    steps = Steps(begin, {"probe": probe}, lambda state: Answer(text=state["transport"]), "probe")
    graph = graph_of(steps, name="probe", fingerprint={"method": "probe", "model": model.fingerprint()})
    task = Task(id="probe", prompt=f"What can the server of {model.name} do, at {model.where}?")
    decided = repr([plan.config["clew"], model.fingerprint(), model.where, plan.seed, plan.fresh])
    id = blake2b(decided.encode(), digest_size=6).hexdigest()
    answer = await run(graph, task, journal=journal, run_id=id, retry=("failed",))
    if answer.status == "error":
        raise ModelError(answer.stop_reason)
    (event,) = [event for event in journal.events(id) if event.kind == "probe"]
    found = Capabilities.from_json(event.outcome["capabilities"])

    async def known() -> Capabilities:
        return found

    await capabilities.find((model.name, pricing.base_of(model.name, settings.api_base)), scratch_run(), known)


def _spec(text: str) -> methods.Spec:
    return methods.parse(text, "--graph")


def _check_prices(specs: Sequence[methods.Spec], settings: Settings) -> None:
    if settings.budget_usd is None:
        return
    named = [name for spec in specs for name in spec.models()]
    for name in [settings.model, settings.reader_model, *named]:
        if name and doors.model(settings, name).price is None:
            raise ConfigError(
                f"the price of {name!r} is unknown, so --budget-usd cannot be kept: set CLEW_PRICE_IN and "
                "CLEW_PRICE_OUT (US dollars per million tokens), or limit --budget-tokens"
            )


def _contents(
    library: doors.Library, tasks: TaskSet, specs: Sequence[methods.Spec], settings: Settings
) -> StoreContents:
    """What the store holds. Raises `ConfigError` with the command that makes one when there is none."""
    held = library.contents()
    if not held.pages:
        needs = next(spec.text for spec in specs if spec.searches)
        store = "" if settings.origin("store") == "default" else f" --store {shlex.quote(settings.store)}"
        documents = shlex.quote(os.path.relpath(tasks.documents)) if tasks.documents else "DIR"
        raise ConfigError(
            f"the graph {needs!r} searches, and there is no store in {str(library.place)!r}: run "
            f"clew index {documents}{store}"
        )
    return held


def _memory(through: doors.Doors, tasks: TaskSet) -> str:
    """What an evaluation may see of the memory; whatever it writes leaves that as it is."""
    store = through.memory.store
    try:
        return store.digest(tasks.identity)
    finally:
        store.close()  # others may use it until the evaluation begins


def _warning(pages: dict[str, str], tasks: TaskSet) -> str:
    """A sentence when the store cannot be the one that the tasks were made for."""
    from clew.evals.rows import recall

    gold = {document for item in tasks.items for document in item.gold.documents}
    found = recall(sorted(gold), set(pages)) if gold else 1.0
    if not found:
        return "the store holds none of the documents that the tasks name as gold: is it the right one?"
    return ""


def _stem(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "-_." else "-" for c in Path(name).name)
    return kept.strip("-.")[:40] or "tasks"
