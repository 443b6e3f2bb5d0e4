"""A plugin for pytest, in the sandbox as `clew_batch`: tries many small edits of a repository in one run of pytest.

Pytest starts once. Before it loads anything of the repository it forks, one child for each edit and one after the
other: the child finds the edited file in place and goes on as an ordinary run of pytest, which ends when nothing can
come of the edit any more. The parent puts the file back, ends whatever the child left running, and prints a line. Times
are those of CPU, so that a busy machine changes no verdict: a child may take `seconds` and a few times what the first
one needed, which runs without an edit.

Orders come through standard input, as for `clew_watch`: `seal`, a word that begins each printed line; `root`;
`targets`, ids of tests, or files of them, that should pass; `mutants`, objects of `path`, `start`, `end` (bytes of the
file), `text` to put there, and `near`, ids of tests that should still pass; `seconds`; `each`, seconds of one test;
`memory`, bytes for a child.

Lines are `seal number verdict passed`, number from 0, and -1 for the child without an edit; `passed` counts targets.
Verdicts: `pass` (all), `some`, `near` (some or all, and something near fails), `fail`, `died` (it did not come to its
end, or was too late), and a second line with `hurt` when files of the repository are missing now: nothing more is tried
here.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

_SUBREAPER = 36
_FACTOR = 4
_LONGEST_FIRST = 300
# Wall time that a child may take, as a multiple of its CPU time: it may wait for others, but not for ever.
_WAITS = 4


class Batch:
    """The parent."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self.orders, self.root = orders, os.path.realpath(orders["root"])
        self.out = os.dup(1)
        self.seconds = _LONGEST_FIRST

    def run(self) -> Child:
        """Returns in a child alone, with the child's hooks."""
        _adopt()
        mine = self._child(-1)
        if mine is not None:
            return mine
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds = int(self.orders["seconds"] + _FACTOR * (used.ru_utime + used.ru_stime))
        sizes = self._sizes()
        for number, mutant in enumerate(self.orders["mutants"]):
            path = os.path.join(self.root, mutant["path"])
            try:
                before = _replaced(path, mutant, number)
            except OSError:
                self._print(number, "hurt 0")
                break
            mine = self._child(number, mutant["near"])
            if mine is not None:
                return mine
            _restored(path, before)
            if self._sizes() != sizes:
                self._print(number, "hurt 0")
                break
        os._exit(0)

    def _child(self, number: int, near: list[str] | None = None) -> Child | None:
        reads, writes = os.pipe()
        child = os.fork()
        if not child:
            os.close(reads)
            os.setsid()
            _lower(resource.RLIMIT_CPU, self.seconds)
            _lower(resource.RLIMIT_AS, self.orders["memory"])
            return Child(self.orders, near, writes, self.root)
        os.close(writes)
        said = _heard(reads, self.seconds * _WAITS)
        os.close(reads)
        _end(child)
        self._print(number, said)
        return None

    def _print(self, number: int, said: str) -> None:
        os.write(self.out, f"\n{self.orders['seal']} {number} {said}\n".encode())

    def _sizes(self) -> dict[str, int]:
        """The sources of the repository: tests that remove them judge nothing any more."""
        found = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                if name.endswith(".py"):
                    path = os.path.join(folder, name)
                    found[path] = os.lstat(path).st_size
        return found


class Child:
    """The hooks of a child; `near=None` for the one without an edit, which runs all tests and fills the caches of
    compiled modules. What it says at its end saves a run of the tests, and is trusted no further."""

    def __init__(self, orders: dict[str, Any], near: list[str] | None, out: int, root: str) -> None:
        self.targets, self.each = orders["targets"], orders["each"]
        self.near, self.out, self.first = set(near or ()), out, near is None
        self.passed: set[str] = set()
        self.left = 0
        self.bad = self.near_bad = self.hangs = False
        sys.dont_write_bytecode = not self.first
        quiet = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(quiet, stream)
        _forget(root)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        targets = {*self.targets}
        mine = [item for item in items if item.nodeid in targets or item.nodeid.partition("::")[0] in targets]
        # Targets first: most edits end there.
        near = [item for item in items if item.nodeid in self.near]
        kept = {id(item) for item in (*mine, *near)}
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in kept])
        items[:] = [*mine, *near]
        self.left = len(mine)

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        def late(number: int, frame: Any) -> None:
            self.hangs = True
            pytest.fail("took too long")

        signal.signal(signal.SIGPROF, late)
        signal.setitimer(signal.ITIMER_PROF, self.each)
        yield
        signal.setitimer(signal.ITIMER_PROF, 0)

    def pytest_collectreport(self, report: Any) -> None:
        self.bad = self.bad or report.failed

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.nodeid in self.near:
            self.near_bad = self.near_bad or report.failed
        elif report.failed or report.skipped:
            self.bad = True
        elif report.when == "call":
            self.passed |= {report.nodeid, report.nodeid.partition("::")[0]}

    def pytest_runtest_logfinish(self) -> None:
        self.left -= 1
        # Where a test still hangs, others would too.
        if not self.first and (self.hangs or self.near_bad or (self.left <= 0 and not self.passed)):
            self.tell()

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        self.tell()

    def tell(self) -> None:
        passed = sum(target in self.passed for target in self.targets)
        whole = passed == len(self.targets) and not self.bad
        said = "near" if passed and self.near_bad else "pass" if whole else "some" if passed else "fail"
        os.write(self.out, f"{said} {passed}".encode())
        os._exit(0)


def _replaced(path: str, mutant: dict[str, Any], number: int) -> tuple[bytes, int, int]:
    """Edits a file; what it was before. Its time becomes one that no compiled module was made from."""
    with open(path, "rb") as file:
        data = file.read()
    about = os.stat(path)
    text = mutant["text"].encode("utf-8", "surrogatepass")
    with open(path, "wb") as file:
        file.write(data[: mutant["start"]] + text + data[mutant["end"] :])
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + (number + 1) * 2_000_000_000))
    return data, about.st_atime_ns, about.st_mtime_ns


def _restored(path: str, before: tuple[bytes, int, int]) -> None:
    data, accessed, modified = before
    try:
        with open(path, "wb") as file:
            file.write(data)
        os.utime(path, ns=(accessed, modified))
    except OSError:
        pass  # its folder is gone, which shows


def _heard(reads: int, seconds: float) -> str:
    """What a child says before it ends, or its time does."""
    ready, _, _ = select.select([reads], [], [], seconds)
    said = os.read(reads, 32).decode("ascii", "replace") if ready else ""
    return said if re.fullmatch(r"(pass|some|near|fail) \d+", said) else "died 0"


def _lower(limit: int, to: int) -> None:
    hard = resource.getrlimit(limit)[1]
    if hard == resource.RLIM_INFINITY or to < hard:
        resource.setrlimit(limit, (to, to))


def _adopt() -> None:
    """What a child leaves running becomes a child of this process, and can be found."""
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _end(child: int) -> None:
    """Kills a child, its group, and all that came from it, as long as more of it appears, for a second at most."""
    _kill(os.killpg, child)
    for _ in range(1000):
        for each in _children():
            _kill(os.kill, each)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.001)


def _kill(kill: Any, process: int) -> None:
    with suppress(OSError):
        kill(process, signal.SIGKILL)


def _children() -> Iterator[int]:
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                    yield int(name)
        except OSError:
            pass


def _forget(root: str) -> None:
    """Drops modules of the repository that pytest itself has loaded: it uses some packages that people repair."""
    for name, module in list(sys.modules.items()):
        place = getattr(module, "__file__", None)
        if place and os.path.realpath(place).startswith(root + os.sep) and "site-packages" not in place:
            del sys.modules[name]


def _read() -> dict[str, Any]:
    with open(0, "rb", closefd=False) as stream:
        text = stream.read()
    orders: dict[str, Any] = json.loads(text) if text.strip() else {}
    return orders


_orders = _read()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> Iterator[None]:
    """Before the repository's own conftest files, and before pytest captures what is printed."""
    if _orders:
        early_config.pluginmanager.register(Batch(_orders).run(), "clew_batch_child")
    yield
