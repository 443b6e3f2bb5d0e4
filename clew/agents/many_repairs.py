"""Many repairs: every instance of a file once, some at a time, and what came of them as predictions.

The id of an instance's run follows from the instance and from what decides its repair, and from nothing else. So the
same command finds its runs again after a kill, and what has ended is not repaired twice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.agents import ask, delivery, history, repair, repair_report
from clew.agents.instances import Instance, find_repository, prediction
from clew.config import Settings
from clew.errors import ClewError, JournalError, RunBusy

if TYPE_CHECKING:
    from clew.journal import Journal
    from clew.task import Answer

_DECIDES = ("model", "temperature", "max_tokens", "sandbox", "image", "embedder")
Watcher = Callable[[Instance, "Outcome | dict[str, Any] | None"], None]


@dataclass(frozen=True)
class Outcome:
    """How an instance ended. `exit_code` is that of `clew repair` for it alone; `verdict` says it in a sentence.
    `patch` is None for one that could not even begin."""

    instance_id: str
    run: str
    status: str
    verdict: str
    exit_code: int
    patch: str | None = None
    report: dict[str, Any] = field(default_factory=dict)

    def to_row(self) -> dict[str, Any]:
        """One line of the side report."""
        found = self.report
        about = {name: found.get(name) for name in ("stop_reason", "tests", "chosen", "flags", "folder", "cost")}
        return {
            "instance_id": self.instance_id, "run": self.run, "status": self.status, "verdict": self.verdict,
            "patch": bool(self.patch), "candidates": len(found.get("candidates") or ()), **about,
        }  # fmt: skip


def author(wanted: repair.Wanted, settings: Settings) -> str:
    """The `model_name_or_path` of predictions: `clew-mutate`, or `clew-` and the model's name."""
    chosen = repair.chosen(wanted, settings)
    return f"clew-{(settings.model or chosen).rpartition('/')[2]}" if chosen == "model" else f"clew-{chosen}"


def run_of(instance: Instance, wanted: repair.Wanted, settings: Settings) -> str:
    """The id of an instance's run."""
    from clew import __version__

    decides: dict[str, Any] = {name: getattr(settings, name) for name in _DECIDES}
    how = {name: value for name, value in asdict(wanted).items() if name not in ("repo", "issue", "commit", "then")}
    how["proposer"] = repair.chosen(wanted, settings)
    text = json.dumps([instance.to_row(), decides, how, __version__], sort_keys=True)
    return blake2b(text.encode(), digest_size=6).hexdigest()


async def repair_all(
    instances: Sequence[Instance],
    wanted: repair.Wanted,
    settings: Settings,
    *,
    journal: Journal,
    beside: Path,
    repos: Path | None = None,
    parallel: int = 1,
    folder: Path = repair.FOLDER,
    watch: Watcher | None = None,
) -> list[Outcome]:
    """Repairs every instance, `parallel` at a time, and returns how they ended, in their order. An instance that cannot
    be repaired does not end the others. Limits of the settings are those of each run.

    `wanted` says how, where an instance does not say so itself. `watch` is called with an instance when it begins (and
    None), with the events of its run, and with its outcome.
    """
    many = _Many(wanted, settings, journal, beside, repos, folder, watch)
    found: dict[str, Outcome] = {}
    turns = iter(instances)
    async with asyncio.TaskGroup() as workers:
        for _ in range(min(parallel, len(instances))):
            workers.create_task(many.through(turns, found))
    return [found[instance.instance_id] for instance in instances]


@dataclass(frozen=True)
class _Many:
    wanted: repair.Wanted
    settings: Settings
    journal: Journal
    beside: Path
    repos: Path | None
    folder: Path
    watch: Watcher | None

    async def through(self, turns: Iterator[Instance], found: dict[str, Outcome]) -> None:
        for instance in turns:
            self._tell(instance, None)
            found[instance.instance_id] = outcome = await self._outcome(instance)
            self._tell(instance, outcome)

    async def _outcome(self, instance: Instance) -> Outcome:
        settings = self.settings if instance.image is None else replace(self.settings, image=instance.image)
        run = ""
        try:
            run = run_of(instance, self.wanted, settings)
            answer = await self._answer(instance, settings, run)
            done = delivery.deliver(self.journal, self.journal.find_run(run), answer)
        except Exception as error:
            if isinstance(error, JournalError) and not isinstance(error, RunBusy):
                raise
            said = str(error) if isinstance(error, ClewError) else f"{type(error).__name__}: {error}"
            return Outcome(instance.instance_id, run, "error", said, 5)
        report = {**done.report, "folder": str(done.folder)}
        verdict = repair_report.verdict(report)
        return Outcome(instance.instance_id, run, answer.status, verdict, done.exit_code, answer.text, report)

    async def _answer(self, instance: Instance, settings: Settings, run: str) -> Answer:
        def watch(event: dict[str, Any]) -> None:
            self._tell(instance, event)

        row = self.journal.get_run(run)
        if row is None:
            clones = self.folder.parent / "clones"
            repo = await asyncio.to_thread(find_repository, instance.repo, self.repos, self.beside, clones)
            wanted = _of(instance, self.wanted, repo)
            return await repair.begin(
                wanted, settings, journal=self.journal, run_id=run, folder=self.folder, watch=watch
            )
        failed = history.status(self.journal, row) == "partial" and _ended_by_error(row.answer)
        retry = ("failed",) if failed else None
        return await ask.resume(run, settings, journal=self.journal, retry=retry, watch=watch)

    def _tell(self, instance: Instance, what: Outcome | dict[str, Any] | None) -> None:
        if self.watch is not None:
            self.watch(instance, what)


def predictions(outcomes: Sequence[Outcome], name: str) -> list[dict[str, str]]:
    """Rows for a predictions file; an instance that could not begin has none."""
    return [prediction(each.instance_id, name, each.patch) for each in outcomes if each.patch is not None]


def _of(instance: Instance, wanted: repair.Wanted, repo: Path) -> repair.Wanted:
    return replace(
        wanted,
        repo=repo,
        id=instance.instance_id,
        project=instance.repo,
        issue=instance.problem_statement,
        commit=instance.base_commit,
        test_cmd=instance.test_cmd or wanted.test_cmd,
        report_globs=instance.report_glob or wanted.report_globs,
        setup=instance.setup or wanted.setup,
        requirements=instance.requirements or wanted.requirements,
        failing_tests=instance.failing_test or wanted.failing_tests,
        then=repair.Then(),
    )


def _ended_by_error(answer: dict[str, Any] | None) -> bool:
    ended = ((answer or {}).get("artifacts") or {}).get("repair", {}).get("ended")
    return bool(ended) and ended[0] == "error"
