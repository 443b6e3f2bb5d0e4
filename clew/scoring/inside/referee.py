"""The process that runs a test, apart from the program under test, and says how it ended.

The two share no memory, the program never holds the test, and this process cannot be traced or read by the other (it is
not dumpable) and takes no code from it. So a program passes by returning the right values, and by nothing else.
"""

from __future__ import annotations

import ast
import builtins
import ctypes
import importlib.util
import inspect
import json
import math
import os
import re
import socket
import sys
import traceback
import unittest
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

from .link import Link, Remote, awaited
from .reading import LONGEST, Instrumented, Names, captures, statement

TEST = "test.py"
GONE = "the program ended before the test did"
_NOT_DUMPABLE = 4, 0  # PR_SET_DUMPABLE
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_ALIASES = {"np": "numpy", "pd": "pandas"}


class Failed(Exception):
    """A test that ended with a difference; its text says which."""


class Unrunnable(Exception):
    """A test that cannot judge any program here; its text says why."""


def main() -> NoReturn:
    """Reads `{"program", "test"}` from standard input and writes `{"outcome", "obtained", "detail", "where"}` to
    standard output, where nobody else can write."""
    if ctypes.CDLL(None).prctl(*_NOT_DUMPABLE, 0, 0, 0):
        os._exit(1)
    out = os.dup(1)
    os.dup2(2, 1)
    here = os.getcwd()
    # The program can write to the working directory.
    sys.path[:] = [path for path in sys.path if path and os.path.abspath(path) != here]
    sys.modules["clew_inside"].__path__ = []
    given = json.loads(sys.stdin.buffer.read())
    link = _start(given["program"])
    referee = Referee(link, given["test"])
    report = referee.report()
    os.write(out, json.dumps(report).encode())
    os._exit(0)


def _start(program: str) -> Link:
    """A fresh process of the program. It inherits the error stream and the link, and no memory."""
    ours, theirs = socket.socketpair()
    theirs.set_inheritable(True)
    boot = f"from clew_inside.program import main; main({theirs.fileno()})"
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, 2, 1)]
    os.posix_spawn(sys.executable, [sys.executable, "-c", boot], os.environ, file_actions=actions)
    theirs.close()
    ours.sendall(json.dumps(program).encode() + b"\n")
    return Link(ours, False, {})


class Referee:
    """One test of one program."""

    def __init__(self, link: Link, test: dict[str, Any]) -> None:
        self.link, self.test = link, test
        self.tree = ast.Module([], [])
        self.seen: Any = _NOTHING
        self.checks = 0

    def report(self) -> dict[str, Any]:
        try:
            self.tree = ast.parse(self.test.get("code", ""), TEST)
        except (SyntaxError, ValueError, RecursionError) as error:
            return self._ended("error", f"the test is no Python: {error}")
        try:
            self._load()
            if self.test["kind"] == "call":
                self._call()
            else:
                self._code()
        except Failed as difference:
            return self._ended("failed", str(difference))
        except Unrunnable as reason:
            return self._ended("error", str(reason))
        except BaseException as error:
            return self._raised(error)
        if self.link.gone:
            return self._ended("failed", GONE)
        if not self.link.calls:
            return self._ended("error", "the test asks nothing of the program")
        if not self.checks:
            return self._ended("error", "the test compared nothing")
        self.seen = _NOTHING
        return self._ended("passed", "")

    def _raised(self, error: BaseException) -> dict[str, Any]:
        """A test that an exception ended: its own assertion, what the program raised, or what it lacks itself."""
        lines = [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == TEST]
        where = statement(self.tree, lines[-1]) if lines else ""
        own = error is not self.link.raised
        if own and isinstance(error, AssertionError) and not self.link.gone:
            return self._ended("failed", str(error), where)
        self.seen = _NOTHING
        if self.link.gone:
            return self._ended("failed", GONE, where)
        if self.link.unsendable:
            return self._ended("error", self.link.unsendable, where)
        if own and isinstance(error, ImportError):
            return self._ended("error", f"the test needs a module that the sandbox has not: {error}", where)
        if isinstance(error, SystemExit):
            return self._ended("failed", "the test ended before its last line", where)
        return self._ended("failed", f"{type(error).__name__}: {error}" if own else self.link.last_error, where)

    def _ended(self, outcome: str, detail: str, where: str = "") -> dict[str, Any]:
        obtained = "" if self.seen is _NOTHING else _shown(self.seen)
        return {"outcome": outcome, "obtained": obtained, "detail": detail[:LONGEST], "where": where}

    def _load(self) -> None:
        try:
            self.link.get("__clew_load__")()
        except Exception as error:
            if type(error).__name__ != "SystemExit":  # what it defined before that is there
                raise Failed(self.link.last_error or repr(error)) from None
        self.link.calls = 0

    # A call with expected result -------------------------------------------------------------------------------

    def _call(self) -> None:
        function = self._entry(self.test["entry"])
        try:
            self.seen = function(*self.test["args"])
        except Exception as error:
            raise Failed(self.link.last_error or repr(error)) from None
        self.checks += 1
        if not same(self.seen, self.test["expected"], self.test["tolerance"]):
            raise Failed(f"expected {_shown(self.test['expected'])}")

    def _entry(self, path: str) -> Any:
        """A function of the program; a method, named alone or after its class, of a new object without arguments."""
        first, *rest = path.split(".")
        try:
            found = self.link.get(first)
        except NameError:
            if rest:
                raise
            try:
                found, rest = self.link.get("Solution"), [first]
            except NameError:
                raise NameError(f"name {first!r} is not defined") from None
        for name in rest:
            found = getattr(found(), name)
        return found

    # Code ------------------------------------------------------------------------------------------------------

    def _code(self) -> None:
        code, entry = self.test["code"], self.test["entry"]
        names = Names(self.tree)
        if any(map(captures, ast.walk(self.tree))):
            raise Unrunnable("the test captures what is printed or read, and the program does that in another process")
        if "asyncio" in code:
            _run_remote_coroutines()
        namespace: dict[str, Any] = {
            "__name__": "test", "__builtins__": builtins, "__left__": self._left, "__checked__": self._checked
        }  # fmt: skip
        instrumented = Instrumented().visit(ast.parse(code, TEST))
        wanted = names.of_program(entry)
        for name, there in wanted.items():
            named = self._named if name in names.bases and there != entry else self.link.get
            with suppress(NameError):  # the test fails where it needs it
                namespace[name] = named(there)
        self.link.calls = 0
        exec(compile(ast.fix_missing_locations(instrumented), TEST, "exec", dont_inherit=True), namespace)  # noqa: S102
        if "check" in names.functions and "check" not in names.called:
            _runnable("check", namespace["check"], *[entry] if entry else ())(*[self._entry(entry)] if entry else ())
        for name in names.functions:
            if name.startswith("test") and name not in names.called:
                _runnable(name, namespace[name])()
        for name, value in list(namespace.items()):
            if isinstance(value, type) and issubclass(value, unittest.TestCase):
                self._unittest(value)
            elif isinstance(value, type) and name.startswith("Test"):
                _test_methods(name, value)

    def _named(self, name: str) -> Any:
        """What a test takes attributes of. A module is this side's own, whatever the program put under its name."""
        module = _ALIASES.get(name, name)
        if module in sys.builtin_module_names or importlib.util.find_spec(module) is not None:
            return importlib.import_module(module)
        return self.link.get(name)

    def _unittest(self, case: type) -> None:
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
        bad = [*result.failures, *result.errors]
        if bad and self.link.unsendable:
            raise Unrunnable(self.link.unsendable)
        if bad:
            raise Failed(f"{bad[0][0].id().rpartition('.')[2]}: {bad[0][1].strip().splitlines()[-1]}")
        if result.skipped or result.expectedFailures or result.unexpectedSuccesses:
            raise Failed("a test was skipped, or is expected to fail")

    def _left(self, value: Any) -> Any:
        self.seen = value
        return value

    def _checked(self, value: Any) -> Any:
        self.checks += 1
        return value


_NOTHING = object()


def _runnable(name: str, function: Any, *args: Any) -> Any:
    """A function of a test that can be called with `args`, and judges when it is. Raises `Unrunnable`."""
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        raise Unrunnable(f"{name} of the test is a generator or a coroutine: a call does not run it")
    try:
        inspect.signature(function).bind(*args)
    except TypeError as error:
        raise Unrunnable(f"{name} of the test cannot be called as it is ({error}); there are no fixtures") from None
    return function


def _test_methods(name: str, case: type) -> None:
    """Runs the methods `test...` of a class that is no `unittest` one, each on an object of its own, as pytest does."""
    methods = [method for method in dir(case) if method.startswith("test")]
    if methods and any(method.startswith("setup") for method in dir(case)):
        raise Unrunnable(f"{name} of the test has a setup, which only pytest calls: give a unittest class")
    for method in methods:
        _runnable(f"{name}.{method}", getattr(_runnable(name, case)(), method))()


def _run_remote_coroutines() -> None:
    """`asyncio.run` takes coroutines of its own process alone: those of the program run in its process."""
    import asyncio

    run = asyncio.run

    def run_any(main: Any, **options: Any) -> Any:
        return awaited(main) if isinstance(main, Remote) else run(main, **options)

    asyncio.run = run_any


def _shown(value: Any) -> str:
    try:
        text = str(value) if isinstance(value, Remote) else repr(value)
    except BaseException as error:
        text = f"a value that cannot be shown ({type(error).__name__})"
    text = _ADDRESS.sub("", text)  # another one in every run
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def same(value: Any, expected: Any, tolerance: float | None = None) -> bool:
    """Whether a value is the expected JSON: a tuple is a list, and numbers that are no integers differ by at most
    `tolerance`, of 1 or of the expected one."""
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, list) and isinstance(expected, list):
        return len(value) == len(expected) and all(map(partial(same, tolerance=tolerance), value, expected))
    if isinstance(value, dict) and isinstance(expected, dict):
        named = {str(key): one for key, one in value.items()}
        return named.keys() == expected.keys() and all(same(named[key], expected[key], tolerance) for key in named)
    numbers = (int, float)
    if isinstance(value, numbers) and isinstance(expected, numbers):
        if isinstance(value, bool) != isinstance(expected, bool):
            return False
        if tolerance is not None and float in (type(value), type(expected)):
            near = math.isfinite(expected) and abs(value - expected) <= tolerance * max(1.0, abs(expected))
            return value == expected or near
        return value == expected
    return type(value) is type(expected) and bool(value == expected)
