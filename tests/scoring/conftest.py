from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from clew.sandbox import Box, Limits
from tests.sandbox.conftest import new_box

LIMITS = Limits(seconds=10, memory=256 << 20, disk=16 << 20, processes=64)


@pytest.fixture(scope="session")
def processes() -> Iterator[Box]:
    """A warm process sandbox."""
    made = new_box("process", limits=LIMITS)
    yield made
    asyncio.run(made.close())


@pytest.fixture(scope="session")
def containers() -> Iterator[Box]:
    """A warm Docker sandbox."""
    made = new_box("docker", limits=LIMITS)
    yield made
    asyncio.run(made.close())
