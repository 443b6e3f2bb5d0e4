"""Tests that a model wrote, run in a real sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clew
from clew.graphs import cot
from clew.graphs.strategies.base import strategy_graph
from clew.graphs.strategies.reflexion import reflexion
from clew.journal import Journal, replay, scope
from clew.sandbox import Box, Limits
from clew.scoring import Verdict
from clew.scoring.generated_tests import GeneratedTests, assertions, entry_point, examples
from clew.task import Answer, Task
from clew.testing import Reply, Rule, ScriptedServer, vllm
from tests.graphs.start_words import LIMITS, process_box
from tests.graphs.strategies.reflexion_words import attempts, lesson, lessons, model_at, program, reflections
from tests.graphs.words import sent

pytestmark = pytest.mark.anyio

WRITING = "You write tests for a program"
TASK = Task(id="p1", prompt="Write `solve(x)`, which doubles a number.", kind="code")
DOCUMENTED = Task(id="p2", kind="code", prompt='def solve(x):\n    """Doubles.\n\n    >>> solve(4)\n    8\n    """')
WRITTEN = "```python\nassert solve(2) == 4\nassert solve(-3) == -6\n```"
RIGHT, HALF, BAD = (
    "def solve(x):\n    return 2 * x",
    "def solve(x):\n    return x * x",
    "def solve(x):\n    return None",
)


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    made = process_box()
    yield made
    asyncio.run(made.close())


def writing(*texts: Any) -> Rule:
    return Rule(WRITING, list(texts))


def served(*replies: Any) -> ScriptedServer:
    return ScriptedServer(list(replies), features=vllm)


async def verdicts(scorer: GeneratedTests, task: Task, *programs: str, **options: Any) -> list[Verdict]:
    found: list[list[Verdict]] = []

    async def ask(task: Task) -> Answer:
        found.append(await scorer.score(task, [Answer(text=one) for one in programs]))
        return Answer()

    await clew.run(strategy_graph("scored", ask, {}), task, **options)
    return found[0]


async def test_a_program_is_judged_by_the_share_of_tests_that_it_passes(box: Box) -> None:
    with served(writing(WRITTEN)) as server:
        right, half, bad, none = await verdicts(
            GeneratedTests(model_at(server), box), TASK, RIGHT, HALF, "I am sorry.", ""
        )
        assert (right.value, right.label) == (1.0, "right")
        assert (half.value, half.label) == (0.5, "wrong")
        assert "assert solve(-3) == -6" in half.feedback and "9" in half.feedback.partition("-6")[2]
        assert bad == none == Verdict(value=0.0, label="wrong", feedback="no code found in the answer")
        [asked] = server.requests
        assert TASK.prompt in sent(asked) and "`solve`" in sent(asked)


# The cases of Reflexion's specification ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "invalid",
    ["assert solve(2 ==", "I would test it well.", "assert True", "assert other(2) == 4", "assert solve(y) == 4",
     "print(solve(2))", "assert solve(2) == solve(2)", "assert solve", ""],
)  # fmt: skip
async def test_06_invalid_tests_are_no_vacuous_pass(box: Box, invalid: str) -> None:
    with served(writing(invalid, invalid), program("return 2 * x"), program("return 2 * x")) as server:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=GeneratedTests(model, box), model=model)
        answer = await clew.run(graph, TASK)
        assert answer.status == "no_evaluator" and "there are no tests" in answer.stop_reason
        assert answer.text == RIGHT
        assert (await clew.run(graph, DOCUMENTED)).status == "ok"  # its docstring has an example


async def test_06_the_examples_of_a_docstring_stand_in(box: Box) -> None:
    with served(writing("none"), program("return x"), lessons(lesson(1)), program("return 2 * x")) as server:
        model = model_at(server)
        with Journal.memory() as journal:
            graph = reflexion(cot(model), scorer=GeneratedTests(model, box), model=model)
            answer = await clew.run(graph, DOCUMENTED, journal=journal, run_id="r")
            assert answer.status == "ok" and "solve(4) == 8" in attempts(server)[-1]
            [said] = [event.request for event in journal.events("r") if event.kind == "generated_tests"]
            assert said == {"source": "docstring", "tests": ["assert solve(4) == 8"]}


async def test_08_the_fence_that_defines_the_entry_point_is_judged(box: Box) -> None:
    two = f"```python\nsolve(2)\n```\nThe whole:\n```python\n{RIGHT}\n```\nUse it so:\n```python\nprint(solve(3))\n```"
    with served(writing(WRITTEN)) as server:
        [verdict] = await verdicts(GeneratedTests(model_at(server), box), TASK, two)
        assert verdict.label == "right"


async def test_09_a_program_that_never_ends_is_stopped_and_the_next_test_is_clean(box: Box) -> None:
    loops = "seen = []\ndef solve(x):\n    seen.append(x)\n    while x < 0: pass\n    return 2 * len(seen) * x"
    with served(writing("assert solve(-3) == -6\nassert solve(2) == 4")) as server:
        scorer = GeneratedTests(model_at(server), box, limits=Limits(seconds=1, memory=LIMITS.memory, processes=32))
        [verdict] = await verdicts(scorer, TASK, loops)
        assert verdict.value == 0.5 and "timeout" in verdict.feedback


FLOOD = "import sys\nsys.stdout.write('x' * 10_000_000)\ndef solve(x):\n    print('y' * 10_000_000)\n    return 2 * x"
FORKS = "import os\ndef solve(x):\n    for _ in range(20):\n        os.fork()\n    return 0"
DIALS = "import socket\ndef solve(x):\n    socket.create_connection(('1.1.1.1', 80), timeout=3)\n    return 2 * x"
ENDS = "def solve(x):\n    print('passed'); raise SystemExit(0)"


@pytest.mark.parametrize(
    ("source", "label"), [(FLOOD, "right"), (ENDS, "wrong"), ("raise ValueError('z' * 10**6)", "wrong")]
)
async def test_10_floods_are_contained_and_feedback_is_cut(box: Box, source: str, label: str) -> None:
    with served(writing(WRITTEN)) as server:
        [verdict] = await verdicts(GeneratedTests(model_at(server), box), TASK, source)
        assert verdict.label == label and len(verdict.feedback) <= 4_000


@pytest.mark.docker
@pytest.mark.parametrize("source", [FORKS, DIALS])
async def test_10_forks_and_sockets_are_contained(source: str) -> None:
    from tests.sandbox.conftest import new_box

    with served(writing(WRITTEN)) as server:
        async with new_box("docker") as docker:
            scorer = GeneratedTests(model_at(server), docker)
            bad, good = await verdicts(scorer, TASK, source, RIGHT)
            assert (bad.label, bad.value, good.label) == ("wrong", 0.0, "right") and len(bad.feedback) <= 4_000


# Once per task and run ---------------------------------------------------------------------------------------------


async def test_every_attempt_is_judged_by_the_same_tests(box: Box) -> None:
    replies = [program("return x * x"), program("return x"), program("return 2 * x")]
    with served(writing(WRITTEN), lessons(lesson(1), lesson(2)), *replies) as server, Journal.memory() as journal:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=GeneratedTests(model, box), model=model)
        answer = await clew.run(graph, TASK, journal=journal, run_id="r")
        assert answer.status == "ok" and answer.artifacts["reflexion"]["labels"] == ["wrong", "wrong", "right"]
        assert len([request for request in server.requests if WRITING in sent(request)]) == 1
        assert all("solve(-3) == -6" in asked for asked in reflections(server))
        again = await replay("r", journal=journal, graph=graph)
        assert again.same and not again.unused


async def test_branches_share_the_tests_in_whatever_order_they_come(box: Box) -> None:
    """Replayed with the branches the other way round, the tests are found."""
    with served(writing(WRITTEN)) as server, Journal.memory() as journal:
        model, order = model_at(server), [0, 1, 2]

        async def ask(task: Task) -> Answer:
            async def one(index: int) -> Verdict:
                with scope("branch", index):
                    return (await GeneratedTests(model, box).score(task, [Answer(text=RIGHT)]))[0]

            found = await asyncio.gather(*map(one, order))
            return Answer(text=" ".join(verdict.label for verdict in found))

        graph = strategy_graph("branches", ask, {})
        answer = await clew.run(graph, TASK, journal=journal, run_id="r")
        assert answer.text == "right right right" and len(server.requests) == 1
        order.reverse()
        again = await replay("r", journal=journal, graph=graph)
        assert again.same and not again.unused


async def test_another_run_asks_for_tests_of_its_own(box: Box) -> None:
    with served(writing(WRITTEN, "assert solve(1) == 2")) as server:
        scorer = GeneratedTests(model_at(server), box)
        with Journal.memory() as journal:
            for run in ("a", "b"):
                assert (await verdicts(scorer, TASK, RIGHT, journal=journal, run_id=run))[0].label == "right"
        assert len(server.requests) == 2


# Agreement, limits, failures ---------------------------------------------------------------------------------------


async def test_tests_that_most_candidates_fail_are_left_out(box: Box) -> None:
    wrong = "assert solve(2) == 4\nassert solve(3) == 6\nassert solve(5) == 11"
    with served(writing(wrong)) as server:
        found = await verdicts(GeneratedTests(model_at(server), box), TASK, RIGHT, HALF, RIGHT)
        assert [verdict.value for verdict in found] == [1.0, 0.5, 1.0]
        assert "== 11" not in found[0].feedback


async def test_two_candidates_are_too_few_to_agree(box: Box) -> None:
    with served(writing("assert solve(5) == 11\nassert solve(2) == 4")) as server:
        found = await verdicts(GeneratedTests(model_at(server), box), TASK, RIGHT, RIGHT)
        assert [verdict.value for verdict in found] == [0.5, 0.5]


async def test_where_every_test_is_left_out_nothing_is_judged(box: Box) -> None:
    with served(writing("assert solve(5) == 11")) as server:
        found = await verdicts(GeneratedTests(model_at(server), box), TASK, RIGHT, HALF, BAD)
        assert {(verdict.value, verdict.label) for verdict in found} == {(None, "unknown")}


async def test_a_budget_without_room_is_no_verdict(box: Box) -> None:
    with served(writing(WRITTEN)) as server:
        scorer = GeneratedTests(model_at(server), box)
        [verdict] = await verdicts(scorer, TASK, RIGHT, budget=clew.Budget(model_calls=0))
        assert (verdict.value, verdict.label) == (None, "unknown") and "model_calls" in verdict.feedback
        [verdict] = await verdicts(scorer, TASK, RIGHT, budget=clew.Budget(code_runs=0))
        assert (verdict.value, verdict.label) == (None, "unknown") and "code_runs" in verdict.feedback


async def test_a_model_that_fails_leaves_the_examples(box: Box) -> None:
    with served(Rule(WRITING, Reply(fault="auth"))) as server:
        scorer = GeneratedTests(model_at(server), box)
        assert (await verdicts(scorer, DOCUMENTED, RIGHT))[0].label == "right"
        assert (await verdicts(scorer, TASK, RIGHT))[0].label == "unknown"


async def test_its_fingerprint_says_what_decides(box: Box) -> None:
    with served("unused") as server:
        one, other = (GeneratedTests(model_at(server), box, n=n).fingerprint() for n in (5, 6))
        assert one != other and {**one, "n": 6} == other and one["sandbox"] == "process"


# Reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (WRITTEN, ["assert solve(2) == 4", "assert solve(-3) == -6"]),
        ("- `assert solve(2) == 4`\n1. assert solve(2)==4\n* assert solve(-3) == -6  # !", WRITTEN.splitlines()[1:3]),
        (
            "def test_it():\n    assert solve(2) == 4, 'two'\n    x = 1\n    assert solve(x) == 2",
            ["assert solve(2) == 4"],
        ),
        ("assert solve(\n    [1,\n     2]\n) == 3", ["assert solve([1, 2]) == 3"]),
        ("assert math.isclose(solve(0.1), 0.2)", ["assert math.isclose(solve(0.1), 0.2)"]),
        ("assert [solve(y) for y in (1, 2)] == [2, 4]", ["assert [solve(y) for y in (1, 2)] == [2, 4]"]),
        ("assert solve(2) == 4; import os", []),
        ("We assert that solve(2) == 4.", []),
    ],
)
async def test_assertions_are_read(text: str, found: list[str]) -> None:
    assert assertions(text, "solve") == found


@given(st.text(alphabet=st.sampled_from("assert solve(2)=4\n'\"\\#:[]{},x")))
def test_any_reply_is_read_as_tests(text: str) -> None:
    for test in assertions(f"assert {text}", "solve"):
        compile(test, "test", "exec")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (DOCUMENTED.prompt, ["assert solve(4) == 8"]),
        (">>> solve('a')\n'aa'", ["assert solve('a') == 'aa'"]),
        (">>> solve(1)\nFoo(1)", ["assert repr(solve(1)) == 'Foo(1)'"]),
        (">>> x = 1\n>>> solve(x)\n2", []),
        (">>> solve('z')\nTraceback (most recent call last):\nTypeError: z", []),
        (">>> other(1)\n2", []),
        (">>>solve(1)", []),
    ],
)
async def test_examples_are_read(text: str, found: list[str]) -> None:
    assert examples(text, "solve") == found


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (TASK, "solve"),
        (Task(prompt="def helper(x):\n    pass\n\ndef solve(x):\n    ..."), "solve"),
        (Task(prompt="Double it.", inputs={"entry_point": "solve"}), "solve"),
        (Task(prompt="In O(n), write a Python function longest_run(xs) for the given number(s)."), "longest_run"),
        (Task(prompt="Write a function called merge that joins the interval(s) in O(n log n)."), "merge"),
        (Task(prompt="Write top(xs), the largest of the value(s)."), "top"),
        (Task(prompt="Read n, then the interval(s), in O(n)."), ""),
        (Task(prompt="Double it.", inputs={"starter_code": "class Solution:\n    def solve(self, x):"}), "Solution"),
        (Task(prompt="Double it."), ""),
    ],
)
async def test_the_entry_point_is_found(task: Task, name: str) -> None:
    assert entry_point(task) == name


@pytest.mark.parametrize(
    "text",
    [
        '(f(1) == 2, "one is two")', "f(1) == 2 or True", "[f(1)]", "(lambda: f(1))", "all(f(x) == 1 for x in [])",
        "isinstance(f(1), object)", "f'{f(1)}'", "2 == f(1) == f(1)", "f(1) == f(1)", "exec('f(1)') is None",
        "__import__('os').getcwd() != f(1)", "open('/etc/passwd').read() != f(1)", "f(1).__class__ != 3", "f != 2",
        "(lambda: f(1)) != 2", "1 == 1",
    ],
)  # fmt: skip
async def test_assertions_that_say_nothing_are_left_out(text: str) -> None:
    assert assertions(f"assert {text}", "f") == []


@pytest.mark.parametrize(
    "text",
    [
        "f(1) == 2", "2 == f(1)", "f(1)", "not f([])", "abs(f(1) - 2) < 1e-09", "math.isclose(f(1), 2.0)",
        "sorted(f([2, 1])) == [1, 2]", "f(1) == 2 and f(2) == 3", "f(1) is None", "[f(x) for x in range(2)] == [0, 1]",
        "f('a' * 3) == 'b' * 3", "f(1)[0] == 2", "2 in f(1)", "len(f(1)) > 0",
    ],
)  # fmt: skip
async def test_assertions_that_compare_are_kept(text: str) -> None:
    assert len(assertions(f"assert {text}", "f")) == 1
