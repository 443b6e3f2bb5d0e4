"""A place where the tests of a repository run: a sandbox with the packages that they need, and the suite.

The host fetches packages as wheels and unpacks them; nothing of the repository and nothing of a package runs on it.
What is needed is read from the repository as data (`declared`), unless the user says it. An image of the user's own is
taken as it is.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from clew.errors import ConfigError, WheelsMissing
from clew.sandbox.box import Box
from clew.sandbox.choice import answers
from clew.sandbox.engine import DEFAULT_IMAGE, Engine
from clew.sandbox.environments import PLACE, Environment, home, image_with
from clew.sandbox.process import Host
from clew.sandbox.types import Limits
from clew.sandbox.unpacked import BIN
from clew.sandbox.wheels import Python, checked_requirement, python_of

from .declared import INSTALLED, Declared, declared
from .listed import canonical
from .repository import Workspace
from .suites import LIMITS, NO_TESTS, Discovery, Suite, discover, startable

Kind = Literal["auto", "docker", "process"]
# Stands among requirements for what the repository declares, as for pip; `.[docs]` names extras or groups.
DECLARED = "."
POOL = min(4, os.cpu_count() or 1)
_OWN = re.compile(r"\.(?:\[([A-Za-z0-9._, -]+)\])?")
_OTHERS = {
    "package.json": ("npx jest --ci --reporters=jest-junit", "junit.xml"),
    "go.mod": ("gotestsum --junitfile report.xml", "report.xml"),
    "Cargo.toml": ("cargo nextest run --profile ci", "target/nextest/ci/junit.xml"),
    "pom.xml": ("mvn --offline test", "**/surefire-reports/*.xml"),
    "build.gradle": ("gradle --offline test", "**/test-results/test/*.xml"),
    "build.gradle.kts": ("gradle --offline test", "**/test-results/test/*.xml"),
}
_WARNINGS = tuple(
    word
    for kind in ("DeprecationWarning", "PendingDeprecationWarning", "pytest.PytestWarning")
    for word in ("-W", f"default::{kind}")
)


@dataclass(frozen=True)
class Prepared:
    """`sandbox` is open: close it. `notes` are for people. `lock` is JSON that `reopened` takes, so that a run that is
    resumed finds the same packages: names and hashes, and no address that they came from."""

    sandbox: Box
    suite: Suite
    notes: tuple[str, ...]
    lock: Mapping[str, Any]


async def prepare(
    workspace: Workspace,
    *,
    sandbox_kind: Kind = "auto",
    image: str | None = None,
    command: str | None = None,
    setup: Sequence[str] = (),
    requirements: Sequence[str] | None = None,
    reports: Sequence[str] = (),
    limits: Limits = LIMITS,
    size: int = POOL,
    cache: Path | None = None,
) -> Prepared:
    """Makes the place where the tests of a workspace run, before a run begins: nothing of it is an effect.

    Args:
        sandbox_kind: `auto` is Docker where an Engine answers.
        image: an image of the user's own, to which nothing is added unless `requirements` say so; None is the default
            image.
        command: the tests' command; None is pytest where there are files in Python.
        setup: commands to run inside, without a network, before each run of tests.
        requirements: by PEP 508; `.` among them stands for what the repository declares, `.[extra]` for that with these
            extras or groups. None is `["."]`, but nothing for an image of the user's own.
        reports: patterns of JUnit files that the command writes, for another runner than pytest.
        limits: of one run of tests.
        size: how many runs of tests may go on at once.
        cache: where environments are kept, default `clew.sandbox.environments.home()`.

    Packages that are only declared may stay away: where no network is, or no wheel, it goes on with a note as long as
    tests are found. Raises `ConfigError` for what cannot be right, such as no tests to be found and no command,
    `WheelsMissing` when packages that were asked for cannot be fetched, or those that were declared and no test is
    found without them, and `SandboxFailed`, `ImageMissing`.
    """
    asked = [DECLARED] if requirements is None and image is None else list(requirements or ())
    own = [found for each in asked if (found := _OWN.fullmatch(each.strip()))]
    extra = [str(checked_requirement(each)) for each in asked if not _OWN.fullmatch(each.strip())]
    extras = [name.strip() for found in own for name in (found[1] or "").split(",") if name.strip()]
    says = await asyncio.to_thread(declared, workspace, extras)
    suite = _suite(workspace, command, setup, reports, limits, says)
    kind = sandbox_kind
    if kind not in get_args(Kind):
        raise ConfigError(f"sandbox_kind={kind!r} is unknown: give one of {', '.join(get_args(Kind))}")
    if kind == "auto":
        kind = "docker" if await asyncio.to_thread(answers) else "process"
    maker = _Maker(kind, image or DEFAULT_IMAGE, limits, size, cache or home())
    if suite.kind != "pytest" and not extra and not own:
        return await _checked(maker.prepared(None, suite, []), workspace, None, False)
    python = await maker.python()
    bare = suite.kind == "pytest" and "pytest" not in python.packages
    needs = [*says.needs, *says.tests, *(["pytest"] if bare else [])] if own else []
    notes = list(says.notes) if own else []
    if bare and not own and "pytest" not in map(_name, extra):
        raise ConfigError(
            f"{maker.called} has no pytest: add --requirement pytest, or say with --test-cmd how to test"
            + _example(workspace)
        )
    chosen, failure = await asyncio.to_thread(_chosen, needs, extra, python, maker.cache, notes)
    made = await asyncio.to_thread(maker.prepared, chosen, suite, notes, python)
    return await _checked(made, workspace, failure, command is None)


def reopened(lock: Mapping[str, Any], *, size: int = POOL, cache: Path | None = None) -> tuple[Box, Suite]:
    """The sandbox and the suite of an earlier `prepare`, with exactly its packages: from the cache, else fetched again
    by their hashes. Blocks. Raises `WheelsMissing`, `SandboxFailed`, `ImageMissing`, and `ConfigError` for another
    lock."""
    try:
        suite = Suite.from_json(lock["suite"])
        maker = _Maker(lock["sandbox"], lock["image"], suite.limits, size, cache or home())
        wheels, python = dict(lock["wheels"]), Python(**lock["python"]) if lock["wheels"] else None
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"this is no lock of tests' environment ({error!r}): prepare it anew") from None
    return maker.box(None if python is None else Environment.restored(maker.cache, wheels, python)), suite


@dataclass(frozen=True)
class _Maker:
    kind: Kind
    image: str
    limits: Limits
    size: int
    cache: Path

    @property
    def called(self) -> str:
        return f"the image {self.image!r}" if self.kind == "docker" else "the Python that runs Clew"

    def box(self, found: Environment | None) -> Box:
        if self.kind == "docker":
            image = self.image if found is None else image_with(found.folder, self.image)
            return Box(Engine(image), self.limits, self.size)
        return Box(Host(environment=None if found is None else found.folder), self.limits, self.size)

    async def python(self) -> Python:
        async with self.box(None) as box:
            return await python_of(box)

    def prepared(
        self, found: Environment | None, suite: Suite, notes: Sequence[str], python: Python | None = None
    ) -> Prepared:
        lock: dict[str, Any] = {"sandbox": self.kind, "image": self.image, "wheels": {}, "suite": suite.to_json()}
        if found is not None and python is not None:
            path = {"PYTHONPATH": PLACE, "PATH": f"{PLACE}/{BIN}:{python.path}"}
            suite = replace(suite, environment={**path, **suite.environment})
            notes = [*notes, f"packages: {', '.join(found.packages)}"]
            lock |= {"wheels": dict(found.wheels), "python": {**asdict(python), "packages": {}}}
        return Prepared(self.box(found), suite, tuple(notes), {**lock, "suite": suite.to_json()})


def _suite(
    workspace: Workspace,
    command: str | None,
    setup: Sequence[str],
    reports: Sequence[str],
    limits: Limits,
    says: Declared,
) -> Suite:
    folders = tuple(dict.fromkeys(["src", "lib", *says.folders, ".", INSTALLED]))
    more = {"limits": limits, "python_path": folders, "files": says.files}
    if command is not None:
        return Suite.of(command, reports, setup, **more)
    if not any(path.endswith(".py") for path in workspace.paths()):
        raise _untested(workspace)
    return Suite.of("python3 -m pytest", (), setup, **more)


def _untested(workspace: Workspace) -> ConfigError:
    return ConfigError(
        "no tests in Python are found here, and how to run others is not guessed: say it with --test-cmd, and give with"
        f" --image an image that has what they need{_example(workspace)}; or take a patch that no test has tried, with"
        " --no-tests"
    )


def _example(workspace: Workspace) -> str:
    found = next((name for name in _OTHERS if name in workspace.entries), None)
    return f" (for {found}: --test-cmd {_OTHERS[found][0]!r} --report-glob {_OTHERS[found][1]!r})" if found else ""


def _name(requirement: str) -> str:
    return canonical(checked_requirement(requirement).name)


def _chosen(
    needs: Sequence[str], extra: Sequence[str], python: Python, cache: Path, notes: list[str]
) -> tuple[Environment | None, WheelsMissing | None]:
    """The environment, and what kept packages away that were only declared. None is needed when all is there."""
    wanted = [checked_requirement(each) for each in (*needs, *extra)]
    if all(python.has(each) or not python.applies(each) for each in wanted):
        return None, None
    left = list(dict.fromkeys(needs))
    failure: WheelsMissing | None = None
    while left or extra:
        try:
            return Environment.chosen(cache, [*left, *extra], python), failure
        except WheelsMissing as error:
            if not left:
                raise
            failure = error
            notes.append(str(error))
            blamed = {canonical(name) for name in error.packages}
            without = [each for each in left if _name(each) not in blamed]
            left = without if len(without) < len(left) else []
    return None, failure


async def _checked(made: Prepared, workspace: Workspace, failure: WheelsMissing | None, guessed: bool) -> Prepared:
    """`made`, after a look at whether its tests can run. A setup or a command that somebody gave is tried first;
    `guessed` is one that nobody gave."""
    try:
        if made.suite.setup or made.suite.command != Suite.command:
            why = await startable(made.sandbox, made.suite, workspace)
            if why:
                raise ConfigError(f"the tests cannot run: {why}. Look at --test-cmd, --setup and --image")
        return await _found(made, workspace, failure, guessed) if made.suite.kind == "pytest" else made
    except BaseException:
        await made.sandbox.close()
        raise


async def _found(made: Prepared, workspace: Workspace, failure: WheelsMissing | None, guessed: bool) -> Prepared:
    """`made`, with notes of what tests are found, and with warnings as such where they kept files from being read."""
    suite, notes = made.suite, list(made.notes)
    found = await discover(made.sandbox, suite, workspace)
    if "No module named 'clew_watch'" in found.why:
        raise ConfigError(
            f"the tests cannot run: {' '.join(suite.command)!r} starts pytest without the PYTHONPATH that it is given,"
            " so it does not find Clew's plugin: leave PYTHONPATH, -E, -I and -i out of --test-cmd; the folders src and"
            " lib are on the path anyway"
        )
    if any("Warning" in why for why in (*found.broken.values(), found.why)):
        milder = replace(suite, command=(*suite.command, *_WARNINGS))
        again = await discover(made.sandbox, milder, workspace)
        if len(again.broken) < len(found.broken) or (again.tests and not found.tests):
            suite, found = milder, again
            notes.append("warnings that the tests' configuration makes errors are told as warnings")
    if not found.tests and failure is not None:
        raise WheelsMissing(
            f"no tests are found ({_last(found.why)}), and packages are missing: {failure}", failure.packages
        )
    if guessed and found.why == NO_TESTS and not found.broken:
        raise _untested(workspace)
    notes += _told(found)
    return replace(made, suite=suite, notes=tuple(notes), lock={**made.lock, "suite": suite.to_json()})


def _told(found: Discovery) -> list[str]:
    count = len(found.tests)
    notes = [f"{count:,} test{'' if count == 1 else 's'}" if count else f"no tests: {_last(found.why)}"]
    said = "\n".join((*found.broken.values(), found.why))
    modules = sorted(set(re.findall(r"No module named '([^']+)'", said)))
    if modules:
        notes.append(f"modules are missing: {', '.join(modules[:10])}; name their packages with --requirement")
    if found.dropped:
        notes.append(f"options of plugins that are not there were left out: {' '.join(found.dropped)[:200]}")
    if found.broken:
        notes.append(f"no tests can be made of {', '.join(sorted(found.broken)[:10])}")
    return notes


def _last(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1][-300:]
