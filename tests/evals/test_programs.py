"""Tasks whose answers are programs: judged by hidden tests in a sandbox, once, and recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import ConfigError
from clew.evals import evaluate
from clew.evals.tasks import Gold, Item, TaskSet, load, read_items, write_items
from clew.evals.tasks.hub_rows import humaneval, mbpp
from clew.graphs import cot
from clew.graphs.strategies import vote
from clew.journal import Journal
from clew.sandbox import sandbox
from clew.scoring.cases import Assertion, Call, Sample
from clew.scoring.unit_tests import UnitTests
from clew.testing import Reply, Request, ScriptedServer, vllm

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:no Docker Engine answers")]

HIDDEN = "assert double(21) == 42  # the hidden one"
RIGHT, WRONG = "def double(x):\n    return 2 * x", "def double(x):\n    return x"

ITEMS = (
    Item(
        task=clew.Task(id="double", prompt="Write double(x).", kind="code"),
        gold=Gold(tests=(Assertion(code=HIDDEN), Call(entry="double", args=(2,), expected=4))),
    ),
    Item(
        task=clew.Task(id="echo", prompt="Print the line that is read.", kind="code"),
        gold=Gold(tests=(Sample(input="hello\n", output="hello\n"),)),
    ),
    Item(task=clew.Task(id="none", prompt="Write anything.", kind="code")),
)


def write(request: Request) -> Reply:
    doubled = RIGHT if int(request.body["seed"]) % 2 else WRONG
    program = doubled if "double" in request.prompt else "print(input())"
    return Reply(f"```python\n{program}\n```")


async def test_programs_are_judged_by_their_tests_and_no_test_runs_twice(tmp_path: Path) -> None:
    tests = {item.task.id: item.gold.tests for item in ITEMS}
    with ScriptedServer(write, features=vllm) as server, Journal(tmp_path / "j.db") as journal:
        model = clew.Model("hosted_vllm/scripted", api_base=server.url)
        graphs = {"cot": cot(model), "vote": vote(cot(model), n=4, adaptive=False)}
        async with sandbox("process") as box:
            first = await evaluate(
                TaskSet("s", ITEMS), graphs, journal=journal, scorers={"code": UnitTests(tests, box)}, repeats=2
            )
        # The sandbox is closed now: whatever needs it fails.
        again = await evaluate(
            TaskSet("s", ITEMS), graphs, journal=journal, scorers={"code": UnitTests(tests, box)}, repeats=2
        )
        assert HIDDEN not in json.dumps([request.body for request in server.requests])
    by_task = {task: [row for row in first.rows if row.task == task] for task in ("double", "echo", "none")}
    for row in by_task["double"]:
        assert row.right == (RIGHT in row.prediction)
        assert [each.right for each in row.candidates] == [RIGHT in each.text for each in row.candidates]
    assert {each.right for row in by_task["double"] for each in row.candidates} == {True, False}
    assert all(row.right and not row.unjudged for row in by_task["echo"])
    # A task without tests can be judged by nobody, which is no success.
    assert not any(row.right for row in by_task["none"]) and all(row.unjudged for row in by_task["none"])
    judged = [row for row in again.rows if row.task != "none"]
    assert judged == [row for row in first.rows if row.task != "none"]


async def test_without_a_scorer_it_is_said_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="kind 'code'"):
        await evaluate(TaskSet("s", ITEMS), {"g": cot(clew.Model("openai/x"))}, journal=Journal.memory())


def test_tests_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    assert write_items(path, ITEMS) == 3
    assert tuple(read_items(path)) == ITEMS
    assert TaskSet("a", ITEMS).digest() != TaskSet("a", ITEMS[:2]).digest()
    path.write_text('{"id": "a", "prompt": "p", "tests": [{"kind": "sample", "input": "1"}]}\n')
    with pytest.raises(ConfigError, match=r"tests\.0"):
        list(read_items(path))


HUMANEVAL = {
    "task_id": "HumanEval/900", "prompt": 'def twice(x: int) -> int:\n    """Twice x: twice(2) is 4.\n    """\n',
    "canonical_solution": "    return 2 * x\n", "entry_point": "twice",
    "test": "\nMETADATA = {}\n\ndef check(candidate):\n    assert candidate(3) == 6\n    assert candidate(0) == 0\n",
}  # fmt: skip
MBPP = {
    "source_file": "x", "task_id": 2, "prompt": "Write a function to add two numbers.", "code": "",
    "test_imports": ["import math"], "test_list": ["assert add(1, 2) == 3", "assert add(math.floor(1.5), 1) == 2"],
}  # fmt: skip
FULL = {
    "task_id": 3, "text": "Write a function to add two numbers.", "code": "", "test_setup_code": "ONE = 1",
    "test_list": ["assert add(ONE, 2) == 3"], "challenge_test_list": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("parse", "row", "good", "bad"),
    [
        (humaneval, HUMANEVAL, "def twice(x):\n    return x + x", "def twice(x):\n    return 4"),
        (mbpp, MBPP, "def add(a, b):\n    return a + b", "def add(a, b):\n    return 3"),
        (mbpp, FULL, "def add(a, b):\n    return a + b", "def add(a, b):\n    return 4"),
    ],
)
async def test_public_rows_become_tasks_with_tests(parse: Any, row: dict[str, Any], good: str, bad: str) -> None:
    item = parse(row, "key").item
    assert item.task.kind == "code" and item.gold.tests
    # Only what a person is told, too: the signature, or the first assert.
    hidden = row["test"] if parse is humaneval else "math.floor"
    assert hidden not in item.task.prompt
    assert ("twice(x: int)" if parse is humaneval else row["test_list"][0]) in item.task.prompt
    async with sandbox("process") as box:
        scorer = UnitTests({item.task.id: item.gold.tests}, box)
        verdicts = await scorer.score(item.task, [clew.Answer(text=good), clew.Answer(text=bad)])
    assert [verdict.label for verdict in verdicts] == ["right", "wrong"]


def test_a_row_without_tests_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'mbpp-2' has no tests"):
        mbpp({**MBPP, "test_list": []}, "key")
    with pytest.raises(ConfigError, match="entry_point"):
        humaneval({**HUMANEVAL, "entry_point": ""}, "key")


def test_a_local_copy_by_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(HUMANEVAL) + "\n")
    (item,) = load(f"humaneval@{path}").items
    assert item.task.id == "HumanEval/900" and isinstance(item.gold.tests[0], Assertion)
