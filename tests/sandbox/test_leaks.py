"""What is left: after many programs, after a client that was killed, and what the sweep may remove."""

from __future__ import annotations

import asyncio
import gc as garbage
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.sandbox import Box, Engine, gc, session
from clew.sandbox.engine import EXPIRES, LABEL, OWNER, connect, container, sweep
from clew.sandbox.owners import gone, me
from tests.sandbox.conftest import BACKENDS, LIMITS, descriptors, image, new_box, running, until

pytestmark = pytest.mark.anyio

PROGRAMS: list[Callable[[int], str]] = [
    lambda n: f"print({n})",
    lambda n: f"raise ValueError({n})",
    lambda n: "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)",
    lambda n: "open('x', 'w').write('x' * 10000)\nimport tempfile; tempfile.mkdtemp()",
    lambda n: "import subprocess\nsubprocess.Popen(['sleep', '600'])",
    lambda n: "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
]


def mine(client: Any) -> list[str]:
    """Containers whose owner is this very process."""
    found = client.containers(all=True, filters={"label": LABEL})
    return [one["Id"] for one in found if json.loads(one["Labels"].get(OWNER, "{}")).get("pid") == os.getpid()]


def wait(child: int) -> None:
    os.waitpid(child, 0)


def server_processes() -> list[int]:
    """Fork servers on this machine that this process has started and not yet seen end."""
    return [int(pid) for pid in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()]


@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.long)])
async def test_many_programs_leave_nothing(kind: str, count: int) -> None:
    client = connect() if kind == "docker" else None
    containers = len(mine(client)) if client else 0
    await asyncio.to_thread(time.sleep, 0)  # the executor's own descriptors exist from here on
    box = new_box(kind, size=4)
    await box.run("")
    await box.close()
    garbage.collect()
    before, children = descriptors(), len(server_processes())

    done = await asyncio.gather(*(box.run(PROGRAMS[n % len(PROGRAMS)](n)) for n in range(count)))
    assert [done[n].stdout for n in range(0, count, len(PROGRAMS))] == [
        f"{n}\n" for n in range(0, count, len(PROGRAMS))
    ]
    assert {one.status for one in done} == {"ok", "error", "killed"}
    if client:
        assert len(mine(client)) - containers <= 4
    assert (
        len((await box.run("import os; print(*[n for n in os.listdir('/proc') if n.isdigit()])")).stdout.split()) <= 3
    )
    await box.close()

    garbage.collect()
    # The SDK keeps up to ten connections of its own.
    assert descriptors() - before <= (10 if client else 0)
    assert len(server_processes()) <= children
    if client:
        await until(lambda: len(mine(client)) <= containers)
        client.close()


@pytest.mark.parametrize("kind", BACKENDS)
async def test_kill_9_of_the_client_leaves_nothing(kind: str, tmp_path: Path) -> None:
    """A client in the middle of a program and a session dies; containers, processes and files of it go."""
    mark, folder = f"k9-{kind}-{os.getpid()}"[:15], tmp_path / "ids"
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(_busy_client(kind, mark, folder))
        finally:
            os._exit(1)
    await until(lambda: folder.exists() and len(running(mark)) >= 2)
    os.kill(child, signal.SIGKILL)
    wait(child)
    if kind == "docker":
        await asyncio.to_thread(gc)
        client = connect()
        ids = [one["Id"] for one in client.containers(all=True, filters={"label": LABEL})]
        owners = [one["Labels"][OWNER] for one in client.containers(all=True, filters={"label": LABEL})]
        client.close()
        assert not [owner for owner in owners if json.loads(owner)["pid"] == child], ids
    await until(lambda: not running(mark))


async def _busy_client(kind: str, mark: str, folder: Path) -> None:
    box = new_box(kind)
    named = f"open('/proc/self/comm', 'w').write('{mark}')\n"
    notebook = session(box)
    await notebook.run(named + "x = 1")
    folder.touch()
    await box.run(named + "import os\nos.fork()\nwhile True: pass")


@pytest.mark.docker
async def test_the_sweep_removes_what_has_no_owner_and_nothing_else() -> None:
    client = connect()

    def make(owner: str, expires: float, start: bool = True) -> str:
        given = container(client, image(), LIMITS)
        given["labels"] = {LABEL: "1", OWNER: owner, EXPIRES: str(expires)}
        given["command"] = ["sleep", "600"]
        id: str = client.create_container(**given)["Id"]
        if start:
            client.start(id)
        return id

    child = os.fork()
    if child == 0:
        os._exit(0)
    here = json.loads(me())
    wait(child)
    now = time.time()
    made = {
        "of a process that is gone": make(json.dumps({**here, "pid": child}), now + 3600),
        "of a process that is gone, never started": make(json.dumps({**here, "pid": child}), now + 3600, start=False),
        "of another start of this pid": make(json.dumps({**here, "started": "1"}), now + 3600),
        "of another host, expired": make(json.dumps({**here, "host": "elsewhere"}), now - 1),
        "of another host": make(json.dumps({**here, "host": "elsewhere"}), now + 3600),
        "mine, though expired": make(me(), now - 3600),
        "of another pid namespace": make(json.dumps({**here, "pid": child, "pids": "pid:[1]"}), now + 3600),
    }
    try:
        sweep(client)
        kept = {"of another host", "mine, though expired", "of another pid namespace"}

        def left() -> set[str]:
            ids = {one["Id"] for one in client.containers(all=True, filters={"label": LABEL})}
            return {name for name, id in made.items() if id in ids}

        await until(lambda: left() == kept)
    finally:
        for id in made.values():
            try:
                client.remove_container(id, force=True)
            except Exception:
                continue
        client.close()


def test_owners() -> None:
    assert gone(me()) is False
    assert gone("") is None
    assert gone('{"pid": 1}') is None
    assert gone(json.dumps({**json.loads(me()), "boot": "another"})) is True


@pytest.mark.docker
async def test_a_box_that_nobody_closed_ends_with_its_process(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(Box(Engine(image()), LIMITS, 1).run("print(1)"))
        finally:
            os._exit(0)
    wait(child)
    client = connect()

    def left() -> list[str]:
        found = client.containers(all=True, filters={"label": LABEL})
        return [one["Id"] for one in found if json.loads(one["Labels"][OWNER])["pid"] == child]

    await until(lambda: left() == [])
    client.close()


@pytest.mark.parametrize("kind", BACKENDS)
async def test_a_place_ends_when_its_life_is_over_and_another_takes_its_turn(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for backend in ("engine", "process"):
        monkeypatch.setattr(f"clew.sandbox.{backend}.LIFETIME_S", 0.5)
    async with new_box(kind, size=1) as box:
        assert (await box.run("import time; time.sleep(1); print(1)")).ok, "never in the middle of a program"
        (cell,) = box._pool._idle
        await until(lambda: not cell.alive)
        assert (await box.run("print(2)")).stdout == "2\n"


@pytest.mark.parametrize("kind", BACKENDS)
async def test_a_forked_client_starts_places_of_its_own(kind: str) -> None:
    """A fork has the parent's places in memory, and may neither use nor end them."""
    box = new_box(kind, size=1)
    notebook = session(box)
    await notebook.run("x = 1")
    await box.run("print(1)")
    loop_pid = os.getpid()
    child = await asyncio.to_thread(_in_fork, box, notebook.history)
    assert child == 0 and os.getpid() == loop_pid
    assert (await box.run("print(2)")).stdout == "2\n"
    assert (await notebook.run("print(x)")).stdout == "1\n"
    await box.close()


def _in_fork(box: Box, history: list[dict[str, Any]]) -> int:
    child = os.fork()
    if child == 0:
        try:

            async def main() -> bool:
                try:
                    one = await box.run("print(3)")
                    two = await session(box, history).run("print(x + 1)")
                    return (one.stdout, two.stdout) == ("3\n", "2\n")
                finally:
                    await box.close()

            with asyncio.Runner() as runner:
                asyncio.events._set_running_loop(None)
                os._exit(0 if runner.run(main()) else 3)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(4)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
