"""The `docker` backend: containers that can do nothing but compute.

No network, a read-only root, no host mount, all capabilities dropped but three that only the fork server has (see
`CAPABILITIES`), no new privileges, Docker's seccomp profile, limits of memory (no swap), CPU and processes by cgroup,
files in memory of limited size. A container ends by itself when the process that started it goes, however that happens,
because its standard input closes then; `gc` sweeps what is left after a crash of the daemon.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from clew.errors import ConfigError, ImageMissing, SandboxFailed

from .boot import command, environment, greeting
from .cell import Cell, Stream
from .owners import gone, me
from .pool import started
from .types import Limits, MiB, Protection

DEFAULT_IMAGE = "clew-python"
LABEL = "clew.sandbox"
OWNER, EXPIRES = f"{LABEL}.owner", f"{LABEL}.expires"
WORK, SCRATCH = "/sandbox", ("/tmp", "/dev/shm")
USER = 65534
# The fork server is root without root's rights: it may become the programs' user and end their processes, and that is
# all. Programs have another user and no capability, so that they can neither signal it, nor trace it, nor reach its
# descriptors.
CAPABILITIES = ("SETUID", "SETGID", "KILL")
SERVER_MEMORY = 32 * MiB
# An empty file takes memory of the kernel's, which the container's limit counts too.
BYTES_PER_FILE = 4096
SHARED_MEMORY = 16 * MiB
LIFETIME_S = 24 * 3600
START_S = 60.0
REMOVAL_S = 20
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@contextmanager
def speaking(where: str | None = None) -> Iterator[None]:
    """Every error of the Docker SDK as a `SandboxFailed` that says what to do. `where` is the Engine's address when it
    is not the usual one."""
    import docker.errors
    import requests

    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise ImageMissing(f"the Docker Engine has no such image: {error.explanation or error}") from error
    except docker.errors.APIError as error:
        raise SandboxFailed(f"the Docker Engine refused: {error.explanation or error}") from error
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        where = where or os.environ.get("DOCKER_HOST", "its usual socket")
        raise SandboxFailed(
            f"no Docker Engine answers at {where!r} ({type(error).__name__}: {str(error)[:200]}): start it, or correct"
            " DOCKER_HOST"
        ) from error


def connect(timeout: float = 60) -> Any:
    """A client of the Docker Engine that DOCKER_HOST names, or the local one. Raises `SandboxFailed`."""
    import docker

    with speaking():
        return docker.from_env(timeout=int(timeout)).api


class Engine:
    """Starts fork servers in containers of `image`; `base_url`: None for the Engine that DOCKER_HOST names."""

    boundary = True

    def __init__(self, image: str = DEFAULT_IMAGE, base_url: str | None = None) -> None:
        self.image, self.name = image, f"docker:{image}"
        self._base_url, self._client, self._pid = base_url, None, 0
        self._swept = False

    async def start(self, limits: Limits) -> Cell:
        """See `Backend.start`."""
        cell = await started(partial(self._create, limits))
        try:
            await cell.start(greeting({"place": place(limits)}), START_S)
        except BaseException:
            await asyncio.to_thread(cell.close)
            raise
        return cell

    async def protections(self) -> list[Protection]:
        """All that the Engine promises; raises `SandboxFailed` when it does not answer."""
        info = await asyncio.to_thread(self._info)
        seccomp = any("seccomp" in option and "unconfined" not in option for option in info.get("SecurityOptions", []))
        version = info.get("ServerVersion", "?")
        filtered = "Docker's seccomp profile, and a filter of the sandbox's own"
        swap = "no swap" if info.get("SwapLimit") else "swap is not limited: the kernel cannot"
        return [
            Protection("boundary", True, f"containers of Docker Engine {version}, image {self.image}"),
            Protection("network", True, "no interface but loopback"),
            Protection("host files", True, "nothing of the host is mounted; the root is read-only"),
            Protection("host processes", True, "own namespaces of processes, mounts and IPC"),
            Protection("privileges", True, "an unprivileged user, no capabilities, no new privileges"),
            Protection("system calls", seccomp, filtered if seccomp else "the Engine has no seccomp"),
            Protection("memory", bool(info.get("MemoryLimit")), f"cgroup limit for all processes together; {swap}"),
            Protection("cpu", bool(info.get("CpuCfsQuota")), "cgroup quota"),
            Protection("processes", bool(info.get("PidsLimit")), "cgroup limit"),
            Protection("disk", True, "files lie in memory file systems of limited size"),
            Protection("time", True, "watched inside and from the host"),
            Protection("output", True, "head and tail are kept"),
        ]

    def client(self) -> Any:
        """The client of this process; connections do not survive a fork."""
        if self._client is None or self._pid != os.getpid():
            import docker

            if self._base_url is None:
                self._client = connect()
            else:
                with speaking(self._base_url):
                    self._client = docker.APIClient(base_url=self._base_url, timeout=60)
            self._pid = os.getpid()
        return self._client

    def close(self) -> None:
        """Closes the connections to the Engine; they open again when they are needed."""
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
            self._client = None

    def _info(self) -> dict[str, Any]:
        with speaking(self._base_url):
            info: dict[str, Any] = self.client().info()
        return info

    def _create(self, limits: Limits) -> Cell:
        import docker.errors

        client = self.client()
        if not self._swept:
            self._swept = True
            sweep(client, self._base_url)
        with speaking(self._base_url):
            try:
                id = client.create_container(**container(client, self.image, limits))["Id"]
            except docker.errors.ImageNotFound as error:
                raise ImageMissing(
                    f"the Docker Engine has no image {self.image!r}: {_how_to_get(self.image)}"
                ) from error
            except docker.errors.APIError as error:
                if "invalid reference format" in str(error.explanation):
                    raise ConfigError(
                        f"{self.image!r} is no name of an image: write it as `docker images` does, like 'python:3.12'"
                    ) from error
                raise
            try:
                attached = client.attach_socket(id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
                # The SDK's wrapper blocks; a duplicate of its descriptor is ours to read as we like.
                stream = Stream(socket.socket(fileno=os.dup(attached.fileno())), multiplexed=True)
                client.start(id)
            except BaseException:
                remove(client, id)
                raise
        name = f"the container {id[:12]}"

        def kill() -> None:
            with suppress(OSError, ValueError):
                attached._response.close()  # where the SDK keeps the connection under it
                attached.close()
            remove(client, id)

        async def why(since: int) -> str:
            return await asyncio.to_thread(why_gone, client, id, since, self._base_url)

        return Cell(name, stream, limits, kill, why)


def place(limits: Limits) -> dict[str, Any]:
    """How programs live in a container; see `inside.supervisor.Supervisor`."""
    threads = {"OMP_NUM_THREADS": str(max(1, int(limits.cpus)))}
    return {
        "work": WORK, "scratch": SCRATCH, "user": USER, "environment": {**environment(WORK, _PATH), **threads},
        "rlimits": False, "alone": True, "lifetime": LIFETIME_S,
    }  # fmt: skip


def container(client: Any, image: str, limits: Limits) -> dict[str, Any]:
    """The arguments of `create_container`."""
    options = f"rw,nosuid,nodev,exec,size={limits.disk},nr_inodes={limits.disk // BYTES_PER_FILE},mode=1777"
    # Files in memory count as memory: both limits are to be used to the full.
    memory = limits.memory + limits.disk + SERVER_MEMORY
    host = client.create_host_config(
        network_mode="none",
        read_only=True,
        init=True,
        auto_remove=True,
        cap_drop=["ALL"],
        cap_add=list(CAPABILITIES),
        security_opt=["no-new-privileges"],
        mem_limit=memory,
        memswap_limit=memory,
        nano_cpus=int(limits.cpus * 1e9),
        pids_limit=limits.processes + 2,
        shm_size=SHARED_MEMORY,
        ipc_mode="private",
        tmpfs={WORK: options, "/tmp": options},
        log_config={"Type": "none"},
        restart_policy={"Name": "no"},
    )
    return {
        "image": image,
        "command": command("python3"),
        "entrypoint": [],
        "user": "0:0",
        "working_dir": "/",
        "hostname": "sandbox",
        "environment": environment(WORK, _PATH),
        "stdin_open": True,
        "network_disabled": True,
        "labels": {LABEL: "1", OWNER: me(), EXPIRES: str(int(time.time()) + LIFETIME_S)},
        "host_config": host,
    }


def remove(client: Any, id: str) -> None:
    """Ends and removes a container, in whatever state it is; returns when it is gone. If the Engine is away, the next
    sweep sees it."""
    import docker.errors
    import requests

    with suppress(docker.errors.DockerException, requests.exceptions.RequestException, OSError):
        try:
            client.remove_container(id, force=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError:
            # It is already removing itself, because its process has ended.
            client.wait(id, timeout=REMOVAL_S, condition="removed")


def why_gone(client: Any, id: str, since: int, where: str | None = None) -> str:
    """Why a container does not answer: words when it is not its program's doing, else nothing."""
    import docker.errors

    try:
        with speaking(where):
            events = list(
                client.events(since=since, until=int(time.time()) + 1, filters={"container": id}, decode=True)
            )
            if any(event.get("Action") == "oom" for event in events):
                return ""
            try:
                state = client.inspect_container(id)["State"]
            except docker.errors.NotFound:
                state = {"Status": "removed"}
    except SandboxFailed as error:
        return str(error)
    if state["Status"] == "running":
        return ""  # it is there and does not come to answer: a program starves it
    ended = next(
        (event["Actor"]["Attributes"].get("exitCode") for event in events if event.get("Action") == "die"), "?"
    )
    return f"it was killed from outside, or its Engine restarted (exit code {ended})"


def sweep(client: Any, where: str | None = None) -> list[str]:
    """Removes containers of Clew whose owner is gone, or is not of this host and whose day is over; returns their ids.
    Those of a live process are never touched."""
    removed = []
    with speaking(where):
        found = client.containers(all=True, filters={"label": LABEL})
    for one in found:
        owner_gone = gone(one["Labels"].get(OWNER, ""))
        if owner_gone is None:
            owner_gone = float(one["Labels"].get(EXPIRES) or 0) < time.time()
        if owner_gone:
            remove(client, one["Id"])
            removed.append(one["Id"])
    return removed


def gc() -> list[str]:
    """Sweeps what killed processes left behind; returns the ids of removed containers. Raises `SandboxFailed`."""
    client = connect()
    try:
        return sweep(client)
    finally:
        client.close()


def _how_to_get(image: str) -> str:
    if image.partition(":")[0] == DEFAULT_IMAGE:
        return "build it with `clew sandbox build`, or name another image with python3"
    return f"get it with `docker pull {image}`, or name another one"
