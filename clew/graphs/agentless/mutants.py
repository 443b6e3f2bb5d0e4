"""The proposer without a model: templates tried where failing tests went, the likeliest first.

Two phases. `blame` runs the failing tests and some that pass with their lines, and gives every line its Ochiai
coefficient. `mutate` takes the edits that `propose` makes of suspicious lines, in its order and in waves: a sandbox
tries a batch of them on the failing tests in one run (`batches`), and those that make all of these pass become
candidates, a few at a time. It ends when a candidate broke no other test, or when all edits are tried. Candidates
are numbered by their place in the order, so of several that pass all tests the one with the highest score is first.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from clew.graphs.base import Phase, State, check_limits, side_by_side
from clew.journal import scope

from .batches import VERDICTS, Tried, try_all
from .blame import Line, blame
from .candidates import from_changes
from .coverage import Coverage
from .job import RANK, VALIDATE, Job, Tests, flagged, told
from .mutate import LIMIT, Proposal, propose
from .suites import run_covered
from .types import Candidate, TestReport

# Lines that are looked at, and the tests near a line that an edit of it must still pass in a batch.
_MOST_SUSPECTS, _MOST_NEAR = 2000, 8
# Passing tests that take longer are near no line.
_QUICK_S = 1.0
# Tests that hang cost every edit that changes nothing of it their whole time.
_MOST_HANGING, _HANGS_S = 2, 3.0
_HANGS = re.compile(r"took longer than [\d.]+ s")
_TOP = 10
_FIRST_WAVE = 25
# `src/shop/price.py:7: in total` as pytest tells it, `File "/sandbox/src/shop/price.py", line 7` as Python does.
_FRAME = re.compile(
    r"""^(?:E?\ *File\ "(?P<file>[^"\n]+)",\ line\ (?P<line>\d+) | (?P<path>[^\s:][^:\n]*\.py):(?P<at>\d+):\ )""",
    re.MULTILINE | re.VERBOSE,
)


class MutationProposer:
    """Repairs by templates, without a model. Needs tests: a suite of kind pytest of which some fail.

    Args:
        limit: edits that are tried at most.
        batch: edits that are tried in one run of a sandbox.
        at_once: sandboxes that are used at a time, which is also how many batches make a wave.
        survivors: edits that are handed over at a time.
        passing: passing tests whose lines are noted, at most.
        targets: failing tests that a batch runs, at most; the graph runs all of them.
    """

    name = "mutate"
    mends_all = True

    def __init__(
        self,
        *,
        limit: int = LIMIT,
        batch: int = 100,
        at_once: int = 2,
        survivors: int = 4,
        passing: int = 400,
        targets: int = 10,
    ) -> None:
        self.limits = {
            "limit": limit, "batch": batch, "at_once": at_once, "survivors": survivors, "passing": passing,
            "targets": targets,
        }  # fmt: skip
        check_limits("MutationProposer", self.limits, dict.fromkeys(self.limits, 1) | {"passing": 0})
        self.limit, self.batch, self.at_once, self.survivors = limit, batch, at_once, survivors
        self.passing, self.targets = passing, targets

    def fingerprint(self) -> dict[str, Any]:
        return {"proposer": self.name, **self.limits}

    def phases(self, job: Job) -> Mapping[str, Phase]:
        made: dict[str, _Made] = {}

        async def blaming(state: State) -> State:
            return await self._blame(job, state)

        async def mutating(state: State) -> State:
            suspects = state["mutants"]["suspects"]
            if "" not in made or made[""].suspects != suspects:
                made[""] = _Made(job, suspects, self.limit)
            return await self._mutate(job, made[""], state)

        return {"blame": blaming, "mutate": mutating}

    # Blame --------------------------------------------------------------------------------------------------------

    async def _blame(self, job: Job, state: State) -> State:
        tests = Tests.model_validate(state["base"])
        if job.sandbox is None or job.suite is None or job.suite.kind != "pytest":
            return _none(state, "mutate_needs_pytest")
        # A file that no tests could be made of is one that fails as a whole.
        failing = job.targets_of(tests) or tuple(tests.broken)
        if not failing:
            return _none(state, "mutate_needs_failing_tests")
        ending, seconds = _that_end(failing, tests.messages, job.suite.test_seconds)
        targets = spread(ending, self.targets)
        await job.ready()
        passing = nearest(tests.passing, targets, self.passing)
        suite = replace(job.suite, test_seconds=seconds)
        report, coverage = await run_covered(job.sandbox, suite, job.workspace, [*targets, *passing])
        judges = job.judging(tests)
        known = {path for path in job.texts if path.endswith(".py") and not judges(path)}
        ranked = {line: score for line, score in blame(coverage, targets, passing).items() if line[0] in known}
        source = "coverage"
        if not ranked:
            source, ranked = "messages", _from_messages(tests, targets, known)
        suspects = [(path, line, score) for (path, line), score in list(ranked.items())[:_MOST_SUSPECTS]]
        told("blame", source=source, tests=len(report.results), targets=list(targets), suspects=suspects[:_TOP])
        if not suspects:
            return _none(state, "mutate_blames_nothing")
        files = {test.partition("::")[0] for test in targets}
        quick = _quick(report, [test for test in passing if test.partition("::")[0] in files])
        mine = {
            "targets": targets, "seconds": seconds, "suspects": suspects, "near": _near(coverage, suspects, quick),
            "tried": 0, "passed": [], "some": [], "why": "", "ended": False,
        }  # fmt: skip
        return {**state, "mutants": mine, "phase": "mutate"}

    # Mutate -------------------------------------------------------------------------------------------------------

    async def _mutate(self, job: Job, made: _Made, state: State) -> State:
        mine = state["mutants"]
        targets = len(job.targets_of(Tests.model_validate(state["base"])))
        if any(_clean(candidate, targets) for candidate in map(Candidate.model_validate, state["candidates"])):
            return {**state, "pending": 0, "phase": RANK}
        while not (mine["passed"] or mine["ended"]):
            # Waves double: most fixes are among the first edits.
            wave = min(self.batch * self.at_once, max(_FIRST_WAVE, mine["tried"]))
            proposals = await asyncio.to_thread(made.get, mine["tried"], wave)
            mine = await self._wave(job, mine, proposals) if proposals else mine
            mine = {**mine, "ended": len(proposals) < wave or bool(mine["why"])}
        if not mine["passed"]:  # some targets may fail for reasons of their own, which no edit removes
            mine = {**mine, "passed": [number for _, number in sorted(mine["some"])][: self.survivors], "some": []}
        now, later = mine["passed"][: self.survivors], mine["passed"][self.survivors :]
        new = [_candidate(job, made.get(number, 1)[0], number) for number in now]
        left = len(later) + (len(mine["some"]) if mine["ended"] else self.limit - mine["tried"])
        return {
            **(flagged(state, "mutate_cannot_try") if mine["why"] else state),
            "mutants": {**mine, "passed": later},
            "candidates": [*state["candidates"], *(each.model_dump(mode="json") for each in new)],
            "pending": left if new else 0,
            "again": "mutate",
            "phase": VALIDATE if new else RANK,
        }

    async def _wave(self, job: Job, mine: dict[str, Any], proposals: Sequence[Proposal]) -> dict[str, Any]:
        first = mine["tried"]
        assert job.sandbox is not None and job.suite is not None, "blame asked for them"
        sandbox, suite = job.sandbox, replace(job.suite, test_seconds=mine["seconds"])
        batches = [proposals[n : n + self.batch] for n in range(0, len(proposals), self.batch)]

        def trying(number: int, batch: Sequence[Proposal]) -> Any:
            async def tried() -> tuple[list[Tried], str]:
                near = [mine["near"].get(f"{each.change.path}:{each.line}", ()) for each in batch]
                with scope("batch", first + number * self.batch):
                    return await try_all(sandbox, suite, job.workspace, batch, mine["targets"], near)

            return tried

        done = await side_by_side([trying(n, batch) for n, batch in enumerate(batches)], self.at_once)
        tried = [(first + n, each) for n, each in enumerate(each for found, _ in done for each in found)]
        passed = [number for number, each in tried if each.verdict == "pass"]
        some = [(-each.fixed, number) for number, each in tried if each.verdict == "some"]
        why = next((why for _, why in done if why), "")
        counts = {verdict: sum(each.verdict == verdict for _, each in tried) for verdict in VERDICTS}
        told("mutate", first=first, tried=len(tried), verdicts=counts, passed=passed, why=why)
        return {**mine, "tried": first + len(tried), "passed": passed, "some": [*mine["some"], *some], "why": why}


def nearest(passing: Sequence[str], targets: Sequence[str], most: int) -> list[str]:
    """At most `most` of the passing tests: those in files of targets first, the rest evenly from all others."""
    files = {test.partition("::")[0] for test in targets}
    mine = [test for test in passing if test.partition("::")[0] in files]
    others = [test for test in passing if test.partition("::")[0] not in files]
    kept = spread(mine, most)
    return [*kept, *spread(others, most - len(kept))]


def _that_end(failing: Sequence[str], messages: Mapping[str, str], seconds: float) -> tuple[list[str], float]:
    """The failing tests that do not hang; if all do, some of them. And what time each may take."""
    hanging = [test for test in failing if _HANGS.search(messages.get(test, ""))]
    ending = [test for test in failing if test not in hanging]
    return (ending, seconds) if ending else (hanging[:_MOST_HANGING], min(seconds, _HANGS_S))


def spread(items: Sequence[str], most: int) -> list[str]:
    """At most `most` of the items, evenly from all of them."""
    return list(items) if len(items) <= most else [items[n * len(items) // most] for n in range(most)]


def _none(state: State, flag: str) -> State:
    return {**flagged(state, flag), "pending": 0, "phase": RANK}


def _clean(candidate: Candidate, targets: int) -> bool:
    """Whether all tests were run on a candidate, none broke, and all targets pass."""
    counts = candidate.regression
    return counts is not None and not (counts.lost or candidate.untested) and candidate.fixed == targets


class _Made:
    """The proposals, each made when it is first asked for: to parse them all takes longer than to try some."""

    def __init__(self, job: Job, suspects: Sequence[Sequence[Any]], limit: int) -> None:
        self.suspects = suspects
        lines: dict[Line, float] = {(path, line): score for path, line, score in suspects}
        texts = {path: job.texts[path] for path in dict.fromkeys(path for path, _ in lines)}
        self._more = propose(texts, lines, limit)
        self._made: list[Proposal] = []

    def get(self, first: int, many: int) -> list[Proposal]:
        """The proposals from number `first`, fewer than `many` when there are no more."""
        self._made += islice(self._more, max(0, first + many - len(self._made)))
        return self._made[first : first + many]


def _candidate(job: Job, proposal: Proposal, number: int) -> Candidate:
    about = {
        "kind": "mutation", "template": proposal.kind, "path": proposal.change.path, "line": proposal.line,
        "old": proposal.old, "new": proposal.new, "score": round(proposal.score, 6),
    }  # fmt: skip
    candidate = from_changes([proposal.change], job.workspace, set=0, sample=number, events=[about])
    told("candidate", **candidate.model_dump(mode="json"))
    return candidate


def _quick(report: TestReport, tests: Sequence[str]) -> set[str]:
    wanted = set(tests)
    return {each.name for each in report.results if each.name in wanted and each.seconds < _QUICK_S}


def _near(coverage: Coverage, suspects: Sequence[tuple[str, int, float]], tests: set[str]) -> dict[str, list[str]]:
    """For each suspicious line some passing tests that ran it."""
    ran: dict[Line, list[str]] = {(path, line): [] for path, line, _ in suspects}
    for test in (test for test in coverage.tests if test in tests):
        for line in coverage.lines(test):
            if line in ran:
                ran[line].append(test)
    return {f"{path}:{line}": spread(some, _MOST_NEAR) for (path, line), some in ran.items() if some}


def _from_messages(tests: Tests, targets: Sequence[str], known: set[str]) -> dict[Line, float]:
    """Places of the repository that errors of tests name which never began: the last one of a traceback first."""
    found: dict[Line, float] = {}
    for target in targets:
        said = tests.messages.get(target) or tests.broken.get(target.partition("::")[0], "")
        named = [
            (path, int(match["line"] or match["at"]))
            for match in _FRAME.finditer(said)
            if (path := _known(match["file"] or match["path"], known)) is not None
        ]
        for back, place in enumerate(reversed(named)):
            found[place] = max(found.get(place, 0.0), 1.0 / (1 + back))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _known(written: str, known: set[str]) -> str | None:
    parts = written.replace("\\", "/").split("/")
    tails = ("/".join(parts[n:]) for n in range(len(parts)))
    return next((tail for tail in tails if tail in known), None)
