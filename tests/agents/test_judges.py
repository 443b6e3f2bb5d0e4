"""Scorers by name: none of them knows gold, and each judges through the real door it needs."""

from __future__ import annotations

from typing import Any

import pytest

import clew
from clew.agents import ask, doors, judges
from clew.config import Settings, load
from clew.journal import Journal
from clew.scoring import knows_gold
from clew.task import Task
from clew.testing import Rule, ScriptedServer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", judges.NAMES)
def test_no_scorer_that_has_a_name_knows_gold(name: str) -> None:
    named = judges.checked(f"{name}:openai/r" if "reward" in name else name)
    settings = load({"model": "openai/m", "sandbox": "process", "api_base": "http://127.0.0.1:9/v1"})
    assert not knows_gold(judges.scorer(named, settings, doors.Doors(settings)))


@pytest.mark.parametrize("text", ["gold", "judge:", "samples:m", "reward", "reward:", "process_reward: "])
def test_others_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[a-z_]"):
        judges.checked(text)


def at(server: ScriptedServer, method: str) -> Settings:
    return load({"model": "openai/m", "api_base": server.url, "method": method, "sandbox": "process"})


async def run(settings: Settings, task: Task) -> clew.Answer:
    with Journal(":memory:") as journal:
        return await ask.begin(task, settings, journal=journal)


async def test_the_judge_chooses_what_it_rates_highest() -> None:
    rating = Rule(
        "<answer>", lambda request: f"Rating: {9 if 'Berta' in request.prompt.partition('<answer>')[2] else 2}"
    )
    replies: list[Any] = [rating, "\\boxed{Tom}", "\\boxed{Berta}", "\\boxed{Tom}"]
    with ScriptedServer(replies) as server:
        settings = at(server, "best_of(cot, n=3, scorer=judge, concurrency=1)")
        answer = await run(settings, Task(prompt="Who repairs the sluice?"))
    assert (answer.text, answer.score) == ("Berta", 0.9) and len(answer.candidates) == 3


async def test_the_judge_says_what_is_right() -> None:
    rating = Rule("<answer>", lambda request: f"Rating: {7 if 'Berta' in request.prompt else 6}")
    with ScriptedServer([rating, "\\boxed{Tom}", "\\boxed{Berta}"]) as server:
        answer = await run(at(server, "best_of(cot, n=2, concurrency=1)"), Task(prompt="Who repairs the sluice?"))
    assert answer.artifacts["best_of"]["labels"] == ["wrong", "right"]


async def test_samples_run_in_the_sandbox() -> None:
    programs = ["print(input())", "print(2 * int(input()))"]
    samples = [{"input": "0", "output": "0"}, {"input": "3", "output": "6"}]
    with ScriptedServer([f"```python\n{program}\n```" for program in programs]) as server:
        settings = at(server, "best_of(cot, n=2, scorer=samples, concurrency=1)")
        answer = await run(settings, Task(prompt="Double a number.", kind="code", inputs={"samples": samples}))
    assert answer.text == programs[1] and answer.score == 1
    assert [candidate.score for candidate in answer.candidates] == [0.5, 1]
