"""Grades of predictions: whether a patch makes the failing tests of an instance pass, and breaks no other.

As SWE-bench grades: resolved means that all tests of `FAIL_TO_PASS` and `PASS_TO_PASS` pass. The patch is applied in a
fresh copy; files that decide over tests are those of the instance, with its `test_patch`, whatever the patch says.
Differs: few tests of `PASS_TO_PASS` that fail are run again, for some tests of real repositories fail now and then, and
that is not the patch's doing. Tests of `FAIL_TO_PASS` have one run.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from clew.config import Settings
from clew.errors import ConfigError, PatchRefused
from clew.graphs.agentless.environment import DECLARED, Prepared, prepare
from clew.graphs.agentless.repository import Workspace
from clew.graphs.agentless.suites import Suite, guarded, run_suite
from clew.graphs.agentless.types import TestReport
from clew.graphs.base import side_by_side
from clew.journal import scope
from clew.sandbox.types import Sandbox

from .instances import Instance, find_repository

Status = Literal["resolved", "failed", "error"]
_NO_PATCH = "there is no patch"
# How often tests that should still pass are run again, and how many, or which share of all, are few.
RERUNS = 4
_FEW, _SHARE = 10, 0.05


@dataclass(frozen=True)
class Grade:
    """How a prediction did; `why` it is not resolved, or which tests passed only when they ran again. The
    counts are of tests that pass, and of all. `patch` is a hash: the grade of another patch is another one."""

    instance_id: str
    status: Status
    why: str = ""
    fail_to_pass: tuple[int, int] = (0, 0)
    pass_to_pass: tuple[int, int] = (0, 0)
    patch: str = ""
    family: str = ""
    kind: str = ""

    def to_row(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Grade:
        """From `to_row`. Raises `ConfigError`."""
        try:
            counts = {name: tuple(row[name]) for name in ("fail_to_pass", "pass_to_pass")}
            return cls(**{**row, **counts})
        except (TypeError, KeyError) as error:
            raise ConfigError(f"this is no grade ({error}): give a file that `clew bugs grade` wrote") from None


def hash_of(patch: str) -> str:
    return sha256(patch.encode("utf-8", "replace")).hexdigest()[:16]


def tests_of(row: Mapping[str, Any], name: str) -> list[str]:
    """A list of tests in a row; SWE-bench's own files have it as JSON in a string. Raises `ConfigError`."""
    found = row.get(name) or []
    try:
        listed = json.loads(found) if isinstance(found, str) else found
    except ValueError:
        listed = None
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise ConfigError(f"{row.get('instance_id')!r}: {name} is no list of tests: give instances with their grading")
    return listed


async def grade(row: Mapping[str, Any], patch: str, workspace: Workspace, sandbox: Sandbox, suite: Suite) -> Grade:
    """The grade of a patch for the instance in `row`, whose files are `workspace`. Raises `SandboxFailed`."""
    wanted, kept = tests_of(row, "FAIL_TO_PASS"), tests_of(row, "PASS_TO_PASS")
    given = partial(
        Grade, str(row["instance_id"]), patch=hash_of(patch), family=str(row.get("family", "")),
        kind=str(row.get("kind", "")),
    )  # fmt: skip
    if not wanted:
        raise ConfigError(f"{row['instance_id']!r} names no test in FAIL_TO_PASS: nothing can be resolved")
    if not patch.strip():
        return given("failed", _NO_PATCH, (0, len(wanted)), (0, len(kept)))
    try:
        tree, _ = await asyncio.to_thread(lambda: guarded(workspace, workspace.apply(patch), suite=suite))
        if str(row.get("test_patch") or "").strip():
            tree = await asyncio.to_thread(tree.apply, str(row["test_patch"]))
    except PatchRefused as error:
        return given("error", str(error), (0, len(wanted)), (0, len(kept)))
    report = await run_suite(sandbox, suite, tree, [*wanted, *kept])
    if not report.complete:
        return given("error", f"its tests did not come to their end: {report.output[-300:]}")
    passed, late = _passed(report), set[str]()
    broken = [test for test in kept if test not in passed]
    if broken and passed.issuperset(wanted) and len(broken) <= max(_FEW, _SHARE * len(kept)):
        late = await _passing_later(sandbox, suite, tree, broken, [*wanted, *kept])
        passed |= late
    fixed, whole = len(passed.intersection(wanted)), len(passed.intersection(kept))
    missing = [*(test for test in wanted if test not in passed), *(test for test in kept if test not in passed)]
    why = f"passed only when they ran again: {', '.join(sorted(late))}" if late else ""
    if missing:
        why = f"{len(missing)} tests do not pass, {missing[0]!r} first"
    return given("failed" if missing else "resolved", why, (fixed, len(wanted)), (whole, len(kept)))


def _passed(report: TestReport) -> set[str]:
    return {result.name for result in report.results if result.outcome == "passed"} if report.complete else set()


async def _passing_later(
    sandbox: Sandbox, suite: Suite, tree: Workspace, broken: Sequence[str], tests: Sequence[str]
) -> set[str]:
    """Those of the `broken` tests that pass when all tests of their files run again."""
    left, files = set(broken), {test.partition("::")[0] for test in broken}
    mine = [test for test in tests if test.partition("::")[0] in files]
    for number in range(RERUNS):
        with scope("again", number):
            left -= _passed(await run_suite(sandbox, suite, tree, mine))
        if not left:
            break
    return set(broken) - left


async def grade_all(
    rows: Sequence[Mapping[str, Any]],
    patches: Mapping[str, str],
    settings: Settings,
    *,
    beside: Path,
    repos: Path | None = None,
    known: Mapping[str, Grade] | None = None,
    parallel: int = 1,
    told: Callable[[Grade], None] = lambda grade: None,
) -> list[Grade]:
    """The grades of all instances in the order of `rows`, a missing prediction being an empty one. `known` ones of the
    same patch are taken as they are; `told` is called with each new one. Raises `ConfigError`, `RepositoryError`,
    `SandboxFailed`."""
    benches = Benches(settings)
    try:
        with tempfile.TemporaryDirectory(prefix="clew-grade-") as folder:
            work = [
                partial(_graded, row, patches, known or {}, benches, beside, repos, Path(folder) / str(n), told)
                for n, row in enumerate(rows)
            ]
            return await side_by_side(work, parallel)
    finally:
        await benches.close()


async def _graded(
    row: Mapping[str, Any],
    patches: Mapping[str, str],
    known: Mapping[str, Grade],
    benches: Benches,
    beside: Path,
    repos: Path | None,
    folder: Path,
    told: Callable[[Grade], None],
) -> Grade:
    instance = Instance.of(row)
    patch = patches.get(instance.instance_id, "")
    before = known.get(instance.instance_id)
    if before is not None and before.patch == hash_of(patch):
        return before
    repo = await asyncio.to_thread(find_repository, instance.repo, repos, beside, folder.parent / "clones")
    workspace = await asyncio.to_thread(Workspace.make, repo, instance.base_commit, folder)
    with scope("grade", instance.instance_id):
        bench = await benches.of(instance, workspace)
        found = await grade(row, patch, workspace, bench.sandbox, bench.suite)
    told(found)
    return found


class Benches:
    """Where tests run, prepared once for all instances that say the same about it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._made: dict[str, Prepared] = {}
        self._lock = asyncio.Lock()

    async def of(self, instance: Instance, workspace: Workspace) -> Prepared:
        says = instance.to_row()
        for name in ("instance_id", "base_commit", "problem_statement"):
            says.pop(name, None)
        key = json.dumps(says, sort_keys=True)
        async with self._lock:
            if key not in self._made:
                self._made[key] = await bench(
                    workspace, self.settings, image=instance.image, test_cmd=instance.test_cmd, setup=instance.setup,
                    requirements=instance.requirements, reports=instance.report_glob,
                )  # fmt: skip
            return self._made[key]

    async def close(self) -> None:
        for each in self._made.values():
            await each.sandbox.close()


async def bench(
    workspace: Workspace,
    settings: Settings,
    *,
    image: str | None = None,
    test_cmd: str | None = None,
    setup: Sequence[str] = (),
    requirements: Sequence[str] = (),
    reports: Sequence[str] = (),
) -> Prepared:
    """Where the tests of a workspace run, as for `clew repair`: with what the repository declares, unless the image is
    the user's own. Close its sandbox."""
    image = (image or settings.image) if settings.sandbox != "process" else None
    own = () if image is not None else (DECLARED,)
    kind: Any = settings.sandbox  # checked there
    return await prepare(
        workspace, sandbox_kind=kind, image=image, command=test_cmd, setup=setup,
        requirements=(*own, *requirements) or None, reports=reports,
    )  # fmt: skip
