"""Unit tests in the real sandbox: what passes, what fails and with which words, what could not be judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ConfigError, SandboxFailed
from clew.journal import Budget, Journal
from clew.sandbox import Box, Execution
from clew.scoring import Assertion, Call, Case, Sample, Samples, UnitTests, fingerprint_of, knows_gold, run_tests
from clew.scoring.cases import SuiteReport
from clew.scoring.unit_tests import NO_CODE
from clew.scoring.unit_tests import tried as in_words
from clew.scoring.verdict import Tally
from clew.task import Answer, Task
from tests.models.support import in_run
from tests.scoring.conftest import LIMITS

pytestmark = pytest.mark.anyio

TASK = Task(id="t", kind="code", prompt="Add one.")


async def tried(box: Box, program: str, *tests: Case) -> SuiteReport:
    return await run_tests(box, program, tests, limits=replace(LIMITS, seconds=5))


async def outcome(box: Box, program: str, code: str, entry: str = "") -> tuple[str, str]:
    """How one assertion ended, and in which words."""
    (result,) = (await tried(box, program, Assertion(code=code, entry=entry))).results
    return result.outcome, str(result)


# What tests may do -----------------------------------------------------------------------------------------------

PROGRAM = """
import math, re
from collections import Counter, namedtuple
from dataclasses import dataclass

LIMIT = 7

class Broke(Exception): pass

@dataclass
class Pair:
    a: int
    b: int

class Stack:
    def __init__(self): self.items = []
    def push(self, item): self.items.append(item); return self
    def pop(self): return self.items.pop()
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __getitem__(self, n): return self.items[n]

class Solution:
    def add(self, a, b): return a + b

def add(a, b): return a + b
def sum(a, b): return a + b
def give(value): return value
def pairs(n): return {i: (i, {i}) for i in range(n)}
def count(text): return Counter(text)
def point(): return namedtuple("Point", "x y")(1, 2)
def evens():
    n = 0
    while True:
        yield n
        n += 2
def kept(function, values): return [v for v in values if function(v)]
def ordered(values): values.sort(); return None
def emptied(values): values.clear()
def refuse(n): raise Broke(f"no {n}")
def longest(chain): return max(p.b - p.a for p in chain)
def of_words(text): return re.match("a+", text)
def big(n): return 10 ** n
async def later(n):
    import asyncio
    await asyncio.sleep(0)
    return n + 1
"""

GOOD = [
    "assert add(1, 2) == 3 and add('a', 'b') == 'ab'",
    "assert add(a=1, b=2) == 3",
    "assert sum(10, 15) == 25",  # a program may define what Python has
    "assert pairs(2) == {0: (0, {0}), 1: (1, {1})}",
    "assert count('aab') == {'a': 2, 'b': 1} and count('aab').most_common(1) == [('a', 2)] and count('a')['z'] == 0",
    "assert point() == (1, 2)",
    "from itertools import islice\nassert list(islice(evens(), 3)) == [0, 2, 4] and 4 in evens()",
    "assert kept(lambda v: v > 1, [1, 2, 3]) == [2, 3]",
    "values = [3, 1, 2]\nassert ordered(values) is None and values == [1, 2, 3]",
    "values = {1: 2}\nemptied(values)\nassert values == {}",
    "assert longest([Pair(1, 5), Pair(2, 3)]) == 4",
    "assert Pair(1, 2) == Pair(1, 2) and Pair(1, 2) != Pair(2, 1) and Pair(1, 2).b == 2",
    "s = Stack()\ns.push(1).push(2)\nassert len(s) == 2 and s[0] == 1 and 2 in s and s.pop() == 2",
    "assert isinstance(Stack(), Stack) and not isinstance(3, Stack)",
    "s = Stack()\ns.items = [4]\nassert s.pop() == 4",
    "try:\n    refuse(3)\n    assert False\nexcept Broke as error:\n    assert str(error) == 'no 3'",
    "try:\n    add(1, 'a')\n    assert False\nexcept TypeError:\n    pass",
    "try:\n    next(kept)\n    assert False\nexcept TypeError:\n    pass",
    "assert of_words('aab').group() == 'aa' and not of_words('b')",
    "assert give(float('inf')) > 10 and give(b'\\x00') == b'\\x00' and give(1 + 2j) == 1 + 2j",
    "assert list(Stack().push(1)) == [1] and give(range(3)) == range(3)",
    "assert big(5000) == 10 ** 5000 and give('\\ud800') == '\\ud800'",
    "assert [give(v) for v in (None, True, 1.5)] == [None, True, 1.5] and give(True) is True",
    "from decimal import Decimal\nassert give(Decimal('0.1')) * 10 == 1",
    "import datetime\nassert give(datetime.date(2020, 2, 29)).year == 2020",
    "assert math.isclose(add(0.1, 0.2), 0.3) and LIMIT == 7",
    "from solution import add as plus\nassert plus(1, 2) == 3",
    "from solution import *\nassert add(1, 2) == 3",
    "def test_one():\n    assert add(1, 2) == 3",
    "import random\nrandom.seed(1)\nn = random.randint(0, 9)\nassert add(n, 1) == n + 1",
    "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertRaises(Broke, refuse, 1)",
    "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(add(1, 2), 3)\nunittest.main()",
    "class TestAdd:\n    def test_one(self): assert add(1, 2) == 3\n    def test_two(self): assert add(2, 2) == 4",
    "if add(1, 2) != 3:\n    raise ValueError('no')",
    "values = [3, 1, 2]\nordered(values=values)\nassert values == [1, 2, 3]",
    "import asyncio\nassert asyncio.run(later(3)) == 4",
    "import asyncio\nasync def main():\n    assert await asyncio.gather(later(1)) == [2]\nasyncio.run(main())",
    "import asyncio\ntry:\n    asyncio.run(later(None))\n    assert False\nexcept TypeError:\n    pass",
]  # fmt: skip


@pytest.mark.parametrize("code", GOOD)
async def test_what_a_test_may_do(processes: Box, code: str) -> None:
    assert (await outcome(processes, PROGRAM, code))[0] == "passed", await outcome(processes, PROGRAM, code)


async def test_the_forms_of_an_entry_point(processes: Box) -> None:
    check = "def check(candidate):\n    assert candidate(1, 2) == 3"
    report = await tried(
        processes, PROGRAM, Assertion(code=check, entry="add"), Assertion(code=f"{check}\ncheck(add)"),
        Call(entry="add", args=(1, 2), expected=3), Call(entry="Solution.add", args=(1, 2), expected=3),
        Call(entry="give", args=([1.0, {"1": [True]}],), expected=[1, {"1": [True]}]),
        Call(entry="point", args=(), expected=[1, 2]), Call(entry="add", args=(0.1, 0.2), expected=0.3, tolerance=1e-9),
    )  # fmt: skip
    assert report.all_passed, report.feedback()
    only_method = "class Solution:\n    def f(self, x): return x"
    assert (await tried(processes, only_method, Call(entry="f", args=(1,), expected=1))).all_passed


# What failures say (specification of Reflexion, 2.2 step 3) --------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("assert add(1, 2) == 4", "assert add(1, 2) == 4  # obtained 3"),
        ("assert 4 == add(1, 2)", "assert 4 == add(1, 2)  # obtained 3"),
        ("assert add(1, 1) == 2\nassert add(1, 2) == 4, 'no'", "assert add(1, 2) == 4, 'no'  # obtained 3, no"),
        ("assert not add(1, 2)", "assert not add(1, 2)  # obtained 3"),
        ("assert point() == 3", "assert point() == 3  # obtained (1, 2)"),
        ("assert Stack() == 3", "assert Stack() == 3  # obtained <program.Stack object>"),
        ("assert add(1, 'a')", "TypeError: unsupported operand type(s) for +: 'int' and 'str' (line 26 of the pro"),
        ("refuse(3)", "refuse(3)  # Broke: no 3 (line "),
        ("assert missing(1) == 2", "assert missing(1) == 2  # NameError: name 'missing' is not defined"),
        ("raise SystemExit", "raise SystemExit  # the test ended before its last line"),
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test_x(self): self.assertEqual(add(1, 2), 4)",
            "test_x: AssertionError: 3 != 4",
        ),
    ],
)  # fmt: skip
async def test_the_words_of_a_failure(processes: Box, code: str, told: str) -> None:
    ended, said = await outcome(processes, PROGRAM, code)
    assert ended == "failed" and told in said, said


async def test_a_test_that_swallows_everything_still_sees_the_program_end(processes: Box) -> None:
    code = "try:\n    f(1)\nexcept BaseException:\n    pass"
    assert (await outcome(processes, "import os\ndef f(x): os._exit(0)", code))[0] == "failed"
    kept = code.replace("pass", "ended = True\nassert ended")
    assert (await outcome(processes, "def f(x): raise ValueError", kept))[0] == "passed"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("assert True", "asks nothing of the program"),
        ("", "asks nothing of the program"),
        ("def helper():\n    assert add(1, 2) == 3", "asks nothing of the program"),
        ("assert add(1, == 2", "no Python"),
        ("import there_is_none\nassert add(1, 2) == 3", "there_is_none"),
        ("class Node: pass\nassert give(Node())", "a Node of the test cannot be handed to the program"),
        ("add(1, 2)", "compared nothing"),
        ("add(1, 2)\nassert True", "compared nothing"),
        ("add(1, 2)\nif False: assert add(1, 2) == 4", "compared nothing"),
        ("try:\n    refuse(1)\nexcept Exception:\n    pass", "compared nothing"),
        ("def test_it():\n    return add(1, 2) == 4", "compared nothing"),
        ("def test_it():\n    assert add(1, 2) == 4\n    yield", "test_it of the test is a generator"),
        ("async def test_it():\n    assert add(1, 2) == 4\nassert add(1, 1) == 2", "test_it of the test is a"),
        ("def test_it(capsys):\n    add(1, 2)", "missing a required argument: 'capsys'"),
        ("class TestIt:\n    def test_it(self, tmp_path): add(1, 2)", "TestIt.test_it of the test cannot be called"),
        ("class TestIt:\n    def setup_method(self): pass\n    def test_it(self): assert add(1, 2)", "has a setup"),
        ("import unittest\nclass T(unittest.TestCase):\n    def test_it(self): add(1, 2)", "compared nothing"),
        ("import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    add(1, 2)", "captures what"),
        ("import io, sys\nsys.stdin = io.StringIO('4')\nassert add(1, 2) == 3", "captures what is printed or read"),
        ("from unittest.mock import patch\nwith patch('builtins.input'):\n    assert add(1, 2) == 4", "captures what"),
    ],
)  # fmt: skip
async def test_a_test_that_cannot_be_run_is_neither(processes: Box, code: str, told: str) -> None:
    ended, said = await outcome(processes, PROGRAM, code)
    assert ended == "error" and told in said, said


@pytest.mark.parametrize("check", ["pass", "assert candidate(1, 2) == 4\n    yield", "candidate(1, 2)"])
async def test_a_check_that_compares_nothing_passes_nobody(processes: Box, check: str) -> None:
    ended, _ = await outcome(processes, PROGRAM, f"def check(candidate):\n    {check}", "add")
    assert ended == "error"


@pytest.mark.parametrize("tests", [["assert x == 1"], "assert x == 1", [{"kind": "sample"}]])
async def test_what_is_no_test_is_said_before_anything_runs(processes: Box, tests: Any) -> None:
    with pytest.raises(ConfigError, match="is no test: give Assertion"):
        await run_tests(processes, "x = 1", tests)
    with pytest.raises(ConfigError, match="is no test: give Assertion"):
        UnitTests({"t": tests}, processes)


async def test_case_9_an_endless_program_is_a_timeout_and_the_next_test_is_clean(processes: Box) -> None:
    program = "import os\ndef f(x):\n    open('left', 'x')\n    while x: pass\n    return x"
    tests = [Assertion(code=f"assert f({x}) == {x}") for x in (1, 0, 0)]
    report = await run_tests(processes, program, tests, limits=replace(LIMITS, seconds=1))
    assert report.outcomes == ("failed", "passed", "passed")
    assert "timeout: not done after 1 seconds" in report.feedback()


async def test_case_10_output_forks_and_sockets_are_contained_and_feedback_is_cut(processes: Box) -> None:
    program = """
import os, socket
def loud(): print("x" * 10_000_000); return "y" * 1_000_000
def forks():
    for _ in range(5): os.fork()
    return os.getpid()
def connects(): socket.create_connection(("192.0.2.1", 80), timeout=1)
"""
    report = await tried(
        processes, program, *(Assertion(code=f"assert {f}() == 0") for f in ("loud", "forks", "connects"))
    )
    assert set(report.outcomes) == {"failed"}
    assert len(report.feedback()) < 4_100 and "Error" in str(report.results[2])


async def test_memory(processes: Box) -> None:
    (result,) = (
        await tried(processes, "def f(): return bytearray(1 << 33)", Assertion(code="assert f() == 0"))
    ).results
    assert result.outcome == "failed" and "MemoryError" in result.detail


# The scorer ------------------------------------------------------------------------------------------------------

TESTS = {"t": [Assertion(code="assert f(1) == 2"), Assertion(code="assert f(2) == 3")], "empty": []}
RIGHT, HALF = "def f(x): return x + 1", "def f(x): return 2"


async def test_the_value_is_the_share_of_passed_tests(processes: Box) -> None:
    scorer = UnitTests(TESTS, processes)
    answers = [Answer(text=t) for t in (RIGHT, HALF, "def g(x): pass", "I am sorry, that is beyond me.", "")]
    verdicts = await scorer.score(TASK, answers)
    assert [(v.value, v.label) for v in verdicts] == [
        (1.0, "right"), (0.5, "wrong"), (0.0, "wrong"), (0.0, "wrong"), (0.0, "wrong"),
    ]  # fmt: skip
    assert verdicts[3].feedback == NO_CODE


async def test_a_small_limit_of_output_does_not_cut_what_a_test_says(processes: Box) -> None:
    report = await run_tests(processes, RIGHT, TESTS["t"], limits=replace(LIMITS, output=10))
    assert report.all_passed, report.feedback()


async def test_hidden_tests_are_gold_and_are_not_quoted(processes: Box) -> None:
    (hidden,) = await UnitTests(TESTS, processes).score(TASK, [Answer(text=HALF)])
    (shown,) = await UnitTests(TESTS, processes, visible=True).score(TASK, [Answer(text=HALF)])
    assert hidden.feedback == "1 of 2 tests passed." and "assert f(2) == 3  # obtained 2" in shown.feedback
    assert knows_gold(UnitTests(TESTS, processes)) and not knows_gold(UnitTests(TESTS, processes, visible=True))


async def test_no_tests_are_no_pass(processes: Box) -> None:
    for id in ("empty", "elsewhere"):
        (verdict,) = await UnitTests(TESTS, processes).score(Task(id=id, prompt="?"), [Answer(text=RIGHT)])
        assert (verdict.value, verdict.label, verdict.feedback) == (None, "unknown", "There are no tests.")
    assert not SuiteReport(()).all_passed


async def test_case_8_the_block_that_defines_the_entry_point(processes: Box) -> None:
    text = f"Call it so:\n```python\nprint(f(1))\n```\nSolution:\n```\n{RIGHT}\n```\nTry:\n```python\nf(3)\n```"
    (verdict,) = await UnitTests(TESTS, processes).score(TASK, [Answer(text=text)])
    assert verdict.label == "right"


async def test_equal_programs_are_tried_once(processes: Box, tmp_path: Path) -> None:
    ran: list[dict[str, Any]] = []

    async def body() -> str:
        answers = [Answer(text=RIGHT), Answer(text=HALF), Answer(text=RIGHT)]
        verdicts = await UnitTests(TESTS, processes).score(TASK, answers)
        return " ".join(verdict.label for verdict in verdicts)

    answer = await in_run(tmp_path / "journal.db", body, watch=ran.append)
    assert answer.text == "right wrong right"
    places = sorted(event["place"] for event in ran if event["event"] == "finished")
    assert [place.rpartition("answer")[2] for place in places] == [":0/test:0", ":0/test:1", ":1/test:0", ":1/test:1"]


async def test_recorded_tests_can_be_told_in_words(processes: Box, tmp_path: Path) -> None:
    async def body() -> str:
        tests: list[Case] = [Assertion(code=f"assert f(1) == {value}") for value in (2, 3)]
        tests.append(Sample(input="", output=""))
        return (await run_tests(processes, RIGHT, tests)).counts()

    await in_run(tmp_path / "journal.db", body)
    with Journal(tmp_path / "journal.db") as journal:
        programs = [event for event in journal.events("r1") if event.kind == "program"]
    words = [in_words(event.request, event.outcome) for event in programs]
    assert {*words} == {None, "assert f(1) == 2 → passed", "assert f(1) == 3 → failed"}


class Broken:
    """A sandbox that fails at every second program."""

    name, boundary, limits = "process", False, LIMITS

    def __init__(self, box: Box) -> None:
        self._box, self._runs = box, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._box, name)

    async def run(self, *args: Any) -> Execution:
        self._runs += 1
        if self._runs % 2:
            raise SandboxFailed("no Docker Engine answers")
        return await self._box.run(*args)


async def test_a_sandbox_that_fails_is_no_failed_program(processes: Box) -> None:
    scorer = UnitTests(TESTS, Broken(processes), visible=True)
    (right,) = await scorer.score(TASK, [Answer(text=RIGHT)])
    assert (right.value, right.label) == (None, "unknown") and "SandboxFailed: no Docker" in right.feedback
    (wrong,) = await scorer.score(TASK, [Answer(text="def f(x): return 0")])
    assert (wrong.value, wrong.label) == (0.0, "wrong")
    assert right.tests == Tally(passed=1, errors=1, status="error", reason="SandboxFailed: no Docker Engine answers")
    assert wrong.tests is not None and (wrong.tests.failed, wrong.tests.errors) == (1, 1)


async def test_a_budget_without_runs_is_unknown_and_a_run_is_replayed(processes: Box, tmp_path: Path) -> None:
    async def body() -> str:
        (verdict,) = await UnitTests(TESTS, processes).score(TASK, [Answer(text=RIGHT)])
        assert verdict.tests is not None
        return f"{verdict.label} {verdict.tests.status} {verdict.tests.reason} {verdict.feedback}"

    short = await in_run(tmp_path / "short.db", body, budget=Budget(code_runs=1))
    assert short.text.startswith("unknown budget code_runs") and "1 could not be run" in short.text
    whole = await in_run(tmp_path / "whole.db", body)
    events: list[dict[str, Any]] = []
    assert (await in_run(tmp_path / "whole.db", body, watch=events.append)).text == whole.text
    assert {event["event"] for event in events if event.get("kind") == "program"} <= {"replayed"}


def test_the_fingerprint_has_no_gold(processes: Box) -> None:
    one, other = UnitTests(TESTS, processes), UnitTests({"t": TESTS["t"][:1]}, processes)
    assert fingerprint_of(one) != fingerprint_of(other) and "assert" not in str(fingerprint_of(one))
    assert fingerprint_of(Samples(processes))["scorer"] == "samples"


@pytest.mark.docker
async def test_docker_runs_tests_too(containers: Box) -> None:
    report = await run_tests(containers, PROGRAM, [Assertion(code=code) for code in GOOD[:4]])
    assert report.all_passed, report.feedback()


# Values that travel ------------------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(HASHABLE, inner) | st.sets(HASHABLE),
    max_leaves=10,
)


@given(VALUES)
def test_plain_values_arrive_as_they_were(value: Any) -> None:
    import json
    import socket

    from clew.scoring.inside.link import Link

    ours, theirs = socket.socketpair()
    with ours, theirs:
        one, other = Link(ours, False, {}), Link(theirs, True, {})
        arrived = other.decode(json.loads(json.dumps(one.encode(value))))
    assert arrived == value and type(arrived) is type(value)
