"""One fork server as the host sees it: a stream to talk through, and what is known when it ends."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from clew.errors import SandboxFailed

from .archive import Archive
from .inside.frames import PREFIX, Broken, header_of, lengths, pack, split
from .types import Limits

# Docker's own header of each piece of a container's output: 1 is stdout, 2 stderr, then its length.
_PIECE = struct.Struct("!BxxxI")
_STDERR = 2
_READ = 1 << 18
# Beyond the time limit that holds inside: for starting, killing and cleaning up on a busy machine.
GRACE_S = 15.0
_SLOWEST_BYTES_PER_S = 1 << 20

Answer = tuple[dict[str, Any], list[bytes]]
WhyGone = Callable[[int], Awaitable[str]]
Kill = Callable[[], None]


class Gone(Exception):
    """The stream ended: the fork server is no more."""


class Overdue(Exception):
    """The fork server did not answer in time, whatever keeps it."""


class Stream:
    """Bytes to and from a fork server over a non-blocking socket, from any event loop."""

    def __init__(self, sock: socket.socket, multiplexed: bool) -> None:
        sock.setblocking(False)
        self._sock, self._multiplexed = sock, multiplexed
        self._raw, self._data = bytearray(), bytearray()
        self.stderr = bytearray()

    async def send(self, data: bytes) -> None:
        try:
            await asyncio.get_running_loop().sock_sendall(self._sock, data)
        except OSError as error:
            raise Gone from error

    async def receive(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        while len(self._data) < size:
            try:
                piece = await loop.sock_recv(self._sock, _READ)
            except OSError as error:
                raise Gone from error
            if not piece:
                raise Gone
            self._take(piece)
        data = bytes(self._data[:size])
        del self._data[:size]
        return data

    def _take(self, piece: bytes) -> None:
        if not self._multiplexed:
            self._data += piece
            return
        self._raw += piece
        while len(self._raw) >= _PIECE.size:
            kind, size = _PIECE.unpack_from(self._raw)
            if len(self._raw) < _PIECE.size + size:
                return
            data = self._raw[_PIECE.size : _PIECE.size + size]
            del self._raw[: _PIECE.size + size]
            if kind == _STDERR:
                self.stderr = (self.stderr + data)[-2000:]
            else:
                self._data += data

    @property
    def open(self) -> bool:
        """False once the other side has closed. Nothing may be on its way."""
        try:
            return bool(self._sock.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def hang_up(self) -> None:
        """Ends the conversation for both sides; who waits for an answer learns of it."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._sock.close()


class Cell:
    """A fork server that runs. `kill` ends it from outside and may block; `why_gone` gets the time of the last request
    and says in words how the server ended, or nothing when the program is to blame for that."""

    def __init__(self, name: str, stream: Stream, limits: Limits, kill: Kill, why_gone: WhyGone) -> None:
        self.name, self.limits = name, limits
        self.hello: dict[str, Any] = {}
        self._stream, self._kill, self._why_gone = stream, kill, why_gone
        self._closed, self._asking, self._pid = False, False, os.getpid()
        self._asked_at = 0.0

    @property
    def alive(self) -> bool:
        return not self._closed and self._pid == os.getpid() and self._stream.open

    async def start(self, greeting: bytes, within: float) -> None:
        """Sends the fork server its sources and waits for its hello. Raises `SandboxFailed`."""
        try:
            async with asyncio.timeout(within):
                await self._stream.send(greeting)
                self.hello, _ = await self._frame(1 << 16)
        except (Gone, Broken, TimeoutError) as error:
            said = self._stream.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise SandboxFailed(
                f"the fork server in {self.name} did not start within {within:g} s"
                f" ({said or type(error).__name__}): the image needs python3, 3.9 or newer, that can start"
            ) from error

    async def ask(self, request: dict[str, Any], limits: Limits, data: bytes, archive: Archive | None) -> Answer:
        """What the fork server answers to one request, with a body of `data` and an archive. Whatever happens but an
        answer, the cell must be closed.

        Raises `Gone`, `Overdue`, or `SandboxFailed` when it breaks the protocol.
        """
        id = secrets.token_hex(8)
        longest = 4 * limits.output + limits.disk + (1 << 16)
        size = len(data) + (archive.size if archive else 0)
        self._asking, self._asked_at = True, time.time()
        patience = limits.seconds + GRACE_S + size / _SLOWEST_BYTES_PER_S
        try:
            async with asyncio.timeout(patience):
                await self._stream.send(pack({"id": id, "limits": limits.to_json(), **request}, size) + data)
                for piece in archive.pieces() if archive else ():
                    await self._stream.send(piece)
                header, parts = await self._frame(longest)
        except TimeoutError as error:
            raise Overdue from error
        except Broken as error:
            raise SandboxFailed(f"{self.name} broke the protocol: {error}; it was thrown away") from error
        finally:
            self._asking = False
            if self._closed:
                self._stream.close()
        if header.get("id") != id:
            raise SandboxFailed(f"{self.name} answered another request than the one that it got; it was thrown away")
        return header, parts

    async def _frame(self, longest: int) -> Answer:
        header_size, body_size = lengths(await self._stream.receive(PREFIX.size), longest)
        header = header_of(await self._stream.receive(header_size))
        sizes = header.get("sizes")
        if not isinstance(sizes, list) or not all(isinstance(size, int) for size in sizes):
            raise Broken("a frame does not say what its body holds")
        return header, split(await self._stream.receive(body_size), sizes)

    async def why_gone(self) -> str:
        return await self._why_gone(int(self._asked_at))

    def close(self) -> None:
        """Ends the fork server and everything in its place; may block for a moment."""
        if not self._closed:
            self._closed = True
            if self._pid != os.getpid():
                self._stream.close()  # a fork of the process has the descriptors too, but not the right
                return
            self._stream.hang_up()
            self._kill()
            if not self._asking:
                self._stream.close()  # never under the feet of an event loop that still waits
