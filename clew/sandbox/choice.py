"""Which sandbox: Docker where an Engine answers, else processes, and never that in silence."""

from __future__ import annotations

import warnings
from typing import Literal

from clew.errors import ConfigError, SandboxFailed

from .box import Box
from .engine import DEFAULT_IMAGE, Engine, connect, speaking
from .process import Host
from .types import Limits

Kind = Literal["auto", "docker", "process"]
POOL = 4


def sandbox(kind: Kind = "auto", *, image: str = DEFAULT_IMAGE, limits: Limits | None = None, size: int = POOL) -> Box:
    """A sandbox in which at most `size` programs run at once, each within `limits` unless a call gives others.

    `docker` is a boundary and needs an Engine and `image` (`build` makes the default one); whether they are there shows
    when the first program runs. `process` is none (see `protections`). `auto` takes Docker when an Engine answers now,
    else processes with a `UserWarning`. Close it, or use it as an async context manager. Raises `ConfigError` for
    another kind.
    """
    limits = limits or Limits()
    if kind not in ("auto", "docker", "process"):
        raise ConfigError(f"sandbox={kind!r} is unknown: give 'auto', 'docker' or 'process'")
    if kind == "docker" or (kind == "auto" and answers()):
        return Box(Engine(image), limits, size)
    if kind == "auto":
        warnings.warn(
            "no Docker Engine answers: programs run in the process sandbox, which is no boundary against hostile ones",
            stacklevel=2,
        )
    return Box(Host(), limits, size)


def answers() -> bool:
    """Whether a Docker Engine answers."""
    try:
        client = connect(timeout=5)
        try:
            with speaking():
                return bool(client.ping())
        finally:
            client.close()
    except SandboxFailed:
        return False
