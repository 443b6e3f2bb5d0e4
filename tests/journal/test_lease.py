"""Rule 7: one owner per run, and several processes on one file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import RunBusy
from clew.journal import Journal, lease, replay
from tests.journal.graphs import single

pytestmark = pytest.mark.anyio

# Asks two effects; between them it says so and waits for a line.
OWNER = """
import asyncio, sys
import clew
from clew.journal import Journal, effect
from tests.journal.graphs import single

async def node(state):
    async def perform():
        return {"text": "owner"}
    first = await effect("act", {"n": 1}, perform)
    print("holding", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    second = await effect("act", {"n": 2}, perform)
    return {"text": first.outcome["text"] + second.outcome["text"]}

try:
    answer = asyncio.run(clew.run(single(node), "t", journal=Journal(sys.argv[1]), run_id="r"))
    print("answer", answer.text, flush=True)
except clew.errors.ClewError as error:
    print(type(error).__name__, error, flush=True)
"""

WRITER = """
import asyncio, sys
import clew
from clew.journal import Journal
from tests.journal.graphs import fan_out
from tests.journal.test_addresses import RandomServer

async def main():
    with Journal(sys.argv[1]) as journal:
        runs = [clew.run(fan_out(RandomServer(), width=2, samples=2), "t", journal=journal) for _ in range(3)]
        for answer in await asyncio.gather(*runs):
            print(answer.trace.run, answer.text)

asyncio.run(main())
"""


def start(script: str, path: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.fixture
def owner(tmp_path: Path) -> Any:
    process = start(OWNER, tmp_path / "j.db")
    assert said(process) == "holding"
    yield process
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()


def mine(text: str = "mine") -> Any:
    from clew.journal import effect

    async def perform() -> dict[str, Any]:
        return {"text": text}

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        return {"text": "".join([(await effect("act", {"n": n}, perform)).outcome["text"] for n in (1, 2)])}

    return single(node)


async def test_a_second_owner_is_told_who_the_first_is(owner: Any, tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db") as journal:
        with pytest.raises(RunBusy, match=rf"run 'r' is owned by process {owner.pid} on .*: wait for it or stop it"):
            await clew.run(mine(), "t", journal=journal, run_id="r")
        tell(owner)
        assert said(owner) == "answer ownerowner"
        assert (await replay("r", journal=journal, graph=mine())).same


@pytest.mark.parametrize("reaped", [True, False])
async def test_a_killed_owner_is_followed_at_once(owner: Any, tmp_path: Path, reaped: bool) -> None:
    owner.kill()
    if reaped:
        owner.wait()
    else:  # a zombie still has a pid
        await asyncio.to_thread(os.waitid, os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)
    with Journal(tmp_path / "j.db") as journal:
        assert (await clew.run(mine(), "t", journal=journal, run_id="r")).text == "ownermine"


async def test_a_pid_that_was_given_to_another_process_is_no_owner(owner: Any, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "j.db")) as db, db:
        (told,) = db.execute("SELECT owner FROM runs").fetchone()
        db.execute("UPDATE runs SET owner = ?", (json.dumps({**json.loads(told), "started": "1"}),))
    with Journal(tmp_path / "j.db") as journal:
        assert (await clew.run(mine(), "t", journal=journal, run_id="r")).text == "ownermine"


async def test_a_suspended_owner_loses_its_lease_and_writes_nothing_more(
    owner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.send_signal(signal.SIGSTOP)
    with Journal(tmp_path / "j.db") as journal:
        with pytest.raises(RunBusy):
            await clew.run(mine(), "t", journal=journal, run_id="r")
        with journal.transaction() as db:
            db.execute("UPDATE runs SET heartbeat = heartbeat - ?", (lease.EXPIRY_S,))  # a minute later
        assert (await clew.run(mine(), "t", journal=journal, run_id="r")).text == "ownermine"
        owner.send_signal(signal.SIGCONT)
        tell(owner)
        assert said(owner).startswith("RunBusy run 'r' was taken over by another process")
        assert [event.outcome["text"] for event in journal.events("r")] == ["owner", "mine"]
        row = journal.get_run("r")
        assert row is not None and (row.status, row.answer and row.answer["text"]) == ("done", "ownermine")
        assert (await replay("r", journal=journal, graph=mine())).same


def test_an_owner_on_another_host_is_believed_until_it_is_silent() -> None:
    away = {"pid": 1, "host": "elsewhere", "started": "1"}
    assert lease.alive("x", away, time.time()) and not lease.alive("x", away, time.time() - lease.EXPIRY_S)


def test_the_heart_beats_while_the_loop_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.01)
    with Journal(tmp_path / "j.db") as journal:
        from clew.journal import RunRow

        journal.create_run(RunRow(id="r"))
        journal.acquire("r")
        journal.update_run("r", heartbeat=0.0)
        beats = 0.0
        while not beats:
            time.sleep(0.005)
            with closing(sqlite3.connect(tmp_path / "j.db")) as db:
                (beats,) = db.execute("SELECT heartbeat FROM runs").fetchone()
        assert time.time() - beats < 60


async def test_the_same_process_cannot_own_a_run_twice(tmp_path: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def node(state: dict[str, Any]) -> dict[str, Any]:
        begun.set()
        await go_on.wait()
        return {}

    with Journal(tmp_path / "j.db") as journal, Journal(tmp_path / "j.db") as second:
        task = asyncio.create_task(clew.run(single(node), "t", journal=journal, run_id="r"))
        await begun.wait()
        with pytest.raises(RunBusy):
            await clew.run(single(node), "t", journal=second, run_id="r")
        go_on.set()
        assert (await task).status == "ok"


async def test_several_processes_write_one_new_file(tmp_path: Path) -> None:
    from tests.journal.graphs import fan_out

    async def no_server(kind: str, request: Any) -> str:
        raise AssertionError("a replay performed an effect")

    path = tmp_path / "new" / "j.db"
    processes = [start(WRITER, path) for _ in range(4)]
    answers = {}
    for process in processes:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        answers |= dict(line.split() for line in out.splitlines())
    assert len(answers) == 12
    with Journal(path) as journal:
        assert {row.id for row in journal.runs()} == set(answers)
        for run, text in answers.items():
            again = await replay(run, journal=journal, graph=fan_out(no_server, width=2, samples=2))
            assert again.same and again.answer.text == text
