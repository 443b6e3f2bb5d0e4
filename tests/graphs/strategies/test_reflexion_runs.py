"""Reflexion over whole runs: side by side, killed, nested, with a memory that lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.graphs import cot
from clew.graphs.strategies import best_of, vote
from clew.graphs.strategies.reflexion import reflexion
from clew.journal import Journal, replay
from clew.memory import Episodes, Lesson, MemoryStore
from clew.scoring.generated_tests import GeneratedTests
from clew.task import Task
from clew.testing import Request, Rule, Template
from clew.testing.kills import Aim, Killer, crash, die, run_killed
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
from tests.retrieval.words_embedder import WordsEmbedder

pytestmark = pytest.mark.anyio


async def test_17_two_tasks_side_by_side_keep_their_lessons_apart() -> None:
    def reply(request: Request) -> str:
        color = "violet" if "violet" in sent(request) else "ochre"
        if REFLECTING in sent(request):
            return lesson(f"about {color}")
        learned = f"plan of lesson about {color}" in sent(request)
        return f"\\boxed{{{color if learned else 'green'}}}"

    with scripted(Rule("", reply)) as server, Journal.memory() as journal:
        model = model_at(server)
        graph = reflexion(cot(model), scorer=Environment(lambda text: text != "green"), model=model)
        tasks = [Task(id=color, prompt=f"Say {color}.", kind="math") for color in ("violet", "ochre")]
        answers = await asyncio.gather(*(clew.run(graph, task, journal=journal, run_id=task.id) for task in tasks))
        assert [(one.text, one.status, len(one.candidates)) for one in answers] == [
            ("violet", "ok", 2),
            ("ochre", "ok", 2),
        ]
        assert not any("violet" in sent(request) and "ochre" in sent(request) for request in server.requests)


def words(request: Request) -> str | Template:
    """A model that is a function of what it is sent: a run that was killed and goes on is told the same."""
    if REFLECTING in sent(request):
        return lesson(sent(request).count("of lesson") // 5 + 1)
    return Template("It is \\boxed{ {{- request.body.seed -}} }.")


def test_18_killed_while_it_reflects_the_attempt_is_not_made_again(tmp_path: Path) -> None:
    killer = Killer()
    arrived: list[str] = []

    def reply(request: Request) -> str | Template:
        arrived.append("reflect" if REFLECTING in sent(request) else "attempt")
        if arrived == ["attempt", "reflect"]:
            killer.arrived()
        return words(request)

    with scripted(Rule("", reply)) as server:

        def work() -> None:
            model = model_at(server)
            graph = reflexion(cot(model), scorer=Environment(), model=model, max_trials=2)
            with Journal(tmp_path / "j.db") as journal:
                asyncio.run(clew.run(graph, QUESTION, journal=journal, run_id="r"))

        assert run_killed(work, killer, Aim(arrivals=1))
        assert not run_killed(work, killer)
    assert arrived == ["attempt", "reflect", "reflect", "attempt"]
    with Journal(tmp_path / "j.db") as journal:
        events = [event for event in journal.events("r") if event.kind == "model"]
        assert [event.state for event in events] == ["finished"] * 3
        assert len([event for event in journal.events("r") if event.kind == "reflection"]) == 1


def test_18_killed_after_the_reflection_it_is_not_made_again(tmp_path: Path) -> None:
    def watch(event: Mapping[str, Any]) -> None:
        if event["event"] == "finished" and event["place"].startswith("reflect"):
            die()

    with scripted(Rule("", words)) as server:

        def work(watching: Any = None) -> None:
            model = model_at(server)
            graph = reflexion(cot(model), scorer=Environment(), model=model, max_trials=2)
            with Journal(tmp_path / "j.db") as journal:
                asyncio.run(clew.run(graph, QUESTION, journal=journal, run_id="r", watch=watching))

        killer = Killer()
        assert run_killed(lambda: work(watch), killer)
        assert len(server.requests) == 2
        assert not run_killed(work, killer)
        assert len(attempts(server)) == 2 and len(reflections(server)) == 1


def test_killed_at_every_call_it_ends_as_if_it_never_was(tmp_path: Path) -> None:
    killer = Killer()

    def reply(request: Request) -> str | Template:
        killer.arrived()
        return words(request)

    with scripted(Rule("", reply)) as server:

        def work(folder: Path) -> None:
            model = model_at(server)
            graph = reflexion(vote(cot(model), n=2), scorer=Environment(), model=model)
            with Journal(folder / "j.db") as journal:
                asyncio.run(clew.run(graph, QUESTION, journal=journal, run_id="r"))

        ends = []
        for name, aims in (("whole", []), ("killed", [Aim(arrivals=n) for n in (1, 2, 1, 2, 1, 1)])):
            folder = tmp_path / name
            folder.mkdir()
            crashes = crash(lambda folder=folder: work(folder), folder / "j.db", killer, aims)  # type: ignore[misc]
            assert not crashes.changed and crashes.kills == len(aims)
            with Journal(folder / "j.db") as journal:
                ends.append(journal.find_run("r").answer or {})
        assert ends[0] == ends[1] and len(ends[0]["candidates"]) == 3


def test_killed_between_attempt_tests_and_reflection_the_tests_stay_the_same(tmp_path: Path) -> None:
    killer = Killer()

    def reply(request: Request) -> str:
        killer.arrived()
        if "You write tests" in sent(request):
            return f"assert solve(2) == 4\nassert solve({request.number + 10}) == {2 * request.number + 20}"
        if REFLECTING in sent(request):
            return lesson(1)
        return program("return 2 * x" if "plan of lesson 1" in sent(request) else "return x * x")

    with scripted(Rule("", reply)) as server:

        def work() -> None:
            async def one() -> None:
                async with process_box() as box:
                    model = model_at(server)
                    graph = reflexion(cot(model), scorer=GeneratedTests(model, box), model=model)
                    with Journal(tmp_path / "j.db") as journal:
                        await clew.run(graph, PROGRAM, journal=journal, run_id="r")

            asyncio.run(one())

        crashes = crash(work, tmp_path / "j.db", killer, [Aim(arrivals=n) for n in (1, 2, 2, 2)])
        assert not crashes.changed and crashes.kills == 4
    with Journal(tmp_path / "j.db") as journal:
        assert (journal.find_run("r").answer or {})["status"] == "ok"
        assert len([event for event in journal.events("r") if event.kind == "model"]) == 4
        assert len([event for event in journal.events("r") if event.kind == "program"]) == 4


async def test_a_strategy_around_it_and_one_inside_it() -> None:
    def reply(request: Request) -> str:
        if REFLECTING in sent(request):
            return lesson(1)
        return "\\boxed{7}" if "plan of lesson 1" in sent(request) else "\\boxed{6}"

    with scripted(Rule("", reply)) as server, Journal.memory() as journal:
        model = model_at(server)

        def passes() -> Environment:
            return Environment(lambda text: text == "7")

        inside = reflexion(best_of(cot(model), n=2, scorer=passes()), scorer=passes(), model=model)
        twice = reflexion(reflexion(cot(model), scorer=Environment(), model=model), scorer=passes(), model=model)
        for name, graph in (("around", vote(inside, n=2)), ("twice", twice)):
            answer = await clew.run(graph, QUESTION, journal=journal, run_id=name)
            assert answer.text == "7", name
            again = await replay(name, journal=journal, graph=graph)
            assert again.same and not again.unused, name


# Memory ------------------------------------------------------------------------------------------------------------

OTHER = Task(id="q2", prompt="Which number do I think of today?", kind="math")


@pytest.fixture
def episodes(tmp_path: Path) -> Iterator[Episodes]:
    store = MemoryStore.open(tmp_path / "memory", embedder=WordsEmbedder())
    yield Episodes(store)
    store.close()


async def learn(episodes: Episodes, task: Task, journal: Journal, **options: Any) -> tuple[clew.Answer, list[str]]:
    """A run that passes at its second attempt, and what its attempts were sent."""
    with scripted(lessons(lesson(task.id)), *boxed(1, 2)) as server:
        model = model_at(server)
        environment = Environment(lambda text: text == "2")
        graph = reflexion(cot(model), scorer=environment, model=model, memory=episodes, **options)
        return await clew.run(graph, task, journal=journal, run_id=task.id), attempts(server)


async def test_20_lessons_of_other_tasks_are_few_and_marked(episodes: Episodes) -> None:
    with Journal.memory() as journal:
        for number in range(4):
            other = Task(id=f"other{number}", prompt=f"Which number, {number} or more, do I think of?", kind="math")
            await learn(episodes, other, journal)
        answer, (first, second) = await learn(episodes, QUESTION, journal, cross_task=2)
        assert first.count("(Learned on another task, other") == 2 and "similarity 0." in first
        assert second.count("(Learned on another task, other") == 2 and "plan of lesson q1" in second
        assert len(answer.artifacts["reflexion"]["recalled"]) == 2


async def test_20_without_asking_no_lesson_of_another_task_is_shown(episodes: Episodes) -> None:
    with Journal.memory() as journal:
        await learn(episodes, OTHER, journal)
        _, said = await learn(episodes, QUESTION, journal)
        assert not any("another task" in one or "lesson q2" in one for one in said)


async def test_20_the_lessons_of_the_task_itself_are_not_those_of_others(episodes: Episodes) -> None:
    with Journal.memory() as journal:
        await learn(episodes, QUESTION, journal)
        again = QUESTION.model_copy(update={"id": "q1-again"})
        _, said = await learn(episodes, again, journal, cross_task=3)
        assert not any("another task" in one for one in said)


async def test_20_an_evaluated_task_sees_nothing_that_its_set_has_taught(episodes: Episodes) -> None:
    with Journal.memory() as journal:
        tasks = [task.model_copy(update={"inputs": {"task_set": "digest"}}) for task in (OTHER, QUESTION)]
        await learn(episodes, tasks[0], journal)
        _, said = await learn(episodes, tasks[1], journal, cross_task=3)
        assert not any("another task" in one for one in said)


async def test_lessons_earn_their_place_by_the_attempt_after_them(episodes: Episodes) -> None:
    with Journal.memory() as journal:
        await learn(episodes, OTHER, journal)
        [(kept, _)] = await episodes.recall(OTHER, 5)
        assert (kept.used, kept.helped, kept.run, kept.task_id) == (1, 1, "q2", "q2")
        assert kept.fields["plan"] == "plan of lesson q2"
        await learn(episodes, QUESTION, journal, cross_task=1)  # its first attempt, which saw the lesson, fails
        [kept] = [one.lesson for one in await episodes.recall(OTHER, 5) if one.lesson.id == kept.id]
        assert (kept.used, kept.helped) == (2, 1)
        assert len([event for event in journal.events("q1") if event.kind == "memory"]) == 4


async def test_a_memory_that_fails_is_no_reason_to_stop(tmp_path: Path) -> None:
    store = MemoryStore.open(tmp_path / "memory", embedder=WordsEmbedder(), wait=0.01)
    with MemoryStore.open(tmp_path / "memory", embedder=WordsEmbedder()) as other, Journal.memory() as journal:
        await Episodes(other).remember(Lesson(text="look twice", family="math", situation="a question"))
        answer, _ = await learn(Episodes(store), QUESTION, journal, cross_task=1)
        assert answer.status == "ok"
        failed = [event.request["error"] for event in journal.events("q1") if event.kind == "memory_failed"]
        assert len(failed) == 2 and all(error.startswith("StoreBusy") for error in failed)


async def test_a_replay_reads_and_writes_no_memory(episodes: Episodes) -> None:
    with scripted(lessons(lesson(1)), *boxed(1, 2)) as server, Journal.memory() as journal:
        model = model_at(server)
        environment = Environment(lambda text: text == "2")
        graph = reflexion(cot(model), scorer=environment, model=model, memory=episodes, cross_task=1)
        await clew.run(graph, QUESTION, journal=journal, run_id="r")
        [(before, _)] = await episodes.recall(QUESTION, 5)
        again = await replay("r", journal=journal, graph=graph)
        assert again.same and not again.unused
        assert [one.lesson for one in await episodes.recall(QUESTION, 5)] == [before]
