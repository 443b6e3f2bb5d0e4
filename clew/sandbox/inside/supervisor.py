"""The fork server: gives each program a clean process, watches it, and leaves nothing of it behind.

It is the only process of the sandbox that outlives a program, it belongs to another user (or, without one, is out of
reach as PID 1), and it runs no code of a program. Requests and replies are frames of `frames`; one request is answered
at a time.
"""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

from .frames import PREFIX, header_of, lengths, pack
from .kept import PIECE, Kept, private
from .leftovers import clean, collect
from .program import SESSION_REPLY, SESSION_REQUEST, Misplaced, prepare, receive, run_command, run_program, run_session
from .refused import refusals, refuse
from .system import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, oom_kills, prctl

LONGEST_BODY = 1 << 40
# Of collected files together: they become text, and the text a record.
MOST_COLLECTED = 64 << 20
LONGEST_POLL_S = 3600.0  # the kernel counts milliseconds in 31 bits
READY, REFUSED = b"ready", b"files: "

# What goes back to the host, each part in pieces.
Parts = list[list[memoryview]]


def main(settings: dict[str, Any]) -> NoReturn:
    """Serves until the control stream closes or the lifetime is over. `settings`: `place`, see `Supervisor`, and on the
    host `jail`, see `jail.enter`."""
    place = settings["place"]
    active: dict[str, bool] = {}
    if "jail" in settings:
        from .jail import enter

        active = enter(settings["jail"], place)
    control = tuple(os.dup(number) for number in (0, 1))
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    server = Supervisor(place, *control)
    active["system calls"] = server.refused is not None
    server.serve({"python": sys.version.split()[0], "active": active})


class Session:
    """The resident interpreter: its process, the link to it, and its output."""

    def __init__(self, pid: int, link: socket.socket, streams: tuple[int, int]) -> None:
        self.pid, self.link, self.streams = pid, link, streams


class Supervisor:
    """`place` says where programs live:

    work         working directory, writable for all
    scratch      the other directories that programs can write to
    user         id of the user that programs belong to; None: the server's own
    environment  of programs
    rlimits      whether limits of memory, CPU time and processes are set per process (no cgroup does it)
    alone        whether every other process that this one can see belongs to programs
    lifetime     seconds after which the server ends when it has nothing to do
    folder       the working directory lies on the host, and goes with the server
    """

    def __init__(self, place: dict[str, Any], control_in: int, control_out: int) -> None:
        self.place, self.control_in, self.control_out = place, control_in, control_out
        self.session: Session | None = None
        self.ended: dict[int, int] = {}
        self.refused = refusals(memory=place["rlimits"])
        if place["alone"] and 1 not in (os.getpid(), os.getppid()):
            raise RuntimeError("a signal to all processes would be one to everybody's: this is no namespace of its own")
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        prctl(PR_SET_DUMPABLE, 0)
        self.wake, waker = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # What exists now is shared with every program until it writes: the collector shall not.
        gc.collect()
        gc.freeze()

    # Control -------------------------------------------------------------------------------------------------

    def serve(self, hello: dict[str, Any]) -> NoReturn:
        self._reply(hello, [])
        waiting, end = select.poll(), time.monotonic() + self.place["lifetime"]
        waiting.register(self.control_in, select.POLLIN)
        # An Engine that was killed may leave this server with a stream that never ends.
        while waiting.poll(max(0.0, end - time.monotonic()) * 1000):
            size, body = lengths(self._read(PREFIX.size), LONGEST_BODY)
            request = header_of(self._read(size))
            header, parts = {"task": self._task, "session": self._in_session}[request["do"]](request, body)
            self._reply({"id": request["id"], **header}, parts)
            del parts  # and with it the memory of this program
        self._vanish()

    def _reply(self, header: dict[str, Any], parts: Parts) -> None:
        sizes = [sum(len(piece) for piece in part) for part in parts]
        data = memoryview(pack({**header, "sizes": sizes}, sum(sizes)))
        for piece in (data, *(piece for part in parts for piece in part)):
            while piece:
                try:
                    piece = piece[os.write(self.control_out, piece) :]
                except OSError:
                    self._vanish()

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = os.read(self.control_in, min(size - len(data), PIECE))
            if not piece:
                self._vanish()
            data += piece
        return bytes(data)

    def _vanish(self) -> NoReturn:
        """The host is gone, or has enough: nothing stays."""
        self._kill_all()
        if "folder" in self.place:
            shutil.rmtree(self.place["folder"], ignore_errors=True)
        os._exit(0)

    # A task: one clean process -------------------------------------------------------------------------------

    def _task(self, request: dict[str, Any], body: int) -> tuple[dict[str, Any], Parts]:
        limits, ooms = request["limits"], oom_kills()
        out, err, files, ready = os.pipe(), os.pipe(), os.pipe(), os.pipe()
        stdin = os.open(os.devnull, os.O_RDONLY)
        pid = os.fork()
        if pid == 0:
            self._become_task(request, (stdin, out[1], err[1]), files[0], ready[1])
        for descriptor in (stdin, out[1], err[1], files[0], ready[1]):
            os.close(descriptor)
        self._forward(body, files[1])
        said = os.read(ready[0], PIECE)  # comes when the files lie there, or the process is gone
        os.close(ready[0])
        begun = time.monotonic()
        kept = {out[0]: Kept(limits["output"]), err[0]: Kept(limits["output"])}
        status, _ = self._watch(pid, dict(kept), begun + limits["seconds"])
        seconds = time.monotonic() - begun
        killed = self._kill_all(pid)
        for descriptor, stream in kept.items():
            _drain(descriptor, stream)
            os.close(descriptor)
        header = _ending(killed if status is None else status, seconds, status is None)
        if said.startswith(REFUSED):
            header["files_refused"] = said[len(REFUSED) :].decode("utf-8", "replace")
        elif said != READY:
            header["failed"] = said.decode("utf-8", "replace") or "its process was killed before it began"
        found = collect(self.place, request["collect"], min(limits["disk"], MOST_COLLECTED))
        parts, cut = _output(kept)
        more = {"oom": oom_kills() > ooms, "cut": cut, "files": list(found), "suspect": not clean(self.place)}
        return {**header, **more}, [*parts, *([piece] for piece in found.values())]

    def _become_task(self, request: dict[str, Any], stdio: tuple[int, int, int], files: int, ready: int) -> NoReturn:
        try:
            files, ready = prepare(self.place, request["limits"], stdio, (files, ready))
            program = receive(files, request["program"], request["stdin"], request["files"])
            self._refuse()
            os.write(ready, READY)
            os.close(ready)
            if request["command"]:
                run_command(json.loads(program))
            run_program(program.decode("utf-8", "surrogatepass"))
        except Misplaced as error:
            os.write(ready, REFUSED + str(error)[:4000].encode("utf-8", "replace"))
        except BaseException as error:
            os.write(ready, f"{type(error).__name__}: {error}"[:4000].encode("utf-8", "replace"))
        finally:
            os._exit(1)

    def _refuse(self) -> None:
        if self.refused is not None:
            refuse(self.refused)

    def _forward(self, left: int, target: int) -> None:
        """Passes the body of a request on to the process that it is for, unread."""
        memory, open_still = private(PIECE), True
        while left:
            size = os.readv(self.control_in, [memory[: min(left, PIECE)]])
            if not size:
                self._vanish()
            left -= size
            piece = memory[:size]
            try:
                while open_still and piece:
                    piece = piece[os.write(target, piece) :]
            except OSError:
                open_still = False  # that process ended early; the rest of the body must leave the stream all the same
        os.close(target)

    # A session: one process for many programs ------------------------------------------------------------------

    def _in_session(self, request: dict[str, Any], body: int) -> tuple[dict[str, Any], Parts]:
        limits, ooms, nonce = request["limits"], oom_kills(), os.urandom(16)
        source = self._read(body)  # no other program will ever run in this place
        session = self.session = self.session or self._start_session(request)
        self._signal_all(signal.SIGCONT)
        kept = {descriptor: Kept(limits["output"]) for descriptor in session.streams}
        begun = time.monotonic()
        session.link.setblocking(True)
        with suppress(OSError):  # it has ended, which the watch sees
            session.link.sendall(SESSION_REQUEST.pack(nonce, len(source)) + source)
        status, reply = self._watch(session.pid, dict(kept), begun + limits["seconds"], session.link)
        seconds = time.monotonic() - begun
        honest = len(reply) == SESSION_REPLY.size and reply.startswith(nonce)
        lost = status is not None or not honest
        if lost:
            killed = self._kill_all(session.pid)
            header = _ending(killed if status is None else status, seconds, status is None and not reply)
            self.session = None
        else:
            # Between programs a session stands still, whatever it left running.
            self._signal_all(signal.SIGSTOP)
            header = {"exit": SESSION_REPLY.unpack(reply)[1], "seconds": seconds, "timed_out": False}
        for descriptor, stream in kept.items():
            _drain(descriptor, stream)
        parts, cut = _output(kept)
        more = {"oom": oom_kills() > ooms, "cut": cut, "files": [], "lost": lost, "forged": bool(reply) and not honest}
        return {**header, **more}, parts

    def _start_session(self, request: dict[str, Any]) -> Session:
        out, err = os.pipe(), os.pipe()
        ours, theirs = socket.socketpair()
        null = os.open(os.devnull, os.O_RDONLY)
        pid = os.fork()
        if pid == 0:
            try:
                (link,) = prepare(self.place, request["limits"], (null, out[1], err[1]), (theirs.fileno(),))
                self._refuse()
                run_session(link, request["seed"])
            finally:
                os._exit(1)
        theirs.close()
        for descriptor in (null, out[1], err[1]):
            os.close(descriptor)
        for descriptor in (out[0], err[0]):
            os.set_blocking(descriptor, False)
        return Session(pid, ours, (out[0], err[0]))

    # Watching and killing ------------------------------------------------------------------------------------

    def _watch(
        self, pid: int, streams: dict[int, Kept], deadline: float, link: socket.socket | None = None
    ) -> tuple[int | None, bytes]:
        """Keeps output until the process ends (its wait status), the session replies (the reply), or time is up."""
        poller = select.poll()
        for descriptor in (self.control_in, self.wake, *streams, *([link.fileno()] if link else [])):
            poller.register(descriptor, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            for descriptor, _ in poller.poll(min(left, LONGEST_POLL_S) * 1000 + 1):
                if descriptor == self.control_in:
                    self._vanish()  # the host asks one thing at a time, so this is the stream's end
                elif descriptor == self.wake:
                    _empty(self.wake)
                    self._reap()
                elif descriptor in streams:
                    if not streams[descriptor].read(descriptor):
                        poller.unregister(descriptor)
                elif link is not None:
                    reply = link.recv(SESSION_REPLY.size + 1)
                    if reply:
                        return self.ended.pop(pid, None), reply
                    poller.unregister(descriptor)
            if pid in self.ended:
                return self.ended.pop(pid), b""
        return None, b""

    def _reap(self) -> None:
        try:
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                self.ended[found[0]] = found[1]
        except ChildProcessError:
            pass

    def _signal_all(self, number: int) -> None:
        """Sends a signal to every process of programs."""
        if self.place["alone"]:
            with suppress(ProcessLookupError):
                os.kill(-1, number)
        else:
            for pid in _descendants(os.getpid()):
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue

    def _kill_all(self, pid: int = 0) -> int:
        """Ends every process of programs, wherever it hid: whoever loses its parent becomes this one's child. Returns
        the wait status of `pid`."""
        while True:
            self._signal_all(signal.SIGKILL)
            try:
                while True:
                    # A fork in flight may escape one signal to a list of processes, so without `alone` look again.
                    found, status = os.waitpid(-1, 0 if self.place["alone"] else os.WNOHANG)
                    if not found:
                        time.sleep(0.001)
                        break
                    self.ended[found] = status
            except ChildProcessError:
                status = self.ended.get(pid, signal.SIGKILL)
                self.ended.clear()
                return status


def _ending(status: int, seconds: float, timed_out: bool) -> dict[str, Any]:
    return {"exit": os.waitstatus_to_exitcode(status), "seconds": seconds, "timed_out": timed_out}


def _output(kept: dict[int, Kept]) -> tuple[Parts, list[int]]:
    parts: Parts = []
    cut = []
    for stream in kept.values():
        head, tail, between = stream.parts()
        parts += [head, tail]
        cut.append(between)
    return parts, cut


def _drain(descriptor: int, kept: Kept) -> None:
    """What lies in a pipe. Its writers are dead or stopped, so this ends."""
    os.set_blocking(descriptor, False)
    try:
        while kept.read(descriptor):
            pass
    except BlockingIOError:
        pass


def _empty(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        pass


def _descendants(pid: int) -> list[int]:
    """Every process under `pid`; those of a process that ended hang on the server, its subreaper."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found
