"""Agentless: an issue and a repository in, a tested patch out, in fixed stages.

Reference: Xia, Deng, Dunn, Zhang, "Agentless: Demystifying LLM-based Software Engineering Agents" (2024), and its
released code. Localise, repair, validate: a model never chooses an action, it fills in the stages. Here the stages of
localisation and repair belong to a proposer (`ModelProposer`, or `MutationProposer` without a model); finding tests,
judging patches and choosing one belong to the graph.

Differs from the released code: tests are those that the repository's own runner finds at the base commit, not those
that a benchmark names; a run without a report is no pass; patches that do the same are tested once; and the graph stops
as soon as its choice cannot change. What a limit or a failed call ends is still a choice among the patches that exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clew.errors import ConfigError, EffectFailed, Refused, RepositoryError
from clew.graphs.base import END_PHASE, Graph, Phase, State, Steps, check_limits, graph_of
from clew.graphs.final import stopped
from clew.journal import Recipe, current
from clew.task import Answer, Status, Task, Trace

from .job import RANK, TESTS, VALIDATE, Job, Proposer, Tests, flagged, happened, told
from .rank import decided, rank
from .types import Candidate
from .validation import EXCUSED, Validation, look

_OWN = (TESTS, VALIDATE, RANK, END_PHASE, "start", "finish")


def agentless(
    proposer: Proposer, job: Job, *, at_once: int = 4, early_stop: bool = True, recipe: Recipe | None = None
) -> Graph:
    """The graph that repairs the repository of `job`: `{"task": ...}` in, `{"answer": ...}` out. The task's prompt is
    the issue.

    `proposer` makes the patches. `at_once` changes are tested at a time. With `early_stop` no more candidates are made
    once those that could still come cannot change the choice: it has no failing regression test, fixes the tests that
    it should (those of `job.targets`; without them, as many as any other), passes the reproduction tests, and has more
    votes than any other could get.

    The answer's text is the patch, in git's format. Status `ok`; `partial` when tests do not speak for the patch, with
    the stop reason `regression_failures`, `targets_failing`, `repro_ignored` or `untested`, or when something failed
    and there is a patch nevertheless; `no_answer` without a patch that counts (`no_candidate`); `budget` (the limit's
    name), with the best patch that exists; `error`. `score` is the patch's share of the votes. `artifacts`: `patch`,
    and `repair`, a JSON report:

        proposer, tree, phases    who made patches, git's id of the files, the phases that ran
        tests                     at the base: numbers of passing, failing, flaky; names of targets; why there are none
        files, sets, reproduction what was found on the way
        candidates                all of them without their edits: diff, key, votes, tests, reason
        trials                    what the tests said, by key (`Trial`)
        chosen, reasons, groups   the id of the patch, why each was chosen or not, the vote
        flags, events, ended      what a reader should know

    Raises `ConfigError` for a proposer whose phases have no or wrong names, and for numbers that make no sense.
    """
    check_limits("agentless", {"at_once": at_once}, {"at_once": 1})
    method = _Agentless(proposer, job, at_once, early_stop)
    fingerprint = {
        "method": "agentless",
        "proposer": proposer.fingerprint(),
        "tree": job.workspace.tree,
        "sandbox": None if job.sandbox is None else job.sandbox.name,
        "suite": None if job.suite is None else job.suite.to_json(),
        "targets": list(job.targets),
        "early_stop": early_stop,
    }
    steps = Steps(method.start, method.phases, method.finish, TESTS)
    return graph_of(steps, name="agentless", fingerprint=fingerprint, recipe=recipe)


class _Agentless:
    """The phases around those of a proposer."""

    def __init__(self, proposer: Proposer, job: Job, at_once: int, early_stop: bool) -> None:
        self.proposer, self.job, self.early_stop = proposer, job, early_stop
        self.validation = Validation(job, at_once)
        proposing = dict(proposer.phases(job))
        wrong = sorted(set(proposing) & set(_OWN)) or [name for name in proposing if not name]
        if wrong or not proposing:
            raise ConfigError(
                f"the proposer {proposer.name!r} has the phases {list(proposing)!r}: give it one or more, with names "
                f"other than {', '.join(_OWN)}"
            )
        self.proposing = tuple(proposing)
        phases = {TESTS: self._look, **proposing, VALIDATE: self._validate, RANK: self._rank}
        self.phases = {name: self._kept(name, phase) for name, phase in phases.items()}

    async def start(self, task: Task) -> State:
        return {
            "base": Tests(why="the tests were not looked at").model_dump(mode="json"),
            "candidates": [], "pending": 0, "again": "", "regression": None, "reproduction": [], "files": [],
            "sets": [], "trials": {}, "flags": [], "events": [], "ended": None, "ran": [], "left": None,
            "ranking": None,
        }  # fmt: skip

    def _kept(self, name: str, phase: Phase) -> Phase:
        """`phase` so that a limit, or what failed in it, ends the run with a choice among what exists."""

        async def run(state: State) -> State:
            ran = [*state["ran"], name]
            try:
                after = {**await phase(state), "ran": ran}
            except (Refused, EffectFailed, RepositoryError) as error:
                status, reason = _stopped(error)
                told("ended", phase=name, status=status, reason=reason)
                following = VALIDATE if name in self.proposing else RANK
                return {**state, "ran": ran, "ended": [status, reason], "pending": 0, "phase": following}
            if after["phase"] not in self.phases and after["phase"] != END_PHASE:
                raise ConfigError(f"the phase {name!r} names {after['phase']!r} as its next: give one of its phases")
            return after

        return run

    async def _look(self, state: State) -> State:
        return {**await look(self.job, state), "phase": self.proposing[0]}

    async def _validate(self, state: State) -> State:
        state = await self.validation.validate(state)
        left = [len(state["candidates"]), state["pending"]]
        more = state["ended"] is None and state["pending"] > 0 and state["again"] in self.proposing
        # A proposer that neither hands over nor counts down would go on for ever.
        more = more and left != state["left"]
        if more and self.early_stop and self._decided(state):
            state, more = happened(state, {"kind": "early_stop", "spared": state["pending"]}), False
        return {**state, "left": left, "phase": state["again"] if more else RANK}

    def _decided(self, state: State) -> bool:
        """Whether the candidates to come cannot change the choice. Of tests that nobody named as targets some may fail
        for reasons of their own, which no patch removes."""
        candidates = _candidates(state)
        targets = len(self.job.targets_of(Tests.model_validate(state["base"])))
        if not self.job.targets:
            least = 1 if targets and not state["reproduction"] else 0
            targets = max([least, *(candidate.fixed for candidate in candidates)])
        return decided(candidates, state["pending"], reproduction=bool(state["reproduction"]), targets=targets)

    async def _rank(self, state: State) -> State:
        """The choice, made again where a test that it mends does not pass a second time."""
        confirmed: set[str] = set()
        while True:
            candidates = _candidates(state)
            ranking = rank(candidates)
            chosen = next((each for each in candidates if each.id == ranking.chosen), None)
            if chosen is None or chosen.key in confirmed:
                break
            confirmed.add(chosen.key)
            state = await self.validation.confirm(state, chosen)
        named = {
            "chosen": ranking.chosen,
            "reasons": dict(ranking.reasons),
            "groups": [list(group) for group in ranking.groups],
        }
        told(RANK, **named, votes=dict(ranking.votes), flags=list(ranking.flags))
        voted = [each.model_copy(update={"votes": ranking.votes[each.id]}) for each in candidates]
        state = {**state, "candidates": [each.model_dump(mode="json") for each in voted], "ranking": named}
        excused = chosen is not None and state["trials"].get(chosen.key, {}).get("excused")
        return {**flagged(state, *ranking.flags, *([EXCUSED] if excused else [])), "phase": END_PHASE}

    # The answer ---------------------------------------------------------------------------------------------------

    def finish(self, state: State) -> Answer:
        chosen = next((each for each in _candidates(state) if each.id == state["ranking"]["chosen"]), None)
        status, reason = self._verdict(state, chosen)
        groups = state["ranking"]["groups"]
        return Answer(
            text=chosen.diff if chosen else "",
            status=status,
            stop_reason=reason,
            artifacts={"patch": chosen.diff if chosen else "", "repair": self._report(state)},
            score=len(groups[0]) / sum(map(len, groups)) if groups else None,
            trace=Trace(run=current().id),
        )

    def _verdict(self, state: State, chosen: Candidate | None) -> tuple[Status, str]:
        """Status and stop reason: what ended the run comes first, then what the tests say of the patch."""
        if state["ended"] is not None:
            status, reason = state["ended"]
            if status in ("error", "partial"):
                status = "partial" if chosen else "error"
            return status, reason
        if chosen is None:
            return "no_answer", "no_candidate"
        doubts = self._doubts(state, chosen)
        return ("partial", doubts[0]) if doubts else ("ok", "")

    def _doubts(self, state: State, chosen: Candidate) -> list[str]:
        targets = len(self.job.targets_of(Tests.model_validate(state["base"])))
        reproduced = chosen.reproduction == "passed"
        every = self.job.targets or self.proposer.mends_all
        enough = targets if every else min(targets, 0 if reproduced else 1)
        failures = chosen.regression is not None and chosen.regression.lost
        found = {
            "regression_failures": bool(failures),
            "targets_failing": chosen.fixed < enough and chosen.regression is not None,
            "repro_ignored": chosen.reproduction is not None and not reproduced,
            "untested": chosen.regression is None,
        }
        return [name for name, holds in found.items() if holds]

    def _report(self, state: State) -> dict[str, Any]:
        tests = Tests.model_validate(state["base"])
        return {
            "proposer": self.proposer.name,
            "tree": self.job.workspace.tree,
            "phases": state["ran"],
            "tests": {
                "passing": len(tests.passing),
                "failing": len(tests.failing),
                "flaky": len(tests.flaky),
                "targets": list(self.job.targets_of(tests)),
                "regression": len(tests.passing if state["regression"] is None else state["regression"]),
                "why": tests.why,
            },
            "files": state["files"],
            "sets": state["sets"],
            "reproduction": state["reproduction"],
            "candidates": [_without(each, "edits") for each in state["candidates"]],
            "trials": state["trials"],
            **state["ranking"],
            "flags": state["flags"],
            "events": state["events"],
            "ended": state["ended"],
        }


def _candidates(state: State) -> list[Candidate]:
    return [Candidate.model_validate(each) for each in state["candidates"]]


def _without(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != name}


def _stopped(error: Refused | EffectFailed | RepositoryError) -> tuple[Status, str]:
    if isinstance(error, RepositoryError):
        return "error", f"{type(error).__name__}: {error}"
    return stopped(error)
