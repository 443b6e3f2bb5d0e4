"""Environments in real sandboxes: a folder of packages that programs find and cannot change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clew.errors import ImageMissing
from clew.sandbox import Box, Engine, Host
from clew.sandbox.engine import connect
from clew.sandbox.environments import PLACE, Environment, gc_environments, image_with
from clew.sandbox.wheels import python_of
from tests.sandbox.conftest import BACKENDS, LIMITS, image, new_box
from tests.sandbox.wheel_files import only_from, wheel

pytestmark = pytest.mark.anyio

USE = (
    f"import sys\nsys.path.insert(0, {PLACE!r})\nimport one_module\nprint(one_module.VERSION)\n"
    f"try:\n    open({PLACE!r} + '/mine', 'w')\nexcept OSError as error:\n    print(type(error).__name__)\n"
)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    only_from(tmp_path / "index", monkeypatch)
    return tmp_path / "index"


@pytest.fixture(params=BACKENDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def sandbox(kind: str, environment: Environment) -> Box:
    backend = (
        Engine(image_with(environment.folder, image())) if kind == "docker" else Host(environment=environment.folder)
    )
    return Box(backend, LIMITS, 1)


async def test_programs_find_packages_and_cannot_change_them(kind: str, index: Path, tmp_path: Path) -> None:
    wheel(index, "one-module", "1.0", {"salt.txt": os.urandom(8)})
    async with new_box(kind) as plain:
        python = await python_of(plain)
    made = Environment.chosen(tmp_path / "cache", ["one-module"], python)
    async with sandbox(kind, made) as box:
        done = await box.run(USE)
        assert done.stdout.split() == ["1.0", "OSError"], done
        assert made.folder.name in box.name or kind == "docker"
    assert made.packages == ["one-module 1.0"]
    if kind == "docker":
        name = image_with(made.folder, image())
        assert name == image_with(made.folder, image()) and name != image()
        assert gc_environments(tmp_path / "cache") == []
        assert gc_environments(tmp_path / "cache", unused=-60) == [made.folder.name, name]
        client = connect()
        assert not client.images(name=name)
        client.close()
        with pytest.raises(ImageMissing):
            image_with(made.folder, "clew-no-such-image:none")


async def test_what_was_chosen_before_needs_no_index(index: Path, tmp_path: Path) -> None:
    wheel(index, "one-module", "1.0")
    async with new_box("process") as box:
        python = await python_of(box)
    first = Environment.chosen(tmp_path / "cache", ["one-module"], python)
    wheel(index, "one-module", "2.0")
    assert Environment.chosen(tmp_path / "cache", ["one-module"], python) == first
    newer = Environment.chosen(tmp_path / "cache", ["one-module>1"], python)
    assert newer.folder != first.folder and newer.packages == ["one-module 2.0"]
    assert Environment.restored(tmp_path / "elsewhere", first.wheels, python).wheels == first.wheels
    assert gc_environments(tmp_path / "cache") == []
