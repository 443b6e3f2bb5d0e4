"""A run: the effects of one task on one graph, recorded once and never paid for twice."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

from clew.errors import AmbiguousScope, ClewError, ConfigError, Refused, ReplayMiss
from clew.journal.address import RUN_KEY, Nodes, here, langgraph_config
from clew.journal.attempt import CostOf, End, Perform, attempt, inside_of
from clew.journal.cost import FREE, NO_LIMITS, Budget, Cost, Hold, Ledger
from clew.journal.identity import new_run_id
from clew.journal.record import Address, Known, Record
from clew.journal.redact import recordable, refresh
from clew.journal.store import Journal, RunRow
from clew.journal.transcript import Transcript

Mode = Literal["live", "strict", "lenient"]
Watcher = Callable[[dict[str, Any]], None]

RETRIABLE = frozenset({"failed", "refused", "cancelled"})
# How long a recorded cancellation is waited for, beyond the time that it took, while nothing else of the run moves.
PATIENCE_S = 1.0

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

_run: ContextVar[Run | None] = ContextVar("clew_run", default=None)


@dataclass(frozen=True, slots=True)
class Effect:
    """The outcome of an effect. `key` addresses it within its run; `replayed` tells that it was not performed now."""

    key: str
    outcome: dict[str, Any]
    cost: Cost
    replayed: bool


@dataclass(slots=True)
class _Trying:
    """An effect in flight, or waiting for room in the budget, and the node execution that asked for it."""

    key: str
    execution: object
    ended: asyncio.Event
    reserve: Cost = FREE


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
        if not self.retry <= RETRIABLE:
            raise ConfigError(f"retry={sorted(self.retry)!r} is unknown: give any of {sorted(RETRIABLE)}")
        refresh()
        self.nodes = Nodes()
        self.performed = self.replayed = 0
        self.root: asyncio.Task[Any] | None = None
        self.record = Record(journal, id, lease, lenient=mode == "lenient")
        known = self.record.known.values()
        self.ledger = Ledger(
            budget,
            sum((row.cost for row in known), Cost()),
            sum((row.at_risk() for row in known), Cost()),
        )
        self._holds: dict[str, Hold] = {}
        for row in known:
            if row.kind == "hold" and row.state == "finished" and row.reserve != FREE:
                self._hold(row, row.reserve).renew()
        self._watch = watch
        self._asked = 0
        self._over = False
        self._askers: dict[str, object] = {}
        self._in_flight: dict[tuple[str, ...], _Trying] = {}
        self._transcripts: OrderedDict[str, Transcript] = OrderedDict()

    # Transcripts ---------------------------------------------------------------------------------------------

    def keep(self, transcript: Transcript) -> str:
        """Stores a transcript and returns its head, the only thing of it that graph state holds."""
        if transcript.head not in self._transcripts and self.mode == "live":
            self.record.keep(transcript)
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
        return self.record.clock()

    def seed(self, *parts: object) -> int:
        """A 31-bit seed from the run id, the current address and `parts`: equal on every resume."""
        text = json.dumps([self.id, here(self.nodes).place, [str(part) for part in parts]])
        return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big") & 0x7FFFFFFF

    def emit(self, event: dict[str, Any]) -> None:
        """Tells watchers about progress; nothing is recorded."""
        if self._watch is not None:
            self._watch(event)

    def note(self, kind: str, data: dict[str, Any]) -> None:
        """Records a free event; the same note at the same address is recorded once."""
        data = recordable(kind, data)
        inside = inside_of.get()
        address, _, _ = self._address(kind, data, within="note:" + (f"{inside[0]}#{inside[1]}" if inside else ""))
        self.emit({"event": "note", "kind": kind, "place": address.place, "data": data})
        if self.record.find(address) is None and self.mode == "live":
            self.record.write(address, None, data, "note", parent=inside[0] if inside else None)

    def _tell(self, event: str, row: Known, **more: Any) -> None:
        if self._watch is not None:
            self._watch({"event": event, "kind": row.kind, "place": row.place, "key": row.key, **more})

    def hold(self, cost: Cost) -> Hold:
        """Sets budget aside for one later effect. Raises `Refused` when it does not fit; the decision is recorded."""
        request = cost.to_json()
        address, _, _ = self._address("hold", request)
        known = self.record.find(address)
        if known is not None and not self._again(known):
            if known.state == "refused":
                raise self._recorded_error(known)
            return self._hold(known, cost)
        if self.mode != "live":
            self._miss(address)
        try:
            self.ledger.check(cost)
        except Refused as refusal:
            self._refuse(address, known, request, refusal)
            raise
        hold = self._hold(self.record.write(address, known, request, "finished", reserve=cost), cost)
        hold.renew()
        return hold

    def _hold(self, row: Known, cost: Cost) -> Hold:
        """The one hold behind an event: on a resume it is as active as it was recorded."""
        if row.key not in self._holds:
            row.reserve = cost
            live = self.mode == "live"
            self._holds[row.key] = Hold(
                self.ledger, cost, lambda active: self.record.later(row, active) if live else None
            )
        return self._holds[row.key]

    def unused(self) -> list[tuple[int, str, str]]:
        """(seq, place, kind) of recorded effects that nobody asked for in this process."""
        return self.record.unused()

    # Effects -------------------------------------------------------------------------------------------------

    async def effect(
        self,
        kind: str,
        request: dict[str, Any],
        perform: Perform,
        *,
        reserve: Cost = FREE,
        cost: CostOf | None = None,
        hold: Hold | None = None,
    ) -> Effect:
        """See the module function `effect`."""
        request, transcripts = self._request(kind, request)
        parent = inside[0] if (inside := inside_of.get()) else ""
        if self._over and not parent:
            raise asyncio.CancelledError(f"the run {self.id!r} is over")
        address, base, execution = self._address(kind, request, within=parent)
        await self._side_by_side(address, base, execution)
        if hold is not None:
            hold.release()
        known = self.record.find(address)
        if known is not None and not self._again(known):
            if known.state != "cancelled":
                return self._recorded(known)
            await self._until_cancelled(known)
        if self.mode != "live":
            self._miss(address)
        trying = self._in_flight[base] = _Trying(address.key, execution, asyncio.Event())
        try:
            await self._room(reserve, nested=bool(parent))
            row = self.record.start(address, known, request, reserve, transcripts, parent or None)
            self.ledger.reserve(reserve)
            trying.reserve = reserve
            self._tell("started", row, request=request)
            end = await self._try(kind, (row.key, row.unknowns), perform, reserve, cost)
            self._settle(row, end, reserve)
        except Refused as refusal:
            self._refuse(address, known, request, refusal)
            raise
        finally:
            del self._in_flight[base]
            trying.ended.set()
        if end.error is not None:
            raise end.error
        return Effect(row.key, end.outcome, end.spent, False)

    async def _room(self, reserve: Cost, nested: bool) -> None:
        """Returns when `reserve` fits the budget. What calls in flight have reserved is mostly given back when they
        end, so that money which only they keep is waited for. Raises `Refused`."""
        while True:
            if self._seconds_left() == 0:
                raise Refused("seconds", f"all {self.budget.seconds:g} s are used")
            try:
                return self.ledger.check(reserve)
            except Refused as refusal:
                limit = refusal.limit if refusal.limit in ("tokens", "usd") else ""
                ends = [one.ended for one in self._in_flight.values() if limit and getattr(one.reserve, limit)]
                if nested or not ends:  # an effect inside of another one would wait for that
                    raise
                self.ledger.check(reserve, in_flight=False)
            await ends[0].wait()

    async def end(self) -> None:
        """No effect begins any more. Those that a failure beside them left in flight (LangGraph's ToolNode does so) end
        and are recorded first; a run that is stopped does not wait."""
        self._over = True
        while self._in_flight and not self._stopping():
            await next(iter(self._in_flight.values())).ended.wait()

    def _request(self, kind: str, request: dict[str, Any]) -> tuple[dict[str, Any], list[Transcript]]:
        """The request as it is recorded, with transcripts as their heads, and those transcripts."""
        transcripts = {name: value for name, value in request.items() if isinstance(value, Transcript)}
        for transcript in transcripts.values():
            self._remember(transcript)
        heads = {name: {"transcript": transcript.head} for name, transcript in transcripts.items()}
        return recordable(kind, {**request, **heads}), list(transcripts.values())

    def _address(self, kind: str, request: dict[str, Any], within: str = "") -> tuple[Address, tuple[str, ...], object]:
        """The address of the event that is asked for now, what it has in common with equal ones, and the execution that
        asks. Counts one more occurrence."""
        self._asked += 1
        place, execution = here(self.nodes)
        base = (place, kind, blake2b(_canonical(request).encode(), digest_size=16).hexdigest(), within)
        occurrence = self.nodes.count(execution, base)
        ordinal = self.nodes.count(execution, (place, kind, within))
        key = blake2b("\0".join((*base, str(occurrence))).encode(), digest_size=16).hexdigest()
        return Address(key, place, kind, ordinal, within), base, execution

    async def _side_by_side(self, address: Address, base: tuple[str, ...], execution: object) -> None:
        """Raises `AmbiguousScope` for equal effects that only a scope could tell apart. A retried node may meet what
        its failed execution has left in flight: it waits for that outcome."""
        rival = self.nodes.rivals(execution, self._askers.get(address.key, execution))
        while (trying := self._in_flight.get(base)) is not None and not rival:
            rival = trying.key != address.key or trying.execution not in self.nodes.failed
            if not rival:
                await trying.ended.wait()
        if rival:
            raise AmbiguousScope(
                f"two equal {address.kind!r} effects stand side by side at {address.place or 'the top of the run'!r}: "
                'give each branch and each graph called in code its own scope, as in: with scope("sample", i)'
            )
        self._askers[address.key] = execution

    def _again(self, known: Known) -> bool:
        """Whether a recorded effect is performed (again): nobody saw its outcome, the caller asked for a retry, or it
        was cancelled in this process, whose node now tries again."""
        if known.fresh:
            return known.state == "cancelled"
        return known.state == "started" or (known.state in self.retry and self.mode == "live")

    def _recorded(self, known: Known) -> Effect:
        self.replayed += 1
        if known.state in ("failed", "refused"):
            self._tell("replayed", known, cost=known.cost)
            raise self._recorded_error(known)
        outcome = self.journal.outcome(known.seq)
        self._tell("replayed", known, cost=known.cost, outcome=outcome)
        return Effect(known.key, outcome, known.cost, True)

    def _recorded_error(self, known: Known) -> ClewError:
        outcome = self.journal.outcome(known.seq)
        return ClewError.rebuild(outcome["cause"], outcome["message"])

    async def _until_cancelled(self, known: Known) -> None:
        """Waits for the decision that cancelled an effect, which will come again. Returns when it does not: nothing
        else of the run moves, for longer than it took then."""
        asked, since = self._asked, time.monotonic()
        while time.monotonic() - since < known.seconds + PATIENCE_S:
            await asyncio.sleep(0.02)
            if self._in_flight or self._asked != asked:
                asked, since = self._asked, time.monotonic()

    def _refuse(self, address: Address, known: Known | None, request: dict[str, Any], refusal: Refused) -> None:
        outcome = {"cause": "Refused", "message": str(refusal)}
        self.record.write(address, known, request, "refused", outcome=outcome, parent=address.within or None)
        self.emit({"event": "refused", "kind": address.kind, "place": address.place, "limit": refusal.limit})

    def _miss(self, address: Address) -> None:
        raise ReplayMiss(
            f"replay of run {self.id!r} asked for {address.kind!r} at {address.place or 'the top of the run'!r}, "
            "which has no recorded outcome: the graph, its settings or its version changed, or the run never finished "
            "(resume it)"
        )

    def _seconds_left(self) -> float | None:
        return None if self.budget.seconds is None else max(self.budget.seconds - self.clock(), 0.0)

    async def _try(
        self, kind: str, inside: tuple[str, int], perform: Perform, reserve: Cost, cost: CostOf | None
    ) -> End:
        token = inside_of.set(inside)
        try:
            return await attempt(kind, perform, reserve, cost, self._seconds_left(), self._stopping)
        finally:
            inside_of.reset(token)

    def _stopping(self) -> bool:
        return self.root is not None and self.root.cancelling() > 0

    def _settle(self, row: Known, end: End, reserve: Cost) -> None:
        """Records how a try ended, and moves its reservation to what was, or may have been, spent."""
        self.ledger.settle(reserve, end.spent, end.possibly)
        if end.state == "unknown":
            return
        if end.state == "unperformed":
            self.record.drop(row)
            return
        self.record.finish(row, end.state, end.outcome, end.spent, end.possibly, end.seconds)
        if end.state == "finished":
            self.performed += 1
            self._tell("finished", row, cost=end.spent, outcome=end.outcome)
        else:
            self._tell(end.state, row, error=str(end.error))


def enter(run: Run) -> None:
    """Makes `run` the current one, outside of any effect."""
    _run.set(run)
    inside_of.set(None)


def current() -> Run:
    """The run that this code belongs to; outside of any, one that records nothing."""
    run: Run | None = _run.get() or (langgraph_config().get("configurable") or {}).get(RUN_KEY)
    if run is None:
        from clew.journal.loose import loose_run

        return loose_run()
    return run


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

    `kind` names it ("model", "search", "read", ...). `request` is a JSON object that says all that decides its
    outcome; a `Transcript` may stand under a top-level key. `perform` returns a JSON object, which is recorded and
    returned; when the run is resumed or replayed the record is returned and `perform` is not called. `reserve` is
    checked against the budget before, `cost(outcome)` is what it really cost (default: what was reserved); an error
    that has a `cost` of its own says what the failure may have cost. `hold` is budget that was set aside for this
    effect.

    Raises `Refused` when a limit does not allow it, `AmbiguousScope` when an equal effect is in flight at the same
    address, `ConfigError` for a request that is not JSON, the `ClewError` that `perform` raised, and `EffectFailed` for
    any other exception of it.
    """
    return await current().effect(kind, request, perform, reserve=reserve, cost=cost, hold=hold)


def note(kind: str, data: dict[str, Any]) -> None:
    """Records a free event (a hint, a verdict, a reward, a visit count) at the current address of the current run."""
    current().note(kind, data)
