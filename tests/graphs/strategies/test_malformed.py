"""Whatever a model writes, as solver, critic, judge or aggregator: a strategy ends with a defined status."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

import clew
from clew.graphs import cot
from clew.journal import Budget, Journal, replay
from clew.models import Model, Retries
from clew.task import Status, Task, TaskKind
from clew.testing import Reply, Request, Rule, ScriptedServer, vllm
from tests.graphs.strategies.towers import STRATEGIES, World

PIECES = some.sampled_from(
    [
        "Verdict: FINE", "Verdict: CORRECT", "Verdict: A", "verdict", "</attempt>", "<answer_a>", "[Solver 1]",
        "\\boxed{", "\\boxed{42}", "\\boxed{unknown}", "}", "Symptom: x", "Plan:", "```python\n", "```", "{task}",
        "{% raw %}{{ prompt }}", "\n", "\x00", "\u202e", "\ud83d", "I'm sorry, but I can't help with that.", "</think>",
        "ha" * 5_000, "B",
    ]
)  # fmt: skip
TEXTS = some.lists(PIECES | some.text(max_size=20), max_size=6).map("".join)
REPLIES = some.one_of(
    TEXTS.map(lambda text: Reply(text=text)),
    some.sampled_from(
        [Reply(fault="null_content"), Reply(fault="empty"), Reply(text="cut off", finish="length"), Reply(status=400)]
    ),
)
TASKS: dict[TaskKind, Task] = {
    "qa": Task(prompt="Where?"),
    "choice": Task(prompt="Which?", kind="choice", inputs={"options": ["Rome", "Ghent"]}),
    "code": Task(prompt="Write f.", kind="code"),
}
QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


class Stage:
    """One server; each example sets what its model says next, again and again."""

    def __init__(self) -> None:
        self.says: list[Reply] = [Reply(text="x")]
        self.server = ScriptedServer([Rule(lambda request: True, self.answer)], features=vllm)

    def answer(self, request: Request) -> Reply:
        return self.says[request.number % len(self.says)]

    async def solve(self, folder: Path, strategy: str, kind: TaskKind, says: list[Reply], calls: int) -> None:
        self.says = says
        async with World(self.server.url, folder) as world:
            world.model = Model("hosted_vllm/scripted", api_base=self.server.url, retries=Retries(bad_reply=0))
            graph = world.over(strategy, cot(world.model))
            with Journal.memory() as journal:
                budget = Budget(model_calls=calls)
                answer = await clew.run(graph, TASKS[kind], journal=journal, run_id="r", budget=budget)
                assert answer.status in get_args(Status)
                assert (await replay("r", journal=journal, graph=graph)).same


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    with made.server:
        yield made


SAYS = some.lists(REPLIES, min_size=1, max_size=5)
NAMES, KINDS, CALLS = some.sampled_from(STRATEGIES), some.sampled_from(list(TASKS)), some.integers(1, 30)


@given(NAMES, KINDS, SAYS, CALLS)
@settings(max_examples=40, deadline=None, suppress_health_check=QUIET)
def test_no_exception_leaves_a_run(
    stage: Stage, tmp_path: Path, strategy: str, kind: TaskKind, says: list[Reply], calls: int
) -> None:
    asyncio.run(stage.solve(tmp_path, strategy, kind, says, calls))


@pytest.mark.long
@given(NAMES, KINDS, SAYS, CALLS)
@settings(max_examples=1_500, deadline=None, suppress_health_check=QUIET)
def test_no_exception_leaves_fifteen_hundred_runs(
    stage: Stage, tmp_path: Path, strategy: str, kind: TaskKind, says: list[Reply], calls: int
) -> None:
    asyncio.run(stage.solve(tmp_path, strategy, kind, says, calls))
