"""The attack suite. In a container everything is contained; what the process sandbox does not contain, it must
report."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clew.errors import ConfigError
from clew.sandbox import Box, Limits, Protection
from clew.sandbox.types import MiB
from tests.sandbox.attacks import ATTACKS, NAMED
from tests.sandbox.conftest import LIMITS, new_box, running

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", autouse=True)
def _secret_in_the_environment() -> Iterator[None]:
    os.environ["SECRET_OF_THE_HOST"] = "1"
    yield
    del os.environ["SECRET_OF_THE_HOST"]


@pytest.fixture
def secret() -> Iterator[Path]:
    """A file of the host that every user may read."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder, "secret")
        path.write_text("the host's secret")
        yield path


def with_limits(seconds: float) -> Limits:
    return Limits(seconds=seconds, memory=LIMITS.memory, disk=LIMITS.disk, processes=LIMITS.processes)


@pytest.mark.parametrize("name", ATTACKS)
async def test_attack(name: str, box: Box, protections: dict[str, Protection], secret: Path) -> None:
    attack = ATTACKS[name]
    missing = [one for one in attack.against if one in protections and not protections[one].active]
    if missing:
        assert not box.boundary, f"the boundary itself does not protect {missing}"
        return
    mark = "m" + secrets.token_hex(6)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        given = {"mark": mark, "secret": secret, "port": listening.getsockname()[1]}
        filled = NAMED + attack.program
        for word, value in given.items():
            filled = filled.replace("{" + word + "}", str(value))
        done = await box.run(filled, limits=with_limits(attack.seconds))
    assert attack.contained(done), done
    assert running(mark) == []
    after = await box.run("import os; print(os.listdir(), os.listdir('/tmp'), 6 * 7)")
    assert after.stdout == "[] [] 42\n"


@pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.docker)])
async def test_a_container_protects_from_everything(kind: str, box: Box) -> None:
    if box.boundary:
        assert [one for one in await box.protections() if not one.active] == []


async def test_a_sandbox_without_namespaces_says_so() -> None:
    bare = new_box("bare", size=1)
    try:
        inactive = {one.name for one in await bare.protections() if not one.active}
        assert {"boundary", "network", "host files", "host processes", "disk"} <= inactive
        done = await bare.run("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)\nprint(1)")
        assert (done.stdout, done.exit_code) == ("1\n", 0)
        assert (await bare.run("import os; print(os.listdir())")).stdout == "[]\n"
    finally:
        await bare.close()


async def test_neighbours_go_on_during_an_attack(box: Box) -> None:
    import asyncio

    bomb = ATTACKS["fork bomb"].program
    attack = asyncio.create_task(box.run(bomb, limits=with_limits(3)))
    await asyncio.sleep(0.5)
    for _ in range(3):
        assert (await box.run("print(sum(range(1000)))")).stdout == "499500\n"
    assert (await attack).timed_out


async def test_links_lead_nowhere(box: Box, secret: Path, tmp_path: Path) -> None:
    """Of what a workspace or a program links to, nothing of the host is read, written or removed."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "kept.txt").write_text("as it was")
    (workspace / "link").symlink_to(secret)
    program = (
        "import os\ntry:\n    print(open('link').read())\nexcept OSError:\n    print('dangling')\n"
        f"os.symlink('{secret}', 'report')\nos.symlink('/etc/passwd', 'users')\nos.symlink('/', 'root')\n"
        "open('kept.txt', 'w').write('changed')\nos.mkfifo('pipe')\nos.makedirs('a/b')\nos.chmod('a', 0)\n"
    )
    names = ["report", "users", "pipe", "root", "kept.txt", "absent"]
    done = await box.run_command(["python3", "-c", program], workspace, collect=names)
    assert done.ok, done
    assert (done.stdout, dict(done.files)) == ("dangling\n", {"kept.txt": "changed"})
    assert (workspace / "kept.txt").read_text() == "as it was"
    assert secret.read_text() == "the host's secret"
    assert (await box.run("import os; print(os.listdir())")).stdout == "[]\n"


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "", ".", "a\0b"])
async def test_paths_that_leave_are_refused(name: str, box: Box) -> None:
    with pytest.raises(ConfigError, match="is no path inside the sandbox"):
        await box.run("", {name: "x"})
    with pytest.raises(ConfigError, match="is no path inside the sandbox"):
        await box.run_command(["true"], collect=[name])


async def test_what_comes_back_is_bounded(box: Box) -> None:
    """Files of nothing but their size cost a program nothing, and the host the memory to hold them."""
    program = (
        "for name, size in dict(big=65, half=40, other=40, small=0).items():\n"
        "    with open(name, 'wb') as file:\n        file.truncate(size << 20)\n"
    )
    limits = replace(LIMITS, memory=512 * MiB, disk=256 * MiB, seconds=60)
    names = ["big", "half", "other", "small"]
    done = await box.run_command(["python3", "-c", program], collect=names, limits=limits)
    assert done.ok, done
    assert {name: len(text) for name, text in done.files.items()} == {"half": 40 * MiB, "small": 0}


@pytest.mark.parametrize("size", [50, pytest.param(1000, marks=pytest.mark.long)], ids=lambda size: f"{size} MB")
async def test_huge_output(size: int, box: Box) -> None:
    program = f"import os\nfor n in range({size}):\n    os.write(1, b'%09d\\n' % n * 100_000)\nprint('the end')"
    done = await box.run(program, limits=with_limits(120))
    assert done.ok
    assert done.stdout.startswith("000000000\n")
    assert done.stdout.endswith("the end\n")
    assert done.truncated == size * 1_000_000 + 8 - LIMITS.output
    assert f"[... {done.truncated} bytes left out ...]" in done.stdout


async def test_what_cannot_be_cleaned_is_thrown_away(box: Box, protections: dict[str, Protection]) -> None:
    """Shared memory of System V outlives its process; a folder too deep for a path cannot be removed by one."""
    deep = "import os\nfor _ in range(3000):\n    os.mkdir('d'); os.chdir('d')\n"
    shared = "import ctypes\nassert ctypes.CDLL(None).shmget(0x77, 4096, 0o1666) >= 0\n"
    for program in (deep, shared) if protections.get("host IPC", protections["boundary"]).active else (deep,):
        assert (await box.run(program)).ok
        for _ in range(2):
            after = await box.run("import os; print(os.listdir(), len(open('/proc/sysvipc/shm').readlines()))")
            assert after.stdout == "[] 1\n"


async def test_the_limit_holds_from_outside_when_the_fork_server_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fork server that is stopped answers nothing; the program counts as too slow, and its place is thrown away."""
    import signal

    import clew.sandbox.cell

    monkeypatch.setattr(clew.sandbox.cell, "GRACE_S", 0.5)
    box = new_box("process", size=1)
    try:
        await box.run("")
        server = box._pool._idle[0].name.rpartition(" ")[2]
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        for pid in children or [server]:
            os.kill(int(pid), signal.SIGSTOP)
        begun = time.monotonic()
        done = await box.run("print(1)", limits=with_limits(1))
        assert done.timed_out
        assert time.monotonic() - begun < 60
        assert (await box.run("print(1)")).ok
    finally:
        await box.close()


@pytest.mark.docker
async def test_a_container_is_what_the_docs_say() -> None:
    from clew.sandbox.engine import CAPABILITIES, LABEL, OWNER, connect

    client = connect()
    async with new_box("docker", size=1) as box:
        await box.run("")
        (cell,) = box._pool._idle
        seen = client.inspect_container(cell.name.rpartition(" ")[2])
    client.close()
    host = seen["HostConfig"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["Privileged"], host["Init"]) == (
        "none",
        True,
        False,
        True,
    )
    assert host["CapDrop"] == ["ALL"]
    assert sorted(name.removeprefix("CAP_") for name in host["CapAdd"]) == sorted(CAPABILITIES)
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert not host["Binds"] and not seen["Mounts"] and not host["Devices"]
    assert sorted(host["Tmpfs"]) == ["/sandbox", "/tmp"]
    assert host["Memory"] == host["MemorySwap"] > 0
    assert (host["PidsLimit"], host["NanoCpus"]) == (LIMITS.processes + 2, 1_000_000_000)
    assert {LABEL, OWNER} <= set(seen["Config"]["Labels"])
