"""Sessions: programs that see what earlier ones defined. A session is its history; the interpreter is only a cache of
it."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any
from weakref import WeakKeyDictionary, ref

from clew.errors import ConfigError, SandboxFailed
from clew.journal import Hold, note

from .door import performed, recorded
from .pool import Slots
from .types import Execution, Interpreter, Limits, Sandbox

MOST_INTERPRETERS = 16


@dataclass(frozen=True, slots=True)
class Past:
    """A program of a session's history. `kept`: its definitions are there for the next one, which they are unless the
    interpreter ended with it (time, memory, a crash). `said` is a hash of what came out."""

    program: str
    kept: bool
    said: str


class Session:
    """A notebook: programs run one after another in one namespace. Names bound before an exception stay bound.

    Each program is one effect, whose request holds a hash of the programs before it. A program whose outcome is
    recorded is not run; the interpreter is started, and the recorded programs run again in it, only when a new program
    needs them. A program that ended its interpreter (time, memory, `os._exit`) leaves nothing: the next one finds the
    state from before it. `history` is JSON; a session made with it goes on where this one stood, in any process.
    """

    def __init__(self, sandbox: Sandbox, history: Sequence[dict[str, Any]] = (), limits: Limits | None = None) -> None:
        try:
            self._past = [Past(**entry) for entry in history]
        except TypeError as error:
            raise ConfigError(f"the history of a session is a list made by Session.history ({error})") from error
        self._sandbox, self._limits, self._running = sandbox, limits, False

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    @property
    def history(self) -> list[dict[str, Any]]:
        """The programs so far, for graph state."""
        return [asdict(past) for past in self._past]

    async def run(self, program: str, limits: Limits | None = None, *, hold: Hold | None = None) -> Execution:
        """Runs the next program; an effect of kind `program` as `clew.sandbox.run`, with the same errors. The value of
        a last line that is an expression is printed. Run one at a time."""
        limits = limits or self._limits
        if self._running:
            raise ConfigError(
                "a session runs one program at a time: await the first one, or go on beside it with another session "
                "that has the same history"
            )

        async def perform() -> dict[str, Any]:
            cache = interpreters(self._sandbox)
            interpreter = await self._interpreter(cache, limits)
            try:
                outcome = await performed(interpreter.run(program, limits))
            except BaseException:
                await cache.end(interpreter)
                raise
            await cache.park(_digest([*self._past, _past(program, Execution(**outcome))]), interpreter)
            return outcome

        request = {"program": program, "before": _digest(self._past)}
        self._running = True
        try:
            execution = await recorded(self._sandbox, request, limits, perform, hold)
        finally:
            self._running = False
        self._past.append(_past(program, execution))
        return execution

    async def close(self) -> None:
        """Ends the interpreter, if there is one. The session can go on: it is rebuilt when a program needs it."""
        await interpreters(self._sandbox).drop(_digest(self._past))

    async def _interpreter(self, cache: Interpreters, limits: Limits | None) -> Interpreter:
        """One whose state is that of the history: the one at hand, or a new one in which the programs run again."""
        kept = [past for past in self._past if past.kept]
        at_hand = await cache.take(_digest(self._past))
        if at_hand is not None:
            return at_hand
        interpreter = await cache.new()
        try:
            differ = [n for n, past in enumerate(kept) if await self._again(interpreter, n, past, limits) != past.said]
        except BaseException:
            await cache.end(interpreter)
            raise
        if kept:
            note("session_rebuilt", {"programs": len(kept), "differ": differ})
        return interpreter

    async def _again(self, interpreter: Interpreter, n: int, past: Past, limits: Limits | None) -> str:
        usual = limits or self._sandbox.limits
        execution = await interpreter.run(past.program, replace(usual, seconds=2 * usual.seconds + 10))
        if execution.lost:
            raise SandboxFailed(
                f"the session could not be rebuilt: its program {n + 1} ended with {execution.status} this time, "
                "and did not before"
            )
        return _said(execution)


def session(sandbox: Sandbox, history: Sequence[dict[str, Any]] = (), limits: Limits | None = None) -> Session:
    """A new session, or one that goes on after `history`; also an async context manager. Leaving that ends the
    interpreter; without it, interpreters stay for whoever goes on with the same history, until the sandbox closes."""
    return Session(sandbox, history, limits)


class Interpreters:
    """The resident interpreters of a sandbox: at most `most`, at work or parked. A parked one is found by the history
    that it is the state of; the oldest ends when a new one needs its place."""

    def __init__(self, sandbox: Sandbox, most: int = MOST_INTERPRETERS) -> None:
        self._sandbox = ref(sandbox)
        self._most, self._pid = most, os.getpid()
        self._slots = Slots(most)
        self._parked: OrderedDict[str, list[Interpreter]] = OrderedDict()

    async def take(self, digest: str) -> Interpreter | None:
        """A live interpreter in that state, to be parked or ended; None when there is none."""
        if self._pid != os.getpid():
            # A fork of the process: they are the parent's.
            self._pid, self._slots, self._parked = os.getpid(), Slots(self._most), OrderedDict()
        while found := self._pop(digest):
            if found.alive:
                return found
            await self.end(found)
        return None

    async def new(self) -> Interpreter:
        """A new interpreter, to be parked or ended; waits while `most` are at work."""
        sandbox = self._sandbox()
        assert sandbox is not None, "who asks has the sandbox"
        if not self._slots.free and self._parked:
            await self.drop(next(iter(self._parked)))
        await self._slots.take()
        try:
            return await sandbox.interpreter()
        except BaseException:
            self._slots.give()
            raise

    async def park(self, digest: str, interpreter: Interpreter) -> None:
        """Keeps an interpreter for who goes on with that history, unless another one waits for its place."""
        if self._slots.wanted or not interpreter.alive:
            await self.end(interpreter)
            return
        self._parked.setdefault(digest, []).append(interpreter)
        self._parked.move_to_end(digest)

    async def end(self, interpreter: Interpreter) -> None:
        try:
            await interpreter.close()
        finally:
            self._slots.give()

    async def drop(self, digest: str) -> None:
        """Ends one interpreter in that state, if one is parked."""
        if found := self._pop(digest):
            await self.end(found)

    def _pop(self, digest: str) -> Interpreter | None:
        found = self._parked.get(digest)
        if not found:
            return None
        interpreter = found.pop()
        if not found:
            del self._parked[digest]
        return interpreter


_interpreters: WeakKeyDictionary[Sandbox, Interpreters] = WeakKeyDictionary()


def interpreters(sandbox: Sandbox) -> Interpreters:
    """The parked interpreters of a sandbox."""
    return _interpreters.setdefault(sandbox, Interpreters(sandbox))


def _past(program: str, execution: Execution) -> Past:
    return Past(program, not execution.lost, _said(execution))


def _said(execution: Execution) -> str:
    return _hash([execution.exit_code, execution.stdout])


def _digest(past: Sequence[Past]) -> str:
    return _hash([[one.program, one.kept] for one in past])


def _hash(value: Any) -> str:
    return sha256(json.dumps(value).encode()).hexdigest()[:32]
