"""`repair --instances`: a SWE-bench file in, predictions out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from clew.cli import options, words
from clew.cli.progress import Line
from clew.cli.repair import unseen_by_git
from clew.cli.running import warnings_as_lines

if TYPE_CHECKING:
    from clew.agents.instances import Instance
    from clew.agents.many_repairs import Outcome
    from clew.agents.repair import Wanted
    from clew.config import Settings


def carry_out(file: Path, wanted: Wanted, settings: Settings, repos: str | None, parallel: int, as_json: bool) -> None:
    """Repairs the instances in `file`, keeps predictions and a side report up to date, shows a table, and ends with 0,
    with 1 when no instance has a patch, with 4 when a limit was reached, and with 5 when one failed."""
    import asyncio

    from clew.agents import history, many_repairs
    from clew.agents.instances import read_instances, read_rows
    from clew.agents.repair import check
    from clew.errors import ConfigError

    if wanted.then.out is None:
        raise ConfigError("--instances needs a file for the predictions: give --out preds.jsonl")
    out = options.file_to_write("--out", wanted.then.out)
    if out.suffix == ".json":
        raise ConfigError(f"--out {str(out)!r} gets JSON lines, which its ending denies: call it .jsonl")
    folder = options.folder_of_repositories(repos)
    check(replace(wanted, issue="as an instance says"), settings)
    instances = read_instances(file)
    before = read_rows(out) if out.exists() else []
    unseen_by_git()
    with (
        history.open_journal(settings) as book,
        Board(instances, out, before, many_repairs.author(wanted, settings)) as board,
        warnings_as_lines(board.once),
    ):
        try:
            outcomes = asyncio.run(
                many_repairs.repair_all(
                    instances, wanted, settings, journal=book, beside=file.absolute().parent, repos=folder,
                    parallel=parallel, watch=board,
                )
            )  # fmt: skip
        except KeyboardInterrupt:
            words.say("clew: interrupted; what is recorded is kept, the same command goes on where it was")
            raise typer.Exit(130) from None
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
    _show(outcomes, as_json)
    words.say(f"predictions are in {out}, a report in {board.side}")
    codes = {outcome.exit_code for outcome in outcomes}
    raise typer.Exit(5 if 5 in codes else 4 if 4 in codes else 0 if any(each.patch for each in outcomes) else 1)


class Board(Line):
    """How far it is: a line for each instance that ended. With each, predictions and report are written again."""

    def __init__(self, instances: Sequence[Instance], out: Path, before: list[dict[str, Any]], author: str) -> None:
        super().__init__()
        ids = {instance.instance_id for instance in instances}
        self.side = out.with_name(f"{out.name.removesuffix('.jsonl')}.report.jsonl")
        self._ids, self._out, self._author = [each.instance_id for each in instances], out, author
        self._others = [row for row in before if row.get("instance_id") not in ids]
        self._done: dict[str, Outcome] = {}
        self._running: dict[str, str] = {}
        self._warned: set[str] = set()
        self._begun = time.monotonic()

    def __call__(self, instance: Instance, what: Outcome | dict[str, Any] | None) -> None:
        id = instance.instance_id
        if what is None:
            self._running[id] = "begins"
        elif isinstance(what, dict):
            if what.get("event") == "note" and what.get("kind") == "stage":
                self._running[id] = str((what.get("data") or {}).get("stage", ""))
        else:
            self._running.pop(id, None)
            self._done[id] = what
            self._write()
            cost = what.report.get("cost")
            spent = f" · {words.count(cost['tokens'], 'token')}, {words.money(cost['usd'])}" if cost else ""
            self.above(f"{len(self._done):>4} of {len(self._ids)}  {id}: {words.clip(what.verdict, 120)}{spent}")

    def once(self, text: str) -> None:
        """Shows what every instance would say again."""
        if text not in self._warned:
            self._warned.add(text)
            self.above(text)

    def _write(self) -> None:
        from clew.agents.instances import write_rows
        from clew.agents.many_repairs import predictions

        outcomes = [self._done[id] for id in self._ids if id in self._done]
        write_rows(self._out, [*self._others, *predictions(outcomes, self._author)])
        write_rows(self.side, [outcome.to_row() for outcome in outcomes])

    def text(self) -> str:
        doing = ", ".join(f"{id} ({stage})" for id, stage in self._running.items())
        seconds = words.duration(time.monotonic() - self._begun)
        return f"{len(self._done)} of {words.count(len(self._ids), 'instance')} · {seconds} · {doing}"


def _show(outcomes: Sequence[Outcome], as_json: bool) -> None:
    if as_json:
        for outcome in outcomes:
            words.out_json(outcome.to_row())
        return
    rows = []
    for outcome in outcomes:
        cost = outcome.report.get("cost") or {"tokens": 0, "usd": 0, "seconds": 0}
        rows.append(
            [
                outcome.instance_id, outcome.run, "yes" if outcome.patch else "no", f"{cost['tokens']:,}",
                words.money(cost["usd"]), words.duration(cost["seconds"]), outcome.verdict,
            ]
        )  # fmt: skip
    words.table(["instance", "run", "patch", "tokens", "$", "time", "how it ended"], rows, right=(3, 4, 5))
    known = [outcome.report["cost"] for outcome in outcomes if "cost" in outcome.report]
    usd = None if any(cost["usd"] is None for cost in known) else sum(cost["usd"] for cost in known)
    tokens = words.count(sum(cost["tokens"] for cost in known), "token")
    patches = sum(bool(outcome.patch) for outcome in outcomes)
    fine = sum(outcome.exit_code == 0 for outcome in outcomes)
    total = words.count(len(outcomes), "instance")
    words.out(
        f"\n{total}: {patches} with a patch, {fine} with one that its tests speak for · {tokens} · {words.money(usd)}"
    )
