"""Insights: attempts read from a journal, and what a model makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clew
from clew.graphs import cot, remembering
from clew.graphs.strategies.base import ask_inner, concluded, strategy_graph
from clew.journal import Journal
from clew.memory import Insights, MemoryStore, attempts_in, draw_insights
from clew.memory.insights import Operation, read_operations
from clew.scoring import Number
from clew.task import Answer, Task
from clew.testing import ScriptedServer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("ADD: Check the sign.", [("ADD", -1, "Check the sign.")]),
        ("- **ADD:** Check the sign.\n2. EDIT 2: Better.", [("ADD", -1, "Check the sign."), ("EDIT", 1, "Better.")]),
        ("AGREE 1\nagree [2]", [("AGREE", 0, ""), ("AGREE", 1, "")]),
        ("REMOVE rule 3: it is wrong", [("REMOVE", 2, "it is wrong")]),
        ("REMOVE #2", [("REMOVE", 1, "")]),
        ("NONE", []),
        ("I would add a rule about signs.", []),
        ("EDIT 2:", []),
        ("ADD:", []),
        ("AGREE 4\nREMOVE 0\nEDIT 99999999999999999999: x\nAGREE", []),
        ("ADD: " + "x" * 1_000, [("ADD", -1, "x" * 400)]),
    ],
)
def test_operations_are_read(reply: str, found: list[Any]) -> None:
    assert read_operations(reply, 3) == [Operation(*one) for one in found]


@given(st.text() | st.text(alphabet="ADEITGRMOVN :1239[]#*\n-"), st.integers(0, 5))
def test_no_reply_raises(reply: str, size: int) -> None:
    for one in read_operations(reply, size):
        assert (one.name == "ADD" and one.text) or 0 <= one.rule < size


def tries(model: clew.Model) -> Any:
    """Asks twice, and answers with the second try."""
    inner = cot(model)

    async def ask(task: Task) -> Answer:
        answers = [await ask_inner(inner, task, "try", i) for i in range(2)]
        return concluded("tries", answers, 1, {})

    return strategy_graph("tries", ask, {})


TASKS = [
    Task(id="a", kind="math", prompt="What is 17 + 5?"),
    Task(id="b", kind="math", prompt="What is 18 + 6?"),
    Task(id="c", kind="math", prompt="What is 1 + 1?"),
]
GOLD = {"a": ["22"], "b": ["24"]}  # c cannot be judged


async def made(journal: Journal) -> list[str]:
    """Two runs with a failure and a success each, and one that no scorer can judge."""
    runs = []
    for task, total in zip(TASKS, (22, 24, 2), strict=True):
        words = [f"I forget to carry. \\boxed{{{total - 10}}}", f"I carry the one. <|end|> \\boxed{{{total}}}"]
        with ScriptedServer(words) as server:
            model = clew.Model("openai/scripted", api_base=server.url)
            await clew.run(tries(model), task, journal=journal, run_id=f"run-{task.id}")
        runs.append(f"run-{task.id}")
    return runs


async def test_attempts_are_read_from_the_journal() -> None:
    journal = Journal.memory()
    found = await attempts_in(journal, await made(journal), Number(GOLD))
    assert [(one.task.id, one.right, one.answer.text) for one in found] == [
        ("a", False, "12"), ("a", True, "22"), ("b", False, "14"), ("b", True, "24"),
    ]  # fmt: skip
    assert "I forget to carry." in found[0].text and "I carry" not in found[0].text
    assert found[1].text.startswith("I carry the one.") and "<|" not in found[1].text
    assert [one.origin.run for one in found] == ["run-a", "run-a", "run-b", "run-b"]
    assert len({one.origin.place for one in found[:2]}) == 2


async def test_insights_are_drawn_kept_and_recalled(memory: MemoryStore) -> None:
    journal = Journal.memory()
    attempts = await attempts_in(journal, await made(journal), Number(GOLD))
    replies = [
        "ADD: Carry when digits exceed nine.\nADD: Answer at once.",  # the pair of a
        "AGREE 1\nREMOVE 2\nADD: carry when DIGITS exceed nine",  # the pair of b
        "REMOVE 2\nEDIT 1: Carry the one when digits exceed nine.",  # both successes
    ]
    insights = Insights(memory)
    with ScriptedServer(replies) as server:
        model = clew.Model("openai/scripted", api_base=server.url)
        (rule,) = await draw_insights(model, attempts, insights)
    assert rule.text == "Carry the one when digits exceed nine."
    assert rule.importance == 5 and set(rule.runs) == {"run-a", "run-b"}  # 2, AGREE, said again, EDIT
    prompts = [request.prompt for request in server.requests]
    assert "(empty)" in prompts[0] and "<attempt that failed>" in prompts[0] and "I forget to carry." in prompts[0]
    assert "1. Carry when digits exceed nine.\n2. Answer at once." in prompts[1]
    assert "I forget" not in prompts[2] and prompts[2].count("<attempt that succeeded>") == 2
    assert [one.text for one in await insights.recall(TASKS[0], 2)] == [rule.text]
    assert await insights.recall(Task(prompt="x", kind="qa"), 2) == [] and rule.note().kind == "lesson"

    with ScriptedServer(["I carry. \\boxed{22}"]) as server:
        graph = remembering(cot(clew.Model("openai/scripted", api_base=server.url)), memory=memory)
        answer = await clew.run(graph, TASKS[0], journal=journal)
        assert "[Lesson 1]\nCarry the one when digits exceed nine." in server.requests[0].prompt
    assert answer.artifacts["remembering"] == {"chosen": 0, "recalled": [rule.id], "remembered": ""}


async def test_a_full_list_takes_no_more_and_a_useless_reply_changes_nothing(memory: MemoryStore) -> None:
    journal = Journal.memory()
    attempts = await attempts_in(journal, (await made(journal))[:1], Number(GOLD))
    insights = Insights(memory, limit=2)
    with ScriptedServer(
        ["ADD: one\nADD: two\nADD: three", "REMOVE 1\nREMOVE 1\nADD: four", "I do not know."]
    ) as server:
        model = clew.Model("openai/scripted", api_base=server.url)
        assert [one.text for one in await draw_insights(model, attempts, insights)] == ["one", "two"]
        second = await draw_insights(model, attempts, insights)
        assert "The list is full" in server.requests[1].prompt
        assert {one.text for one in second} in ({"two", "four"}, {"one", "four"})
        assert await draw_insights(model, attempts, insights) == second


async def test_rules_of_an_evaluated_set_are_hidden_from_it(memory: MemoryStore) -> None:
    from clew.memory import evaluated

    journal = Journal.memory()
    with ScriptedServer(["\\boxed{12}", "\\boxed{22}"]) as server:
        model = clew.Model("openai/scripted", api_base=server.url)
        await clew.run(tries(model), evaluated(TASKS[0], "set"), journal=journal, run_id="r")
    with ScriptedServer(["ADD: Carry."]) as server:
        model = clew.Model("openai/scripted", api_base=server.url)
        await draw_insights(model, await attempts_in(journal, ["r"], Number(GOLD)), Insights(memory))

    async def ask(task: Task) -> Answer:
        return Answer(text=str(len(await Insights(memory).recall(task, 5))))

    reads = strategy_graph("reads", ask, {})
    assert (await clew.run(reads, evaluated(TASKS[1], "set"), journal=journal)).text == "0"
    assert (await clew.run(reads, evaluated(TASKS[0], "other"), journal=journal)).text == "0"
    assert (await clew.run(reads, evaluated(TASKS[1], "other"), journal=journal)).text == "1"
