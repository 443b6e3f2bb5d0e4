"""A plugin for pytest, in the sandbox as `clew_watch`: selects tests by id, ends those that take too long, notes what
they really raised and, if asked, the lines that each ran.

Its orders come through standard input before any file of the repository is loaded: `seal`, a key to sign with at the
end; `select`, ids to run (None: all); `seconds` for each test; `cover`, whether to note lines; `folder`, where to
write; `root`, the repository.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import pytest

_OPTIMIZED = 0x1  # set for the code of functions, not for that of modules and classes


class Lines:
    """Lines of files below `root` that were run, between `begin` and `end`. Lines of modules and classes run once, when
    they are imported, and are kept apart in `modules`."""

    def __init__(self, root: str) -> None:
        self.root = os.path.join(os.path.realpath(root), "")
        self.modules: dict[str, set[int]] = {}
        self.now: dict[str, set[int]] = {}
        self._paths: dict[str, str | None] = {}

    def path(self, code: CodeType) -> str | None:
        """The file of `code` relative to the root; None for one elsewhere, or installed in an environment there."""
        name = code.co_filename
        if name not in self._paths:
            real = os.path.realpath(name)
            inside = real.startswith(self.root) and "site-packages" not in real and not name.startswith("<")
            self._paths[name] = real[len(self.root) :].replace(os.sep, "/") if inside else None
        return self._paths[name]

    def ran(self, code: CodeType, line: int | None) -> bool:
        path = self.path(code)
        if path is None:
            return False
        if not line:  # where a module begins, or what no line of the file stands for
            return True
        where = self.now if code.co_flags & _OPTIMIZED else self.modules
        where.setdefault(path, set()).add(line)
        return True

    def begin(self) -> None:
        self.now = {}


class Traced(Lines):
    """By `sys.settrace`, before Python 3.12."""

    def start(self) -> None:
        threading.settrace(self._call)
        sys.settrace(self._call)

    def begin(self) -> None:
        super().begin()
        sys.settrace(self._call)  # a test may have put another one in its place

    def _call(self, frame: FrameType, event: str, arg: Any) -> Any:
        return self._line if self.ran(frame.f_code, frame.f_code.co_firstlineno) else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            self.ran(frame.f_code, frame.f_lineno)
        return self._line


class Monitored(Lines):
    """By `sys.monitoring`: each line is told once for each test, so that loops cost nothing."""

    def start(self) -> None:
        monitoring = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        tool = next(n for n in (3, 4, 1, 5) if monitoring.get_tool(n) is None)
        monitoring.use_tool_id(tool, "clew")
        events, disable = monitoring.events, monitoring.DISABLE

        def line(code: CodeType, number: int) -> Any:
            self.ran(code, number)
            return disable

        def start(code: CodeType, offset: int) -> Any:
            self.ran(code, code.co_firstlineno)
            return disable

        monitoring.register_callback(tool, events.LINE, line)
        monitoring.register_callback(tool, events.PY_START, start)
        monitoring.set_events(tool, events.LINE | events.PY_START)

    def begin(self) -> None:
        super().begin()
        sys.monitoring.restart_events()  # type: ignore[attr-defined,unused-ignore]


class Watch:
    """The plugin. What it tells is written when pytest has ended by itself, reports and all, and sealed: whatever runs
    after that can change neither it nor the report, for this process has forgotten the seal."""

    def __init__(self, orders: dict[str, Any]) -> None:
        seal, self.folder, self.seconds = orders.pop("seal"), orders["folder"], orders["seconds"]
        self.select = None if orders["select"] is None else set(orders["select"])
        self.found: list[str] = []
        self.broken: dict[str, str] = {}
        self.raised: dict[str, list[str]] = {}
        self.covered: dict[str, dict[str, str]] = {}
        self.lines: Any = None
        if orders["cover"]:
            self.lines = (Monitored if sys.version_info >= (3, 12) else Traced)(orders["root"])
            self.lines.start()

        def sealed(text: str) -> str:
            return hmac.new(seal.encode(), text.encode(), hashlib.sha256).hexdigest()

        self.sealed: Any = sealed

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.broken[report.nodeid] = str(report.longrepr)[-2000:]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        if self.select is not None:
            left = [item for item in items if item.nodeid not in self.select]
            items[:] = [item for item in items if item.nodeid in self.select]
            config.hook.pytest_deselected(items=left)
        self.found = [item.nodeid for item in items]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Any:
        if self.lines is not None:
            self.lines.begin()
        yield
        if self.lines is not None:
            self.covered[item.nodeid] = {path: _ranges(lines) for path, lines in self.lines.now.items()}

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_setup(self, item: Any) -> Any:
        with self._timed():
            outcome = yield
        self._note(item, outcome)

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: Any) -> Any:
        with self._timed():
            outcome = yield
        self._note(item, outcome)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: Any) -> None:
        session = config.pluginmanager.get_plugin("session")
        self._write(int(getattr(session, "exitstatus", -1)))

    def _note(self, item: Any, outcome: Any) -> None:
        """Nearest to the test: what a hook further out makes of an exception is told by the report, not here."""
        if outcome.excinfo is not None and not issubclass(outcome.excinfo[0], pytest.skip.Exception):
            self.raised.setdefault(item.nodeid, []).append(outcome.excinfo[0].__name__)
        for excinfo in getattr(item, "_excinfo", None) or ():  # of unittest
            self.raised.setdefault(item.nodeid, []).append(excinfo.type.__name__)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        def late(number: int, frame: Any) -> None:
            pytest.fail(f"took longer than {self.seconds:g} s")

        before = signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _write(self, exit: int) -> None:
        told = {
            "exit": exit, "report": _digest(os.path.join(self.folder, "report.xml")), "tests": self.found,
            "broken": self.broken, "raised": self.raised, "dropped": _dropped,
        }  # fmt: skip
        if self.lines is not None:
            modules = {path: _ranges(lines) for path, lines in self.lines.modules.items()}
            lines = json.dumps({"tests": self.covered, "modules": modules}, sort_keys=True).encode()
            told["cover"] = base64.b64encode(zlib.compress(lines)).decode()
        text = json.dumps(told)
        sealed, self.sealed = self.sealed, None
        with open(os.path.join(self.folder, "watch.json"), "w", encoding="utf-8") as file:
            json.dump({"told": text, "seal": sealed(text)}, file)


def _digest(name: str) -> str:
    """Of a file; "" where there is none."""
    try:
        with open(name, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def _ranges(lines: set[int]) -> str:
    """{1, 2, 3, 7} as "1-3,7"."""
    pieces: list[list[int]] = []
    for line in sorted(lines):
        if pieces and line == pieces[-1][1] + 1:
            pieces[-1][1] = line
        else:
            pieces.append([line, line])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in pieces)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: Any, parser: Any, args: list[str]) -> Any:
    """Options of plugins that are not here, in the repository's own `addopts`, would end pytest at once: they are
    dropped, when the conftest files have added theirs. Tests run one after the other in this process."""
    yield
    known = early_config.known_args_namespace
    known.strict_config = False
    # An older pytest counts files among the unknown.
    unknown = {word for word in parser.parse_known_and_unknown_args(args)[1] if word.startswith("-")}
    kept: list[str] = []
    value = False  # whether the word may be the value of an option that was dropped
    for word in args:
        if word in unknown:
            _dropped.append(word)
        elif value and not word.startswith("-") and not os.path.exists(word.partition("::")[0]):
            _dropped[-1] += f" {word}"
        else:
            kept.append(word)
        value = word in unknown and "=" not in word
    args[:] = [*kept, "-n0"] if early_config.pluginmanager.hasplugin("xdist") else kept


def pytest_configure(config: Any) -> None:
    if _orders:
        config.pluginmanager.register(Watch(_orders), "clew_watch_hooks")


def _read() -> dict[str, Any]:
    with open(0, "rb", closefd=False) as stream:
        text = stream.read()
    orders: dict[str, Any] = json.loads(text) if text.strip() else {}
    return orders


_orders = _read()
_dropped: list[str] = []
