"""A run: the effects of one task on one graph, recorded once and never paid for twice."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import sys
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Literal

from clew.errors import AmbiguousScope, ClewError, EffectFailed, Refused, ReplayMiss
from clew.journal.address import RUN_KEY, Nodes, here, langgraph_config
from clew.journal.cost import FREE, NO_LIMITS, Budget, Cost, Hold, Ledger
from clew.journal.redact import redact, redact_json
from clew.journal.store import Journal, RunRow
from clew.journal.transcript import Transcript

Mode = Literal["live", "strict", "lenient"]
Watcher = Callable[[dict[str, Any]], None]

_run: ContextVar[Run | None] = ContextVar("clew_run", default=None)
_inside: ContextVar[str | None] = ContextVar("clew_effect", default=None)


@dataclass(frozen=True, slots=True)
class Effect:
    """The outcome of an effect. `key` addresses it within its run; `replayed` tells that it was not performed now."""

    key: str
    outcome: dict[str, Any]
    cost: Cost
    replayed: bool


@dataclass(frozen=True, slots=True)
class _Address:
    """Where an event stands. `base` is (place, kind, request hash), `ordinal` counts kinds whatever the request."""

    key: str
    base: tuple[str, str, str]
    ordinal: int

    @property
    def place(self) -> str:
        return self.base[0]

    @property
    def kind(self) -> str:
        return self.base[1]


@dataclass(slots=True)
class _Known:
    """What is recorded about one event, without its texts."""

    seq: int
    key: str
    place: str
    kind: str
    state: str
    parent: str | None = None
    reserve: Cost = FREE
    cost: Cost = FREE
    possibly: Cost = FREE
    unknowns: int = 0
    used: bool = False

    def at_risk(self) -> Cost:
        """What may have been paid for outcomes that nobody saw."""
        return self.possibly + self.reserve if self.state == "started" else self.possibly


class Run:
    """A live (or replayed) run. Code inside a graph reaches it with `current()`.

    `retry` names recorded outcomes that are performed again: any of `failed`, `refused`, `cancelled`.
    """

    def __init__(
        self,
        journal: Journal,
        id: str,
        *,
        budget: Budget = NO_LIMITS,
        mode: Mode = "live",
        retry: Collection[str] = (),
        lease: str | None = None,
        watch: Watcher | None = None,
    ) -> None:
        self.journal, self.id, self.budget, self.mode = journal, id, budget, mode
        self.retry, self.lease = frozenset(retry), lease
        self.nodes = Nodes()
        self.performed = self.replayed = 0
        self.root: asyncio.Task[Any] | None = None
        self._watch = watch
        self._known: dict[str, _Known] = {}
        # By (place, kind, ordinal), whatever the request: what a fork inherited, and everything in a lenient replay.
        self._by_ordinal: dict[tuple[str, str, int], _Known] = {}
        self._in_flight: set[tuple[str, str, str]] = set()
        self._transcripts: OrderedDict[str, Transcript] = OrderedDict()
        self._tick = 0
        self._clock_base = self._load()
        self._clock_start = time.monotonic()
        effects = self._known.values()
        self.ledger = Ledger(
            budget,
            sum((row.cost for row in effects if row.state == "finished"), Cost()),
            sum((row.at_risk() for row in effects), Cost()),
        )

    def _load(self) -> float:
        """Reads what is recorded; returns the active seconds so far."""
        clock = 0.0
        for row in self.journal.index(self.id):
            spent = Cost() if row.inherited else row.cost
            known = _Known(
                row.seq, row.key, row.place, row.kind, row.state, row.parent,
                row.reserve, spent, row.possibly, row.unknowns,
            )  # fmt: skip
            self._known[row.key] = known
            if row.inherited or self.mode == "lenient":
                self._by_ordinal[row.place, row.kind, row.ordinal] = known
            if not row.inherited:
                clock = max(clock, row.at + (row.seconds or 0.0))
            self._tick = max(self._tick, row.begun, row.ended or 0)
        return clock

    # Transcripts ---------------------------------------------------------------------------------------------

    def keep(self, transcript: Transcript) -> str:
        """Stores a transcript and returns its head, the only thing of it that graph state holds."""
        if transcript.head not in self._transcripts and self.mode == "live":
            with self.journal.transaction() as db:
                self.journal.put_transcript(db, transcript)
        self._remember(transcript)
        return transcript.head

    def transcript(self, head: str) -> Transcript:
        """The transcript that ends in `head`. Raises `JournalError` when this journal has none."""
        known = self._transcripts.get(head)
        if known is None:
            known = self.journal.transcript(head)
        self._remember(known)
        return known

    def _remember(self, transcript: Transcript) -> None:
        self._transcripts[transcript.head] = transcript
        self._transcripts.move_to_end(transcript.head)
        # A chain shares its prefix with its children, so that even many heads are small; text is what must not pile up.
        while len(self._transcripts) > 512:
            self._transcripts.popitem(last=False)

    # Small services ------------------------------------------------------------------------------------------

    def clock(self) -> float:
        """Active seconds of this run, earlier processes included, pauses between them not."""
        return self._clock_base + time.monotonic() - self._clock_start

    def seed(self, *parts: object) -> int:
        """A 31-bit seed from the run id, the current address and `parts`: equal on every resume."""
        text = json.dumps([self.id, here(self.nodes).place, [str(part) for part in parts]])
        return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big") & 0x7FFFFFFF

    def emit(self, event: dict[str, Any]) -> None:
        """Tells watchers about progress; nothing is recorded."""
        if self._watch is not None:
            self._watch(event)

    def hold(self, cost: Cost) -> Hold:
        """Sets budget aside for one later effect. Raises `Refused` when it does not fit; the decision is recorded."""
        address, known = self._locate("hold", cost.to_json())
        if known is None or self._again(known):
            if self.mode != "live":
                self._miss(address)
            try:
                self.ledger.check(cost)
                refusal = None
            except Refused as error:
                refusal = error
            self._write(address, known, cost.to_json(), "refused" if refusal else "finished", refusal)
            if refusal is not None:
                raise refusal
        elif known.state == "refused":
            raise self._recorded_error(known)
        return Hold(self.ledger, cost)

    def note(self, kind: str, data: dict[str, Any]) -> None:
        """Records a free event; the same note at the same address is recorded once."""
        data = redact_json(data)
        address, known = self._locate(kind, data, within=_inside.get() or "")
        self.emit({"event": "note", "kind": kind, "place": address.place, "data": data})
        if known is None and self.mode == "live":
            self._write(address, None, data, "note", None)

    def unused(self) -> list[tuple[int, str, str]]:
        """(seq, place, kind) of recorded effects that nobody asked for in this process."""
        return [
            (row.seq, row.place, row.kind)
            for row in self._known.values()
            if not row.used and row.state not in ("note", "started") and row.parent is None and row.kind != "hold"
        ]

    # Effects -------------------------------------------------------------------------------------------------

    async def effect(
        self,
        kind: str,
        request: dict[str, Any],
        perform: Callable[[], Awaitable[dict[str, Any]]],
        *,
        reserve: Cost = FREE,
        cost: Callable[[dict[str, Any]], Cost] | None = None,
        hold: Hold | None = None,
    ) -> Effect:
        """See the module function `effect`."""
        transcripts = {name: value for name, value in request.items() if isinstance(value, Transcript)}
        for name, transcript in transcripts.items():
            request = {**request, name: {"transcript": transcript.head}}
            self._remember(transcript)
        request = redact_json(request)
        address, known = self._locate(kind, request)
        if known is not None and not self._again(known):
            return await self._recorded(known)
        if self.mode != "live":
            self._miss(address)
        if address.base in self._in_flight:
            raise AmbiguousScope(
                f"two equal {kind!r} effects are in flight at {address.place or 'the top of the run'!r}: "
                'give each branch its own scope, as in: with scope("sample", i)'
            )
        if hold is not None:
            hold.release()
        try:
            self.ledger.check(reserve)
            if self._seconds_left() == 0:
                raise Refused("seconds", f"all {self.budget.seconds:g} s are used")
        except Refused as refusal:
            self._write(address, known, request, "refused", refusal)
            self.emit({"event": "refused", "kind": kind, "place": address.place, "limit": refusal.limit})
            raise
        row = self._start(address, known, request, reserve, list(transcripts.values()))
        self._in_flight.add(address.base)
        try:
            return await self._perform(row, perform, reserve, cost)
        finally:
            self._in_flight.discard(address.base)

    def _locate(self, kind: str, request: dict[str, Any], within: str = "") -> tuple[_Address, _Known | None]:
        """The address of the event that is asked for now, and what is recorded there. Counts one more occurrence."""
        place, execution = here(self.nodes)
        canonical = json.dumps(request, sort_keys=True, separators=(",", ":"))
        base = (place, kind, blake2b(canonical.encode(), digest_size=16).hexdigest())
        occurrence = self.nodes.count(execution, (*base, within))
        ordinal = self.nodes.count(execution, (place, kind, within))
        key = blake2b("\0".join((*base, within, str(occurrence))).encode(), digest_size=16).hexdigest()
        known = self._known.get(key) or self._by_ordinal.get((place, kind, ordinal))
        if known is not None:
            known.used = True
        return _Address(key, base, ordinal), known

    def _again(self, known: _Known) -> bool:
        """Whether a recorded effect is performed (again): nobody saw its outcome, or the caller asked for a retry."""
        return known.state == "started" or (known.state in self.retry and self.mode == "live")

    async def _recorded(self, known: _Known) -> Effect:
        self.replayed += 1
        self.emit({"event": "replayed", "kind": known.kind, "place": known.place, "cost": known.cost})
        if known.state == "cancelled":
            # It was cancelled from outside, by a decision that is recorded too: that decision will come again.
            await asyncio.get_running_loop().create_future()
        if known.state in ("failed", "refused"):
            raise self._recorded_error(known)
        return Effect(known.key, self.journal.outcome(known.seq), known.cost, True)

    def _recorded_error(self, known: _Known) -> ClewError:
        outcome = self.journal.outcome(known.seq)
        return ClewError.rebuild(outcome["cause"], outcome["message"])

    def _miss(self, address: _Address) -> None:
        raise ReplayMiss(
            f"replay of run {self.id!r} asked for {address.kind!r} at {address.place or 'the top of the run'!r}, "
            "which has no recorded outcome: the graph, its settings or its version changed, or the run never finished (resume it)"
        )

    def _seconds_left(self) -> float | None:
        return None if self.budget.seconds is None else max(self.budget.seconds - self.clock(), 0.0)

    async def _perform(
        self,
        row: _Known,
        perform: Callable[[], Awaitable[dict[str, Any]]],
        reserve: Cost,
        cost: Callable[[dict[str, Any]], Cost] | None,
    ) -> Effect:
        begun = time.monotonic()
        token = _inside.set(f"{row.key}#{row.unknowns}")
        self.emit({"event": "started", "kind": row.kind, "place": row.place})
        try:
            async with asyncio.timeout(self._seconds_left()) as clock:
                outcome = redact_json(await perform())
            spent = replace(cost(outcome) if cost else reserve, seconds=round(time.monotonic() - begun, 6))
        except asyncio.CancelledError:
            # Ctrl-C and a closing loop leave the effect unknown, so that a resume performs it; a program that
            # cancels a branch has decided, and will decide the same again.
            self.ledger.lose(reserve)
            if self.root is None or not self.root.cancelling():
                self._finish(row, "cancelled", None, Cost(), begun)
            raise
        except Exception as error:
            if _is_control_flow(error):
                self.ledger.lose(reserve)
                raise
            failure = self._failure(row, error, clock.expired())
            self.ledger.lose(reserve)
            state = "refused" if isinstance(failure, Refused) else "failed"
            outcome = {"cause": type(failure).__name__, "message": str(failure)}
            self._finish(row, state, outcome, Cost(), begun)
            self.emit({"event": state, "kind": row.kind, "place": row.place, "error": str(failure)})
            raise failure from error
        finally:
            _inside.reset(token)
        self._finish(row, "finished", outcome, spent, begun)
        self.ledger.settle(reserve, spent)
        self.performed += 1
        self.emit({"event": "finished", "kind": row.kind, "place": row.place, "cost": spent, "outcome": outcome})
        return Effect(row.key, outcome, spent, False)

    def _failure(self, row: _Known, error: Exception, out_of_time: bool) -> ClewError:
        """What is raised now and on every replay: a foreign class could not be rebuilt from the journal."""
        if out_of_time and isinstance(error, TimeoutError):
            return Refused("seconds", f"all {self.budget.seconds:g} s were used during {row.kind!r}")
        if isinstance(error, ClewError):
            return ClewError.rebuild(type(error).__name__, redact(str(error)))
        return EffectFailed(redact(f"{row.kind} raised {type(error).__name__}: {error}"))

    # Writing -------------------------------------------------------------------------------------------------

    def _next_tick(self) -> int:
        self._tick += 1
        return self._tick

    def _start(
        self,
        address: _Address,
        known: _Known | None,
        request: dict[str, Any],
        reserve: Cost,
        transcripts: list[Transcript],
    ) -> _Known:
        with self.journal.transaction() as db:
            for transcript in transcripts:
                self.journal.put_transcript(db, transcript)
            if known is None:
                row = self._insert(db, address, request, "started", None, reserve)
            else:
                row = known
                row.possibly, row.unknowns = row.at_risk(), row.unknowns + (row.state == "started")
                row.state, row.reserve, row.cost = "started", reserve, Cost()
                self.journal.update_event(
                    db, self._token(), self.id, row.seq,
                    state="started", outcome=None, reserve=_dump(reserve), cost=None, possibly=_dump(row.possibly),
                    unknowns=row.unknowns, inherited=0, at=self.clock(), seconds=None,
                    begun=self._next_tick(), ended=None,
                )  # fmt: skip
        self._known[row.key] = row
        self.ledger.reserve(reserve)
        return row

    def _finish(self, row: _Known, state: str, outcome: dict[str, Any] | None, spent: Cost, begun: float) -> None:
        # Nobody knows what a failed, cancelled or overdue effect has cost.
        possibly = row.possibly if state == "finished" else row.at_risk()
        with self.journal.transaction() as db:
            self.journal.update_event(
                db, self._token(), self.id, row.seq,
                state=state, outcome=None if outcome is None else self.journal.pack(db, outcome), cost=_dump(spent),
                possibly=_dump(possibly), seconds=round(time.monotonic() - begun, 6), ended=self._next_tick(),
            )  # fmt: skip
        row.state, row.cost, row.possibly = state, spent, possibly

    def _write(
        self,
        address: _Address,
        known: _Known | None,
        request: dict[str, Any],
        state: str,
        refusal: Refused | None,
    ) -> None:
        """Records an event that has its outcome at once: a note, a refusal, a hold."""
        outcome = {"cause": "Refused", "message": str(refusal)} if refusal else None
        with self.journal.transaction() as db:
            if known is None:
                row = self._insert(db, address, request, state, outcome, Cost())
            else:
                row = known
                self.journal.update_event(
                    db, self._token(), self.id, row.seq, state=state,
                    outcome=self.journal.pack(db, outcome) if outcome else None,
                )  # fmt: skip
        row.state = state
        self._known[row.key] = row

    def _insert(
        self,
        db: sqlite3.Connection,
        address: _Address,
        request: dict[str, Any],
        state: str,
        outcome: dict[str, Any] | None,
        reserve: Cost,
    ) -> _Known:
        parent = (_inside.get() or "").partition("#")[0] or None
        tick = self._next_tick()
        seq = self.journal.insert_event(
            db, self._token(),
            run=self.id, key=address.key, place=address.place, kind=address.kind, ordinal=address.ordinal, state=state,
            request=self.journal.pack(db, request), outcome=self.journal.pack(db, outcome) if outcome else None,
            parent=parent, reserve=_dump(reserve), at=round(self.clock(), 6), begun=tick,
            ended=None if state == "started" else tick,
        )  # fmt: skip
        return _Known(seq, address.key, address.place, address.kind, state, parent, reserve, used=True)

    def _token(self) -> str:
        assert self.lease is not None, "a live run holds a lease"
        return self.lease


def current() -> Run:
    """The run that this code belongs to; outside of any, a new one in memory."""
    run: Run | None = _run.get() or langgraph_config().get("configurable", {}).get(RUN_KEY)
    return run if run is not None else scratch_run()


def in_run(config: dict[str, Any] | None = None) -> bool:
    """Whether this code, or a graph that is invoked with `config`, already belongs to a run."""
    configs = (langgraph_config(), config or {})
    return _run.get() is not None or any(RUN_KEY in (c.get("configurable") or {}) for c in configs)


def scratch_run() -> Run:
    """A new run in a journal of its own in memory."""
    journal = Journal.memory()
    id = new_run_id()
    journal.create_run(RunRow(id=id))
    return Run(journal, id, lease=journal.acquire(id))


def new_run_id() -> str:
    """A run id: eight characters, sortable by nothing, short enough to type."""
    return secrets.token_hex(4)


async def effect(
    kind: str,
    request: dict[str, Any],
    perform: Callable[[], Awaitable[dict[str, Any]]],
    *,
    reserve: Cost = FREE,
    cost: Callable[[dict[str, Any]], Cost] | None = None,
    hold: Hold | None = None,
) -> Effect:
    """Performs something that leaves the process, costs money or is random, once per run.

    `kind` names it ("model", "search", "read", ...). `request` is a JSON object that says all that decides its outcome;
    a `Transcript` may stand under a top-level key. `perform` returns a JSON object, which is recorded and returned; when
    the run is resumed or replayed the record is returned and `perform` is not called. `reserve` is checked against the
    budget before, `cost(outcome)` is what it really cost (default: what was reserved). `hold` is budget that was set
    aside for this effect.

    Raises `Refused` when a limit does not allow it, `AmbiguousScope` when an equal effect is in flight at the same
    address, the `ClewError` that `perform` raised, and `EffectFailed` for any other exception of it.
    """
    return await current().effect(kind, request, perform, reserve=reserve, cost=cost, hold=hold)


def note(kind: str, data: dict[str, Any]) -> None:
    """Records a free event (a hint, a verdict, a reward, a visit count) at the current address of the current run."""
    current().note(kind, data)


def _is_control_flow(error: Exception) -> bool:
    """LangGraph's own signals (an interrupt, a command to a parent graph) are no failure of the effect."""
    module = sys.modules.get("langgraph.errors")
    return module is not None and isinstance(error, module.GraphBubbleUp)


def _dump(cost: Cost) -> str | None:
    data = cost.to_json()
    return json.dumps(data, separators=(",", ":")) if data else None
