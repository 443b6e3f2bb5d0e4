"""`clew eval` with graphs that remember: what a set taught stays away from it, and what a memory holds decides runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from clew.agents import doors
from clew.config import load
from clew.memory import Episodes, Lesson, MemoryStore
from clew.testing import Reply, Request, Rule, ScriptedServer

from .conftest import Clew, at, process

REFLEXION = "reflexion(cot, scorer=judge, memory=true, cross_task=2, max_trials=2)"
SCRIPT = [Rule("Rating: N", "Rating: 1"), Rule("five lines", "Plan: check the last digit."), Rule(".", "\\boxed{1}")]


@pytest.fixture
def sums(here: Path) -> Path:
    lines = [{"id": str(i), "kind": "math", "prompt": f"What is {i} + 17?", "answers": [str(i + 17)]} for i in range(3)]
    (here / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return here / "t.jsonl"


def learn(text: str) -> None:
    """A lesson from elsewhere, as a run of `clew ask` leaves it."""
    with MemoryStore.open(doors.memory_place(load()), embedder=doors.embedder(load())) as store:
        asyncio.run(Episodes(store).remember(Lesson(text=text, family="math", situation="What is 4 + 4?")))


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_a_part_of_a_set_teaches_nothing_to_the_rest(clew: Clew, sums: Path, here: Path) -> None:
    with ScriptedServer(SCRIPT) as server:
        for limit, tasks in ((1, "t.jsonl"), (3, sums)):
            done = clew("eval", "--tasks", tasks, "--limit", limit, "--graph", REFLEXION, *at(server), "--out", limit)
            assert done.code == 0, done.err
        assert not any("another task" in request.prompt for request in server.requests)
    first, shared, *_ = [row["run"] for limit in "13" for row in rows(here / limit)]
    assert first == shared  # the whole takes the run of its part


def test_a_lesson_in_between_makes_other_runs(clew: Clew, sums: Path) -> None:
    command = ["eval", "--tasks", "t.jsonl", "--graph", "remembering(cot)"]
    with ScriptedServer("\\boxed{1}") as server:
        counts = []
        for lesson in ("", "", "Check the last digit.", ""):
            if lesson:
                learn(lesson)
            assert clew(*command, *at(server)).code == 0
            counts.append(server.count)
        assert counts == [3, 3, 6, 6]
        assert ["last digit" in request.prompt for request in server.requests] == [False] * 3 + [True] * 3
        assert clew(*command, *at(server), "--out", "o").code == 0 and server.count == 6
        learn("Count again.")
        refused = clew(*command, *at(server), "--out", "o")
        assert refused.code == 2 and "holds another evaluation" in refused.err and server.count == 6


def test_a_killed_evaluation_finds_its_runs_though_it_has_written(clew: Clew, sums: Path, here: Path) -> None:
    hang = True

    def last(request: Request) -> Reply:
        return Reply(fault="hang") if hang else Reply("Rating: 9 \\boxed{1}")

    learn("Check the last digit.")
    with ScriptedServer([Rule("2 \\+ 17", last), *SCRIPT]) as server:
        command = ["eval", "--tasks", "t.jsonl", "--graph", REFLEXION, *at(server), "--out", "o", "--concurrency", 1]
        running = process(*command, cwd=here)
        try:
            server.wait_for(11)  # five of each of the first two tasks
            os.kill(running.pid, signal.SIGKILL)
            running.communicate(timeout=60)
        finally:
            running.kill()
        hang, before = False, server.count
        done = clew(*command)
        assert done.code == 0, done.err
        assert before == 11 and all("2 + 17" in request.prompt for request in server.requests[11:])
    assert len(rows(here / "o")) == 3


def test_no_file_holds_the_login_of_an_address(clew: Clew, sums: Path, here: Path) -> None:
    with ScriptedServer("\\boxed{17}") as server:
        address = server.url.replace("http://", "http://ann:opensesame@")
        done = clew(
            "eval", "--tasks", "t.jsonl", "--graph", "cot", "--model", "openai/any", "--api-base", address, "--out", "o"
        )
        assert server.url in (here / "o" / "report.md").read_text()
    said = [path.read_bytes() for path in here.rglob("*") if path.is_file()]
    assert not any(b"opensesame" in text for text in [*said, done.out.encode(), done.err.encode()])
