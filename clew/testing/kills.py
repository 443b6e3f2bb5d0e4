"""A crash harness: runs in a child process, `kill -9` at chosen moments, and what must hold afterwards.

    killer = Killer()                             # the server calls killer.arrived() for every request
    crashes = crash(work, journal, killer, aims)  # work() runs everything; it is killed and started again until it ends
    assert not crashes.changed
    account(journal, arrivals).check()

Children are forked from the process that calls, so import what they need before: a kill then costs milliseconds. No
journal may be open in the parent while it forks. POSIX only.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clew.journal import Event, Journal
from clew.journal.runs import Watcher


@dataclass(frozen=True, slots=True)
class Aim:
    """When to kill: on the arrival of the n-th request at the server, before it is answered, or after some seconds.
    With neither, the child ends itself (`die`) or is left to finish."""

    arrivals: int | None = None
    seconds: float | None = None


class Killer:
    """Kills the current child. `arrived` is called by the server, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: int | None = None
        self._left: int | None = None

    def aim(self, child: int, aim: Aim) -> None:
        with self._lock:
            self._child, self._left = child, aim.arrivals

    def arrived(self) -> None:
        """Counts a request; kills when it is the one that was aimed at."""
        with self._lock:
            if self._left is None or self._child is None:
                return
            self._left -= 1
            if self._left == 0:
                os.kill(self._child, signal.SIGKILL)
                self._left = None

    def done(self) -> None:
        """The child was reaped: its pid may be another process now."""
        with self._lock:
            self._child = self._left = None


def die() -> None:
    """Called inside a child: `kill -9` right here."""
    os.kill(os.getpid(), signal.SIGKILL)


def run_killed(work: Callable[[], None], killer: Killer, aim: Aim = Aim()) -> bool:
    """Runs `work` in a forked child and kills it as aimed. Returns whether it was killed.

    Raises `AssertionError` when the child failed by itself; its traceback is on stderr.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)  # none of the parent's own clean-up
    killer.aim(child, aim)
    deadline = None if aim.seconds is None else time.monotonic() + aim.seconds
    try:
        while (ended := os.waitpid(child, 0 if deadline is None else os.WNOHANG))[0] == 0:
            if deadline is not None and time.monotonic() >= deadline:
                os.kill(child, signal.SIGKILL)
                deadline = None
            else:
                time.sleep(0.0005)
    finally:
        killer.done()
    code = os.waitstatus_to_exitcode(ended[1])
    assert code in (0, -signal.SIGKILL), f"the child ended with exit code {code}: its traceback is on stderr"
    return code != 0


class Seen:
    """What graphs were given, across processes: every outcome that reached one, as a line in a file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def watch(self, run: str) -> Watcher:
        """A `watch` for `clew.run`; appends in one write, so that a kill cuts no line."""
        file = os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)

        def saw(event: dict[str, Any]) -> None:
            if event["event"] in ("finished", "replayed") and "outcome" in event:
                line = json.dumps([run, event["place"], event["key"], event["outcome"]], sort_keys=True)
                os.write(file, line.encode() + b"\n")

        return saw

    def changed(self) -> list[tuple[str, str]]:
        """(run, place) of every effect that was seen with two outcomes."""
        values: dict[tuple[str, str, str], set[str]] = {}
        for line in self._path.read_text().splitlines():
            run, place, key, outcome = json.loads(line)
            values.setdefault((run, place, key), set()).add(json.dumps(outcome, sort_keys=True))
        return [(run, place) for (run, place, _), seen in values.items() if len(seen) > 1]


@dataclass(slots=True)
class Crashes:
    """`in_flight` counts the kills that left an effect between its start and its outcome. `changed` names what the
    journal held before a kill and holds otherwise, or no more, after it."""

    kills: int = 0
    in_flight: int = 0
    changed: list[str] = field(default_factory=list)


def crash(work: Callable[[], None], journal: str | os.PathLike[str], killer: Killer, aims: Iterable[Aim]) -> Crashes:
    """Runs `work` again and again, killed once for every aim, until it ends by itself (at the latest without an aim).

    `work` opens the journal, runs everything in it with fixed run ids, and must be the same every time."""
    crashes = Crashes()
    before: dict[tuple[str, str], str] = {}
    for aim in (*aims, Aim()):
        killed = run_killed(work, killer, aim)
        now, open_ends = _snapshot(journal)
        crashes.changed += [f"{run}: {what}" for (run, key), what in before.items() if now.get((run, key)) != what]
        before = now
        if not killed:
            break
        crashes.kills += 1
        crashes.in_flight += open_ends > 0
    return crashes


def _snapshot(path: str | os.PathLike[str]) -> tuple[dict[tuple[str, str], str], int]:
    """Every recorded outcome with its request, transcripts written out, and how many effects have none."""
    if not Path(path).exists():
        return {}, 0
    outcomes: dict[tuple[str, str], str] = {}
    open_ends = 0
    with Journal(path) as journal:
        for row in journal.runs():
            for event in journal.events(row.id):
                if event.state == "started":
                    open_ends += 1
                    continue
                said = [event.place, event.kind, event.state, _written_out(journal, event.request), event.outcome]
                outcomes[row.id, event.key] = json.dumps(said, sort_keys=True)
    return outcomes, open_ends


def _written_out(journal: Journal, request: Any) -> Any:
    if not isinstance(request, dict):
        return request
    return {
        name: journal.transcript(value["transcript"]).messages()
        if isinstance(value, dict) and value.keys() == {"transcript"}
        else value
        for name, value in request.items()
    }


@dataclass(frozen=True, slots=True)
class Account:
    """The journal beside the server's own count.

    An effect is marked as started before its request is sent. A kill between the two leaves an unknown that never
    arrived: `unsent`. So `arrivals == finished + unknowns - unsent`, and for every single request
    `finished <= arrivals <= finished + unknowns`; `wrong` names those for which that does not hold.
    """

    arrivals: int
    finished: int
    unknowns: int
    unsent: int
    wrong: list[str]

    def check(self) -> None:
        """Raises `AssertionError` when a request was paid for without a trace, or recorded without having been made."""
        assert not self.wrong, "\n".join(self.wrong)
        assert self.arrivals == self.finished + self.unknowns - self.unsent


def account(
    journal: str | os.PathLike[str],
    arrivals: Mapping[str, int],
    name: Callable[[str, Event], str | None] = lambda run, event: f"{run} {event.key}",
) -> Account:
    """Compares a journal with what a server counted.

    Args:
        arrivals: requests that arrived, by name.
        name: names the request of an effect as `arrivals` does, from its run and event; None for what is no request to
            that server. Effects with equal names are compared by their sum.
    """
    finished: Counter[str] = Counter()
    unknowns: Counter[str] = Counter()
    with Journal(journal) as opened:
        for row in opened.runs():
            for event in opened.events(row.id):
                called = None if event.state == "note" else name(row.id, event)
                if called is not None:
                    finished[called] += event.state != "started"
                    unknowns[called] += event.unknowns + (event.state == "started")
    wrong = [
        f"{called}: {arrivals.get(called, 0)} requests arrived for {finished[called]} outcomes and "
        f"{unknowns[called]} unknowns"
        for called in finished.keys() | arrivals.keys()
        if not finished[called] <= arrivals.get(called, 0) <= finished[called] + unknowns[called]
    ]
    total = sum(arrivals.values())
    unsent = finished.total() + unknowns.total() - total
    return Account(total, finished.total(), unknowns.total(), unsent, wrong)
