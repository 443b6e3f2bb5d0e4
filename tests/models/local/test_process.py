"""Local models under the journal and at the end of a process, seen from outside."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clew.journal import scope
from clew.models import Model, Reply
from tests.models.support import in_run

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.models.local.test_process import branches
from tests.models.support import in_run

finished = 0

def watch(event):
    global finished
    finished += event["event"] == "finished" and event["kind"] == "model"
    if finished == 2:
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(in_run(Path(sys.argv[2]), lambda: branches(sys.argv[1]), watch=watch))
"""

REPLAY = """
import asyncio, sys
from clew.journal import Journal, replay
from clew.models import Model
from tests.models.support import graph_of

async def main():
    model = Model(sys.argv[1], temperature=0.0, max_tokens=8)
    with Journal(sys.argv[2]) as journal:
        again = await replay("r1", journal=journal, graph=graph_of(lambda: model.chat("Why?")))
    print(ascii(again.answer.text), "torch" in sys.modules, "litellm" in sys.modules)

asyncio.run(main())
"""

LEAVING = """
import asyncio, sys, threading
from clew.models import Model

model = Model(sys.argv[1], temperature=0.0, max_tokens=900)

async def main():
    short = [model.chat(f"Why {n}?", max_tokens=5) for n in range(3)]
    print(*(reply.usage.output for reply in await asyncio.gather(*short)))
    tasks = [asyncio.create_task(model.chat(f"On {n}?")) for n in range(8)]
    await asyncio.sleep(0.1)

asyncio.run(main())
asyncio.run(main())
"""


async def branches(name: str) -> str:
    """Six texts of different length, sampled at once, and how many of them came from the journal."""
    model = Model(name, temperature=1.0)

    async def one(number: int) -> Reply:
        with scope("branch", number):
            return await model.chat(f"Question {number}?", max_tokens=5 + 15 * number)

    replies = await asyncio.gather(*(one(number) for number in range(6)))
    return json.dumps([*(reply.text for reply in replies), sum(reply.replayed for reply in replies)])


def python(code: str, *arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)


async def test_a_run_that_was_killed_in_a_batch_ends_with_the_same_texts(llama: str, tmp_path: Path) -> None:
    killed = await asyncio.to_thread(python, KILLED, llama, tmp_path / "killed.db")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    answers = [await in_run(tmp_path / name, lambda: branches(llama)) for name in ("whole.db", "killed.db")]
    (*whole, fresh), (*resumed, replayed) = (json.loads(answer.text) for answer in answers)
    assert resumed == whole and len(set(whole)) == 6
    assert fresh == 0 and replayed in (1, 2)


async def test_a_replay_loads_nothing(llama: str, tmp_path: Path) -> None:
    model = Model(llama, temperature=0.0, max_tokens=8)
    answer = await in_run(tmp_path / "j.db", lambda: model.chat("Why?"))
    again = await asyncio.to_thread(python, REPLAY, llama, tmp_path / "j.db")
    assert again.stdout.strip() == f"{answer.text!a} False False", again.stderr


def test_two_loops_and_an_end_in_the_middle_of_texts(llama: str) -> None:
    done = python(LEAVING, llama)
    assert (done.returncode, done.stdout.split()) == (0, ["5"] * 6), done.stderr
    assert "Traceback" not in done.stderr and "terminate" not in done.stderr
