"""One repair: from settings and a repository to a recorded run, and from its record back to its graph."""

from __future__ import annotations

import asyncio
import re
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clew.agents import ask, doors
from clew.config import Settings, load
from clew.errors import ConfigError

if TYPE_CHECKING:
    from clew.agents.reopening import Reopened
    from clew.graphs import Graph
    from clew.graphs.agentless.job import Proposer
    from clew.graphs.agentless.repository import Workspace
    from clew.graphs.agentless.suites import Suite
    from clew.journal import Journal, Recipe
    from clew.sandbox import Box
    from clew.task import Answer

BUILDER = ask.REPAIR
FOLDER = Path(".clew") / "repair"
ProposerName = Literal["model", "mutate"]
THINKING_TOKENS = 16_384
PROPOSERS: tuple[ProposerName, ...] = ("model", "mutate")
_SANDBOXES = ("auto", "docker", "process")
FAILING = "Tests of this repository fail. Find the cause in the code and correct it, so that they pass."


@dataclass(frozen=True)
class Then:
    """What becomes of a patch: its files go to the folder `out` (None: that of the run); with `apply` it is written
    into the work tree, with `branch` committed on a new branch."""

    out: str | None = None
    apply: bool = False
    branch: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What is to be repaired, and how.

    commit         any name that git knows; None: the work tree as it is, without untracked files
    test_cmd       None: pytest
    report_globs   patterns of the JUnit files that another runner than pytest writes
    setup          commands before the tests, in the sandbox
    requirements   pip requirements and files of them, fetched as wheels
    test_files     a regular expression for the paths of tests, which are shown to no model and which no patch changes;
                   None: the usual names
    tests          False: no test runs, and no patch is known to work
    failing_tests  ids of tests that the patch should make pass; empty: all that fail
    proposer       None: the model, where one is configured, else templates
    id             of the task, as in the rows of training; an instance has its own
    project        its name, as `owner/name`; None: that of the folder
    parameters     of the model's proposer: candidates, location_samples, reproduction_samples, window; a missing one
                   has its default
    """

    repo: Path
    issue: str = ""
    commit: str | None = None
    test_cmd: str | None = None
    report_globs: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    test_files: str | None = None
    tests: bool = True
    failing_tests: tuple[str, ...] = ()
    proposer: ProposerName | None = None
    id: str = "repair"
    project: str | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)
    then: Then = Then()


@dataclass(frozen=True)
class Plan:
    """What rebuilds a repair beside the settings; JSON, in the run's recipe.

    folder  of the run: `workspace` in it is what is repaired
    repo    where it comes from; `commit` is "" for a work tree with changes
    lock    of the place where tests run (`clew.graphs.agentless.environment`), None where none does; `sandbox` is its
            recorded name, `boundary` whether it is one, and `notes` tell how it was prepared
    then    what becomes of the patch
    """

    folder: str
    repo: str
    commit: str
    proposer: ProposerName
    parameters: Mapping[str, int] = field(default_factory=dict)
    project: str = ""
    targets: tuple[str, ...] = ()
    test_files: str | None = None
    lock: Mapping[str, Any] | None = None
    sandbox: str = ""
    boundary: bool = False
    notes: tuple[str, ...] = ()
    then: Then = Then()

    @classmethod
    def of(cls, args: Mapping[str, Any]) -> Plan:
        """The plan in a recipe. Raises `ConfigError` for one that a newer Clew wrote."""
        if unknown := sorted(set(args) - {item.name for item in fields(cls)}):
            raise ConfigError(f"the run's recipe has unknown arguments {unknown}: a newer Clew wrote it, upgrade")
        lists = {name: tuple(args.get(name, ())) for name in ("targets", "notes")}
        return cls(**{**args, **lists, "then": Then(**args.get("then", {}))})

    @property
    def place(self) -> Path:
        """The folder of the run."""
        return Path(self.folder)

    @property
    def workspace(self) -> Workspace:
        from clew.graphs.agentless.repository import Workspace

        return Workspace.open(self.place / "workspace")

    def shared(self, name: str) -> Path:
        """A folder for what all repairs share."""
        return self.place.parent.parent / name


# Running -----------------------------------------------------------------------------------------------------------


async def begin(
    wanted: Wanted,
    settings: Settings,
    *,
    journal: Journal,
    run_id: str,
    folder: Path = FOLDER,
    watch: ask.Watcher | None = None,
) -> Answer:
    """Repairs, as a run that `clew.agents.ask.resume` can go on with. What belongs to it is kept in `folder / run_id`.

    Raises `ConfigError` for settings that do not fit together, `RepositoryError` for a repository that cannot be
    copied, and what preparing the tests raises; what goes wrong later is the answer's status.
    """
    import clew
    from clew.task import Task

    tell = watch or (lambda event: None)
    tell({"event": "doing", "what": "copying the repository and preparing its tests"})
    place = (folder / run_id).absolute()
    was_there = place.exists()
    try:
        plan, bench = await prepared(wanted, settings, place)
        tell({"event": "prepared", "notes": list(plan.notes)})
        async with bench:
            graph = graph_of(plan, bench.settings, bench)
            await bench.ready()
            task = Task(prompt=wanted.issue.strip() or FAILING, id=wanted.id, kind="repair")
            budget = ask.budget(settings)
            try:
                return await clew.run(graph, task, journal=journal, run_id=run_id, budget=budget, watch=watch)
            finally:
                tidy(plan)
    except BaseException:
        if not was_there and journal.get_run(run_id) is None:
            shutil.rmtree(place, ignore_errors=True)  # nothing has begun that could go on with it
        raise


class Bench(doors.Doors):
    """Doors with a sandbox that is open already, and the suite that is run in it; both None where no test runs."""

    def __init__(self, settings: Settings, box: Box | Reopened | None, suite: Suite | None) -> None:
        super().__init__(settings)
        self.box, self.suite = box, suite

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            if self.box is not None:
                await self.box.close()


async def prepared(wanted: Wanted, settings: Settings, place: Path) -> tuple[Plan, Bench]:
    """The workspace in the folder `place`, made unless it is there, and where its tests run."""
    from clew.graphs.agentless.environment import DECLARED, prepare
    from clew.graphs.agentless.repository import Workspace

    check(wanted, settings)
    workspace = await asyncio.to_thread(Workspace.make, wanted.repo, wanted.commit, place / "workspace")
    plan = Plan(
        str(place), str(wanted.repo.absolute()), workspace.commit, chosen(wanted, settings), dict(wanted.parameters),
        wanted.project or wanted.repo.absolute().name, wanted.failing_tests, wanted.test_files, then=wanted.then,
    )  # fmt: skip
    if not wanted.tests:
        return plan, Bench(settings, None, None)
    settings = await asyncio.to_thread(settled, settings)
    kind: Any = settings.sandbox
    own = () if settings.image is not None else (DECLARED,)
    made = await prepare(
        workspace,
        sandbox_kind=kind,
        image=settings.image,
        command=wanted.test_cmd,
        setup=wanted.setup,
        requirements=(*own, *wanted.requirements) or None,
        reports=wanted.report_globs,
    )
    box = made.sandbox
    plan = replace(plan, lock=dict(made.lock), sandbox=box.name, boundary=box.boundary, notes=made.notes)
    return plan, Bench(settings, box, made.suite)


def chosen(wanted: Wanted, settings: Settings) -> ProposerName:
    """Who makes the patches."""
    return wanted.proposer or ("model" if settings.model is not None else "mutate")


def settled(settings: Settings) -> Settings:
    """The settings with the sandbox that tests run in: `auto` is Docker where an Engine answers now, else the process
    sandbox, with a `UserWarning`. An image means nothing to the latter. Blocks. Raises `ConfigError` for another
    kind."""
    from clew.sandbox.choice import answers

    kind = _sandbox(settings)
    if kind == "auto":
        kind = "docker" if answers() else "process"
        if kind == "process":
            warnings.warn(
                "no Docker Engine answers: tests run in the process sandbox, which is no boundary against hostile ones",
                stacklevel=2,
            )
    return replace(settings, sandbox=kind, image=settings.image if kind == "docker" else None)


def _sandbox(settings: Settings) -> str:
    if settings.sandbox not in _SANDBOXES:
        raise ConfigError(f"sandbox={settings.sandbox!r} is unknown: give {', '.join(_SANDBOXES[:-1])} or process")
    return settings.sandbox


def check(wanted: Wanted, settings: Settings) -> None:
    """Raises `ConfigError` for a proposer or a sandbox that cannot be, and for what does not fit the proposer."""
    _matching(wanted.test_files or "")
    _sandbox(settings)
    if chosen(wanted, settings) == "model":
        doors.model(settings)  # no model is the first thing to say
        if not wanted.issue.strip():
            raise ConfigError("the issue is empty: say with --issue what is wrong, or give --proposer mutate")
        return
    for name in wanted.parameters:
        raise ConfigError(f"--{name.replace('_', '-')} means nothing to the proposer mutate: leave it out")
    if not wanted.tests:
        raise ConfigError("the proposer mutate goes by failing tests: leave --no-tests out, or configure a model")


def tidy(plan: Plan) -> None:
    """Removes the folders that tests were copied from; they are written again when they are needed."""
    shutil.rmtree(plan.place / "workspace" / "trees", ignore_errors=True)


# Graphs ------------------------------------------------------------------------------------------------------------


def build(**args: Any) -> Graph:
    """The graph of a recipe; see `clew.agents.ask.build`."""
    return rebuilt(args, load())[0]


def rebuilt(args: Mapping[str, Any], here: Settings) -> tuple[Graph, Bench]:
    """The graph of a recipe, and its doors, with the packages that the run's tests had."""
    from clew.agents.reopening import Reopened
    from clew.graphs.agentless.suites import Suite

    settings, _ = ask.recorded({name: value for name, value in args.items() if name != "repair"}, here)
    plan = plan_of(args)
    bench = Bench(settings, None, None)
    if plan.lock is not None:
        suite = Suite.from_json(plan.lock["suite"])
        bench = Bench(settings, Reopened(plan.lock, plan.sandbox, plan.boundary, suite.limits), suite)
    return graph_of(plan, settings, bench), bench


def plan_of(args: Mapping[str, Any]) -> Plan:
    """The plan in the arguments of a recipe."""
    return Plan.of(args.get("repair") or {})


def graph_of(plan: Plan, settings: Settings, bench: Bench) -> Graph:
    """The graph of a plan, with its recipe. Raises `RepositoryError` when its workspace is gone."""
    from clew.graphs.agentless.graph import agentless
    from clew.graphs.agentless.job import Job

    more = {} if plan.test_files is None else {"leave_out": _matching(plan.test_files)}
    job = Job(plan.workspace, bench.box, bench.suite, cache=plan.shared("cache"), targets=plan.targets, **more)
    return agentless(_proposer(plan, settings), job, recipe=_recipe(plan, settings))


def _matching(pattern: str) -> Callable[[str], bool]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--test-files {pattern!r} is no regular expression: {error}") from None
    return lambda path: expression.search(path) is not None


def _proposer(plan: Plan, settings: Settings) -> Proposer:
    if plan.proposer == "mutate":
        from clew.graphs.agentless.mutants import MutationProposer

        return MutationProposer()
    from clew.graphs.agentless.code_search import CodeSearch
    from clew.graphs.agentless.proposers import ModelProposer

    given: dict[str, Any] = dict(plan.parameters)
    if settings.temperature is not None:
        given["temperature"] = settings.temperature
    search = CodeSearch(plan.shared("code"), doors.embedder(settings))
    if settings.max_tokens is None:  # what a stage gives a model that thinks longer than the stage's own limit
        settings = replace(settings, max_tokens=THINKING_TOKENS)
    return ModelProposer(doors.model(settings), search=search, **given)


_OF_MODEL = ("model", "temperature", "max_tokens", "api_base", "timeout", "price_in", "price_out")


def _recipe(plan: Plan, settings: Settings) -> Recipe:
    from clew.journal import Recipe

    args: dict[str, Any] = {"method": plan.proposer, "repair": asdict(plan)}
    if plan.proposer == "model":
        args |= {name: ask.public(getattr(settings, name)) for name in _OF_MODEL}
        args["embedder"] = settings.embedder if settings.origin("embedder") != "default" else None
    if plan.lock is not None:
        args |= {"sandbox": plan.lock["sandbox"], "image": settings.image}
    return Recipe(BUILDER, {name: value for name, value in args.items() if value is not None})
