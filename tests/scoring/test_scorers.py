"""What the scorers share, and what each compares."""

from __future__ import annotations

from typing import Any

import pytest

from clew.errors import ConfigError
from clew.scoring import (
    F1,
    Abstention,
    Choice,
    Contains,
    ExactMatch,
    Mathematics,
    Number,
    Pointwise,
    Verdict,
    extract_answer,
    scorer_for,
)
from clew.task import Answer, Task

pytestmark = pytest.mark.anyio

GOLDS = {"known": ["New York City", "NYC"], "nothing": [], "odd": ["Unknown"], "no": ["no"]}
KINDS: list[type[Pointwise]] = [ExactMatch, F1, Contains, Choice, Number, Mathematics, Abstention]


async def one(scorer: Pointwise, text: str, task: str = "known", **more: Any) -> Verdict:
    (verdict,) = await scorer.score(Task(id=task, prompt="?"), [Answer(text=text, **more)])
    return verdict


async def test_one_verdict_per_answer_in_order() -> None:
    texts = ["nyc", "York", "Rome", ""]
    answers = [Answer(text=text) for text in texts]
    verdicts = await F1(GOLDS).score(Task(id="known", prompt="?"), answers)
    assert [verdict.value for verdict in verdicts] == [1.0, 0.5, 0.0, 0.0]
    assert [verdict.label for verdict in verdicts] == ["right", "unknown", "wrong", "wrong"]
    assert await F1(GOLDS).score(Task(id="known", prompt="?"), []) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_task_without_gold_cannot_be_judged(kind: type[Pointwise]) -> None:
    verdict = await one(kind(GOLDS), "anything", task="elsewhere")
    assert (verdict.value, verdict.label) == (None, "unknown")
    assert "elsewhere" in verdict.feedback


@pytest.mark.parametrize("kind", KINDS)
async def test_a_question_without_an_answer_wants_an_abstention(kind: type[Pointwise]) -> None:
    scorer = kind(GOLDS)
    assert (await one(scorer, "The documents do not say.", task="nothing")).label == "right"
    for silence in ("ok", "no_answer", "error"):
        assert (await one(scorer, "", task="nothing", status=silence)).label == "wrong"
    assert (await one(scorer, "Paris", task="nothing")).label == "wrong"
    assert (await one(scorer, "Unknown Pleasures", task="nothing")).label == "wrong"


@pytest.mark.parametrize("kind", KINDS)
async def test_an_abstention_on_an_answerable_question_is_wrong(kind: type[Pointwise]) -> None:
    verdict = await one(kind(GOLDS), "no answer", task="no")
    assert (verdict.value, verdict.label) == (0.0, "wrong")
    assert (await one(kind(GOLDS), "", status="no_answer")).label == "wrong"


async def test_an_abstention_that_is_a_gold_answer_is_right() -> None:
    assert (await one(ExactMatch(GOLDS), "unknown", task="odd")).label == "right"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", ["error", "budget", "malformed", "partial", "search_quota"])
@pytest.mark.parametrize("task", ["known", "nothing"])
async def test_a_failure_is_wrong_and_named(kind: type[Pointwise], status: Any, task: str) -> None:
    verdict = await one(kind(GOLDS), " ", task=task, status=status, stop_reason="ModelTimeout: no reply")
    assert (verdict.value, verdict.label) == (0.0, "wrong")
    assert status in verdict.feedback and "ModelTimeout" in verdict.feedback


async def test_a_text_is_judged_whatever_the_status() -> None:
    assert (await one(ExactMatch(GOLDS), "NYC", status="budget")).label == "right"


async def test_abstention_scores_knowing_what_is_not_known() -> None:
    scorer = Abstention(GOLDS)
    assert (await one(scorer, "Rome")).label == "right"
    assert (await one(scorer, "Rome", task="nothing")).label == "wrong"
    assert (await one(scorer, "unknown")).label == "wrong"


async def test_contains_and_exact_match_differ_on_long_answers() -> None:
    assert (await one(Contains(GOLDS), "It was built in New York City.")).label == "right"
    assert (await one(ExactMatch(GOLDS), "It was built in New York City.")).label == "wrong"


OPTIONS = {"A": "Paris", "B": "the A train", "C": "Rome", "D": "None of these"}


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("C", True), ("c", True), ("(C)", True), ("C.", True), ("C. Rome", True), ("C) Rome", True), ("**C**", True),
        (r"\text{C}", True), ("Option C", True), ("Answer: C", True), ("The answer is (C)", True), ("Rome", True),
        ("the rome", True), ("A", False), ("A train", False), ("E", False), ("C and A", False), ("A, C", False),
        ("C or D", False), ("", False), ("I think C", False), ("Cairo", False),
    ],
)  # fmt: skip
async def test_choice(text: str, right: bool) -> None:
    task = Task(id="t", prompt="?", kind="choice", inputs={"options": OPTIONS})
    for gold in (["C"], ["Rome"]):
        (verdict,) = await Choice({"t": gold}).score(task, [Answer(text=text)])
        assert verdict.label == ("right" if right else "wrong")


async def test_choice_without_options_takes_letters() -> None:
    assert (await one(Choice({"t": ["E"]}), "(e) whatever it says", task="t")).label == "right"
    assert (await one(Choice({"t": ["E"]}), "whatever it says", task="t")).label == "wrong"


async def test_choice_agrees_with_what_is_extracted_from_a_box() -> None:
    assert (await one(Choice({"t": ["B"]}), extract_answer(r"so \boxed{(B)}", "choice"), task="t")).label == "right"


async def test_number() -> None:
    golds = {"t": ["1234.5"], "word": ["seven"]}
    assert (await one(Number(golds), "$1,234.50", task="t")).label == "right"
    assert (await one(Number(golds), "1234.6", task="t")).label == "wrong"
    assert (await one(Number(golds, tolerance=0.001), "1234.6", task="t")).label == "right"
    assert (await one(Number(golds), "a lot", task="t")).label == "wrong"
    assert (await one(Number(golds), "Seven", task="word")).label == "right"
    with pytest.raises(ConfigError, match="tolerance"):
        Number(golds, tolerance=2)


def test_the_usual_scorers() -> None:
    assert [scorer_for(kind, {}).name for kind in ("qa", "math", "choice")] == ["exact_match", "mathematics", "choice"]
    with pytest.raises(ConfigError, match="repair"):
        scorer_for("repair", {})
