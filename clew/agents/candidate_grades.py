"""Grades of every patch that a repair could have chosen, for the figures of its stages (`clew.evals.repair_stages`).

What a patch and a reproduction test do is kept in a file, one line each, so that the same command again runs only what
is new.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clew.agents.bug_grades import Benches, grade, hash_of
from clew.agents.instances import Instance, find_repository, read_rows
from clew.errors import ConfigError, PatchRefused
from clew.evals.repair_stages import Recall, Stages, chosen_key, distinct, recalls, touched
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.scripts import run_script
from clew.journal import Journal, scope


@dataclass(frozen=True)
class Repair:
    """A run that ended: the row of its instance with what grades it, the folder `beside` which its repository is
    looked for, the run's `report` (`artifacts["repair"]` of the answer), and what its stages noted. A repair that could
    not begin has an empty report."""

    row: Mapping[str, Any]
    beside: Path
    report: Mapping[str, Any]
    notes: Sequence[Mapping[str, Any]] = ()
    proposer: str = ""
    window: int = 10
    tokens: int = 0
    seconds: float = 0.0

    @property
    def id(self) -> str:
        return str(self.row["instance_id"])


def repairs(instances: Sequence[Path], reports: Sequence[Path], journals: Sequence[Journal]) -> Iterator[Repair]:
    """The repairs that the side reports of `clew repair --instances` name, in their order. Raises `ConfigError` for an
    instance, or a run, that is in none of the files."""
    rows = {row["instance_id"]: (row, file.absolute().parent) for file in instances for row in read_rows(file)}
    for row in (row for file in reports for row in read_rows(file)):
        id, run = row["instance_id"], row["run"]
        if id not in rows:
            raise ConfigError(f"no instance is called {id!r}: give the file that holds it")
        found = next(((each, at) for each in journals if (at := each.get_run(run)) is not None), None)
        cost = row.get("cost") or {}
        tokens, seconds = int(cost.get("tokens") or 0), float(cost.get("seconds") or 0)
        if found is None:
            if row["status"] != "error":
                raise ConfigError(f"the run {run!r} of {id!r} is in no journal: give the one that holds it")
            yield Repair(*rows[id], {}, tokens=tokens, seconds=seconds)
            continue
        journal, at = found
        notes = [event.request for event in journal.events(run) if (event.kind, event.state) == ("stage", "note")]
        plan = (at.recipe or {}).get("args", {}).get("repair", {})
        if at.answer is None:
            raise ConfigError(
                f"the run {run!r} of {id!r} has not ended in its journal: give the one that the report has"
            )
        report = at.answer["artifacts"].get("repair", {})
        window = (plan.get("parameters") or {}).get("window", 10)
        yield Repair(*rows[id], report, notes, plan.get("proposer", ""), window, tokens, seconds)


class Kept:
    """What patches and scripts did, by instance and hash, in a JSONL file that grows; `file` None keeps it here."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.rows: dict[tuple[str, str, str], dict[str, Any]] = {}
        for row in read_rows(file) if file is not None and file.exists() else ():
            self._take(row)

    def get(self, what: str, id: str, hash: str) -> str | None:
        row = self.rows.get((what, id, hash))
        return None if row is None else str(row["status"])

    def add(self, what: str, id: str, hash: str, status: str, **more: Any) -> str:
        row = {"what": what, "instance_id": id, "hash": hash, "status": status, **more}
        self._take(row)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
        return status

    def _take(self, row: dict[str, Any]) -> None:
        try:
            self.rows[row["what"], row["instance_id"], row["hash"]] = row
        except KeyError as error:
            raise ConfigError(
                f"{str(self.file)!r} holds no grades of candidates ({error}): give another file"
            ) from None


async def staged(repair: Repair, benches: Benches, kept: Kept, *, repos: Path | None = None) -> Stages:
    """The figures of a repair. Every patch that could have been chosen is graded once; the reproduction tests run after
    the gold patch, where the row holds it. A grade that is an error counts as not resolved.

    Raises `ConfigError` for a row without what grades it, or whose own patch does not apply, `RepositoryError`,
    `SandboxFailed`.
    """
    found = Stages(repair.id, tokens=repair.tokens, seconds=repair.seconds, any=False, resolved=False)
    report = repair.report
    if not report:
        return found
    with tempfile.TemporaryDirectory(prefix="clew-stages-") as folder:
        work = await asyncio.to_thread(_opened, repair, benches, kept, repos, Path(folder))
        recall = await asyncio.to_thread(work.recall)
        patches = distinct(report)
        grades = {key: await work.grade(patch) == "resolved" for key, patch in patches.items()}
        scripts = report["reproduction"] if "reproduction" in report["phases"] else None
        said = None
        if scripts is not None and work.fixed is not None:
            said = [await work.says(each["script"], each["key"]) for each in scripts]
    return replace(
        found,
        recall=recall,
        nonempty=report["chosen"] is not None,
        candidates=len(patches),
        any=any(grades.values()),
        resolved=grades.get(chosen_key(report), False),
        scripts=None if scripts is None else len(scripts),
        right=None if said is None else said.count("resolved"),
    )


def labels(repair: Repair, kept: Kept) -> tuple[dict[str, bool], dict[str, str]]:
    """What is known of a repair's candidates (by id) and of its reproduction tests after the gold patch (by key), as
    `clew.training.repair_rows` takes them (`resolved`, `after_gold`). What was not graded, or with an error, is left
    out."""
    patches, right = distinct(repair.report), {"resolved": True, "failed": False}
    grades = {key: kept.get("patch", repair.id, hash_of(patch)) for key, patch in patches.items()}
    known = {each["id"]: grades.get(each["key"]) for each in repair.report.get("candidates") or ()}
    gold = hash_of(_gold(repair))
    keys = [each["key"] for each in repair.report.get("reproduction") or ()]
    said = {key: kept.get("script", repair.id, f"{key}-{gold}") for key in keys}
    return (
        {id: right[status] for id, status in known.items() if status in right},
        {key: word for key, word in said.items() if word is not None},
    )


def _opened(repair: Repair, benches: Benches, kept: Kept, repos: Path | None, place: Path) -> _Work:
    instance = Instance.of(repair.row)
    repo = find_repository(instance.repo, repos, repair.beside, place / "clones")
    workspace = Workspace.make(repo, instance.base_commit, place / "base")
    gold = _gold(repair)
    try:
        fixed = workspace.apply(gold) if gold else None
    except PatchRefused as error:
        raise ConfigError(f"{repair.id!r}: its own patch cannot be used: {error}") from None
    return _Work(repair, instance, workspace, fixed, benches, kept)


def _gold(repair: Repair) -> str:
    patch = str(repair.row.get("patch") or "")
    return patch if patch.strip() else ""


@dataclass(frozen=True)
class _Work:
    """`fixed` is the workspace with the gold patch, None without one."""

    repair: Repair
    instance: Instance
    workspace: Workspace
    fixed: Workspace | None
    benches: Benches
    kept: Kept

    def recall(self) -> dict[str, Recall]:
        if self.fixed is None:
            return {}
        gold = touched(self.workspace, _gold(self.repair))
        return recalls(self.repair.report, self.repair.notes, self.workspace, gold, self.repair.window)

    async def grade(self, patch: str) -> str:
        id, hash = self.repair.id, hash_of(patch)
        if (before := self.kept.get("patch", id, hash)) is not None:
            return before
        bench = await self.benches.of(self.instance, self.workspace)
        with scope("grade", id):
            made = await grade(self.repair.row, patch, self.workspace, bench.sandbox, bench.suite)
        return self.kept.add("patch", id, hash, made.status, why=made.why)

    async def says(self, script: str, key: str) -> str:
        """What a reproduction test says after the gold patch."""
        assert self.fixed is not None, "there is a gold patch"
        id, hash = self.repair.id, f"{key}-{hash_of(_gold(self.repair))}"
        if (before := self.kept.get("script", id, hash)) is not None:
            return before
        bench = await self.benches.of(self.instance, self.workspace)
        with scope("script", id):
            return self.kept.add("script", id, hash, await run_script(bench.sandbox, bench.suite, self.fixed, script))
