"""The sandbox failed: said as such, never as a failure of the program; and the next program finds a sandbox again."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import warnings
from pathlib import Path
from typing import Any

import pytest

import clew
import clew.sandbox as sandboxes
from clew.errors import ConfigError, EffectFailed
from clew.journal import Journal, RunRow
from clew.journal.runs import Run, enter
from clew.sandbox import Box, Engine, Execution, ImageMissing, Limits, SandboxFailed, sandbox, session
from clew.sandbox.engine import connect
from tests.sandbox.conftest import LIMITS, image, new_box, running, until
from tests.sandbox.test_sessions import notebook_graph

pytestmark = pytest.mark.anyio


def kill_containers(box: Box) -> None:
    """What a host does that is short of memory, or an operator."""
    client = connect()
    cells = [*box._pool._idle, *box._pool._busy, *(one.cell for one in box._resident)]
    for cell in cells:
        client.kill(cell.name.rpartition(" ")[2])
    client.close()


@pytest.mark.docker
async def test_a_container_killed_by_the_host_is_no_failure_of_the_program() -> None:
    async with new_box("docker", size=1) as box:
        mark = f"killed-{os.getpid()}"
        program = f"open('/proc/self/comm', 'w').write('{mark}')\nimport time; time.sleep(60)"
        task = asyncio.create_task(box.run(program))
        await until(lambda: bool(running(mark)))
        await asyncio.to_thread(kill_containers, box)
        with pytest.raises(SandboxFailed, match="was lost while a program ran: it was killed from outside"):
            await task
        assert (await box.run("print(1)")).stdout == "1\n"


@pytest.mark.docker
async def test_a_place_that_died_while_it_waited_is_replaced_in_silence() -> None:
    async with new_box("docker", size=1) as box:
        assert (await box.run("print(1)")).ok
        notebook = session(box)
        await notebook.run("x = 1")
        await asyncio.to_thread(kill_containers, box)
        await asyncio.sleep(0.3)
        assert (await box.run("print(2)")).stdout == "2\n"
        assert (await notebook.run("print(x)")).stdout == "1\n"


async def test_a_fork_server_that_is_killed_is_no_failure_of_the_program() -> None:
    async with new_box("process", size=1) as box:
        mark = f"server-{os.getpid()}"
        task = asyncio.create_task(box.run(f"open('/proc/self/comm', 'w').write('{mark}')\nwhile True: pass"))
        await until(lambda: bool(running(mark)))
        (cell,) = box._pool._busy
        os.kill(int(cell.name.rpartition(" ")[2]), signal.SIGKILL)
        with pytest.raises(SandboxFailed, match="its fork server ended"):
            await task
        await until(lambda: not running(mark))
        assert (await box.run("print(1)")).ok


async def test_a_sandbox_that_is_closed_under_a_program_says_so_at_once(box: Box) -> None:
    kind = "docker" if box.boundary else "process"
    own = new_box(kind, size=1)
    mark = f"closed-{os.getpid()}"[:15]
    task = asyncio.create_task(own.run(f"open('/proc/self/comm', 'w').write('{mark}')\nwhile True: pass"))
    await until(lambda: bool(running(mark)))
    await own.close()
    with pytest.raises(SandboxFailed, match="was lost while a program ran"):
        await task
    await until(lambda: not running(mark))
    assert (await own.run("print(1)")).ok, "a sandbox that was closed can be used again"
    await own.close()


@pytest.mark.docker
async def test_a_missing_image_names_the_command_to_build_it() -> None:
    async with Box(Engine("clew-python:nothing"), LIMITS, 1) as box:
        with pytest.raises(ImageMissing, match="no image 'clew-python:nothing': build it with `clew sandbox build`"):
            await box.run("")
    async with Box(Engine("example/nothing:1"), LIMITS, 1) as box:
        with pytest.raises(ImageMissing, match="get it with `docker pull example/nothing:1`"):
            await box.run("")
    async with Box(Engine("no name!"), LIMITS, 1) as box:
        with pytest.raises(ConfigError, match="'no name!' is no name of an image"):
            await box.run("")


async def test_without_an_engine_docker_fails_and_auto_says_what_it_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(SandboxFailed, match="no Docker Engine answers at"):
        await sandbox("docker").run("print(1)")
    with pytest.warns(UserWarning, match="is no boundary"):
        box = sandbox("auto", limits=LIMITS, size=1)
    assert (box.name, box.boundary) == ("process", False)
    async with box:
        assert (await box.run("print(1)")).ok
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # the SDK leaves the socket open with which it found nobody


class Road:
    """A way to the Docker Engine, at a socket of its own, that can be cut and mended."""

    def __init__(self, path: Path) -> None:
        self.path, self._server = path, None
        self._ends: set[asyncio.StreamWriter] = set()

    async def mend(self) -> None:
        self._server = await asyncio.start_unix_server(self._pass, self.path)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        self.path.unlink()
        for end in self._ends:
            end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection("/var/run/docker.sock")
        self._ends |= {writer, far_writer}
        await asyncio.gather(self._one_way(reader, far_writer), self._one_way(far_reader, writer))

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
            self._ends.discard(writer)


@pytest.mark.docker
@pytest.mark.skipif(not Path("/var/run/docker.sock").exists(), reason="the Engine is not at its usual socket")
async def test_an_engine_that_goes_away_in_the_middle_of_a_run_and_comes_back(tmp_path: Path) -> None:
    """The run ends with an error that blames the sandbox; when the Engine is back, it is resumed and ends well."""
    name = image()
    road = Road(tmp_path / "docker.sock")
    await road.mend()
    async with Box(Engine(name, f"unix://{road.path}"), LIMITS, 1) as box:
        mark = f"away-{os.getpid()}"
        slow = f"open('/proc/self/comm', 'w').write('{mark}')\nimport time; time.sleep(2)\nprint(x)"
        programs = ["x = 1\nprint('set')", slow]
        with Journal(tmp_path / "j.db") as journal:
            going = asyncio.create_task(clew.run(notebook_graph(box, programs), "t", journal=journal, run_id="r"))
            await until(lambda: bool(running(mark)))
            await road.cut()
            answer = await going
            assert (answer.status, "no Docker Engine answers" in answer.stop_reason) == ("error", True), answer
            with pytest.raises(SandboxFailed, match=f"no Docker Engine answers at 'unix://{road.path}'"):
                await box.run("print(1)")
            await until(lambda: not running(mark))
            await road.mend()
            again = await clew.run(notebook_graph(box, programs), "t", journal=journal, run_id="r", retry=["failed"])
            assert (again.status, again.text) == ("ok", "set\n1\n")
            states = [event.state for event in journal.events("r") if event.kind == "program"]
            assert states == ["finished", "finished"]
    await road.cut()


@pytest.mark.docker
def test_auto_takes_docker_in_silence() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        box = sandbox("auto", image=image())
    assert (box.name, box.boundary) == (f"docker:{image()}", True)


def test_another_kind_is_an_error() -> None:
    given: Any = "podman"
    with pytest.raises(ConfigError, match="sandbox='podman' is unknown"):
        sandbox(given)
    with pytest.raises(ConfigError, match="size=0"):
        sandbox("process", size=0)


class Broken:
    """A sandbox of somebody else that raises what it likes."""

    name, boundary, limits = "broken", False, Limits()

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.ran = error, 0

    async def run(self, program: str, *_: Any) -> Execution:
        self.ran += 1
        if self.error:
            raise self.error
        return Execution("out", "", 0, 0.1)

    async def run_command(self, argv: Any, workspace: Any = None, **_: Any) -> Execution:
        return await self.run("")


async def test_whatever_a_sandbox_raises_is_a_failed_sandbox_and_stays_so(tmp_path: Path) -> None:
    broken: Any = Broken(RuntimeError("no disk"))
    with pytest.raises(SandboxFailed, match="the sandbox failed: RuntimeError: no disk"):
        await sandboxes.run(broken, "x")
    assert issubclass(SandboxFailed, EffectFailed)


async def test_programs_and_commands_are_effects(tmp_path: Path) -> None:
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "a.txt").write_text("a")
    with Journal(tmp_path / "j.db") as journal:
        for _ in range(2):
            quiet: Any = Broken()
            if not journal.runs():
                journal.create_run(RunRow(id="r"))
            lease = journal.acquire("r")
            enter(run := Run(journal, "r", lease=lease))
            one = await sandboxes.run(quiet, "print(1)", {"a": "b"}, stdin="in")
            two = await sandboxes.run_command(quiet, ["ls"], tmp_path / "ws", collect=["a.txt"])
            assert one == two == Execution("out", "", 0, 0.1)
            assert (run.performed, run.replayed) in ((2, 0), (0, 2))
            assert quiet.ran == run.performed
            journal.release("r", lease)
        (tmp_path / "ws" / "a.txt").write_text("changed")
        lease = journal.acquire("r")
        enter(Run(journal, "r", lease=lease))
        again: Any = Broken()
        await sandboxes.run_command(again, ["ls"], tmp_path / "ws", collect=["a.txt"])
        assert again.ran == 1, "another content of the workspace is another effect"
        events = [event for event in journal.events("r") if event.kind == "program"]
        assert [event.cost.code_runs for event in events] == [1, 1, 1]
        journal.release("r", lease)


@pytest.mark.docker
@pytest.mark.long
def test_the_default_image_can_be_built_and_used() -> None:
    lines: list[str] = []
    id = sandboxes.build(image(), "clew-python:test-of-build", told=lines.append)
    client = connect()
    try:
        assert id.startswith("sha256:") and lines
        box = Box(Engine("clew-python:test-of-build"), Limits(), 1)

        async def main() -> str:
            async with box:
                return (
                    await box.run("import numpy, sympy\nprint(sympy.factorint(2 ** 32 + 1), numpy.arange(3).sum())")
                ).stdout

        assert asyncio.run(main()) == "{641: 1, 6700417: 1} 3\n"
        with pytest.raises(SandboxFailed, match="could not be built on"):
            sandboxes.build("no-such-base:at-all", "clew-python:test-of-build")
    finally:
        client.remove_image("clew-python:test-of-build", force=True)
        client.close()
