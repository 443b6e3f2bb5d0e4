"""Cells that wait for programs: a fixed number of them, started a few at a time, thrown away at the first doubt."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable

from .cell import Cell

# Starting a container keeps the daemon and the kernel busy; many at once make all of them slow.
STARTS_AT_ONCE = 2
_starting = threading.BoundedSemaphore(STARTS_AT_ONCE)

Start = Callable[[], Awaitable[Cell]]


class Slots:
    """At most `most` holders at once; usable from several event loops. Whoever waits is served in order."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._free = most
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits."""
        return any(not waiting.done() for waiting in self._waiting)

    @property
    def free(self) -> int:
        return self._free

    async def take(self) -> None:
        """Returns with a slot that is the caller's until `give`."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self.give()
            raise

    def give(self) -> None:
        """Hands the slot to who waits longest."""
        with self._lock:
            while self._waiting:
                waiting = self._waiting.popleft()
                loop = waiting.get_loop()
                if not loop.is_closed() and not waiting.done():
                    loop.call_soon_threadsafe(self._hand, waiting)
                    return
            self._free += 1

    def _hand(self, waiting: asyncio.Future[None]) -> None:
        if waiting.done():
            self.give()  # who waited has been cancelled in the meantime
        else:
            waiting.set_result(None)


class Pool:
    """At most `size` cells at work; usable from several event loops. Cells start when they are first needed."""

    def __init__(self, start: Start, size: int) -> None:
        self._start, self._size, self._pid = start, size, os.getpid()
        self._slots = Slots(size)
        self._lock = threading.Lock()
        self._idle: list[Cell] = []
        self._busy: set[Cell] = set()
        self._closing: set[asyncio.Future[None]] = set()

    async def take(self) -> Cell:
        """A cell of one's own until `give`, `detach` or `throw`; waits while all are at work. Raises
        `SandboxFailed`."""
        if self._pid != os.getpid():
            # A fork of the process: the cells are the parent's, and a lock that it held stays so.
            self.__init__(self._start, self._size)  # type: ignore[misc]  # all anew, and nothing else
        await self._slots.take()
        try:
            while (cell := self._pop()) and not cell.alive:
                self.close_later(cell)
            cell = cell or await self._start()
        except BaseException:
            self._slots.give()
            raise
        with self._lock:
            self._busy.add(cell)
        return cell

    def give(self, cell: Cell) -> None:
        """Takes a cell back for the next program."""
        with self._lock:
            closed = cell not in self._busy
            self._busy.discard(cell)
            if not closed:
                self._idle.append(cell)
        self._slots.give()

    def detach(self, cell: Cell) -> None:
        """Lets a cell go, which is closed by whoever took it: another may take its place."""
        with self._lock:
            self._busy.discard(cell)
        self._slots.give()

    def throw(self, cell: Cell) -> None:
        """Ends a cell that may not be what it was."""
        self.detach(cell)
        self.close_later(cell)

    async def warm(self) -> None:
        """Starts the cells that do not run yet."""
        cells = await asyncio.gather(*(self.take() for _ in range(self._slots.free)))
        for cell in cells:
            self.give(cell)

    async def close(self) -> None:
        """Ends all cells, and returns when they are gone."""
        with self._lock:
            cells, self._idle = [*self._idle, *self._busy], []
            self._busy.clear()
        for cell in cells:
            self.close_later(cell)
        mine = asyncio.get_running_loop()
        await asyncio.gather(*(closing for closing in self._closing if closing.get_loop() is mine))

    def _pop(self) -> Cell | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def close_later(self, cell: Cell) -> None:
        """Closes in a thread: a daemon takes its time."""
        closing = asyncio.get_running_loop().run_in_executor(None, cell.close)
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


def _closed(starting: asyncio.Future[Cell]) -> None:
    if starting.exception() is None:
        starting.result().close()


async def started(start: Callable[[], Cell]) -> Cell:
    """Calls a blocking `start` in a thread, few at once in the whole process. A caller that is cancelled leaves nothing
    running."""

    def one() -> Cell:
        with _starting:
            return start()

    starting = asyncio.get_running_loop().run_in_executor(None, one)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_closed)
        raise
