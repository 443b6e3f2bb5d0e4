"""Values and calls between two processes of a sandbox, one JSON text a line.

Plain values travel by value. Of anything else only a number travels; the other side holds a `Remote` for it, whose
methods and operators are calls. Nothing that arrives is ever executed, so neither side can change the other by what it
sends.
"""

from __future__ import annotations

import builtins
import datetime
import json
import operator
import socket
import traceback
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Generator
from decimal import Decimal
from fractions import Fraction
from typing import Any

PROGRAM = "program.py"
# Beyond this an int is sent in hexadecimal: Python limits the digits of decimal ones.
LONG = 1 << 1000

_LISTS = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "deque": deque}
_DICTS = {"dict": dict, "Counter": Counter, "OrderedDict": OrderedDict}
_TEXTS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "bytearray": (bytearray, bytearray.hex, bytearray.fromhex),
    "complex": (complex, repr, complex),
    "Decimal": (Decimal, str, Decimal),
    "Fraction": (Fraction, str, Fraction),
    "datetime": (datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
}


def _await(value: Any) -> Any:
    import asyncio

    async def wait() -> Any:
        return await value

    return asyncio.run(wait())


_BINARY = ("eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
_UNARY = ("neg", "pos", "abs", "invert")
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "attr": getattr, "setattr": setattr, "len": len, "iter": iter, "next": next, "bool": bool, "str": str, "repr": repr,
    "float": float, "int": int, "isinstance": isinstance, "await": _await,
    "item": operator.getitem, "setitem": operator.setitem, "delitem": operator.delitem,
    **{name: getattr(operator, name) for name in (*_BINARY, *_UNARY)},
}  # fmt: skip
_MUTABLE = (list, dict, set, bytearray, deque)


class ProgramError(Exception):
    """An exception of the other side for which this side has no class."""


class Unsendable(TypeError):
    """A value that cannot be handed to the other side."""


class Gone(BaseException):
    """The other side ended. No `except Exception` of a test may hide that."""


class Link:
    """One end. `serves` tells whether the other side may do anything with the objects of this one; if not, it may
    call those callables that it was given, and nothing else."""

    def __init__(self, sock: socket.socket, serves: bool, namespace: dict[str, Any]) -> None:
        self._in, self._out = sock.makefile("rb"), sock.makefile("wb")
        self._serves, self._namespace = serves, namespace
        self._objects: list[Any] = []
        self._errors: dict[str, type] = {}
        self.unsendable = self.last_error = ""
        self.raised: BaseException | None = None
        self.calls = 0
        self.gone = False

    # Asking ----------------------------------------------------------------------------------------------------

    def ask(self, target: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What the other side returns for a call of `target`, one of its objects or the name of an operation. Raises
        what it raised there. Lists and the like among the arguments change as they changed there."""
        self.calls += 1
        target = target if isinstance(target, str) else self.encode(target)
        self.send(["call", target, [self.encode(arg) for arg in args], self._pairs(kwargs or {})])
        while True:
            message = self.receive()
            if message[0] != "call":
                break
            self.send(self._answer(message))
        if message[0] == "raised":
            raise self._error(*message[1:])
        given = {**dict(enumerate(args)), **(kwargs or {})}
        for place, changed in message[2]:
            if type(given[place]) in _MUTABLE:
                _become(given[place], self.decode(changed))
        return self.decode(message[1])

    def get(self, name: str) -> Any:
        """A name of the other side's program. Raises `NameError`."""
        return self.ask("get", (name,))

    def _error(self, name: str, text: str, line: int) -> BaseException:
        self.last_error = f"{name}: {text}" if text else name
        if line:
            self.last_error += f" (line {line} of the program)"
        try:
            error: BaseException = self._error_class(name)(text)
        except Exception:
            error = ProgramError(self.last_error)
        self.raised = error
        return error

    def _error_class(self, name: str) -> type:
        known = getattr(builtins, name, None)
        if isinstance(known, type) and issubclass(known, Exception):
            return known
        return self._errors.setdefault(name, type(name, (ProgramError,), {}))

    # Answering -------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Answers until the other side ends."""
        while True:
            try:
                message = self.receive()
            except Gone:
                return
            self.send(self._answer(message))

    def _answer(self, message: Any) -> Any:
        try:
            _, target, args, kwargs = message
            if isinstance(target, str) and not self._serves:
                raise PermissionError("only functions that were given can be called")
            values, named = [self.decode(arg) for arg in args], {key: self.decode(value) for key, value in kwargs}
            result = self._function(target)(*values, **named)
            sent = self.encode(result)
            arrived = {**dict(enumerate(args)), **dict(kwargs)}
            changed = [
                (place, after)
                for place, value in (*enumerate(values), *named.items())
                if type(value) in _MUTABLE and (after := self.encode(value)) != arrived[place]
            ]
            return ["returned", sent, changed]
        except BaseException as error:
            return ["raised", type(error).__name__, _text(error), _line(error)]

    def _function(self, target: Any) -> Callable[..., Any]:
        if target == "get":
            return self._named
        return _OPERATIONS[target] if isinstance(target, str) else self.decode(target)

    def _named(self, name: str) -> Any:
        if name not in self._namespace:
            raise NameError(f"name {name!r} is not defined")
        return self._namespace[name]

    # Values ----------------------------------------------------------------------------------------------------

    def encode(self, value: Any) -> Any:
        """`value` as JSON. Raises `Unsendable` for an object, unless this side serves or it is callable."""
        kind = type(value)
        if value is None or kind in (bool, float, str):
            return value
        if kind is int:
            return value if -LONG < value < LONG else ["int", hex(value)]
        if kind is defaultdict:
            kind = dict
        name = kind.__name__
        if kind is _LISTS.get(name) or (isinstance(value, tuple) and hasattr(value, "_fields")):
            return [name if kind in _LISTS.values() else "tuple", [self.encode(one) for one in value]]
        if kind is _DICTS.get(name):
            return [name, self._pairs(value)]
        if name in _TEXTS and kind is _TEXTS[name][0]:
            return [name, _TEXTS[name][1](value)]
        if kind is range:
            return ["range", [value.start, value.stop, value.step]]
        return self._encode_other(value, kind)

    def _encode_other(self, value: Any, kind: type) -> Any:
        if isinstance(value, Remote):
            return ["yours", object.__getattribute__(value, "_number")]
        if isinstance(value, type) and issubclass(value, Exception):
            return ["exception", value.__name__]
        if kind is types.ModuleType:
            return ["module", value.__name__]
        if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
            plain = self.encode(value.tolist())
            return ["ndarray", plain, str(value.dtype)] if kind.__name__ == "ndarray" else plain
        if not self._serves and not callable(value):
            self.unsendable = f"a {kind.__name__} of the test cannot be handed to the program"
            raise Unsendable(self.unsendable)
        self._objects.append(value)
        return ["mine", len(self._objects) - 1]

    def _pairs(self, mapping: Any) -> list[Any]:
        return [[self.encode(key), self.encode(value)] for key, value in mapping.items()]

    def decode(self, sent: Any) -> Any:
        """What `encode` of the other side was given."""
        if not isinstance(sent, list):
            return sent
        name, content = sent[0], sent[1]
        if name in _LISTS:
            return _LISTS[name](self.decode(one) for one in content)
        if name in _DICTS:
            return _DICTS[name]({self.decode(key): self.decode(value) for key, value in content})
        if name in _TEXTS:
            return _TEXTS[name][2](content)
        return _OTHERS[name](self, *sent[1:])

    def theirs(self, number: int) -> Any:
        return Remote(self, number)

    def ours(self, number: int) -> Any:
        return self._objects[number]

    def exception(self, name: str) -> type:
        own = self._namespace.get(name)
        return own if isinstance(own, type) else self._error_class(name)

    # Lines -----------------------------------------------------------------------------------------------------

    def send(self, message: Any) -> None:
        try:
            self._out.write(json.dumps(message).encode() + b"\n")
            self._out.flush()
        except OSError:
            self.gone = True
            raise Gone from None

    def receive(self) -> Any:
        try:
            line = self._in.readline()
            if line:
                return json.loads(line)
        except OSError:
            pass
        self.gone = True
        raise Gone


def _module(link: Link, name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ProgramError(f"no module {name!r}") from error


def _array(link: Link, plain: Any, dtype: str) -> Any:
    import numpy

    return numpy.array(link.decode(plain), dtype=dtype)


_OTHERS: dict[str, Callable[..., Any]] = {
    "int": lambda link, digits: int(digits, 16),
    "range": lambda link, bounds: range(*bounds),
    "mine": Link.theirs, "yours": Link.ours, "exception": Link.exception, "module": _module, "ndarray": _array,
}  # fmt: skip


class Remote:
    """An object of the other side. A comparison or a sum of it with a plain value is none of its business: what it
    said of itself would decide the test."""

    def __init__(self, link: Link, number: int) -> None:
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in ("__name__", "__doc__"):
            raise AttributeError(name)
        return _ask(self, "attr", self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return object.__getattribute__(self, "_link").ask(self, args, kwargs)

    def __await__(self) -> Generator[None, None, Any]:
        return awaited(self)
        yield

    def __hash__(self) -> int:
        return hash(object.__getattribute__(self, "_number"))

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Remote) and bool(_ask(self, "isinstance", value, self))

    def __contains__(self, value: Any) -> bool:
        one: Any = self
        return any(value is each or value == each for each in one)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "setattr", self, name, value)


def _ask(remote: Any, operation: str, *args: Any) -> Any:
    return object.__getattribute__(remote, "_link").ask(operation, args)


def awaited(coroutine: Remote) -> Any:
    """What a coroutine of the other side returns; it runs there to its end."""
    return _ask(coroutine, "await", coroutine)


def _forwarded(operation: str, kind: type = object) -> Callable[..., Any]:
    def forward(self: Any, *args: Any) -> Any:
        value = _ask(self, operation, self, *args)
        if kind is not object and type(value) is not kind:
            raise TypeError(f"{operation} returned {value!r}")
        return value

    return forward


def _between(operation: str) -> Callable[[Any, Any], Any]:
    def between(self: Any, other: Any) -> Any:
        return _ask(self, operation, self, other) if isinstance(other, Remote) else NotImplemented

    return between


for _name in _BINARY:
    setattr(Remote, f"__{_name}__", _between(_name))
for _name in _UNARY:
    setattr(Remote, f"__{_name}__", _forwarded(_name))
for _name, _kind in (("len", int), ("bool", bool), ("str", str), ("repr", str), ("float", float), ("int", int)):
    setattr(Remote, f"__{_name}__", _forwarded(_name, _kind))
for _name, _operation in (
    ("iter", "iter"), ("next", "next"), ("getitem", "item"), ("setitem", "setitem"), ("delitem", "delitem")
):  # fmt: skip
    setattr(Remote, f"__{_name}__", _forwarded(_operation))


def _become(value: Any, changed: Any) -> None:
    if isinstance(value, (list, bytearray)):
        value[:] = changed
    else:
        value.clear()
        (value.extend if isinstance(value, deque) else value.update)(changed)


def _text(error: BaseException) -> str:
    try:
        if isinstance(error, KeyError) and error.args:
            return str(error.args[0])[:1000]
        return str(error)[:1000]
    except BaseException:
        return ""


def _line(error: BaseException) -> int:
    """The line of the program in which an exception arose; 0 when it arose elsewhere."""
    if isinstance(error, SyntaxError) and error.filename == PROGRAM:
        return error.lineno or 0
    lines = [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == PROGRAM]
    return lines[-1] if lines else 0
