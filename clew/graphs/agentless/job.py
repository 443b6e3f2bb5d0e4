"""What the stages of one repair share, and how a stage, a proposer and the graph speak to each other.

The graph (`graph.py`) runs `tests`, then the phases of a proposer, then `validate` and `rank`. A proposer is who makes
patches: a model (`ModelProposer`), or templates without a model (`MutationProposer`). Its phases are async functions
from state to state, as all phases of Clew's graphs (`clew.graphs.base`), and end by handing over new candidates:

    state["candidates"]  all candidates so far, in the order of their numbers, as JSON of `Candidate`; new ones last
    state["pending"]     how many more the proposer could still make, 0 when it is done
    state["again"]       the phase that makes them, where the graph goes on unless the choice is decided
    state["phase"]       VALIDATE

A proposer that is ended in the middle (a limit, a failed call) hands over what it has: it sets `state["ended"]` and
`pending` 0 itself. What it raises is caught too, but then the candidates of that phase are lost.

Other keys of the state, all JSON: `task`; `base` (JSON of `Tests`); `regression` (ids of the tests that a patch must
not break, None: all that pass at the base); `reproduction` (list of JSON of `ReproductionTest`, [] for none); `files`,
`sets` (location sets, lists of JSON of `Location`); `flags` and `events` (see `flagged`, `happened`); `ended` (None,
or [status, stop reason] of what ended the run early, see `clew.graphs.final.stopped`); `trials` (JSON of `Trial` by
vote key).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Protocol

from clew.graphs.base import Phase, State
from clew.journal import note
from clew.sandbox.types import Sandbox

from .candidates import Texts
from .repository import Workspace
from .structure import Structure, is_test, read_structure
from .suites import Suite
from .types import _Noun

TESTS, VALIDATE, RANK = "tests", "validate", "rank"


class Tests(_Noun):
    """How the tests went at the base commit, twice. `why` tells why there are none, "" if there are. `messages` holds
    the end of what failing tests said, by id. `flaky` ones say nothing about a candidate. `broken` are files that the
    runner could not make tests of, with why; `dropped` are options of the repository's configuration that the runner
    does not know."""

    __test__: ClassVar[bool] = False

    passing: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    messages: Mapping[str, str] = {}
    broken: Mapping[str, str] = {}
    dropped: tuple[str, ...] = ()
    why: str = ""


class ReproductionTest(_Noun):
    """A script that tells on the base commit that the issue is there. `votes` is how many samples wrote the same."""

    script: str
    key: str
    votes: int = 1


class Job:
    """One repository at one commit, and how it is tested.

    Args:
        sandbox, suite: None for a repair whose patches cannot be tested.
        cache: a folder for outlines, shared by repositories; None keeps nothing.
        leave_out: the rule for test files: they are shown to no one, and no patch may judge itself by them.
        targets: ids of tests that fail now and that the patch should make pass, or what they begin with (a file, a
            class, a test with parameters); empty: all that fail at the base.
    """

    def __init__(
        self,
        workspace: Workspace,
        sandbox: Sandbox | None = None,
        suite: Suite | None = None,
        *,
        cache: Path | None = None,
        leave_out: Callable[[str], bool] = is_test,
        targets: tuple[str, ...] = (),
    ) -> None:
        self.workspace, self.sandbox, self.suite = workspace, sandbox, suite
        self.cache, self.leave_out, self.targets = cache, leave_out, targets

    @cached_property
    def structure(self) -> Structure:
        return read_structure(self.workspace, self.cache, self.leave_out)

    @cached_property
    def texts(self) -> Texts:
        """The files by path; read the first time that each is asked for."""
        return Texts(self.workspace)

    async def ready(self) -> None:
        """Reads the structure, which may take seconds, outside of the event loop."""
        await asyncio.to_thread(lambda: self.structure)

    def judging(self, tests: Tests) -> Callable[[str], bool]:
        """The rule for files that judge a patch, and so are those of the base: test files by their names, and those in
        which the runner found tests. A doctest stands in the file that it is about, which may change."""
        found = {
            test.partition("::")[0] for test in (*tests.passing, *tests.failing, *tests.flaky) if not _doctest(test)
        }
        return lambda path: path in found or self.leave_out(path)

    def targets_of(self, tests: Tests) -> tuple[str, ...]:
        """The failing tests that a patch should make pass."""
        return tuple(filter(self.is_target, tests.failing))

    def is_target(self, test: str) -> bool:
        """Whether the patch should make this test pass, if it fails."""
        return not self.targets or any(
            test == target or test.startswith((f"{target}::", f"{target}[", f"{target.rstrip('/')}/"))
            for target in self.targets
        )


def _doctest(test: str) -> bool:
    """Whether an id is that of a doctest, which is called after its module: `a/b.py::a.b.f`, `b.py::b`."""
    path, _, rest = test.partition("::")
    name = rest.partition("[")[0]
    return "." in name or name == PurePosixPath(path).stem


class Proposer(Protocol):
    """Who makes patches. `mends_all`: a patch of its should make all tests pass that fail at the base, since they are
    all that it is told of the issue, and not only some."""

    name: str
    mends_all: bool

    def phases(self, job: Job) -> Mapping[str, Phase]:
        """The phases by name. The first one is where the graph goes after `TESTS`. Every phase sets
        `state["phase"]` to the next one. What a limit or a failed effect ends (`Refused`, `EffectFailed`) may be
        raised: the graph then ranks what there is."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """What decides its patches: models, prompts by hash, parameters."""
        ...


def told(stage: str, **data: Any) -> None:
    """Notes what a stage found, for people who watch, for reports and for training rows."""
    note("stage", {"stage": stage, **data})


def flagged(state: State, *flags: str) -> State:
    """The state with flags that the report shows, each once."""
    return {**state, "flags": list(dict.fromkeys([*state.get("flags", []), *flags]))}


def happened(state: State, *events: Mapping[str, Any]) -> State:
    """The state with events (`{"kind": ..., ...}`), which the report shows."""
    return {**state, "events": [*state.get("events", []), *map(dict, events)]}
