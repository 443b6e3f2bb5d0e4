"""Where the tests of repositories under repair run, unless a module has a `box` of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from clew.sandbox import Box
from tests.graphs.agentless.repositories import suite_box


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    made = suite_box("process")
    yield made
    asyncio.run(made.close())
