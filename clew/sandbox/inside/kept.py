"""Memory for what belongs to one program: a forked process does not get it, so the next program cannot find it there.

Everything else of the fork server's memory is shared with every program by the fork, so data of programs never passes
through ordinary Python objects in it.
"""

from __future__ import annotations

import mmap
import os

PIECE = 1 << 16


def private(size: int) -> memoryview:
    """`size` bytes of zeros that no child of this process will have."""
    memory = mmap.mmap(-1, max(size, 1))
    memory.madvise(mmap.MADV_DONTFORK)
    return memoryview(memory)[:size]


class Kept:
    """At most `limit` bytes of a stream: the first half from its beginning, the second from its end."""

    def __init__(self, limit: int) -> None:
        self.total = 0
        self._head, self._tail = private(limit - limit // 2), private(limit // 2)
        self._piece = private(PIECE)
        self._in_head = self._at = 0

    def read(self, descriptor: int) -> int:
        """Takes what a descriptor has to give now; returns how much, 0 at its end. Raises `BlockingIOError`."""
        size = os.readv(descriptor, [self._piece])
        self.feed(self._piece[:size])
        return size

    def feed(self, data: memoryview) -> None:
        self.total += len(data)
        room = min(len(self._head) - self._in_head, len(data))
        self._head[self._in_head : self._in_head + room] = data[:room]
        self._in_head += room
        data = data[room:][-len(self._tail) :] if len(self._tail) else data[:0]
        # The tail is a ring: what comes goes over what is oldest.
        before_end = min(len(data), len(self._tail) - self._at)
        self._tail[self._at : self._at + before_end] = data[:before_end]
        self._tail[: len(data) - before_end] = data[before_end:]
        if len(self._tail):
            self._at = (self._at + len(data)) % len(self._tail)

    def parts(self) -> tuple[list[memoryview], list[memoryview], int]:
        """(head, tail, bytes left out between them), each in pieces that follow one another."""
        after_head = self.total - self._in_head
        if after_head <= len(self._tail):
            return [self._head[: self._in_head]], [self._tail[:after_head]], 0
        return [self._head], [self._tail[self._at :], self._tail[: self._at]], after_head - len(self._tail)
