"""The phases that run tests: how they go at the base commit, and what every change does to them.

Specification of Agentless, 7a, 7c and 8d. A change is tested once, however many candidates make it. Tests near the
change and those that it should fix run first; all the others run only for changes that nobody beats so far, and so
never for one that could not be chosen.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from clew.errors import EffectFailed, PatchRefused, Refused
from clew.graphs.base import State, side_by_side
from clew.graphs.final import stopped
from clew.journal import scope
from clew.sandbox.types import Sandbox

from .job import VALIDATE, Job, ReproductionTest, Tests, flagged, happened, told
from .repository import Workspace
from .reproduction import reproduced
from .suites import Suite, affected, discover, guarded, run_base, run_suite
from .types import MOST_NAMES, Candidate, TestCounts, TestReport, TestResult, Trial

NO_TESTS = "no_tests"
FLAKY_TESTS = "flaky_tests"
UNKNOWN_TARGETS = "unknown_targets"
DROPPED_OPTIONS = "dropped_options"
OWN_TESTS = "it changes nothing but tests"
EXIT_CODE_ONLY = "exit_code_only"
EXCUSED = "excused_failures"
UNCONFIRMED = "unconfirmed"
LEFT_BEHIND = "another change does better in the tests that ran"
_LONGEST = 1500
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,16}\b")
_MOST_MESSAGES = 20
# Regression tests that run once more when they fail. A change that breaks more has not met chance.
_MOST_AGAIN = 10


# The base commit -------------------------------------------------------------------------------------------------


async def base_tests(job: Job) -> Tests:
    """How the repository's own tests go at the base commit: found by the runner, run twice. Raises `SandboxFailed`,
    `Refused`; what tests do is in `why`."""
    if job.sandbox is None or job.suite is None:
        return Tests(why="there is no sandbox to run tests in" if job.sandbox is None else "nobody said how to test")
    names: list[str] | None = None
    broken: dict[str, str] = {}
    dropped: tuple[str, ...] = ()
    if job.suite.kind == "pytest":
        found = await discover(job.sandbox, job.suite, job.workspace)
        broken = {file: why[-_LONGEST:] for file, why in found.broken.items()}
        dropped = found.dropped
        # A test that does not exist until the patch is there, as its file cannot be imported.
        hidden = [test for test in job.targets if "::" in test and test.partition("::")[0] in broken]
        names = list(dict.fromkeys([*found.tests, *hidden]))
        if not names:
            return Tests(broken=broken, why=found.why or "there are no tests")
    base = await run_base(job.sandbox, job.suite, job.workspace, names)
    if not base.complete:
        said = base.report.output.strip()[-_LONGEST:]
        return Tests(broken=broken, why=f"the tests do not come to their end at the base commit: {said}")
    messages = _messages(base.report.results, base.failing, _MOST_MESSAGES)
    return Tests(
        passing=base.passing, failing=base.failing, flaky=base.flaky, messages=messages, broken=broken, dropped=dropped,
        why="" if base.passing or base.failing else "every test is skipped or flaky",
    )  # fmt: skip


async def look(job: Job, state: State) -> State:
    """The phase `TESTS` without its next one: `state["base"]`, and flags for what a reader should know."""
    tests = await base_tests(job)
    told(
        "tests", passing=len(tests.passing), failing=tests.failing[:MOST_NAMES], flaky=tests.flaky[:MOST_NAMES],
        targets=len(job.targets_of(tests)), broken=sorted(tests.broken)[:MOST_NAMES],
        dropped=tests.dropped, why=tests.why,
    )  # fmt: skip
    state = {**state, "base": tests.model_dump(mode="json")}
    unknown = bool(job.targets) and not tests.why and not job.targets_of(tests)
    return flagged(
        state,
        *([NO_TESTS] if tests.why else []),
        *([FLAKY_TESTS] if tests.flaky else []),
        *([DROPPED_OPTIONS] if tests.dropped else []),
        *([EXIT_CODE_ONLY] if job.suite is not None and job.suite.kind == "exit_code" and not tests.why else []),
        *([UNKNOWN_TARGETS] if unknown else []),
    )


# The candidates --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Case:
    """A change on its way through the tests: `rest` are those that did not run yet, `failures` those that failed."""

    key: str
    trial: Trial
    workspace: Workspace | None = None
    rest: tuple[str, ...] = ()
    ended: tuple[str, str] | None = None

    @property
    def standing(self) -> tuple[int, int, bool]:
        """What the choice goes by, lower is better: failures, fixes, the reproduction. More tests make it no better."""
        counts = self.trial.counts or TestCounts()
        return counts.lost, -len(self.trial.fixed), self.trial.reproduction != "passed"

    @property
    def open(self) -> bool:
        return self.trial.counts is not None and not self.trial.whole


class Validation:
    """Runs the tests of changes, `at_once` changes at a time.

    Every change runs the tests it affects, the target tests and the reproduction tests; those that stand best then run
    all. A change that was left behind stands below one that ran all, and no test could lift it."""

    def __init__(self, job: Job, at_once: int) -> None:
        self.job, self.at_once = job, at_once

    async def validate(self, state: State) -> State:
        """The phase `VALIDATE` without its next one: every candidate gets what the tests said of its key. A limit or a
        failed sandbox leaves changes untested, and sets `state["ended"]`."""
        candidates = [Candidate.model_validate(each) for each in state["candidates"]]
        trials = {key: Trial.model_validate(each) for key, each in state["trials"].items()}
        fresh: dict[str, Candidate] = {}
        for candidate in candidates:
            if candidate.key and candidate.syntax_ok and not candidate.reason and candidate.key not in trials:
                fresh.setdefault(candidate.key, candidate)
        cases = await self._tried(fresh, trials, state)
        for case in cases:
            trials[case.key] = case.trial
            ids = [candidate.id for candidate in candidates if candidate.key == case.key]
            told(VALIDATE, key=case.key, candidates=ids, **case.trial.model_dump(mode="json"))
        guards = [
            {"kind": "guarded", "key": case.key, "paths": list(case.trial.guarded)}
            for case in cases
            if case.trial.guarded
        ]
        state = {
            **state,
            "candidates": [_judged(each, trials).model_dump(mode="json") for each in candidates],
            "trials": {key: trial.model_dump(mode="json") for key, trial in trials.items()},
        }
        ended = next((list(case.ended) for case in cases if case.ended is not None), None)
        return happened({**state, "ended": state["ended"] or ended}, *guards)

    async def confirm(self, state: State, chosen: Candidate) -> State:
        """Runs on the chosen change once more the tests that it mends, for a test that fails by chance fails twice at
        the base now and then: one that does not pass again is a flaky one, and mended by nobody. And runs those that it
        may break, so that people hear which it does. A limit or a failed sandbox leaves it unconfirmed, with a flag."""
        tests, trial = Tests.model_validate(state["base"]), Trial.model_validate(state["trials"].get(chosen.key, {}))
        judging = set(tests.passing if state["regression"] is None else state["regression"])
        keep, excused = ([test for test in tests.passing if (test in judging) is guards] for guards in (True, False))
        sandbox, suite = self.job.sandbox, self.job.suite
        if sandbox is None or suite is None or suite.kind != "pytest" or trial.counts is None:
            return state
        try:
            with scope("confirm", chosen.key[:16]):
                workspace = (await asyncio.to_thread(self._guarded, chosen.diff, tests))[0]
                if not trial.whole:  # it was left behind by one that is not confirmed
                    fresh = trial.model_copy(update={"counts": TestCounts(), "fixed": (), "broken": (), "late": ()})
                    case = _Case(chosen.key, fresh, workspace, tuple(keep))
                    trial = (await _ran(sandbox, suite, case, keep, keep, self.job.targets_of(tests))).trial
                # Each by itself: whatever the others do to the runner says nothing of those that are mended.
                again = await run_suite(sandbox, suite, workspace, trial.fixed) if trial.fixed else None
                others = await run_suite(sandbox, suite, workspace, excused) if excused else None
        except (Refused, EffectFailed):
            return flagged(state, UNCONFIRMED)
        passed = {result.name for result in again.results if result.outcome == "passed"} if again else set()
        unsteady = tuple(test for test in trial.fixed if test not in passed)
        failing = [result.name for result in others.results if result.outcome in ("failed", "error")] if others else []
        trial = trial.model_copy(update={"unsteady": unsteady, "excused": tuple(failing[:MOST_NAMES])})
        ran = len(trial.fixed) + len(excused)
        told("confirm", key=chosen.key, ran=ran, unsteady=trial.unsteady, excused=trial.excused)
        return self._with_trial(state, chosen.key, trial)

    def _with_trial(self, state: State, key: str, trial: Trial) -> State:
        flaky, tests = set(trial.unsteady), Tests.model_validate(state["base"])
        failing = tuple(test for test in tests.failing if test not in flaky)
        tests = tests.model_copy(update={"failing": failing, "flaky": (*tests.flaky, *trial.unsteady)})
        trials = {name: Trial.model_validate(each) for name, each in state["trials"].items()} | {key: trial}
        for name, each in trials.items():
            steady = tuple(test for test in each.fixed if test not in flaky)
            trials[name] = each.model_copy(update={"fixed": steady})
        candidates = [_judged(Candidate.model_validate(each), trials) for each in state["candidates"]]
        return {
            **(flagged(state, FLAKY_TESTS) if flaky else state),
            "base": tests.model_dump(mode="json"),
            "trials": {name: each.model_dump(mode="json") for name, each in trials.items()},
            "candidates": [each.model_dump(mode="json") for each in candidates],
        }

    async def _tried(self, fresh: Mapping[str, Candidate], trials: Mapping[str, Trial], state: State) -> list[_Case]:
        """The changes with their trials, in order."""
        tests = Tests.model_validate(state["base"])
        chosen = set(tests.passing if state["regression"] is None else state["regression"])
        keep = tuple(test for test in tests.passing if test in chosen)
        scripts = [ReproductionTest.model_validate(each) for each in state["reproduction"]]
        begin = [partial(self._begin, key, each, tests, keep, scripts) for key, each in fresh.items()]
        cases = {case.key: case for case in await side_by_side(begin, self.at_once)}
        whole = [_Case(key, trial) for key, trial in trials.items() if trial.whole]
        while True:
            best = min((case.standing for case in [*whole, *cases.values()] if case.trial.whole), default=None)
            waiting = [case for case in cases.values() if case.open]
            least = min((case.standing for case in waiting), default=None)
            if least is None or (best is not None and least > best):
                return list(cases.values())
            go_on = [partial(self._finish, case, keep) for case in waiting if case.standing == least]
            cases |= {case.key: case for case in await side_by_side(go_on, self.at_once)}

    async def _begin(
        self, key: str, candidate: Candidate, tests: Tests, keep: tuple[str, ...], scripts: Sequence[ReproductionTest]
    ) -> _Case:
        """The first tests of a change."""
        job = self.job
        try:
            workspace, paths = await asyncio.to_thread(self._guarded, candidate.diff, tests)
        except PatchRefused as refusal:
            return _Case(key, Trial(refused=str(refusal)))
        if workspace.tree == job.workspace.tree and all(map(job.judging(tests), paths)):
            return _Case(key, Trial(refused=OWN_TESTS, guarded=paths))
        trial = Trial(guarded=paths, why=tests.why)
        try:
            with scope("validate", key[:16]):
                trial = trial.model_copy(update={"reproduction": await reproduced(job, workspace, scripts)})
                if tests.why or job.sandbox is None or job.suite is None:
                    return _Case(key, trial)
                targets = job.targets_of(tests) or await self._hidden(job.sandbox, job.suite, workspace, tests)
                first = await asyncio.to_thread(self._first, workspace, keep)
                if job.suite.kind != "pytest":
                    first = keep
                case = _Case(key, trial.model_copy(update={"counts": TestCounts()}), workspace, keep)
                return await _ran(job.sandbox, job.suite, case, first, keep, targets)
        except (Refused, EffectFailed) as error:
            return _given_up(_Case(key, trial), error)

    async def _finish(self, case: _Case, keep: tuple[str, ...]) -> _Case:
        """All the other tests of a change."""
        assert self.job.sandbox is not None and self.job.suite is not None, "an open case has tests"
        try:
            with scope("validate", case.key[:16]):
                return await _ran(self.job.sandbox, self.job.suite, case, case.rest, keep, ())
        except (Refused, EffectFailed) as error:
            return _given_up(case, error)

    async def _hidden(self, sandbox: Sandbox, suite: Suite, workspace: Workspace, tests: Tests) -> tuple[str, ...]:
        """Where nothing fails but files could not be made tests of: the tests that they have with the change."""
        files = {file for file in tests.broken if self.job.is_target(file)}
        if suite.kind != "pytest" or not files:
            return ()
        found = await discover(sandbox, suite, workspace)
        return tuple(test for test in found.tests if test.partition("::")[0] in files)

    def _guarded(self, diff: str, tests: Tests) -> tuple[Workspace, tuple[str, ...]]:
        base = self.job.workspace
        return guarded(base, base.apply(diff), self.job.judging(tests), self.job.suite)

    def _first(self, workspace: Workspace, keep: tuple[str, ...]) -> tuple[str, ...]:
        """The regression tests that stand near the change."""
        before, after = self.job.workspace.entries, workspace.entries
        changed = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
        return tuple(affected(workspace, sorted(changed), keep))


async def _ran(
    sandbox: Sandbox, suite: Suite, case: _Case, first: Iterable[str], keep: Sequence[str], targets: Sequence[str]
) -> _Case:
    """The case after some of its regression tests and all `targets`."""
    assert case.workspace is not None, "a case that runs has a workspace"
    first = tuple(first)
    asked = list(dict.fromkeys([*first, *targets]))
    rest = tuple(test for test in case.rest if test not in set(first))
    if not asked:
        return _with(case, [], rest, targets)
    report = await run_suite(sandbox, suite, case.workspace, asked)
    if not report.complete:
        why = _why(report)
        return replace(case, trial=case.trial.model_copy(update={"counts": None, "why": why}), rest=())
    late = await _passing_later(sandbox, suite, case.workspace, report.results, targets)
    case = replace(case, trial=case.trial.model_copy(update={"late": (*case.trial.late, *late)}))
    return _with(case, [late.get(result.name, result) for result in report.results], rest, targets)


async def _passing_later(
    sandbox: Sandbox, suite: Suite, workspace: Workspace, results: Sequence[TestResult], targets: Sequence[str]
) -> dict[str, TestResult]:
    """Of a few regression tests that failed, those that pass when they run again: tests of real repositories fail now
    and then, and two runs at the base commit do not find all that do."""
    failing = [each.name for each in results if each.name not in set(targets) and each.outcome in ("failed", "error")]
    if suite.kind != "pytest" or not 0 < len(failing) <= _MOST_AGAIN:
        return {}
    again = await run_suite(sandbox, suite, workspace, failing)
    return {each.name: each for each in again.results if each.outcome == "passed"} if again.complete else {}


def _with(case: _Case, results: Sequence[TestResult], rest: tuple[str, ...], targets: Sequence[str]) -> _Case:
    """The case with more results; those of `targets` count as fixes, all others as regression tests."""
    aims = set(targets)
    judged = [result for result in results if result.name not in aims]
    before = case.trial.counts or TestCounts()
    outcomes: list[str] = [result.outcome for result in judged]
    counts = {name: getattr(before, name) + outcomes.count(name) for name in TestCounts.model_fields}
    broken = [result.name for result in judged if result.outcome != "passed"]
    failing = [result.name for result in results if result.outcome in ("failed", "error")]
    trial = case.trial.model_copy(
        update={
            "counts": TestCounts(**counts),
            "whole": not rest,
            "fixed": (*case.trial.fixed, *(r.name for r in results if r.name in aims and r.outcome == "passed")),
            "broken": (*case.trial.broken, *broken)[:MOST_NAMES],
            "messages": {**case.trial.messages, **_messages(results, failing, 3)},
        }
    )
    return replace(case, trial=trial, rest=rest)


def _given_up(case: _Case, error: Refused | EffectFailed) -> _Case:
    status, reason = stopped(error)
    trial = case.trial.model_copy(update={"counts": None, "whole": False, "why": str(error)[:_LONGEST]})
    return replace(case, trial=trial, rest=(), ended=(status, reason))


def _judged(candidate: Candidate, trials: Mapping[str, Trial]) -> Candidate:
    trial = trials.get(candidate.key)
    if trial is None or not candidate.syntax_ok:
        return candidate
    left_behind = trial.counts is not None and not trial.whole
    update = {
        "reason": candidate.reason or trial.refused,
        "regression": trial.counts,
        "untested": LEFT_BEHIND if left_behind else trial.why,
        "broken": trial.broken,
        "fixed": len(trial.fixed),
        "reproduction": trial.reproduction,
    }
    return candidate.model_copy(update=update)


def _messages(results: Iterable[TestResult], names: Iterable[str], most: int) -> dict[str, str]:
    """The end of what tests said, of the first `most` names. Addresses of objects differ from run to run, and tell
    nothing."""
    wanted = set(list(names)[:most])
    return {each.name: _ADDRESS.sub("0x...", each.message)[-_LONGEST:] for each in results if each.name in wanted}


def _why(report: TestReport) -> str:
    said = next((result.message for result in report.results if result.message), "") or report.output.strip()
    return f"its tests did not come to their end: {said[-_LONGEST:]}"
