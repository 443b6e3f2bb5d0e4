"""Finding the reply behind an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.journal import current, scope
from clew.journal.address import here
from clew.scoring.reward import paragraphs
from clew.scoring.written import written
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
