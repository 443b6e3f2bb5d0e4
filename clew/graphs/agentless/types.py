"""The nouns of a repair: what a file holds, where an edit belongs, what it changes, and how the tests went.

All of them are frozen and go through JSON and back (`model_dump(mode="json")`, `model_validate`).
Texts are those of UTF-8 files with their line ends as they are: a line ends at "\\n" and nowhere else (the "\\r" of
CRLF belongs to the line), so no `str.splitlines`. Paths are relative to the repository, with "/".
Shapes: specification of Agentless, section 9.
"""

from __future__ import annotations

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
    """How many tests ended how. An error is no pass."""

    __test__: ClassVar[bool] = False

    passed: int = 0
    failed: int = 0
    error: int = 0
    skipped: int = 0


class TestResult(_Noun):
    """One test by the runner's own name for it; `seconds` of wall time."""

    __test__: ClassVar[bool] = False

    name: str
    outcome: TestOutcome
    seconds: float = 0.0
    message: str = ""


class TestReport(_Noun):
    """What a run of tests said. `complete` is False when the runner did not come to its end (crash, time, memory) or
    left no report, whatever `results` say; `source` "exit_code" marks a run that told its exit code alone. `exit_code`
    to `truncated` are those of the `Execution`; `output` is the end of what it printed.
    """

    __test__: ClassVar[bool] = False

    results: tuple[TestResult, ...]
    complete: bool
    source: Literal["junit", "exit_code"]
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


class Candidate(_Noun):
    """One patch. `set` is the location set it was asked with, `sample` its number there (0 is the greedy one).

    `key` is what the vote counts: the normalised change, empty for a candidate that changes nothing that runs.
    `reason` tells why it is not eligible. `regression` is None where its tests did not run or left no report.
    `reproduction` is the outcome of the reproduction test, None where there was none. `votes` counts the candidates
    with its key. `events` are what was noted on its way (`{"kind": ..., ...}`).
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
    reproduction: str | None = None
    votes: int = 0
    events: tuple[dict[str, Any], ...] = ()
