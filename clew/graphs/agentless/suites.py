"""A repository's tests: found and run by its own runner in the sandbox, at the base commit and with candidates.

After sections 7a to 8d of the specification of Agentless. Differs from the released code, which runs the tests that a
benchmark's gold patch names, and counts a run without a report as no failure: here tests are those that the runner
collects at the base commit, and a run that does not come to its end is an error for each of its tests.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache, partial
from hashlib import sha256
from importlib import resources
from itertools import dropwhile
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Any, Literal

from clew.errors import ConfigError, NotText
from clew.graphs.base import side_by_side
from clew.journal import scope
from clew.sandbox.door import run_command
from clew.sandbox.types import Execution, Limits, MiB, Sandbox

from .coverage import Coverage
from .inside.runner import RESULT
from .reports import Told, incomplete, report_of_exit_code, report_of_junit, report_of_pytest, told
from .repository import Workspace
from .structure import is_test
from .types import TestReport

Kind = Literal["pytest", "junit", "exit_code"]
LIMITS = Limits(seconds=1200, memory=2048 * MiB, processes=256, disk=512 * MiB)
ALL = "all tests"
NO_TESTS = "pytest finds no tests"
# Files that decide how tests are found and judged, beside the tests themselves. What an installation says about itself
# names plugins that pytest loads unasked.
_DECIDES = re.compile(
    r"(?:^|/)(?:conftest\.py|\.?pytest\.(?:ini|toml)|tox\.ini|setup\.cfg|pyproject\.toml|\.coveragerc|[^/]*\.pth)$"
    r"|(?:^|/)(?:site|user)customize(?:\.py$|/)|(?:^|/)[^/]*\.(?:dist|egg)-info(?:/|$)|^\.clew-",
    re.IGNORECASE,
)
_SHELLS = ("sh", "bash", "dash", "ksh", "zsh")
_RUNS = re.compile(rf"{'|'.join(_SHELLS)}|(?:python|pypy|node|deno|bun|ruby|perl|php)[\d.]*")
# What only a shell understands, as words of their own.
_FOR_SHELLS = re.compile(r"&&?|\|[|&]?|\S*;|[0-9&]?(?:>[>|]?|<{1,3})(?:&?[\w./-]+)?")
_SETTING = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
# What a command runs stands in a file that it does not name.
_DEFINED_IN = {
    "make": r"(?:GNU)?[Mm]akefile", "just": r"\.?[Jj]ustfile", "rake": r"[Rr]akefile(?:\.rb)?", "nox": r"noxfile\.py",
    **dict.fromkeys(("npm", "npx", "yarn", "pnpm"), r"package\.json"),
}  # fmt: skip
# Ids are relative to the root of the repository, whatever its configuration; one broken file hides no other. A plugin
# that is missing is no reason not to begin, and none measures, shuffles or repeats. That of LangSmith is where Clew is,
# and imports for seconds.
PYTEST = (
    "--rootdir=.", "-p", "clew_watch", "--continue-on-collection-errors", "-o", "required_plugins=",
    "-o", "strict_config=false",
    *(word for name in ("cacheprovider", "pytest_cov", "randomly", "random_order", "rerunfailures", "langsmith_plugin")
      for word in ("-p", f"no:{name}")),
)  # fmt: skip
_RUN = ("--junitxml={report}", "-o", "junit_family=xunit2", "--maxfail=0")


@dataclass(frozen=True)
class Suite:
    """How a repository is tested.

    command       words of the command, run in the repository's root
    kind          pytest: selected by id, with a report of its own; junit: another runner that writes JUnit files;
                  exit_code: any command, of which nothing is known but its exit code
    reports       patterns of the JUnit files, below the root (kind junit)
    setup         commands to run before, in the same place
    environment   variables to add
    python_path   folders that go on PYTHONPATH where they exist
    files         files that a build would write, by path; laid where the repository has none
    limits        of the whole run; default 1200 s, 2 GiB, 512 MiB of disk
    test_seconds  of one test (kind pytest), default 60
    """

    command: tuple[str, ...] = ("python3", "-m", "pytest")
    kind: Kind = "pytest"
    reports: tuple[str, ...] = ()
    setup: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    python_path: tuple[str, ...] = ("src", "lib")
    files: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = LIMITS
    test_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not all((self.command, *self.setup)):
            raise ConfigError("a suite needs a command, and its setup none that is empty: give the words")
        if (self.kind == "junit") != bool(self.reports):
            raise ConfigError(
                f"kind={self.kind!r}, reports={self.reports!r}: 'junit', and no other kind, needs patterns"
            )
        if not self.test_seconds > 0:
            raise ConfigError(f"test_seconds={self.test_seconds!r} is no time: give a number above 0")

    @classmethod
    def of(cls, command: str, reports: Sequence[str] = (), setup: Sequence[str] = (), **more: Any) -> Suite:
        """From what a person writes in one line, split as by a shell, without one: `pytest -q tests`,
        `mvn test` with `reports=["**/surefire-reports/*.xml"]`. Without `reports`, a command that names pytest is
        pytest's, any other is known by its exit code. A PYTHONPATH that `env` sets goes before the other folders.
        Raises `ConfigError`, also for what only a shell understands."""
        words, *before = (_words(line) for line in (command, *setup))
        program = _after_env(words)
        paths = [word for word in words[: len(words) - len(program)] if word.startswith("PYTHONPATH=")]
        if paths:
            more["python_path"] = (*paths[-1][11:].split(":"), *more.get("python_path", cls.python_path))
            words = tuple(word for word in words if word not in paths)
        shell = PurePosixPath(program[0]).name in _SHELLS if program else False
        pytests = not shell and any(PurePosixPath(word).name in ("pytest", "py.test") for word in words)
        kind: Kind = "junit" if reports else "pytest" if pytests else "exit_code"
        return cls(words, kind, tuple(reports), tuple(before), **more)

    def decides(self, path: str) -> bool:
        """Whether a file of the repository is what its commands run: a program, a script, or the file in which one such
        as `make` finds what to do. Pytest's own files are known whatever the suite is."""
        for program, *rest in map(_after_env, (self.command, *self.setup)):
            name = PurePosixPath(program).name
            script = next((word for word in rest if not word.startswith("-")), "") if _RUNS.fullmatch(name) else program
            defined = _DEFINED_IN.get(name)
            if path == normpath(script) or (defined and re.fullmatch(defined, PurePosixPath(path).name)):
                return True
        return False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Suite:
        """From what `to_json` gave, also after a way through JSON."""
        words = {name: tuple(data[name]) for name in ("command", "reports", "python_path")}
        setup = tuple(map(tuple, data["setup"]))
        return cls(**{**data, **words, "setup": setup, "limits": Limits(**data["limits"])})


def _words(line: str) -> tuple[str, ...]:
    """The words of a command. Raises `ConfigError` for one that only a shell would understand."""
    try:
        words = tuple(shlex.split(line))
        line.encode()
    except ValueError as error:
        raise ConfigError(f"{line!r} is no command: {error}") from None
    if "\0" in line:
        raise ConfigError(f"{line!r} holds a NUL character, as no command can")
    setting = bool(words) and _SETTING.fullmatch(words[0])
    first = words[:1] if setting or words[:1] in (("cd",), ("export",), ("source",)) else ()
    for word in (*first, *filter(_FOR_SHELLS.fullmatch, words)):
        if word in first or not any(quoted in line for quoted in (f"'{word}'", f'"{word}"', f"\\{word}")):
            better = (f"env {line}, or " if setting else "") + shlex.join(("sh", "-c", line))
            raise ConfigError(f"{word!r} in {line!r} is for a shell, and none is started: give {better}")
    return words


def _after_env(words: Sequence[str]) -> Sequence[str]:
    """A command without the `env` before it and what that sets; as it is where `env` is given options."""
    if PurePosixPath(words[0] if words else "").name != "env":
        return words
    rest = tuple(dropwhile(_SETTING.fullmatch, words[1:]))
    return words if not rest or rest[0].startswith("-") else rest


@dataclass(frozen=True)
class Discovery:
    """The ids of all tests, and the files of which none could be made, with why: `broken`. `why` tells why there are no
    tests at all. `dropped` are options of the repository's configuration that pytest here does not know."""

    tests: tuple[str, ...]
    broken: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Base:
    """How tests ended before any change, twice. `flaky` ones ended in two ways, or in error in one of the runs, and
    say nothing about a candidate; skipped ones are in none. `complete` is that of both runs together."""

    passing: tuple[str, ...]
    failing: tuple[str, ...]
    flaky: tuple[str, ...]
    complete: bool
    report: TestReport


async def discover(sandbox: Sandbox, suite: Suite, workspace: Workspace) -> Discovery:
    """The tests that the runner itself finds. For a suite of another kind than pytest's they show when it runs: the
    report of the first run names them. One effect of kind `program`. Raises `SandboxFailed`, `Refused`."""
    if suite.kind != "pytest":
        report = await run_suite(sandbox, suite, workspace)
        names = tuple(result.name for result in report.results) if report.complete else ()
        return Discovery(names, {}, "" if names else report.output or "the tests left no result")
    words = (*suite.command, *PYTEST, "--collect-only", "-q")
    execution, found = await _performed(sandbox, suite, workspace, words, None, False)
    why = incomplete(execution, found)
    if found is None or why:
        return Discovery((), {}, why)
    if not found.sealed:
        said = (execution.stderr.strip() or execution.stdout.strip())[-500:]
        return Discovery((), found.broken, f"pytest did not come to its end (exit code {found.exit}): {said}")
    return Discovery(found.tests, found.broken, "" if found.tests else NO_TESTS, found.dropped)


async def startable(sandbox: Sandbox, suite: Suite, workspace: Workspace) -> str:
    """Why the suite's command cannot be started once its setup has run; "" when it can. One effect of kind `program`.
    Raises `SandboxFailed`, `Refused`."""
    look = "import shutil, sys; sys.exit(not shutil.which(sys.argv[1]))"
    words = ("python3", "-c", look, suite.command[0])
    execution, found = await _performed(sandbox, suite, workspace, words, None, False)
    missing = f"the tests' command {suite.command[0]!r} is no program there" if execution.exit_code else ""
    return incomplete(execution, found) or missing


async def run_suite(
    sandbox: Sandbox, suite: Suite, workspace: Workspace, tests: Sequence[str] | None = None
) -> TestReport:
    """Runs tests of a workspace, all of them for `tests=None`, as one effect of kind `program`.

    Pytest runs just these; another runner runs as always, and its results of these are kept. Whatever tests do is in
    the report. Raises `SandboxFailed`, `Refused`, and `ConfigError` when pytest is to run tests that nobody named.
    """
    return (await run_covered(sandbox, suite, workspace, tests, cover=False))[0]


async def run_covered(
    sandbox: Sandbox, suite: Suite, workspace: Workspace, tests: Sequence[str] | None = None, *, cover: bool = True
) -> tuple[TestReport, Coverage]:
    """As `run_suite`, with the lines that each test ran; none but for pytest. It is several times slower."""
    if suite.kind != "pytest":
        execution, found = await _performed(sandbox, suite, workspace, suite.command, None, False)
        if suite.kind == "junit":
            return report_of_junit(execution, found, tests), Coverage()
        return report_of_exit_code(execution, found, ALL), Coverage()
    if not tests:
        raise ConfigError("pytest is to run no test: discover them first")
    words = (*suite.command, *PYTEST, *_RUN, *files_of(workspace, tests))
    execution, found = await _performed(sandbox, suite, workspace, words, tests, cover)
    report = report_of_pytest(execution, found, tests)
    covered = found.covered if found is not None and report.complete else None
    return report, covered or Coverage()


async def run_base(sandbox: Sandbox, suite: Suite, workspace: Workspace, tests: Sequence[str] | None = None) -> Base:
    """Runs tests twice on a workspace without a change, side by side as candidates will, to set apart those that cannot
    be relied upon."""

    async def run(n: int) -> TestReport:
        with scope("base", n):
            return await run_suite(sandbox, suite, workspace, tests)

    reports = await side_by_side([partial(run, 0), partial(run, 1)])
    outcomes: dict[str, list[str]] = {}
    for result in (result for report in reports for result in report.results):
        outcomes.setdefault(result.name, []).append(result.outcome)
    same = {name: both[0] for name, both in outcomes.items() if len(both) == 2 and both[0] == both[1]}
    return Base(
        passing=tuple(name for name in outcomes if same.get(name) == "passed"),
        failing=tuple(name for name in outcomes if same.get(name) in ("failed", "error")),
        flaky=tuple(name for name in outcomes if name not in same),
        complete=all(report.complete for report in reports),
        report=reports[0],
    )


async def run_in_stages(
    sandbox: Sandbox, suite: Suite, workspace: Workspace, first: Sequence[str], then: Sequence[str] = ()
) -> TestReport:
    """Runs the tests `first`, and those of `then` that are not among them only if all of `first` passed or were
    skipped. A suite that cannot be run in parts runs once."""
    tests = list(dict.fromkeys([*first, *then]))
    rest = [test for test in tests if test not in set(first)]
    if suite.kind != "pytest" or not first or not rest:
        return await run_suite(sandbox, suite, workspace, tests)
    early = await run_suite(sandbox, suite, workspace, list(first))
    if not early.complete or early.counts.failed or early.counts.error:
        return early
    late = await run_suite(sandbox, suite, workspace, rest)
    return late.model_copy(update={"results": (*early.results, *late.results), "seconds": early.seconds + late.seconds})


def affected(workspace: Workspace, changed: Sequence[str], tests: Sequence[str]) -> list[str]:
    """The tests whose file is one of the `changed` ones, is named after one (`test_x.py`, `x_test.py` for `x.py`), or
    has the name of one's module on a line that imports. For a package's `__init__.py` its name is the package's."""
    stems = {_module(path) for path in changed}
    named = re.compile(
        r"^[ \t]*(?:from|import)\b[^\n]*\b(?:" + "|".join(map(re.escape, sorted(stems))) + r")\b", re.MULTILINE
    )

    @cache
    def touched(file: str) -> bool:
        stem = re.sub(r"^tests?_|_tests?$", "", PurePosixPath(file).stem)
        if file in changed or stem in stems:
            return True
        try:
            return bool(stems) and file in workspace.entries and bool(named.search(workspace.read(file)))
        except NotText:
            return False

    return [test for test in tests if touched(test.partition("::")[0])]


def guarded(
    base: Workspace, candidate: Workspace, leave: Callable[[str], bool] = is_test, suite: Suite | None = None
) -> tuple[Workspace, tuple[str, ...]]:
    """The candidate with all files that decide over tests as they are at the base, and which these were: tests (by the
    rule `leave`), `conftest.py`, the runner's configuration and plugins, what Python loads when it starts, and what the
    commands of `suite` run. A candidate is judged by nothing that it wrote itself."""
    paths = sorted(
        path
        for path in base.entries.keys() | candidate.entries.keys()
        if base.entries.get(path) != candidate.entries.get(path)
        and (leave(path) or _DECIDES.search(path) or (suite is not None and suite.decides(path)))
    )
    return (candidate.with_files_of(base, paths), tuple(paths)) if paths else (candidate, ())


def files_of(workspace: Workspace, tests: Iterable[str]) -> list[str]:
    """The files of tests for pytest's command line; none, so that pytest finds them all by itself, when it would take
    one of them for something else than a file."""
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    if any(file not in workspace.entries or re.search(r"\[|\{report\}", file) for file in files):
        return []
    return [re.sub("^(?=[-@])", "./", file) for file in files]


def _module(path: str) -> str:
    pure = PurePosixPath(path)
    return pure.parent.name if pure.stem == "__init__" and pure.parent.name else pure.stem


async def _performed(
    sandbox: Sandbox, suite: Suite, workspace: Workspace, words: Sequence[str], tests: Sequence[str] | None, cover: bool
) -> tuple[Execution, Told | None]:
    watch = {"select": None if tests is None else list(tests), "seconds": suite.test_seconds, "cover": cover}
    seal = seal_of(workspace, suite.to_json(), list(words), watch)
    return await run_inside(sandbox, suite, workspace, seal, words, {**watch, "seal": seal})


def seal_of(workspace: Workspace, *what: Any) -> str:
    """A word that code of the tree cannot know beforehand, and the same when a run is resumed."""
    return sha256(json.dumps([workspace.tree, *what], sort_keys=True).encode()).hexdigest()


async def run_inside(
    sandbox: Sandbox,
    suite: Suite,
    workspace: Workspace,
    seal: str,
    words: Sequence[str],
    watch: Mapping[str, Any],
    *,
    files: Mapping[str, str] | None = None,
    limits: Limits | None = None,
) -> tuple[Execution, Told | None]:
    """Runs a command in the sandbox as the suite's tests run: after its setup, in a copy of the workspace, with its
    environment and `files` besides. `watch` is what the command finds on its standard input. The second result is what
    the plugin that knows the `seal` told. One effect of kind `program`."""
    orders: dict[str, Any] = {
        "setup": [list(command) for command in suite.setup], "argv": list(words), "reports": list(suite.reports),
        "environment": dict(suite.environment), "python_path": list(suite.python_path), "room": suite.limits.disk // 8,
        "watch": dict(watch),
    }  # fmt: skip
    folder = f".clew-{seal[:12]}"
    laid = {path: text for path, text in suite.files.items() if workspace.new_path(path) == path}
    execution = await run_command(
        sandbox,
        ["python3", f"{folder}/runner.py"],
        await asyncio.to_thread(workspace.checkout),
        files={**laid, **(files or {}), **{f"{folder}/{name}": text for name, text in _scripts().items()}},
        stdin=json.dumps(orders),
        collect=[f"{folder}/{RESULT}"],
        limits=limits or suite.limits,
    )
    return execution, told(execution.files.get(f"{folder}/{RESULT}"), seal)


@lru_cache(maxsize=1)
def _scripts() -> dict[str, str]:
    folder = resources.files("clew.graphs.agentless") / "inside"
    names = {"runner.py": "runner.py", "clew_watch.py": "watch.py", "clew_batch.py": "batch.py"}
    return {name: (folder / file).read_text(encoding="utf-8") for name, file in names.items()}
