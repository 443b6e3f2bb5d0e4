"""Finding the reply behind an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.journal import current, scope
from clew.journal.address import here
from clew.scoring.reward import paragraphs
from clew.scoring.written import SCORER, calls, source, written
from clew.task import Answer, Task, Trace
from clew.testing import ScriptedServer
from tests.models.support import in_run, model

pytestmark = pytest.mark.anyio


async def test_the_last_reply_that_holds_the_answer(tmp_path: Path) -> None:
    async def body() -> str:
        with scope("inner", 0):
            place = here(current().nodes).place
            for index in range(3):
                with scope("step", index):
                    await model(server).chat("What is 6 times 7?")
        answer = Answer(text="42", trace=Trace(run=current().id, scope=place))
        elsewhere = answer.model_copy(update={"trace": Trace(run="another", scope=place)})
        assert paragraphs(Task(prompt="?"), answer) == ["Seven sixes.", "So it is 42."]
        assert written(elsewhere) == written(Answer(text=" 42 ")) == "42"
        assert written(answer.model_copy(update={"text": "43"})) == "43"
        return ""

    with ScriptedServer(["42, perhaps.", "Seven sixes.\n\nSo it is 42.", "Goodbye."]) as server:
        await in_run(tmp_path / "journal.db", body)


async def test_what_a_scorer_says_is_not_written_by_the_solver(tmp_path: Path) -> None:
    async def body() -> str:
        with scope("sample", 0):
            place = here(current().nodes).place
            with scope("attempt"):
                await model(server).chat("Pick one.")
            with scope("score", 0), scope(SCORER):
                await model(server).chat("Is it right? The gold is B.")
        answer = Answer(text="B", trace=Trace(run=current().id, scope=place))
        assert written(answer) == r"Hence \boxed{(B) y}"
        outer = answer.model_copy(update={"trace": Trace(run=current().id, scope=""), "candidates": (answer,)})
        assert written(outer) == written(answer)
        assert len(calls(outer)) == 1
        return ""

    with ScriptedServer([r"Hence \boxed{(B) y}", "The gold is B.\nVerdict: RIGHT"]) as server:
        await in_run(tmp_path / "journal.db", body)


async def test_the_candidate_that_was_chosen_is_the_source() -> None:
    def candidate(place: str, score: float | None) -> Answer:
        return Answer(text="4", score=score, trace=Trace(run="run", scope=place))

    rated = Answer(text="4", score=0.9, candidates=(candidate("sample:0", 0.2), candidate("sample:1", 0.9)))
    assert source(rated).trace == Trace(run="run", scope="sample:1")
    voted = rated.model_copy(update={"score": 0.5})
    assert source(voted).trace == Trace(run="run", scope="sample:0")
    assert source(rated.model_copy(update={"text": "5"})).candidates


async def test_a_reply_that_goes_on_is_read_from_its_beginning(tmp_path: Path) -> None:
    async def body() -> str:
        with scope("inner", 0):
            place = here(current().nodes).place
            first = await model(server).chat("How many?")
            hinted = first.transcript.add("assistant", "\nWait, check it in Python.\n", "notice")
            await model(server).chat(hinted.add("user", "Go on.", "notice"))
        answer = Answer(text="175", trace=Trace(run=current().id, scope=place))
        assert written(answer) == "7 rows of 25.\n\nPython confirms it: \\boxed{175}"
        return ""

    with ScriptedServer(["7 rows of 25.", r"Python confirms it: \boxed{175}"]) as server:
        await in_run(tmp_path / "journal.db", body)
