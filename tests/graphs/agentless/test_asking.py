"""Prompts of a repair: what is data stays data, everything fits, and limits of replies are lifted once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ContextOverflow
from clew.graphs.agentless.asking import (
    INTRODUCTION,
    Asker,
    Material,
    Prompt,
    issue_within,
    keys,
    prompt_of,
    quoted,
    with_complaint,
)
from clew.journal import Journal, Transcript
from clew.models import Model
from clew.models.tokens import estimate, estimate_prompt
from clew.task import Note, Task
from clew.testing import Features, Reply, Request, ScriptedServer
from tests.models.support import in_run

pytestmark = pytest.mark.anyio

TASK = Task(prompt="It breaks.", kind="repair")


def model(server: ScriptedServer, **options: Any) -> Model:
    return Model("openai/scripted", api_base=server.url, **options)


def plain(room: int) -> Prompt:
    return Prompt(Transcript().add("user", "x " * room, "prompt"))


# Blocks and prompts ------------------------------------------------------------------------------------------------


@given(st.text())
def test_a_block_ends_where_its_text_ends(text: str) -> None:
    block = quoted("ISSUE", text)
    mark = block.split(" ")[3]
    assert len(mark) == 16 and block.count(f"--- END ISSUE {mark} ---") == 1 + text.count(mark)
    assert block.endswith(f"\n--- END ISSUE {mark} ---") and text.strip("\n") in block
    assert quoted("ISSUE", text + "x").split(" ")[3] != mark


@pytest.mark.parametrize("letter", ["x", "ß", "漢", "\ud83d"])
@pytest.mark.parametrize("room", [100, 1_000])
def test_an_issue_of_any_script_fits(letter: str, room: int) -> None:
    text, events = issue_within(Task(prompt=f"Head. {letter * 50_000} Tail."), room)
    assert estimate(text) <= room and text.startswith("Head.") and text.endswith("Tail.") and len(events) == 1
    assert issue_within(TASK, room) == ("It breaks.", ())
    assert issue_within(Task(prompt=" "), room).text == "(no text)"


@pytest.mark.parametrize("room", [1_000, 4_000])
@pytest.mark.parametrize("issue", ["short", "long " * 9_000])
@pytest.mark.parametrize("extra", ["", "x" * 50_000])
@pytest.mark.parametrize("line", ["a line\n" * 9_000, "one line " * 50_000])
def test_whatever_is_too_long_the_prompt_fits(room: int, issue: str, extra: str, line: str) -> None:
    prompt = prompt_of(Task(prompt=issue), "Your step: one.", room, "CODE", lambda left: Material(line), extra)
    assert estimate_prompt(prompt.transcript) <= room
    text = prompt.transcript.text()
    assert text.startswith(INTRODUCTION) and text.endswith("Your step: one.")
    assert {event["what"] for event in prompt.events} >= {"characters"}
    assert ("tests" in {event["what"] for event in prompt.events}) == bool(extra)


def test_parts_stand_in_order_and_what_is_asked_again_only_adds() -> None:
    task = Task(prompt="It breaks.", notes=(Note(kind="lesson", text="Look twice."),))
    prompt = prompt_of(task, "Your step: one.", 4_000, "CODE", lambda left: Material("x = 1"), quoted("OTHER", "y"))
    text = prompt.transcript.text()
    places = [text.index(part) for part in ("It breaks.", "BEGIN OTHER", "x = 1", "Your step", "Look twice.")]
    assert places == sorted(places) and prompt.events == ()
    again = with_complaint(prompt, "(Wrong.)").transcript
    assert again.text() == f"{text}\n\n(Wrong.)" and len(again.messages()) == 1
    assert with_complaint(prompt, "") == prompt
    bare = prompt_of(TASK, "Your step: one.", 4_000)
    assert "CODE" not in bare.transcript.text()


# Asking --------------------------------------------------------------------------------------------------------------


def test_the_room_is_bounded_by_what_the_model_is_known_to_take() -> None:
    assert Asker(Model("openai/scripted", api_base="http://127.0.0.1:1/v1")).room({}) == 128_000
    assert Asker(Model("openai/gpt-4", max_tokens=1_000)).room({}) == 8_192 - 1_000
    assert Asker(Model("openai/gpt-4", max_tokens=1_000), 5_000).room({}) == 5_000
    assert Asker(Model("openai/gpt-4", max_tokens=1_000), 5_000).room({"context_limit": 3_000}) == 3_000
    assert Asker(Model("openai/gpt-4", max_tokens=8_192)).room({}) == 1_000


async def test_only_what_was_cut_off_and_is_of_no_use_is_asked_for_again(tmp_path: Path) -> None:
    def words(request: Request) -> Reply:
        return Reply(text="good", reasoning="Hm. " * 40 if request.body["seed"] % 2 else "")

    states: list[dict[str, Any]] = []

    with ScriptedServer(words) as server:

        async def body() -> str:
            asker = Asker(model(server, seed=0, max_tokens=500))
            options: dict[str, Any] = {"max_tokens": 30, "usable": lambda reply: bool(reply.text)}
            first, state = await asker.ask({}, "one", lambda room: plain(3), n=4, temperature=0.5, **options)
            second, state = await asker.ask(state, "one", lambda room: plain(3), n=1, **options)
            third, state = await asker.ask(state, "two", lambda room: plain(4), n=1, **options)
            states.append(state)
            assert len(set(keys(first))) == 4
            return " ".join(reply.text for reply in [*first, *second, *third])

        assert (await in_run(tmp_path / "j.db", body)).text == "good " * 5 + "good"
        asked = [(request.body["seed"], request.max_tokens) for request in server.requests]
        assert sorted(asked[:4]) == [(0, 30), (1, 30), (2, 30), (3, 30)]
        assert sorted(asked[4:6]) == [(0, 500), (1, 500)]
        assert asked[6:] == [(0, 500), (0, 30)]
        # A resumed run asks for nothing again.
        with Journal(tmp_path / "j.db") as journal:
            assert len([event for event in journal.events("r1") if event.kind == "model"]) == server.count == 8
    assert states[0]["reply_limits"] == {"one": 500}
    assert [event["replies"] for event in states[0]["events"]] == [2]


async def test_a_prompt_that_is_too_long_is_halved_until_it_fits(tmp_path: Path) -> None:
    states: list[dict[str, Any]] = []
    with ScriptedServer("fine", features=Features(context=2_500)) as server:

        async def body() -> str:
            asker = Asker(model(server, max_tokens=100), 16_000)
            options: dict[str, Any] = {"max_tokens": 50, "usable": lambda reply: True}
            replies, state = await asker.ask({}, "one", plain, n=2, **options)
            states.append(state)
            await asker.ask(state, "two", plain, **options)
            return replies[0].text

        assert (await in_run(tmp_path / "j.db", body)).text == "fine"
    halves = [event["tokens"] for event in states[0]["events"]]
    assert halves == [8_000, 4_000, 2_000][: len(halves)] and states[0]["context_limit"] == halves[-1]
    assert server.count == 2 * (len(halves) + 1) + 1


async def test_a_window_that_is_too_small_for_anything_raises(tmp_path: Path) -> None:
    with ScriptedServer("fine", features=Features(context=200)) as server:

        async def body() -> str:
            with pytest.raises(ContextOverflow):
                await Asker(model(server, max_tokens=100), 4_000).ask(
                    {}, "one", plain, max_tokens=50, usable=lambda reply: True
                )
            return "raised"

        assert (await in_run(tmp_path / "j.db", body)).text == "raised"
