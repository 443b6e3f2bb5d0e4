"""Places for tests made from what a repository declares: real pip from a folder of wheels, real sandboxes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from clew.errors import ConfigError, WheelsMissing
from clew.graphs.agentless import environment
from clew.graphs.agentless.environment import Prepared, prepare, reopened
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.suites import discover, run_suite
from clew.graphs.agentless.types import TestReport
from clew.sandbox.environments import gc_environments
from tests.graphs.agentless.repositories import LIMITS, git, repository, workspace
from tests.sandbox.conftest import BACKENDS, image
from tests.sandbox.wheel_files import only_from, wheel

pytestmark = pytest.mark.anyio

PYPROJECT = """
[build-system]
requires = ["setuptools", "setuptools_scm"]
[project]
name = "shop"
dynamic = ["version"]
[project.optional-dependencies]
tests = ["one-module>=1"]
[tool.setuptools_scm]
write_to = "src/shop/_version.py"
[tool.pytest.ini_options]
addopts = "--cov=shop --cov-report term -n auto --strict-config --reruns 3"
required_plugins = ["one-module"]
unknown_option = 1
"""
SHOP = {
    "pyproject.toml": PYPROJECT,
    "setup.py": "raise SystemExit('nobody runs this')\n",
    "src/shop/__init__.py": "from shop._version import version\n",
    "tests/test_shop.py": "from importlib.metadata import version\nimport one_module\nimport shop\n\n\n"
    "def test_versions():\n    assert shop.version == version('shop') == '2.5'\n\n\n"
    "def test_package():\n    assert one_module.VERSION == '1.5'\n",
}
HERE = "def test_here():\n    pass\n"


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    only_from(tmp_path / "index", monkeypatch)
    return tmp_path / "index"


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "cache"
    gc_environments(tmp_path / "cache", unused=-60)


async def ran(made: Prepared, tree: Workspace) -> TestReport:
    async with made.sandbox as box:
        found = await discover(box, made.suite, tree)
        assert found.tests and not found.broken, (found, made.notes)
        return await run_suite(box, made.suite, tree, found.tests)


@pytest.mark.parametrize("kind", BACKENDS)
async def test_declared_packages_are_there_and_come_back(kind: str, index: Path, cache: Path, tmp_path: Path) -> None:
    wheel(index, "one-module", "1.5")
    repo = repository(tmp_path / "repo", SHOP)
    git(repo, "tag", "v2.5")
    tree = Workspace.make(repo, "HEAD", tmp_path / "workspace")
    made = await prepare(
        tree, sandbox_kind=kind, image=image() if kind == "docker" else None, requirements=["."], limits=LIMITS, size=1,
        cache=cache,
    )  # fmt: skip
    report = await ran(made, tree)
    assert report.complete and report.counts.passed == 2, report
    assert "packages: one-module 1.5" in made.notes and any("--cov=shop" in note for note in made.notes), made.notes
    lock = json.loads(json.dumps(made.lock))
    assert str(index) not in json.dumps(lock)
    if kind == "process":
        wheel(index, "one-module", "9.0")
        for place in (cache, tmp_path / "other"):  # kept, and fetched again
            box, suite = reopened(lock, cache=place)
            async with box:
                again = await run_suite(box, suite, tree, [result.name for result in report.results])
            assert (box.name, suite, again.counts.passed) == (made.sandbox.name, made.suite, 2)


@pytest.mark.docker
async def test_nothing_is_added_to_an_image_of_the_users_own(cache: Path, tmp_path: Path) -> None:
    tree = workspace(tmp_path, {"test_a.py": HERE, "requirements.txt": "nothing-of-this-name\n"})
    made = await prepare(tree, sandbox_kind="docker", image=image(), limits=LIMITS, size=1, cache=cache)
    async with made.sandbox as box:
        assert box.name == f"docker:{image()}" and made.lock["wheels"] == {} and not cache.exists()
    assert made.notes == ("1 test",)


async def test_declared_packages_may_stay_away_and_asked_ones_may_not(index: Path, cache: Path, tmp_path: Path) -> None:
    wheel(index, "one-module", "1.0")
    files = {"test_a.py": HERE, "requirements.txt": "one-module\nnothing-of-this-name\n"}
    tree = workspace(tmp_path / "a", files)
    made = await prepare(tree, sandbox_kind="process", limits=LIMITS, size=1, cache=cache)
    await made.sandbox.close()
    assert any("nothing-of-this-name" in note for note in made.notes), made.notes
    assert "packages: one-module 1.0" in made.notes
    with pytest.raises(WheelsMissing, match="another-one"):
        await prepare(tree, sandbox_kind="process", requirements=["another-one"], cache=cache)
    needed = workspace(tmp_path / "b", {**files, "conftest.py": "import nothing_of_this_name\n"})
    with pytest.raises(WheelsMissing, match="no tests are found"):
        await prepare(needed, sandbox_kind="process", limits=LIMITS, size=1, cache=cache)


async def test_missing_modules_are_named(cache: Path, tmp_path: Path) -> None:
    tree = workspace(tmp_path, {"test_a.py": HERE, "test_b.py": "import nothing_of_this_name\n"})
    made = await prepare(tree, sandbox_kind="process", requirements=(), limits=LIMITS, size=1, cache=cache)
    await made.sandbox.close()
    assert any("nothing_of_this_name" in note and "--requirement" in note for note in made.notes), made.notes
    assert any("test_b.py" in note for note in made.notes)


async def test_warnings_do_not_keep_tests_from_being_found(cache: Path, tmp_path: Path) -> None:
    warns = "import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=2)\n\n\n" + HERE
    tree = workspace(tmp_path, {"test_a.py": warns, "pytest.ini": "[pytest]\nfilterwarnings = error\n"})
    made = await prepare(tree, sandbox_kind="process", limits=LIMITS, size=1, cache=cache)
    assert any("warnings" in note for note in made.notes), made.notes
    assert made.lock["suite"] == made.suite.to_json()
    assert (await ran(made, tree)).counts.passed == 1


@pytest.mark.parametrize(
    ("command", "setup", "why"),
    [
        ("pytets -q", [], "'pytets' is no program there"),
        ("./run.sh pytest", [], "'./run.sh' is no program there"),
        ("true", ["false"], "the setup failed: 'false' ended with exit code 1"),
        ("python3 -m pytest", ["mak build"], "the setup failed: 'mak' cannot be started: No such file"),
    ],
)
async def test_tests_that_cannot_start_are_told_before_a_run(
    command: str, setup: list[str], why: str, cache: Path, tmp_path: Path
) -> None:
    tree = workspace(tmp_path, {"test_a.py": HERE, "run.sh": "true\n"})
    with pytest.raises(ConfigError, match="the tests cannot run") as told:
        await prepare(tree, sandbox_kind="process", command=command, setup=setup, limits=LIMITS, size=1, cache=cache)
    assert why in str(told.value) and "--test-cmd" in str(told.value)


async def test_a_setup_may_bring_the_command(cache: Path, tmp_path: Path) -> None:
    tree = workspace(tmp_path, {"test_a.py": HERE, "run.sh": "#!/bin/sh\nexit 0\n"})
    made = await prepare(
        tree, sandbox_kind="process", command="./run.sh", setup=["chmod +x run.sh"], limits=LIMITS, size=1, cache=cache
    )
    async with made.sandbox as box:
        assert (await run_suite(box, made.suite, tree)).counts.passed == 1


async def test_pytest_is_asked_which_files_are_tests(cache: Path, tmp_path: Path) -> None:
    checks = {"pytest.ini": "[pytest]\npython_files = check_*.py\n", "checks/check_a.py": HERE}
    tree = workspace(tmp_path / "checks", checks)
    made = await prepare(tree, sandbox_kind="process", limits=LIMITS, size=1, cache=cache)
    assert (await ran(made, tree)).counts.passed == 1
    for files in ({"a.py": "A = 1\n"}, {"test_a.py": "A = 1\n"}):
        tree = workspace(tmp_path / next(iter(files)), {**files, "go.mod": "module x\n"})
        with pytest.raises(ConfigError, match=r"no tests in Python are found.*--test-cmd.*go\.mod.*--no-tests"):
            await prepare(tree, sandbox_kind="process", limits=LIMITS, size=1, cache=cache)
        made = await prepare(
            tree, sandbox_kind="process", command="python3 -m pytest", limits=LIMITS, size=1, cache=cache
        )
        await made.sandbox.close()
        assert made.notes == ("no tests: pytest finds no tests",)
    broken = workspace(tmp_path / "broken", {"test_a.py": "import nothing_of_this_name\n"})
    made = await prepare(broken, sandbox_kind="process", limits=LIMITS, size=1, cache=cache)
    await made.sandbox.close()
    assert any("test_a.py" in note for note in made.notes), made.notes


async def test_a_path_of_the_commands_own_keeps_the_plugin(index: Path, cache: Path, tmp_path: Path) -> None:
    wheel(index, "one-module", "1.0")
    test = "import more, one_module\n\n\n" + HERE
    tree = workspace(tmp_path, {"a/more.py": "", "test_a.py": test, "requirements.txt": "one-module\n"})
    for command in ("env A=1 PYTHONPATH=a python3 -m pytest", "env PYTHONPATH=b:a pytest"):
        made = await prepare(tree, sandbox_kind="process", command=command, limits=LIMITS, size=1, cache=cache)
        assert (await ran(made, tree)).counts.passed == 1
    for command in ("python3 -E -m pytest", "env -u A PYTHONPATH=a python3 -m pytest"):
        with pytest.raises(ConfigError, match="does not find Clew's plugin: leave PYTHONPATH"):
            await prepare(tree, sandbox_kind="process", command=command, limits=LIMITS, size=1, cache=cache)


async def test_how_to_test_is_not_guessed(cache: Path, tmp_path: Path) -> None:
    tree = workspace(tmp_path / "go", {"go.mod": "module x\n", "a.go": ""})
    with pytest.raises(ConfigError, match=r"--test-cmd.*go\.mod"):
        await prepare(tree, sandbox_kind="process", cache=cache)
    made = await prepare(tree, sandbox_kind="process", command="true", setup=["true"], limits=LIMITS, cache=cache)
    async with made.sandbox as box:
        assert made.suite.kind == "exit_code" and (await run_suite(box, made.suite, tree)).counts.passed == 1
    with pytest.raises(ConfigError, match="sandbox_kind='podman' is unknown: give one of auto, docker, process"):
        await prepare(tree, sandbox_kind=cast(Any, "podman"), command="true", cache=cache)
    for bad in (
        "-r /etc/passwd",
        "--index-url=http://evil.example",
        "https://evil.example/a.whl",
        "./a",
        "a @ file:///a",
    ):
        with pytest.raises(ConfigError):
            await prepare(tree, sandbox_kind="process", command="true", requirements=[bad], cache=cache)


def test_a_lock_of_another_kind_is_refused() -> None:
    for lock in ({}, {"suite": {}}, {"suite": environment.Suite().to_json(), "sandbox": "process"}):
        with pytest.raises(ConfigError, match="lock"):
            reopened(lock)
