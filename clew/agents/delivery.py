"""What becomes of a repair: its files, and its patch in the repository."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.agents import landing, repair_report
from clew.agents.repair import Plan, Then, plan_of
from clew.errors import RepositoryError

if TYPE_CHECKING:
    from clew.journal import Journal, RunRow
    from clew.task import Answer


@dataclass(frozen=True)
class Delivered:
    """A patch's files in `folder`, with the `report` in them. `landed` tells in words where the patch went besides,
    `refused` why it did not. `exit_code` is that of the command."""

    folder: Path
    report: Mapping[str, Any]
    exit_code: int
    landed: str = ""
    refused: str = ""


def deliver(journal: Journal, row: RunRow, answer: Answer) -> Delivered:
    """Writes `patch.diff`, `report.md` and `report.json` of a run that ended, and lands its patch as its plan says if
    no test speaks against it. Doing it again changes nothing."""
    plan = plan_of((row.recipe or {}).get("args") or {})
    own = plan.place.parent / row.id
    # A fork tries another way: it lands nowhere but in a folder of its own.
    then = plan.then if row.parent is None else Then()
    folder = Path(then.out) if then.out is not None else own
    report = repair_report.report(journal, row, plan, answer)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "patch.diff", answer.text)
    _write(folder / "report.md", repair_report.markdown(report))
    _write(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    code = exit_code(plan, answer)
    if code or not (then.apply or then.branch):
        wish = "--apply" if then.apply else f"--branch {then.branch}" if then.branch else ""
        return Delivered(
            folder, report, code, refused=f"{wish} waits for a patch that passes its tests" if wish else ""
        )
    try:
        return Delivered(folder, report, code, landed=_landed(plan, then, answer.text, report["issue"]))
    except RepositoryError as error:
        return Delivered(folder, report, 1, refused=str(error))


def exit_code(plan: Plan, answer: Answer) -> int:
    """0: a patch, and tests speak for it or none was to run; 4: a limit; 5: a model or a sandbox failed; 1: no patch,
    or tests speak against it."""
    ended = (answer.artifacts.get("repair") or {}).get("ended") or [""]
    if answer.status == "budget" or ended[0] == "budget":
        return 4
    if answer.status == "error" or ended[0] == "error":
        return 5
    untested = answer.status == "partial" and answer.stop_reason == "untested" and plan.lock is None
    return 0 if answer.text and (answer.status == "ok" or untested) else 1


def _landed(plan: Plan, then: Then, diff: str, issue: str) -> str:
    done = []
    repo, workspace = Path(plan.repo), plan.workspace
    if then.apply:
        written = landing.apply(diff, workspace, repo)
        done.append("written into the work tree" if written else "in the work tree already")
    if then.branch:
        first = " ".join(issue.strip().partition("\n")[0].split())
        title = first if len(first) <= 68 else f"{first[:67].rstrip()}…"
        made = landing.commit(diff, workspace, repo, then.branch, f"Fix: {title}\n")
        done.append(f"commit {made[:12]} on branch {then.branch}" if made else f"on branch {then.branch} already")
    return ", ".join(done)


def _write(file: Path, text: str) -> None:
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(text.encode("utf-8", "replace"))
    part.replace(file)
