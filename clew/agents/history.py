"""Recorded runs as people look at them: what was spent, what happened, what is left to do."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clew.config import Settings
from clew.errors import JournalError, RunBusy
from clew.journal import Cost, Event, Journal, RunRow


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has cost. `cost` is known; `possibly` may have been paid for outcomes that nobody saw. `seconds` is
    the run's active time, pauses between processes not counted; `effects` counts those with an outcome."""

    cost: Cost
    possibly: Cost
    seconds: float
    effects: int
    unknowns: int

    def to_json(self) -> dict[str, Any]:
        """tokens, usd (null: price unknown), seconds, model_calls, searches, effects, and `possibly` where not zero."""
        cost = self.cost
        usd = None if cost.usd is None else round(cost.usd, 9)
        data: dict[str, Any] = {"tokens": cost.tokens, "usd": usd, "seconds": round(self.seconds, 3)}
        data |= {"model_calls": cost.model_calls, "searches": cost.searches, "effects": self.effects}
        if self.cost.estimated:
            data["estimated"] = True
        if self.unknowns:
            data["possibly"] = self.possibly.to_json()
        return data


def open_journal(settings: Settings, *, must_exist: bool = False) -> Journal:
    """The journal of the settings. Raises `JournalError`, with `must_exist` also for a missing file: a look at old runs
    should not create an empty journal at a mistyped path."""
    path = Path(settings.journal).expanduser()
    if must_exist and not path.exists():
        raise JournalError(
            f"there is no journal at {str(path)!r}: clew ask starts one, --journal FILE names another place"
        )
    return Journal(path)


def spent(journal: Journal, run: str) -> Spent:
    """Sums a run's events; what a fork inherited was paid by its parent."""
    cost, possibly, seconds, effects, unknowns = Cost(), Cost(), 0.0, 0, 0
    for row in journal.index(run):
        if row.inherited or row.state == "note":
            continue
        open_end = row.state == "started"
        cost += row.cost
        possibly += row.possibly + row.reserve if open_end else row.possibly
        seconds = max(seconds, row.at + (row.seconds or 0.0))
        effects += not open_end and row.kind != "hold"
        unknowns += row.unknowns + open_end
    return Spent(cost, possibly, seconds, effects, unknowns)


def free(journal: Journal, row: RunRow) -> None:
    """Marks a run whose owner is gone as stopped. Raises `RunBusy` while a live process owns it."""
    if row.status == "running":
        # Only who takes the lease learns whether its owner still lives.
        journal.release(row.id, journal.acquire(row.id), status="stopped")


def status(journal: Journal, row: RunRow) -> str:
    """In one word: running, stopped (killed or interrupted: resume goes on), or how the answer ended."""
    if row.status == "running":
        try:
            free(journal, row)
        except RunBusy:
            return "running"
        except JournalError:
            pass  # nothing can be written now (a full disk, say); it is free all the same
        return "stopped"
    return str(row.answer["status"]) if row.answer else row.status


@dataclass(frozen=True, slots=True)
class Step:
    """One event in words: `what` says in one line what was asked and what came of it."""

    event: int
    place: str
    kind: str
    state: str
    what: str
    cost: Cost
    at: float
    seconds: float | None
    inherited: bool

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "cost": self.cost.to_json()}


def steps(journal: Journal, run: str) -> list[Step]:
    """The events of a run in the order of their start."""
    found = []
    for event in journal.events(run):
        what = _what(journal, event)
        found.append(
            Step(
                event.seq, event.place, event.kind, event.state, what,
                event.cost, round(event.at, 3), event.seconds, event.inherited,
            )
        )  # fmt: skip
    return found


def _what(journal: Journal, event: Event) -> str:
    request, outcome = event.request or {}, event.outcome or {}
    if event.kind == "stage" and event.state == "note":
        from clew.agents.repair_report import said

        return said(request)
    if event.state in ("failed", "refused"):
        return f"{_asked(event.kind, request)} → {outcome.get('message', event.state)}".removeprefix(" → ")
    if event.state in ("started", "cancelled"):
        return _asked(event.kind, request)
    if event.kind == "model":
        calls = [f"{c['function']['name']}({c['function']['arguments']})" for c in outcome.get("tool_calls") or []]
        return " ".join([outcome.get("text", "").strip() or outcome.get("reasoning", "").strip(), *calls]).strip()
    if event.kind == "search" and "hits" in outcome:
        return f"{_asked(event.kind, request)} → {len(outcome['hits'])} hits"
    if event.kind == "read":
        return f"{_asked(event.kind, request)} → {len(outcome.get('text', '')):,} characters"
    if event.kind == "program" and "exit_code" in outcome:
        return program_words(request, outcome)
    if event.kind == "probe":
        return f"{request.get('model', '')} → {(outcome.get('capabilities') or {}).get('transport', '')}"
    return _asked(event.kind, request)


def program_words(request: dict[str, Any], outcome: dict[str, Any]) -> str:
    """What ran and the first line that came of it: `print(6 * 7) → 42`, `12 lines → ZeroDivisionError: division by
    zero`, `assert double(2) == 4 → passed`."""
    from clew.sandbox import Execution
    from clew.scoring.unit_tests import tried

    if test := tried(request, outcome):
        return test
    done = Execution(**outcome)
    lines = [line for line in done.stdout.splitlines() if line.strip()] or ["no output"]
    tests = _tests_asked(request)
    first = lines[-1 if tests else 0]  # a runner of tests ends with its sum
    if done.status == "error" and not tests:
        first = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.exit_code}"
    came = {"timeout": "timeout", "oom": "out of memory", "killed": f"signal {-done.exit_code}"}.get(done.status, first)
    return f"{_asked('program', request)} → {came.strip()}"


def _asked(kind: str, request: dict[str, Any]) -> str:
    if kind == "model":
        return str(request.get("model", ""))
    if kind == "program":
        if told := _tests_asked(request):
            return told
        lines = str(request.get("program") or " ".join(request.get("argv") or ())).strip().splitlines()
        return lines[0] if len(lines) == 1 else f"{len(lines)} lines"
    for name in ("query", "source", "text"):
        if isinstance(request.get(name), str):
            return str(request[name])
    return ", ".join(f"{k}={v}" for k, v in request.items() if isinstance(v, str | int | float))


def _tests_asked(request: dict[str, Any]) -> str:
    """What was asked of a run of a repository's tests; empty for another program."""
    argv = request.get("argv") or [""]
    if not argv[-1].endswith("/runner.py"):
        return ""
    try:
        orders = json.loads(request["stdin"])
        words, select = orders["argv"], (orders.get("watch") or {}).get("select")
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""
    if "--collect-only" in words:
        return "finding tests"
    if "clew_batch" in words:
        return "a batch of changes"
    return f"{len(select)} tests" if select else " ".join(map(str, words))


def conversation(journal: Journal, event: Event) -> list[tuple[str, str, str]]:
    """(role, origin, text) of every segment that a model call was sent; empty for other events, and for a call that was
    refused and so never sent."""
    if event.state == "refused":
        return []
    head = (event.request or {}).get("transcript")
    if not isinstance(head, dict) or "transcript" not in head:
        return []
    return [(s.role, s.origin, s.text) for s in journal.transcript(head["transcript"]).segments]
