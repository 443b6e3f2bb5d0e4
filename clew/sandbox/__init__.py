"""Sandboxes: programs that nobody trusts run behind a boundary, fast enough to be used at every thought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clew.errors import ImageMissing as ImageMissing
from clew.errors import SandboxFailed as SandboxFailed

if TYPE_CHECKING:
    from .box import Box as Box
    from .choice import sandbox as sandbox
    from .door import run as run
    from .door import run_command as run_command
    from .engine import DEFAULT_IMAGE as DEFAULT_IMAGE
    from .engine import Engine as Engine
    from .engine import gc as gc
    from .image import build as build
    from .process import Host as Host
    from .sessions import Session as Session
    from .sessions import session as session
    from .types import Execution as Execution
    from .types import Interpreter as Interpreter
    from .types import Limits as Limits
    from .types import Protection as Protection
    from .types import Sandbox as Sandbox

_HOMES = {
    "Box": "box",
    "DEFAULT_IMAGE": "engine",
    "Engine": "engine",
    "Execution": "types",
    "Host": "process",
    "Interpreter": "types",
    "Limits": "types",
    "Protection": "types",
    "Sandbox": "types",
    "Session": "sessions",
    "build": "image",
    "gc": "engine",
    "run": "door",
    "run_command": "door",
    "sandbox": "choice",
    "session": "sessions",
}

__all__ = sorted([*_HOMES, "ImageMissing", "SandboxFailed"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
