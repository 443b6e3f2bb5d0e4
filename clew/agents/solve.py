"""One problem that may need programs: from settings and samples to a recorded run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clew.agents import ask, methods
from clew.config import Settings

if TYPE_CHECKING:
    from clew.journal import Journal, RunRow
    from clew.scoring.verdict import Tally
    from clew.task import Answer, TaskKind

METHOD = "start"
Samples = Sequence[Mapping[str, Any]]


async def solve(
    problem: str,
    settings: Settings,
    *,
    journal: Journal,
    kind: TaskKind = "math",
    samples: Samples = (),
    run_id: str | None = None,
    watch: ask.Watcher | None = None,
) -> Answer:
    """Solves `problem` with the method of the settings, START if none is named, as a run that `clew.agents.ask.resume`
    can go on with.

    The answer of `kind` code is a program. `samples` of it, each `{"input": ..., "output": ...}`, are shown to the
    model, and what it hands in is tried on them: `score` is then the share that it passed, None when that could not
    be told, and `tried` has the counts. Raises `ConfigError` for settings that do not fit together; what goes wrong
    later is the answer's status.
    """
    from clew.task import Task

    task = Task(prompt=problem, kind=kind, inputs={"samples": list(samples)} if samples else {})
    settings = for_solving(settings, checked=bool(samples))
    return await ask.begin(task, settings, journal=journal, run_id=run_id, watch=watch)


def for_solving(settings: Settings, options: Mapping[str, Any] | None = None, *, checked: bool = False) -> Settings:
    """The settings with the method that solves: the one of the command line, or START, because `method` of a file is
    about questions. `options` are for every graph in it that knows them. `checked`: the outcome is tried on samples."""
    if settings.origin("method") != "command line":
        settings = replace(settings, method=METHOD, origins={**settings.origins, "method": "command line"})
    spec = methods.with_options(methods.of(settings), options or {})
    if checked and not _tries(spec):
        spec = methods.parse(f"best_of({spec.canonical}, n=1, scorer=samples)")
    return replace(settings, method=spec.text)


def tried(row: RunRow, answer: Answer) -> tuple[Tally, int] | None:
    """How a run's answer did on its samples, and how many there are; None for a run without samples. Samples that the
    `Tally` counts nowhere were not tried, for want of a program or of anyone to run it."""
    from clew.scoring.verdict import Tally

    args, samples = (row.recipe or {}).get("args") or {}, row.task.get("inputs", {}).get("samples") or []
    if not samples or "method" not in args or not _tries(methods.parse(args["method"])):
        return None
    report = answer.artifacts.get("best_of", {})
    tallies = report.get("tests") or []
    found = tallies[report["chosen"]] if tallies else None
    return Tally.model_validate(found or {}), len(samples)


def _tries(spec: methods.Spec) -> bool:
    return spec.name == "best_of" and spec.options.get("scorer") == "samples"
