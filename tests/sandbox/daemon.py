"""A Docker daemon of the tests' own, which they may stop and start without taking it from others."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from clew.sandbox.engine import connect
from tests.sandbox.conftest import missing

_NEEDED = ("dockerd", "containerd", "setpriv", "unshare", "nsenter")
_PREFIX = "clew-daemon-"
_BULK = ("usr/share", "usr/include", "*/dist-packages", "*/site-packages", "*/git-core", "*/gcc", "*/perl*", "var/*")


class Daemon:
    """A second `dockerd`, with its own socket and data. It and everything that it starts live in namespaces of
    processes and mounts that belong to one waiting process, which ends with this one: whatever happens, nothing
    stays."""

    def __init__(self) -> None:
        lacking = [name for name in _NEEDED if shutil.which(name) is None]
        if lacking or os.geteuid() != 0:
            missing(f"no second Docker daemon: it needs root (uid {os.geteuid()}) and lacks {lacking}")
        # One at a time on a machine, so that a folder that is there is one of a test that was killed.
        self._turn = os.open(__file__, os.O_RDONLY)
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        for left in Path("/tmp").glob(f"{_PREFIX}*"):
            shutil.rmtree(left)
        # Addresses of sockets must be short.
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
        self.log = self.folder / "log"
        self.url = f"unix://{self.folder}/docker.sock"
        (self.folder / "config.json").write_text("{}")
        # As the first process, a shell that waits also buries the orphans: a daemon does not start beside a dead
        # containerd that nobody has buried.
        holds = "mount -t tmpfs none /run && { sleep infinity & wait; }"
        self._holder = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--kill-child", "--mount-proc", "sh", "-c",
             holds],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *error: object) -> None:
        """Ends all of its processes; their mounts end with them."""
        try:
            if self._daemon is not None and self._daemon.poll() is None:
                self.stop(signal.SIGTERM)
        finally:
            self._holder.kill()
            self._holder.wait()
            if self._daemon is not None:
                self._daemon.kill()
                self._daemon.wait()
            shutil.rmtree(self.folder)
            os.close(self._turn)

    def start(self) -> None:
        """Starts the daemon, over what an earlier one left; returns when it answers."""
        for name in ("pid", "docker.sock"):
            (self.folder / name).unlink(missing_ok=True)
        argv = [
            "nsenter", f"--target={self._first()}", "--mount", "--pid", "dockerd", f"--host={self.url}",
            f"--data-root={self.folder}/data", f"--exec-root={self.folder}/exec", f"--pidfile={self.folder}/pid",
            f"--config-file={self.folder}/config.json", "--bridge=none", "--iptables=false", "--ip6tables=false",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(600):
            if self._daemon.poll() is not None:
                break
            if self._answers():
                return
            time.sleep(0.05)
        pytest.fail(f"the second Docker daemon does not start: {self.log.read_text()[-2000:]}")

    def stop(self, how: signal.Signals) -> None:
        """Ends the daemon by a signal; returns when it and its containerd are gone."""
        assert self._daemon is not None
        (pid,) = _children(self._daemon.pid)
        os.kill(pid, how)
        self._daemon.wait(60)
        for _ in range(600):
            if "containerd" not in map(_name, _children(self._first())):
                return
            time.sleep(0.05)
        pytest.fail("containerd does not end with its daemon")

    def load(self, image: str) -> None:
        """Copies an image from the usual daemon, without the bulk of it that no test here needs."""
        root = self.folder / "root"
        root.mkdir()
        excluded = [f"--exclude={name}" for name in _BULK]
        usual = connect()
        id = usual.create_container(image, ["true"])["Id"]
        try:
            _piped(["docker", "export", id], ["tar", "-x", "-C", str(root), *excluded])
        finally:
            usual.remove_container(id)
            usual.close()
        _piped(["tar", "-c", "-C", str(root), "."], ["docker", "--host", self.url, "import", "-", image])

    def containers(self) -> list[dict[str, Any]]:
        from docker import APIClient

        own = APIClient(base_url=self.url)
        try:
            found: list[dict[str, Any]] = own.containers(all=True)
            return found
        finally:
            own.close()

    def _first(self) -> int:
        """The process that holds the namespaces, once it is ready."""
        for _ in range(200):
            for pid in _children(self._holder.pid):
                if _children(pid):
                    return pid
            if self._holder.poll() is not None:
                missing("no second Docker daemon: this machine allows it no namespaces")
            time.sleep(0.05)
        pytest.fail("the namespaces of the second Docker daemon do not come about")

    def _answers(self) -> bool:
        from docker import APIClient
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            own = APIClient(base_url=self.url, timeout=5, version="auto")
            try:
                return bool(own.ping())
            finally:
                own.close()
        except (DockerException, RequestException, OSError):
            return False


def _piped(source: list[str], sink: list[str]) -> None:
    with subprocess.Popen(source, stdout=subprocess.PIPE) as giving:
        subprocess.run(sink, stdin=giving.stdout, stdout=subprocess.DEVNULL, check=True)
    assert giving.returncode == 0, source


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
