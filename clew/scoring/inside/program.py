"""The process of the program under test: runs its source once, then answers calls of what it defined."""

from __future__ import annotations

import linecache
import socket
import sys
import types
from typing import Any

from .link import PROGRAM, Link


def main(descriptor: int) -> None:
    """`descriptor`: a socket, on which first comes the source as one line of JSON."""
    sock = socket.socket(fileno=descriptor)
    # Not `__main__`: what a program does only when it is run itself is no part of a test.
    module = types.ModuleType("program")
    namespace: dict[str, Any] = module.__dict__
    link = Link(sock, True, namespace)
    source = link.receive()
    for name in [name for name in sys.modules if name.partition(".")[0] == "clew_inside"]:
        del sys.modules[name]
    sys.modules["program"] = module
    sys.argv = [PROGRAM]
    linecache.cache[PROGRAM] = (len(source), None, source.splitlines(True), PROGRAM)

    def load() -> None:
        exec(compile(source, PROGRAM, "exec", dont_inherit=True), namespace)  # noqa: S102 - what a sandbox is for

    namespace["__clew_load__"] = load
    link.serve()
