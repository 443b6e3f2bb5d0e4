"""The nouns of a repair: what a file holds, where an edit belongs, what it changes, and how the tests went.

All of them are frozen and go through JSON and back (`model_dump(mode="json")`, `model_validate`).
Texts are those of UTF-8 files with their line ends as they are: a line ends at "\\n" and nowhere else (the "\\r" of
CRLF belongs to the line), so no `str.splitlines`. Paths are relative to the repository, with "/".
Shapes: specification of Agentless, section 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

Language = Literal["python", "javascript", "typescript", "tsx", "java", "go", "rust", "c", "cpp"]
SymbolKind = Literal["class", "function", "method", "variable"]
TestOutcome = Literal["passed", "failed", "error", "skipped"]


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# Structure -------------------------------------------------------------------------------------------------------


class Symbol(_Noun):
    """A definition; lines from 1, `start` to `end` inclusive, with its decorators.

    `name` is the last part of `qualname` (`Class.method`, `Outer.Inner.method`). Everything with members is a `class`
    (struct, enum, union, interface, trait, a Rust `impl`). A `variable` is bound at module level, or in a class.
    """

    kind: SymbolKind
    name: str
    qualname: str
    start: int
    end: int


class Outline(_Noun):
    """The definitions of one file in the order of their first lines, the outer before the inner.

    `language` is None for a file without a grammar, which has no symbols; `lines` counts a last line without a line
    end; `broken`: the grammar met errors, so symbols may be missing.
    """

    path: str
    language: Language | None
    symbols: tuple[Symbol, ...]
    lines: int
    broken: bool = False


# Places and edits ------------------------------------------------------------------------------------------------


class Location(_Noun):
    """A place that a model named, found in a file; lines from 1, inclusive. `sample` is the answer that named it."""

    path: str
    kind: Literal["class", "function", "method", "variable", "line"]
    name: str
    start: int
    end: int
    sample: int = 0


class Span(_Noun):
    """Lines of a file, from 1, inclusive."""

    path: str
    start: int
    end: int


class Edit(_Noun):
    """One search/replace block. An empty `search` makes a new file, an empty `replace` deletes what was found."""

    path: str
    search: str
    replace: str


class Change(_Noun):
    """A whole file before and after; None where it does not exist."""

    path: str
    before: str | None
    after: str | None


# Tests -----------------------------------------------------------------------------------------------------------


class TestCounts(_Noun):
    """How many tests ended how. An error is no pass, and nor is a test that is skipped."""

    __test__: ClassVar[bool] = False

    passed: int = 0
    failed: int = 0
    error: int = 0
    skipped: int = 0

    @property
    def lost(self) -> int:
        """Of tests that all passed at the base: how many do so no more."""
        return self.failed + self.error + self.skipped


class TestResult(_Noun):
    """One test by the runner's own name for it; `seconds` of wall time."""

    __test__: ClassVar[bool] = False

    name: str
    outcome: TestOutcome
    seconds: float = 0.0
    message: str = ""


class TestReport(_Noun):
    """What a run of tests said. `complete` is False when the runner did not come to its end (crash, time, memory) or
    left no report, whatever `results` say, and `why` tells it; `source` "exit_code" marks a run that told its exit code
    alone. `exit_code` to `truncated` are those of the `Execution`; `output` is the end of what it printed.
    """

    __test__: ClassVar[bool] = False

    results: tuple[TestResult, ...]
    complete: bool
    source: Literal["junit", "exit_code"]
    why: str = ""
    exit_code: int = 0
    seconds: float = 0.0
    timed_out: bool = False
    oom: bool = False
    truncated: int = 0
    output: str = ""

    @property
    def counts(self) -> TestCounts:
        """The results counted by outcome."""
        outcomes = [result.outcome for result in self.results]
        return TestCounts(**{each: outcomes.count(each) for each in ("passed", "failed", "error", "skipped")})


# Candidates ------------------------------------------------------------------------------------------------------

MOST_NAMES = 50


class Candidate(_Noun):
    """One patch. `set` is the location set it was asked with, `sample` its number there (0 is the greedy one).

    `key` is what the vote counts: the normalised change, empty for a candidate that changes nothing that runs.
    `reason` tells why it is not eligible. `votes` counts the candidates with its key. `events` are what was noted on
    its way (`{"kind": ..., ...}`).

    What its tests said: `regression` is None where they did not run or left no report; `untested` tells why they, or
    some of them, did not run; `broken` names regression tests that fail now (the first `MOST_NAMES`); `fixed` counts
    the failing tests that pass now; `reproduction` is the outcome of the reproduction tests, None where there were
    none.
    """

    id: str
    set: int
    sample: int
    edits: tuple[Edit, ...] = ()
    diff: str = ""
    key: str = ""
    syntax_ok: bool = False
    reason: str = ""
    regression: TestCounts | None = None
    untested: str = ""
    broken: tuple[str, ...] = ()
    fixed: int = 0
    reproduction: str | None = None
    votes: int = 0
    events: tuple[dict[str, Any], ...] = ()


class Trial(_Noun):
    """What the tests said of one change, which is one vote key. `counts` are those of the regression tests that ran,
    None without a report, and `why` tells why there is none. `whole`: all of them ran; otherwise another change does
    better in those that did, and the rest was spared. `fixed` names target tests that pass now, `broken` regression
    tests that do not, `late` those that failed and passed when they ran again; `messages` holds the end of what some of
    the failing ones said. `guarded` are files that were tested as they are at the base, since they decide over tests;
    `refused` tells why the change is no candidate. Of the chosen change, when its tests ran once more: `unsteady` are
    targets that passed and did not pass again, `excused` tests that fail and were left out of the judgement.
    """

    counts: TestCounts | None = None
    whole: bool = False
    fixed: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    messages: Mapping[str, str] = {}
    reproduction: str | None = None
    why: str = ""
    guarded: tuple[str, ...] = ()
    refused: str = ""
    unsteady: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
