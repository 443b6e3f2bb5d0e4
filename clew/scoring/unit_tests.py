"""Programs judged by tests in a sandbox: hidden ones by `UnitTests`, those of the task itself by `Samples`.

Every test runs in a clean process. A `Sample` runs the program as it is, and outputs are compared out here. The other
kinds run in a process apart from that of the program (`clew.scoring.inside`), which the program can end but not read or
change: a program that exits with 0, prints a verdict, redefines builtins or compares equal to everything does not pass.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from importlib import resources
from typing import Any

from pydantic import TypeAdapter, ValidationError

from clew.errors import ConfigError, EffectFailed, Refused
from clew.journal import scope
from clew.sandbox import Execution, Limits, Sandbox, run
from clew.sandbox.box import LONGEST_STDIN
from clew.scoring.cases import (
    Assertion,
    Call,
    Case,
    CaseResult,
    Sample,
    SuiteReport,
    checked_cases,
    entry_of,
    same_output,
)
from clew.scoring.extract import code_in
from clew.scoring.verdict import Tally, Verdict
from clew.task import Answer, Task

SECONDS = 10.0
AT_ONCE = 4
NO_CODE = "no code found in the answer"
_DRIVER = "from clew_inside.referee import main\nmain()"
# What the driver says of a test is short; a program may write eight times what a sample expects, spaces and all.
_REPORT, _ROOM = 1 << 14, 8
# A longer input than a sandbox takes goes there as a file.
_FROM_FILE = """
import os, runpy
os.dup2(os.open("input.txt", os.O_RDONLY), 0)
runpy.run_path("solution.py", run_name="__main__")
"""
_MODULES = ("__init__", "link", "program", "reading", "referee")
_AS_IS = "utf-8", "surrogatepass"
_SAMPLES = TypeAdapter(tuple[Sample, ...])
_CASE: TypeAdapter[Case] = TypeAdapter(Case)


async def run_tests(
    sandbox: Sandbox, program: str, tests: Sequence[Case], *, limits: Limits | None = None
) -> SuiteReport:
    """Tries `program` on `tests`, at most four at once, each in a clean process and in `scope("test", index)`.

    Each is one program of the budget. `limits` hold for each; default: those of the sandbox, with at most 10 seconds. A
    test that the sandbox or the budget did not run ends with `error`, which is neither passed nor failed. Raises
    `ConfigError` for what is no test.
    """
    tests = tuple(checked_cases(tests))
    limits = limits or replace(sandbox.limits, seconds=min(SECONDS, sandbox.limits.seconds))
    places = asyncio.Semaphore(AT_ONCE)

    async def one(index: int, test: Case) -> CaseResult:
        async with places:
            with scope("test", index):
                try:
                    return await _tried(sandbox, program, test, limits)
                except (EffectFailed, Refused, ConfigError) as error:
                    return CaseResult(test, "error", detail=f"{type(error).__name__}: {error}", cause=error)

    return SuiteReport(tuple(await asyncio.gather(*(one(index, test) for index, test in enumerate(tests)))))


async def _tried(sandbox: Sandbox, program: str, test: Case, limits: Limits) -> CaseResult:
    if isinstance(test, Sample):
        return await _sampled(sandbox, program, test, _with_room(limits, _ROOM * len(test.output.encode(*_AS_IS))))
    given = json.dumps({"program": program, "test": test.model_dump(mode="json")})
    done = await run(sandbox, _DRIVER, _inside(), stdin=given, limits=_with_room(limits, _REPORT))
    if done.status != "ok":
        return CaseResult(test, "failed", detail=_ending(done, limits))
    try:
        return CaseResult(test, **json.loads(done.stdout))
    except (ValueError, TypeError):
        return CaseResult(test, "failed", detail="the program ended the test")


def tried(request: Mapping[str, Any], outcome: Mapping[str, Any]) -> str | None:
    """The test that a recorded program was, and what came of it (`assert double(2) == 4 → passed`); None for a program
    that was none."""
    if request.get("program") != _DRIVER:
        return None
    found = "failed"
    with suppress(ValueError, KeyError, TypeError):
        found = str(json.loads(outcome["stdout"])["outcome"])
    return f"{_CASE.validate_python(json.loads(request['stdin'])['test'])} → {found}"


async def _sampled(sandbox: Sandbox, program: str, test: Sample, limits: Limits) -> CaseResult:
    if len(test.input) <= LONGEST_STDIN:
        return _compared(test, await run(sandbox, program, stdin=test.input, limits=limits), limits)
    files = {"solution.py": program, "input.txt": test.input}
    return _compared(test, await run(sandbox, _FROM_FILE, files, limits=limits), limits)


def _with_room(limits: Limits, output: int) -> Limits:
    return replace(limits, output=max(limits.output, output))


def _compared(test: Sample, done: Execution, limits: Limits) -> CaseResult:
    if not done.ok:
        return CaseResult(test, "failed", detail=_ending(done, limits))
    # The cut may be in the error stream alone. What is left of a cut output is compared with nothing.
    if done.truncated and len(done.stdout.encode(*_AS_IS)) >= limits.output:
        return CaseResult(test, "failed", detail=f"it wrote more than {limits.output} bytes")
    if same_output(done.stdout, test.output, test.tolerance):
        return CaseResult(test, "passed")
    return CaseResult(test, "failed", obtained=repr(done.stdout.strip()))


def _ending(done: Execution, limits: Limits) -> str:
    if done.status == "timeout":
        return f"timeout: not done after {limits.seconds:g} seconds"
    if done.status == "oom":
        return "out of memory"
    last = done.stderr.strip().rpartition("\n")[2][:500]
    return last if done.status == "error" and last else f"ended with exit code {done.exit_code}"


@lru_cache(maxsize=1)
def _inside() -> dict[str, str]:
    folder = resources.files("clew.scoring") / "inside"
    return {f"clew_inside/{name}.py": (folder / f"{name}.py").read_text(encoding="utf-8") for name in _MODULES}


class UnitTests:
    """Judges programs by the tests of their task: the value is the share of passed tests, `right` is all of them.

    The program is the answer's text, or the code block in it that defines what the tests call. A task without tests is
    `unknown`; an answer without code is wrong. Equal programs are tried once.

    Args:
        tests: task id to tests.
        limits: of each test, see `run_tests`.
        visible: whether models may see these tests. If not they are gold (`oracle`), and feedback quotes none of them.

    Raises `ConfigError` for what is no test.
    """

    name = "unit_tests"

    def __init__(
        self,
        tests: Mapping[str, Sequence[Case]],
        sandbox: Sandbox,
        *,
        limits: Limits | None = None,
        visible: bool = False,
    ) -> None:
        for cases in tests.values():
            checked_cases(cases)
        self._tests, self._sandbox, self._limits, self._visible = tests, sandbox, limits, visible

    @property
    def oracle(self) -> bool:
        return not self._visible

    def fingerprint(self) -> dict[str, Any]:
        """What decides its verdicts, as JSON; of the tests a hash."""
        tests = {id: [test.model_dump(mode="json") for test in tests] for id, tests in sorted(self._tests.items())}
        return {
            "scorer": self.name, "visible": self._visible, "tests": _hash(tests), **_where(self._sandbox, self._limits)
        }  # fmt: skip

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        """One verdict per answer; failures of the sandbox and of the budget are `unknown`."""
        return [report if isinstance(report, Verdict) else report.verdict(self._visible)
                for report in await self.reports(task, answers)]  # fmt: skip

    async def reports(self, task: Task, answers: Sequence[Answer]) -> list[SuiteReport | Verdict]:
        """What came of each test for each answer, or the verdict where none was run."""
        return await _reports(self._sandbox, self._tests.get(task.id, ()), answers, self._limits)


class Samples:
    """Judges programs by the samples that their task shows, `inputs["samples"]`: a list of `{"input", "output"}`, and
    `tolerance` if numbers may differ. No gold is involved, and its feedback quotes them."""

    name = "samples"
    oracle = False

    def __init__(self, sandbox: Sandbox, *, limits: Limits | None = None) -> None:
        self._sandbox, self._limits = sandbox, limits

    def fingerprint(self) -> dict[str, Any]:
        return {"scorer": self.name, **_where(self._sandbox, self._limits)}

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        """One verdict per answer; `unknown` for a task without samples."""
        try:
            samples = _samples(task.inputs.get("samples"))
        except ValidationError as error:
            told = f"the samples of task {task.id!r} cannot be read: {error.errors()[0]['msg']}"
            return [Verdict(value=None, feedback=told) for _ in answers]
        reports = await _reports(self._sandbox, samples, answers, self._limits)
        return [report if isinstance(report, Verdict) else report.verdict() for report in reports]


def _samples(given: Any) -> tuple[Sample, ...]:
    """Samples as task sets have them, with more keys than are needed here."""
    if isinstance(given, list | tuple):
        known = Sample.model_fields.keys() - {"kind"}
        given = [{k: v for k, v in one.items() if k in known} if isinstance(one, dict) else one for one in given]
    return _SAMPLES.validate_python(given or ())


async def _reports(
    sandbox: Sandbox, tests: Sequence[Case], answers: Sequence[Answer], limits: Limits | None
) -> list[SuiteReport | Verdict]:
    if not tests:
        return [SuiteReport(()) for _ in answers]
    programs = [code_in(answer.text, entry_of(tests)) for answer in answers]
    first: dict[str, int] = {}
    for index, program in enumerate(programs):
        if program:
            first.setdefault(program, index)

    async def one(index: int) -> SuiteReport:
        with scope("answer", index):
            return await run_tests(sandbox, programs[index], tests, limits=limits)

    done = dict(zip(first, await asyncio.gather(*map(one, first.values())), strict=True))
    nothing = Verdict(value=0.0, label="wrong", feedback=NO_CODE, tests=Tally(failed=len(tests)))
    return [done[program] if program else nothing for program in programs]


def _where(sandbox: Sandbox, limits: Limits | None) -> dict[str, Any]:
    return {"sandbox": sandbox.name, "limits": (limits or sandbox.limits).to_json()}


def _hash(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=6).hexdigest()


__all__ = ["Assertion", "Call", "Case", "CaseResult", "Sample", "Samples", "SuiteReport", "UnitTests", "run_tests"]
