from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

import pytest

from clew.sandbox import DEFAULT_IMAGE, Box, Engine, Host, Limits, Protection
from clew.sandbox.types import MiB

LIMITS = Limits(seconds=10, memory=128 * MiB, disk=16 * MiB, processes=32)
DOCKER = pytest.param("docker", marks=pytest.mark.docker)
BACKENDS = [DOCKER, "process"]


@lru_cache(maxsize=1)
def image() -> str:
    """The default image where it was built, else any local one whose name speaks of Python."""
    from clew.sandbox.engine import connect

    client = connect()
    try:
        names = [tag for one in client.images() for tag in one.get("RepoTags") or ()]
    finally:
        client.close()
    mine = [name for name in names if name.partition(":")[0] == DEFAULT_IMAGE]
    found = [*mine, *sorted(name for name in names if "python" in name)]
    if not found:
        missing("no local image with Python: build one with `clew sandbox build`")
    return found[0]


def missing(reason: str) -> NoReturn:
    """Skips a Docker test, or fails it where none may be skipped."""
    if os.environ.get("REQUIRE_DOCKER_TESTS"):
        pytest.fail(f"Docker tests are required here, but there is {reason}")
    pytest.skip(f"there is {reason}")


def new_box(kind: str, size: int = 2, limits: Limits = LIMITS) -> Box:
    return Box({"docker": lambda: Engine(image()), "process": Host, "bare": lambda: Host(False)}[kind](), limits, size)


@pytest.fixture(scope="session", params=BACKENDS)
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """One warm sandbox for all tests that leave it as it was."""
    made = new_box(request.param)
    yield made
    asyncio.run(made.close())


@pytest.fixture(scope="session")
def protections(box: Box) -> dict[str, Protection]:
    return {one.name: one for one in asyncio.run(box.protections())}


def running(mark: str) -> list[int]:
    """Pids of the processes of this machine, sandboxes included, that call themselves `mark` (at most 15
    characters)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "comm").read_text().strip() == mark:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Waits for what another process will bring about."""
    for _ in range(int(seconds / 0.05)):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come about")
