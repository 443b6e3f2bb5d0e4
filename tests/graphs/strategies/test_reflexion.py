"""Reflexion, case by case of its specification: the loop, what attempts are told, how it ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest

import clew
from clew.errors import ConfigError
from clew.graphs import cot
from clew.graphs.strategies.reflexion import reflexion
from clew.journal import Journal, replay
from clew.sandbox import Box
from clew.scoring import ExactMatch, Verdict
from clew.scoring.cases import Assertion
from clew.scoring.unit_tests import UnitTests
from clew.testing import Reply, Rule, Template
from tests.graphs.start_words import process_box
from tests.graphs.strategies.reflexion_words import (
    PROGRAM,
    QUESTION,
    REFLECTING,
    Environment,
    attempts,
    boxed,
    lesson,
    lessons,
    model_at,
    program,
    reflections,
    scripted,
)
from tests.graphs.words import sent

pytestmark = pytest.mark.anyio

TESTS = {"p1": (Assertion(code="assert solve(2) == 4"), Assertion(code="assert solve(-3) == -6"))}
RIGHT, HALF, BAD = program("return 2 * x"), program("return x * x"), program("return x + 1000")


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    made = process_box()
    yield made
    asyncio.run(made.close())


# The cases of the specification ------------------------------------------------------------------------------------


async def test_01_an_attempt_that_passes_ends_the_loop_without_a_reflection(box: Box) -> None:
    with scripted(RIGHT) as server:
        model = model_at(server)
        tests = UnitTests(TESTS, box, visible=True)
        answer = await clew.run(reflexion(cot(model), scorer=tests, judge=UnitTests(TESTS, box), model=model), PROGRAM)
        assert (answer.status, answer.text) == ("ok", "def solve(x):\n    return 2 * x")
        report = answer.artifacts["reflexion"]
        assert (report["labels"], report["judged"], report["reflections"]) == (["right"], "right", [])
        assert len(server.requests) == 1


async def test_02_the_second_attempt_sees_program_feedback_and_reflection_of_the_first(box: Box) -> None:
    with scripted(HALF, lessons(lesson(1)), RIGHT) as server:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=UnitTests(TESTS, box, visible=True), model=model)
        answer = await clew.run(graph, PROGRAM)
        assert answer.status == "ok" and len(answer.artifacts["reflexion"]["reflections"]) == 1
        first, second = attempts(server)
        assert "lesson" not in first and "return x * x" not in first
        assert "```python\ndef solve(x):\n    return x * x\n```" in second
        assert re.search(r"assert solve\(-3\) == -6.* obtained:? 9", second)
        assert "Plan: plan of lesson 1" in second
        [asked] = reflections(server)
        assert "return x * x" in asked and "solve(-3)" in asked and PROGRAM.prompt in asked


async def test_03_three_failures_are_three_attempts_and_two_reflections() -> None:
    with scripted(lessons(lesson(1), lesson(2)), *boxed(1, 2, 3)) as server:
        model = model_at(server)
        answer = await clew.run(reflexion(cot(model), scorer=Environment(), model=model), QUESTION)
        assert (answer.status, answer.stop_reason, answer.text) == ("exhausted", "max_trials", "1")
        assert [one.text for one in answer.candidates] == ["1", "2", "3"]
        assert len(reflections(server)) == 2 and len(server.requests) == 5


async def test_04_an_attempt_sees_the_last_three_of_five_reflections_oldest_first() -> None:
    with scripted(lessons(*map(lesson, range(1, 6))), *boxed(*range(1, 7))) as server:
        model = model_at(server)
        environment = Environment(lambda text: text == "6")
        answer = await clew.run(reflexion(cot(model), scorer=environment, model=model, max_trials=6), QUESTION)
        assert answer.status == "ok"
        assert re.findall(r"Plan: plan of lesson (\d)", attempts(server)[-1]) == ["3", "4", "5"]
        assert re.findall(r"Plan: plan of lesson (\d)", reflections(server)[-1]) == ["2", "3", "4"]
        kept = answer.artifacts["reflexion"]["reflections"]
        assert [one["reflection"]["text"] for one in kept] == [lesson(number) for number in range(1, 6)]
        assert [one["used_in"] for one in kept] == [[2, 3, 4], [3, 4, 5], [4, 5, 6], [5, 6], [6]]
        assert [one["helped"] for one in kept] == [False, False, False, False, True]


async def test_05_a_program_that_passes_its_tests_and_fails_the_hidden_ones_is_a_false_positive(box: Box) -> None:
    hidden = {"p1": (Assertion(code="assert solve(-3) == -6, 'hidden'"),)}
    with scripted(HALF) as server:
        model = model_at(server)
        own = UnitTests({"p1": TESTS["p1"][:1]}, box, visible=True)
        answer = await clew.run(reflexion(cot(model), scorer=own, judge=UnitTests(hidden, box), model=model), PROGRAM)
        assert (answer.status, answer.stop_reason) == ("false_positive", "judge")
        assert answer.artifacts["reflexion"]["judged"] == "wrong" and len(server.requests) == 1


async def test_05_the_hidden_judge_reaches_no_prompt() -> None:
    with scripted(lessons(lesson(1)), *boxed(1, 2)) as server:
        model = model_at(server)
        judge = ExactMatch({"q1": ["the hidden gold"]})
        graph = reflexion(cot(model), scorer=Environment(), judge=judge, model=model, max_trials=2)
        answer = await clew.run(graph, QUESTION)
        assert (answer.status, answer.artifacts["reflexion"]["judged"]) == ("exhausted", "wrong")
        assert not any("hidden gold" in sent(request) or "judge" in sent(request) for request in server.requests)


async def test_07_an_apology_is_asked_for_code_once_then_is_a_failed_attempt(box: Box) -> None:
    with scripted("I am sorry.", "I really cannot.", lessons(lesson(1)), RIGHT) as server:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=UnitTests(TESTS, box, visible=True), model=model)
        answer = await clew.run(graph, PROGRAM)
        assert answer.status == "ok" and answer.artifacts["reflexion"]["labels"] == ["wrong", "right"]
        [asked] = reflections(server)
        assert "no code found" in asked and "I really cannot." in asked
        assert len(attempts(server)) == 3 and "no code found" in attempts(server)[-1]


async def test_08_of_two_fences_the_one_with_the_solution_is_run(box: Box) -> None:
    explained = f"First the idea:\n```python\nsolve = ...\n```\nAnd the whole:\n{RIGHT}"
    with scripted(explained) as server:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=UnitTests(TESTS, box, visible=True), model=model)
        assert (await clew.run(graph, PROGRAM)).status == "ok"


async def test_12_an_empty_answer_is_a_failed_attempt() -> None:
    with scripted("\\boxed{}", "\\boxed{}", lessons(lesson(1)), *boxed(7)) as server:
        model = model_at(server)
        environment = Environment(lambda text: text == "7")
        answer = await clew.run(reflexion(cot(model), scorer=environment, model=model), QUESTION)
        assert (answer.status, answer.text) == ("ok", "7") and environment.seen == ["7"]
        assert "no answer was given" in reflections(server)[0]


async def test_14_an_empty_reflection_is_asked_for_again_warmer_and_then_dropped() -> None:
    with scripted(lessons(" ", "", lesson(2)), *boxed(1, 2, 3)) as server:
        model = model_at(server)
        answer = await clew.run(reflexion(cot(model), scorer=Environment(), model=model), QUESTION)
        temperatures = [r.body["temperature"] for r in server.requests if REFLECTING in sent(r)]
        assert temperatures == [0.2, 1.0, 0.2]
        assert attempts(server)[1] == attempts(server)[0] and "lesson 2" in attempts(server)[2]
        [kept] = answer.artifacts["reflexion"]["reflections"]
        assert kept["source_attempt"] == 2


async def test_14_a_copied_reflection_is_asked_for_again_and_then_dropped() -> None:
    again = lesson(1).replace("Plan:", "**Plan**:").upper()
    with scripted(lessons(lesson(1), again, again), *boxed(1, 2, 3)) as server:
        model = model_at(server)
        answer = await clew.run(reflexion(cot(model), scorer=Environment(), model=model), QUESTION)
        assert len(answer.artifacts["reflexion"]["reflections"]) == 1 and len(reflections(server)) == 3
        assert attempts(server)[2] == attempts(server)[1]


async def test_15_a_reflection_with_the_solution_is_cut_and_flagged(box: Box) -> None:
    whole = "Plan: write this.\n```python\ndef solve(x):\n" + "    x += 0\n" * 500 + "    return 2 * x\n```"
    with scripted(HALF, lessons(whole), RIGHT) as server:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=UnitTests(TESTS, box, visible=True), model=model)
        [kept] = (await clew.run(graph, PROGRAM)).artifacts["reflexion"]["reflections"]
        assert kept["reflection"]["contains_solution"] and len(kept["reflection"]["text"]) <= 1_500


async def test_16_the_best_attempt_so_far_is_returned_when_all_fail(box: Box) -> None:
    with scripted(HALF, BAD, lessons(lesson(1)), BAD) as server:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=UnitTests(TESTS, box, visible=True), model=model, max_trials=2)
        answer = await clew.run(graph, PROGRAM)
        assert (answer.status, answer.score) == ("exhausted", 0.5) and "x * x" in answer.text
        assert [one.score for one in answer.candidates] == [0.5, 0.0]


async def test_19_a_scorer_with_gold_needs_to_be_declared() -> None:
    with scripted("unused") as server:
        model = model_at(server)
        with pytest.raises(ConfigError, match=r"holds gold answers.*oracle=True"):
            reflexion(cot(model), scorer=ExactMatch({"q1": ["7"]}), model=model)


async def test_19_without_gold_no_prompt_says_whether_an_answer_is_correct() -> None:
    with scripted(lessons(lesson(1), lesson(2)), *boxed(1, 2, 7)) as server:
        model = model_at(server)
        environment = Environment(said="The door stays shut.")
        graph = reflexion(cot(model), scorer=environment, judge=ExactMatch({"q1": ["7"]}), model=model, variant="both")
        answer = await clew.run(graph, QUESTION)
        assert answer.artifacts["reflexion"]["oracle_feedback"] is False
        assert not any(re.search(r"\b(in)?correct\b", sent(request), re.I) for request in server.requests)
        assert all("The door stays shut." in asked for asked in reflections(server))


async def test_19_a_declared_oracle_tells_that_an_attempt_failed_and_nothing_else() -> None:
    class Telling(ExactMatch):
        async def compare(self, task: clew.Task, text: str, golds: object) -> Verdict:
            verdict = await super().compare(task, text, ["7"])
            near = {} if verdict.label == "right" else {"value": 0.25, "label": "unknown"}
            return verdict.model_copy(update={"feedback": "the reference says 7", **near})

    with scripted(lessons(lesson(1)), *boxed(1, 7)) as server:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=Telling({"q1": ["7"]}), model=model, oracle=True)
        with Journal.memory() as journal:
            answer = await clew.run(graph, QUESTION, journal=journal, run_id="r")
            assert answer.status == "ok" and answer.artifacts["reflexion"]["oracle_feedback"] is True
            [said] = [event.request for event in journal.events("r") if event.kind == "reflexion"]
            assert said["oracle_feedback"] is True
        assert not any("the reference says" in sent(one) or "0.25" in sent(one) for one in server.requests)
        assert "The evaluator did not accept this attempt." in reflections(server)[0]


# Variants ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "shown", "asked"),
    [
        ("reflection", {"lesson"}, 1),
        ("last_attempt", {"draft", "critique"}, 0),
        ("both", {"draft", "critique", "lesson"}, 1),
        ("none", set(), 0),
        ("auto", {"lesson"}, 1),
    ],
)
async def test_a_variant_says_what_the_next_attempt_is_shown(variant: str, shown: set[str], asked: int) -> None:
    with scripted(lessons(lesson(1)), *boxed(1, 2)) as server:
        model = model_at(server)
        environment = Environment(said="Not through the door.")
        graph = reflexion(cot(model), scorer=environment, model=model, max_trials=2, variant=variant)  # type: ignore[arg-type]
        await clew.run(graph, QUESTION)
        second = attempts(server)[1]
        found = {"draft": "I think it is \\boxed{1}", "critique": "Not through the door.", "lesson": "of lesson 1"}
        assert {name for name, text in found.items() if text in second} == shown
        assert len(reflections(server)) == asked


async def test_an_empty_reflection_is_the_same_as_plain_retry_call_by_call() -> None:
    echo = Template("It is \\boxed{ {{- request.body.seed -}} }.")

    async def answers(variant: str) -> list[tuple[str, str | None]]:
        with scripted(lessons(*[""] * 6), *[echo] * 4) as server:
            model = model_at(server)
            graph = reflexion(cot(model), scorer=Environment(), model=model, max_trials=4, variant=variant)  # type: ignore[arg-type]
            answer = await clew.run(graph, QUESTION, run_id="same", journal=Journal.memory())
            return [(one.text, one.trace.scope if one.trace else None) for one in answer.candidates]

    plain, empty = await answers("none"), await answers("reflection")
    assert plain == empty and len({text for text, _ in plain}) == 4


# How it ends -------------------------------------------------------------------------------------------------------


async def test_without_a_verdict_the_answer_stands_and_says_so() -> None:
    with scripted(*boxed(1)) as server:
        model = model_at(server)
        environment = Environment(lambda text: Verdict(value=None, feedback="the door is gone"))
        answer = await clew.run(reflexion(cot(model), scorer=environment, model=model), QUESTION)
        assert (answer.text, answer.status, answer.stop_reason) == ("1", "no_evaluator", "the door is gone")


async def test_a_score_that_does_not_decide_is_held_against_the_threshold() -> None:
    with scripted(lessons(lesson(1)), *boxed(1, 2)) as server:
        model = model_at(server)
        environment = Environment(lambda text: Verdict(value=0.4 * int(text)))
        answer = await clew.run(reflexion(cot(model), scorer=environment, model=model, threshold=0.8), QUESTION)
        assert (answer.text, answer.status, answer.score) == ("2", "ok", 0.8)
        assert "gave this attempt 0.40; 0.8 is wanted" in reflections(server)[0]


async def test_answers_that_stay_the_same_end_the_loop() -> None:
    with scripted(lessons(*map(lesson, range(9))), *boxed(1, 1, 1)) as server:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=Environment(), model=model, max_trials=9, patience=2)
        answer = await clew.run(graph, QUESTION)
        assert (answer.status, answer.stop_reason, len(answer.candidates)) == ("exhausted", "no_progress", 3)


@pytest.mark.parametrize("trials", [2, 3])
@pytest.mark.parametrize(("calls", "made"), [(1, 1), (2, 2), (3, 2)])
async def test_a_budget_ends_with_the_best_attempt(calls: int, made: int, trials: int) -> None:
    """Two calls: an attempt and its reflection; the attempt after it is refused."""
    with scripted(lessons(lesson(1), lesson(2)), *boxed(1, 2, 3)) as server:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=Environment(), model=model, max_trials=trials)
        answer = await clew.run(graph, QUESTION, budget=clew.Budget(model_calls=calls))
        if (calls, trials) == (3, 2):
            assert answer.status == "exhausted"
        else:
            assert (answer.status, answer.stop_reason) == ("budget", "model_calls")
        assert answer.text == "1" and len(answer.candidates) == made and len(server.requests) == calls


async def test_a_budget_that_stops_the_evaluator_is_named(box: Box) -> None:
    with scripted(HALF, lessons(lesson(1)), RIGHT) as server:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=UnitTests(TESTS, box, visible=True), model=model)
        answer = await clew.run(graph, PROGRAM, budget=clew.Budget(code_runs=2))
        assert (answer.status, answer.stop_reason) == ("budget", "code_runs")
        assert "2 * x" in answer.text  # nobody called it wrong


async def test_a_model_that_fails_is_an_error_and_no_failed_attempt() -> None:
    with scripted(Reply(fault="auth")) as server:
        model = model_at(server)
        answer = await clew.run(reflexion(cot(model), scorer=Environment(), model=model), QUESTION)
        assert answer.status == "error" and "ModelAuthError" in answer.stop_reason
        assert len(answer.candidates) == len(server.requests) == 1


async def test_a_reflection_that_fails_leaves_plain_retry() -> None:
    with scripted(Rule(REFLECTING, Reply(fault="auth")), *boxed(1, 2)) as server, Journal.memory() as journal:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=Environment(lambda text: text == "2"), model=model)
        answer = await clew.run(graph, QUESTION, journal=journal, run_id="r")
        assert (answer.status, answer.artifacts["reflexion"]["reflections"]) == ("ok", [])
        [said] = [event.request for event in journal.events("r") if event.kind == "no_reflection"]
        assert said["reason"].startswith("ModelAuthError")


@pytest.mark.parametrize(
    "options", [{"max_trials": 0}, {"memory_size": 0}, {"variant": "some"}, {"patience": -1}, {"cross_task": 1}]
)
async def test_settings_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with scripted("unused") as server:
        model = model_at(server)
        with pytest.raises(ConfigError, match="reflexion: "):
            reflexion(cot(model), scorer=Environment(), model=model, **options)  # type: ignore[arg-type]


async def test_steps_go_trial_by_trial() -> None:
    with scripted(lessons(lesson(1)), *boxed(1, 2)) as server:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=Environment(lambda text: text == "2"), model=model)
        assert graph.steps is not None
        state = await graph.steps.step(await graph.steps.start(QUESTION))
        assert graph.steps.answer(state) is None and len(state["record"]["reflections"]) == 1
        answer = graph.steps.answer(await graph.steps.step(state))
        assert answer is not None and (answer.text, answer.status) == ("2", "ok")


async def test_strict_replay_is_exact(box: Box) -> None:
    with scripted(HALF, lessons(lesson(1)), RIGHT) as server, Journal.memory() as journal:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=UnitTests(TESTS, box, visible=True), model=model)
        await clew.run(graph, PROGRAM, journal=journal, run_id="r")
        again = await replay("r", journal=journal, graph=graph)
        assert again.same and not again.unused and len(server.requests) == 3
