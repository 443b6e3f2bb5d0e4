"""Whether a mathematical answer equals a gold answer, by math-verify in a process of its own."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from clew.errors import ConfigError
from clew.scoring.scorers import Golds, Pointwise
from clew.scoring.verdict import Verdict
from clew.task import Task

# Beyond this a text is not an answer any more, and its grammar costs more than its verdict is worth.
LONGEST = 5_000
# Importing sympy on a busy machine.
_START_S = 120.0
# Two of these are compared here: equal digits need no algebra.
_PLAIN = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")


class Mathematics(Pointwise):
    r"""1 if math-verify finds the answer equal to a gold answer, else 0; `unknown` when it raises, takes longer than
    `seconds` for one comparison, or more memory than the worker has (1 GiB).

    Equal are 1/2, \frac12 and 0.5; \sqrt{12} and 2\sqrt{3}; {1, 2} and {2, 1}; x = 5 and 5; 0.5 and 50%, and also 50
    and 50%. Numbers are compared to six decimal places; intervals with regard to their ends; units are ignored. Answers
    of more than 5,000 characters are wrong. math-verify has false positives: (1, 2) passes for {1, 2}, and words are
    read as products of letters.

    All scorers of a process share one worker, which starts when it is first needed and again after a limit was hit;
    comparisons queue for it, from any number of event loops.
    """

    name = "mathematics"

    def __init__(self, golds: Golds, seconds: float = 10.0) -> None:
        if seconds <= 0:
            raise ConfigError(f"seconds={seconds!r} leaves no time for a comparison: give more than 0")
        super().__init__(golds)
        self.seconds = seconds

    async def compare(self, task: Task, text: str, golds: Sequence[str]) -> Verdict:
        if len(text) > LONGEST:
            return Verdict(value=0.0, label="wrong", feedback=f"{len(text)} characters are no answer")
        failed = False
        for gold in golds:
            found = _at_once(gold, text)
            if found is None:
                found = await equal(gold, text, self.seconds)
            if found:
                return Verdict(value=1.0, label="right")
            failed = failed or found is None
        if failed:
            return Verdict(value=None, feedback="math-verify could not compare the answer with the gold answer")
        return Verdict(value=0.0, label="wrong")


def _at_once(gold: str, text: str) -> bool | None:
    """The verdict on equal texts and on plain numbers; None for all others."""
    gold, text = gold.strip(), text.strip()
    if gold == text:
        return True
    if _PLAIN.fullmatch(gold) and _PLAIN.fullmatch(text):
        return True if gold.replace(",", "") == text.replace(",", "") else None
    return None


async def equal(gold: str, answer: str, seconds: float = 10.0) -> bool | None:
    """Whether math-verify finds `answer` equal to `gold`; None when it raises or takes longer than `seconds`."""
    worker, unwanted = _worker(), threading.Event()
    future = worker.pool.submit(worker.ask, gold, answer, seconds, unwanted)
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        unwanted.set()
        if future.running():
            worker.stop()
        raise


class _Worker:
    """The other process, and the one thread that talks to it. Only that thread starts and asks."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="clew-mathematics")
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def ask(self, gold: str, answer: str, seconds: float, unwanted: threading.Event) -> bool | None:
        line = json.dumps({"gold": gold, "answer": answer, "seconds": seconds}).encode() + b"\n"
        for _ in range(2):  # a worker that has died is not this answer's fault: once more in a new one
            if unwanted.is_set():
                return None
            try:
                process = self._started()
                assert process.stdin is not None
                process.stdin.write(line)
                reply = self._reply(process, seconds)
            except TimeoutError:
                self.stop()
                return None
            except (OSError, EOFError):
                self.stop()
                continue
            verdict = reply.get("equal")
            return verdict if isinstance(verdict, bool) else None
        return None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        # The worker reads what models wrote: no keys in its environment. A session of its own, so that Ctrl-C reaches
        # only this process, which ends the other.
        environment = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self._buffer = b""
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clew.scoring.mathworker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment, start_new_session=True, bufsize=0,
        )  # fmt: skip
        self._reply(process, _START_S)
        return process

    def _reply(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, object]:
        assert process.stdout is not None
        waiting, until = select.poll(), time.monotonic() + seconds
        waiting.register(process.stdout)
        while b"\n" not in self._buffer:
            if not waiting.poll(1000 * max(0.0, until - time.monotonic())):
                raise TimeoutError
            more = os.read(process.stdout.fileno(), 65_536)
            if not more:
                raise EOFError
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply = json.loads(line)
        return reply if isinstance(reply, dict) else {}

    def stop(self) -> None:
        """Kills the process, from any thread; the next comparison starts another."""
        process = self._process
        if process is not None:
            process.kill()
            process.wait()

    def let_go(self) -> None:
        """Closes this process's ends of the pipes: for a forked child, whose parent goes on asking."""
        process = self._process
        for pipe in (process.stdin, process.stdout) if process is not None else ():
            assert pipe is not None
            pipe.close()


_shared: _Worker | None = None
_sharing = threading.Lock()


def _worker() -> _Worker:
    global _shared
    with _sharing:
        if _shared is None:
            _shared = _Worker()
            atexit.register(_shared.stop)
        return _shared


def _after_fork() -> None:
    global _shared, _sharing
    if _shared is not None:
        atexit.unregister(_shared.stop)
        _shared.let_go()
    _shared, _sharing = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
