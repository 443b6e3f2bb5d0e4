"""Tests of a program as data, and what came of them."""

from __future__ import annotations

import ast
import builtins
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from clew.errors import ConfigError, Refused
from clew.scoring.verdict import Tally, Verdict

CaseOutcome = Literal["passed", "failed", "error"]

LINE, FEEDBACK = 500, 4000


class _Case(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Assertion(_Case):
    """Python that is run against the program and passes when it reaches its end, as `assert f(1) == 2` of MBPP.

    It sees the program's functions, classes and values by their names. A function `check` that it defines is called
    with the function `entry` of the program, as in HumanEval; so are functions `test...` without arguments and
    `unittest` classes. Imports of a module that does not exist (`from solution import f`) mean the program.
    """

    kind: Literal["assertion"] = "assertion"
    code: str
    entry: str = ""

    def __str__(self) -> str:
        return self.code.strip()


class Call(_Case):
    """A call of `entry`, a function or a method (of the class `Solution`, or `Class.method`) with JSON `args`, and the
    JSON that it must return. Numbers with a fraction may differ by `tolerance`, of 1 or of the expected one if that
    is more; None: not at all."""

    kind: Literal["call"] = "call"
    entry: str
    args: tuple[Any, ...]
    expected: Any
    tolerance: float | None = None

    def __str__(self) -> str:
        return f"{self.entry}({', '.join(map(repr, self.args))}) == {self.expected!r}"


class Sample(_Case):
    """A whole run of the program: its standard input and the standard output that must come, as a contest compares
    them: spaces at the end of lines and empty lines at the end do not count, and with a `tolerance` numbers may differ
    as in `Call`."""

    kind: Literal["sample"] = "sample"
    input: str
    output: str
    tolerance: float | None = None

    def __str__(self) -> str:
        return f"input {self.input.strip()!r} gives {self.output.strip()!r}"


Case: TypeAlias = Annotated[Assertion | Call | Sample, Field(discriminator="kind")]


@dataclass(frozen=True)
class CaseResult:
    """`obtained`: the value that the program gave instead, as text; `detail`: what else is known of a failure, such as
    the exception; `where`: the statement of the test that failed; `cause`: what the sandbox or the budget raised, which
    kept the test from running."""

    case: Case
    outcome: CaseOutcome
    obtained: str = ""
    detail: str = ""
    where: str = ""
    cause: Exception | None = None

    def __str__(self) -> str:
        line = _cut(self.where or str(self.case), LINE)
        if self.obtained:
            line += f"  # obtained {_cut(self.obtained, LINE)}"
        if self.detail:
            line += f"{',' if self.obtained else '  #'} {_cut(self.detail, LINE)}"
        return line.replace("\n", "\n  ")


@dataclass(frozen=True)
class SuiteReport:
    """What came of a program's tests, in their order."""

    results: tuple[CaseResult, ...]

    @property
    def outcomes(self) -> tuple[CaseOutcome, ...]:
        return tuple(result.outcome for result in self.results)

    @property
    def passed(self) -> int:
        return self.outcomes.count("passed")

    @property
    def failed(self) -> int:
        return self.outcomes.count("failed")

    @property
    def errors(self) -> int:
        return self.outcomes.count("error")

    @property
    def all_passed(self) -> bool:
        """Whether there was a test, and every one passed."""
        return 0 < self.passed == len(self.results)

    def feedback(self) -> str:
        """Passed and failed tests in words, at most 4,000 characters, the failed ones first to be kept."""
        parts = [self.counts()]
        for title, outcome in (("Failed", "failed"), ("Could not be run", "error"), ("Passed", "passed")):
            lines = [f"- {result}" for result in self.results if result.outcome == outcome]
            if lines:
                parts.append("\n".join([f"{title}:", *lines]))
        return _cut("\n".join(parts), FEEDBACK)

    def counts(self) -> str:
        """One line without any test."""
        if not self.results:
            return "There are no tests."
        unknown = f", {self.errors} could not be run" if self.errors else ""
        return f"{self.passed} of {len(self.results)} tests passed{unknown}."

    def verdict(self, visible: bool = True) -> Verdict:
        """The share of passed tests: `right` when all passed, `wrong` when one failed. `unknown`, with no value, when
        there is no test, or when none failed and one could not be run. Without `visible` the feedback quotes no
        test."""
        told = self.feedback() if visible else self.counts()
        if self.all_passed:
            return Verdict(value=1.0, label="right", feedback=told, tests=self.tally())
        if not self.failed:
            return Verdict(value=None, feedback=told, tests=self.tally())
        share = self.passed / (self.passed + self.failed)
        return Verdict(value=share, label="wrong", feedback=told, tests=self.tally())

    def tally(self) -> Tally:
        """The counts, and what kept tests from running: the budget before the sandbox."""
        causes = [result.cause for result in self.results if result.cause]
        limit = next((cause.limit for cause in causes if isinstance(cause, Refused)), "")
        told = f"{type(causes[0]).__name__}: {causes[0]}" if causes else ""
        return Tally(
            passed=self.passed, failed=self.failed, errors=self.errors,
            status="budget" if limit else "error" if causes else "ok", reason=limit or told,
        )  # fmt: skip


def checked_cases(tests: Sequence[Case]) -> Sequence[Case]:
    """`tests`; raises `ConfigError` when one of them is something else."""
    wrong = next((test for test in tests if not isinstance(test, Assertion | Call | Sample)), None)
    if wrong is not None:
        raise ConfigError(f"{wrong!r:.80} is no test: give Assertion(code=...), Call(...) or Sample(...)")
    return tests


def entry_of(cases: Sequence[Case]) -> str:
    """The function that tests are about: the declared one, else the first that they call and Python does not have."""
    for case in cases:
        if not isinstance(case, Sample) and case.entry:
            return case.entry.partition(".")[0]
    for case in cases:
        if isinstance(case, Assertion) and (called := _called(case.code)):
            return called
    return ""


def _called(code: str) -> str:
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return ""
    calls = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return next((name for name in calls if name not in own and not hasattr(builtins, name)), "")


def same_output(given: str, expected: str, tolerance: float | None = None) -> bool:
    """Whether two outputs are the same to a contest's judge, see `Sample`."""
    ours, theirs = _lines(given), _lines(expected)
    if ours == theirs or tolerance is None:
        return ours == theirs
    words, wanted = given.split(), expected.split()
    return len(words) == len(wanted) and all(map(lambda a, b: _close(a, b, tolerance), words, wanted))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in re.split(r"\r\n|\r|\n", text.rstrip())]


def _close(word: str, wanted: str, tolerance: float) -> bool:
    if word == wanted:
        return True
    try:
        one, other = float(word), float(wanted)
    except ValueError:
        return False
    return math.isfinite(other) and abs(one - other) <= tolerance * max(1.0, abs(other))


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    return f"{text[: length // 2]} [... {len(text) - length} characters left out ...] {text[-(length // 2) :]}"
