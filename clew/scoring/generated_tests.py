"""Programs judged by tests that a model wrote from the task alone, as in Reflexion (arXiv 2303.11366, section 4.3) and
CodeT (arXiv 2207.10397): an evaluator for code that needs no gold. Such tests are often wrong; that is measured, not
hidden, by a hidden judge beside them."""

from __future__ import annotations

import ast
import asyncio
import doctest
import re
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from typing import Any
from weakref import WeakKeyDictionary

from clew.errors import EffectFailed, Refused
from clew.journal import Run, Transcript, current, note, scope
from clew.journal.address import at_root
from clew.journal.runs import enter
from clew.models import Model
from clew.sandbox.types import Limits, Sandbox
from clew.scoring.cases import Assertion, SuiteReport
from clew.scoring.extract import code_in
from clew.scoring.unit_tests import NO_CODE, run_tests
from clew.scoring.verdict import Tally, Verdict, digest
from clew.task import Answer, Task

PROMPT = """\
You write tests for a program that somebody else will write from a description. You see only the description.

Write up to {n} lines. Each line is one Python assertion that calls `{entry}` with literal arguments and compares the \
result with a literal value, on one line. Begin with usual cases and with what is special about this task, then go to \
the edges that it has: empty, one element, negative, equal, very large. Work out each value by hand from the \
description, in a few words before the block if you like, and leave out what you are not sure of. Do not write the \
program itself.

Example. For a function `middle(numbers)` that returns the median of a list:
```python
assert middle([3, 1, 2]) == 2
assert middle([4, 1, 3, 2]) == 2.5
assert middle([7]) == 7
assert middle([-5, -5, 10]) == -5
```

The description:
<description>
{description}
</description>

End with the lines in one block that begins with ```python and ends with ```."""

NO_TESTS = "there are no tests for this task: the model wrote none that can be used, and the task shows no examples"
NO_ENTRY = (
    "there are no tests for this task: it names no function that they could call, as in `f(x)`; "
    "inputs['entry_point'] says it, too"
)
A_GUESS = "These tests were written by a model from the task alone; one of them may be wrong."
DISAGREEMENT = "no test is passed by most candidates: the tests say nothing about them"

# Fewer programs than this say nothing about a test.
QUORUM = 3
# An assertion may be cut into so many lines.
_LONGEST = 12
_BULLET = re.compile(r"^[\s>*\-`]*(?:\d+[.)]\s*)?")
_DEFINED = re.compile(r"^(?:async +)?(?:def|class) +(\w+)", re.MULTILINE)
# How a description names its function, the surest first. `interval(s)` and `O(n)` name none.
_NAMED = tuple(
    map(
        re.compile,
        (
            r"`(\w+)\s*\(",
            r"\b(?:function|method|class)(?: named| called)? [`\"']?(\w+)[`\"']?\s*\(",
            r"\b(?:function|method|class) (?:named|called) [`\"']?(\w+)",
            r"\b(?!O\()([A-Za-z_]\w*)\((?!e?s\))",
        ),
    )
)
# What an expected value may be computed with: nothing that acts, or that looks around.
_KNOWN = frozenset(
    {
        "abs", "all", "any", "bool", "bytes", "chr", "complex", "dict", "divmod", "enumerate", "float", "frozenset",
        "int", "len", "list", "map", "math", "max", "min", "ord", "pow", "range", "repr", "reversed", "round", "set",
        "sorted", "str", "sum", "tuple", "zip",
    }
)  # fmt: skip


class GeneratedTests:
    """Asks `model` for at most `n` assertions about a task's function, once per task and run, and judges every program
    by the same ones: the value is the share of passed tests, `right` is all of them. Feedback names passed and failed
    tests with the values obtained (see `clew.scoring.cases.SuiteReport`).

    The function is `inputs["entry_point"]`, else the last one that `inputs["starter_code"]` or the prompt defines, or
    the first that the prompt calls (`f(x)`, function f(x), f(x)) or says is called so. Kept are assertions that parse
    and compare what it returns with a value, with nothing but it and pure builtins; equal ones count once. Without any,
    the examples of a docstring (`>>> f(1)`) are the tests; without these, as when the budget has no room, a program
    cannot be judged (`unknown`): no test is never a pass. Among three or more candidates, tests that most of them fail
    are left out (agreement, as in CodeT). An answer without code is wrong.

    A note `generated_tests` holds the tests and where they come from: `model`, `docstring` or `none`.

    Args:
        n: most tests (paper: 6).
        limits: of each test; default: the sandbox's, with at most 10 seconds.
        prompt: with `{n}`, `{entry}` and `{description}`.
        max_tokens: of the reply with the tests; default: the model's.
    """

    name = "generated_tests"
    oracle = False

    def __init__(
        self,
        model: Model,
        sandbox: Sandbox,
        *,
        n: int = 6,
        limits: Limits | None = None,
        prompt: str = PROMPT,
        max_tokens: int | None = None,
    ) -> None:
        self._model, self._sandbox, self._n, self._limits = model, sandbox, n, limits
        self._prompt, self._max_tokens = prompt, max_tokens

    def fingerprint(self) -> dict[str, Any]:
        """What decides its verdicts, as JSON."""
        limits = (self._limits or self._sandbox.limits).to_json()
        return {"scorer": self.name, "n": self._n, "sandbox": self._sandbox.name, "limits": limits, **self._writer()}

    def _writer(self) -> dict[str, Any]:
        return {"model": self._model.fingerprint(), "prompt": digest(self._prompt), "max_tokens": self._max_tokens}

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        entry = entry_point(task)
        try:
            tests = await self._tests(task, entry)
        except Refused as refused:
            cut = Tally(status="budget", reason=refused.limit)
            return [Verdict(value=None, feedback=f"Refused: {refused}", tests=cut) for _ in answers]
        if not tests:
            return [Verdict(value=None, feedback=NO_TESTS if entry else NO_ENTRY) for _ in answers]
        programs = [code_in(answer.text, entry) for answer in answers]
        distinct = list(dict.fromkeys(program for program in programs if program))

        async def one(index: int, program: str) -> SuiteReport:
            with scope("answer", index):
                return await run_tests(self._sandbox, program, tests, limits=self._limits)

        done = await asyncio.gather(*(one(index, program) for index, program in enumerate(distinct)))
        reports = dict(zip(distinct, done, strict=True))
        kept = agreed([reports[program] for program in programs if program])
        nothing = Verdict(value=0.0, label="wrong", feedback=NO_CODE)
        return [_verdict(reports[program], kept) if program else nothing for program in programs]

    async def _tests(self, task: Task, entry: str) -> list[Assertion]:
        """The tests of a task. They stand at an address of their own in the run: whoever asks, and in whatever order,
        they are asked for once and are the same."""
        description = "\n\n".join(filter(None, [str(task.inputs.get("starter_code") or ""), task.question]))
        key = digest([description, entry, self._n, self._writer()])
        return await _once(key, lambda: self._write(description, entry, key))

    async def _write(self, description: str, entry: str, key: str) -> list[Assertion]:
        with scope("generated_tests", key):
            source, found = "model", await self._ask(description, entry) if entry else []
            if not found:
                source, found = "docstring", examples(description, entry)
            note("generated_tests", {"source": source if found else "none", "tests": found})
        return [Assertion(code=code, entry=entry) for code in found]

    async def _ask(self, description: str, entry: str) -> list[str]:
        values = {"n": str(self._n), "entry": entry, "description": description}
        prompt = re.sub(r"\{(n|entry|description)\}", lambda place: values[place.group(1)], self._prompt)
        asked = Transcript().add("user", prompt, "prompt")
        try:
            reply = await self._model.chat(asked, temperature=0.2, max_tokens=self._max_tokens)
        except EffectFailed as error:
            note("no_tests", {"error": f"{type(error).__name__}: {error}"})
            return []
        return assertions(reply.text, entry)[: self._n]


def entry_point(task: Task) -> str:
    """The function or class that programs of `task` must define; empty when nobody says."""
    if given := task.inputs.get("entry_point"):
        return str(given).partition(".")[0]
    texts = [str(task.inputs.get("starter_code") or ""), task.prompt]
    defined = next((names for text in texts if (names := _DEFINED.findall(text))), [])
    named = next((match[1] for pattern in _NAMED if (match := pattern.search(task.prompt))), "")
    return str(defined[-1]) if defined else named


def assertions(text: str, entry: str) -> list[str]:
    """The assertions in a model's reply, each once, as Python on one line: those that call `entry` and use no name
    besides it, builtins and `math`."""
    lines = text.splitlines()
    found: dict[str, str] = {}
    for at, line in enumerate(lines):
        start = _BULLET.sub("", line)
        if not start.startswith("assert"):
            continue
        for end in range(at + 1, min(at + 1 + _LONGEST, len(lines) + 1)):
            test = _assertion("\n".join([start, *lines[at + 1 : end]]).rstrip("` \n"))
            if test is not None:
                if _about(test, entry):
                    found.setdefault(ast.dump(test), ast.unparse(ast.Assert(test, None)))
                break
    return list(found.values())


def examples(text: str, entry: str) -> list[str]:
    """The examples of a docstring (`>>> f(1)` and what it shows) as assertions about `entry`."""
    try:
        shown = doctest.DocTestParser().get_examples(text)
    except ValueError:
        return []
    found: list[str] = []
    for example in shown:
        # A docstring may end right after the value.
        call, value = example.source.strip(), re.split("\"\"\"|'''", example.want)[0].strip()
        if not value or example.exc_msg is not None:
            continue
        try:
            ast.literal_eval(value)
            test = f"assert ({call}) == ({value})"
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            test = f"assert repr({call}) == {value!r}"
        found += assertions(test, entry)
    return found


def agreed(reports: Sequence[SuiteReport]) -> list[int]:
    """The numbers of the tests that say something: from three candidates on, those that most do not fail."""
    if not reports:
        return []
    tests = range(len(reports[0].results))
    if len(reports) < QUORUM:
        return list(tests)
    failed = [sum(report.outcomes[test] == "failed" for report in reports) for test in tests]
    return [test for test in tests if failed[test] * 2 <= len(reports)]


def _verdict(report: SuiteReport, kept: Sequence[int]) -> Verdict:
    if not kept:
        return Verdict(value=None, feedback=DISAGREEMENT)
    verdict = SuiteReport(tuple(report.results[test] for test in kept)).verdict()
    return (
        verdict
        if verdict.label == "right"
        else verdict.model_copy(update={"feedback": f"{A_GUESS}\n{verdict.feedback}"})
    )


def _assertion(code: str) -> ast.expr | None:
    try:
        parsed = ast.parse(code).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return parsed[0].test if len(parsed) == 1 and isinstance(parsed[0], ast.Assert) else None


def _about(test: ast.expr, entry: str) -> bool:
    """Whether `test` can fail by what `entry` returns, and uses nothing else: it compares a value made of a call with
    one that is not, or is `entry(...)`, `not entry(...)`, `math.isclose(entry(...), ...)`, or several of these."""
    names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    attributes = (node for node in ast.walk(test) if isinstance(node, ast.Attribute) and node.attr.startswith("_"))
    if not names <= _KNOWN | {entry} | _bound(test) or any(attributes):
        return False
    return _asks(test, entry)


def _asks(test: ast.expr, entry: str) -> bool:
    if isinstance(test, ast.BoolOp):
        return isinstance(test.op, ast.And) and all(_asks(part, entry) for part in test.values)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _asks(test.operand, entry)
    if isinstance(test, ast.Compare):
        return len(test.ops) == 1 and _calls(test.left, entry) != _calls(test.comparators[0], entry)
    if isinstance(test, ast.Call) and ast.unparse(test.func) == "math.isclose":
        return len(test.args) == 2 and _calls(test.args[0], entry) != _calls(test.args[1], entry)
    return isinstance(test, ast.Call) and getattr(test.func, "id", None) == entry


def _calls(value: ast.expr, entry: str) -> bool:
    """Whether `value` is made of a call of `entry`; one inside of a function that nobody calls does not count."""
    if isinstance(value, ast.Lambda | ast.GeneratorExp):
        return False
    if isinstance(value, ast.Call) and getattr(value.func, "id", None) == entry:
        return True
    return any(_calls(part, entry) for part in ast.iter_child_nodes(value) if isinstance(part, ast.expr))


def _bound(test: ast.expr) -> set[str]:
    nodes = list(ast.walk(test))
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.arg for node in nodes if isinstance(node, ast.arg)}


_done: WeakKeyDictionary[Run, dict[str, list[Assertion]]] = WeakKeyDictionary()
_doing: dict[tuple[int, str], asyncio.Task[list[Assertion]]] = {}


async def _once(key: str, work: Callable[[], Awaitable[list[Assertion]]]) -> list[Assertion]:
    """The result of `work`, which is done once per run and outside of any node: a resume that comes by here in another
    order finds the same effects."""
    run = current()
    done = _done.setdefault(run, {})
    if key in done:
        return done[key]

    async def worked() -> list[Assertion]:
        try:
            done[key] = await work()
            return done[key]
        finally:
            del _doing[id(run), key]

    if (id(run), key) not in _doing:
        context = copy_context()
        context.run(at_root)
        context.run(enter, run)
        _doing[id(run), key] = asyncio.get_running_loop().create_task(worked(), context=context)
    return await asyncio.shield(_doing[id(run), key])
