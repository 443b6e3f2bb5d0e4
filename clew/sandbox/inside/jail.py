"""Namespaces and a root of its own for a fork server that runs on the host, as far as the kernel allows."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from .system import PR_SET_PDEATHSIG, checked, prctl

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
)  # fmt: skip
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1, 2, 4, 8, 32, 4096, 16384, 1 << 18
)  # fmt: skip
MNT_DETACH = 2
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
NOBODY = 65534
# Users that nobody has: one for each fork server, whose programs then count for themselves alone.
FIRST_USER, USERS = 200_000, 100_000
# A mount point for the new root that exists nearly everywhere and holds nothing that programs need.
_STEPS = ("/mnt", "/media", "/srv", "/opt")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}


def enter(settings: dict[str, Any], place: dict[str, Any]) -> dict[str, bool]:
    """Moves this process into namespaces of its own, becoming PID 1 of them, and completes `place`. Returns which are
    active; none of them is a reason to fail.

    `settings`: `binds` are the paths of the host that programs may read, each with where they find it, `disk` is the
    size of each writable directory, `namespaces` whether any are tried.
    """
    root = os.geteuid() == 0
    tried = settings["namespaces"]
    place["user"] = FIRST_USER + os.getpid() % USERS if root else None
    # One who is not root gets the right to the other namespaces from a user namespace.
    active = {"user": tried and not root and _works(_own_users)}
    for name, flag in (
        ("ipc", NEWIPC),
        ("host name", NEWUTS),
        ("network", NEWNET),
        ("files", NEWNS),
        ("processes", NEWPID),
    ):
        active[name] = tried and _works(partial(checked, "unshare", flag))
    if active["network"]:
        _works(_loopback_up)
    if active["ipc"]:
        # Memory of System V belongs to no process, and is as much as a folder may hold.
        _works(lambda: _write("/proc/sys/kernel/shmall", str(settings["disk"] // 4096)))
        _works(lambda: _write("/proc/sys/kernel/msgmni", "32"))
    if active["host name"]:
        _works(lambda: socket.sethostname("sandbox"))
    if active["processes"]:
        _become_first()
    place["alone"] = active["processes"]
    # Without a namespace of processes, programs are found in the host's /proc, which such a root would not have.
    active["files"] = active["files"] and active["processes"] and _works(lambda: _own_root(settings, place))
    if not active["files"]:
        folder = tempfile.mkdtemp(prefix="clew-sandbox-")
        os.chmod(folder, 0o1777)
        place.update(work=folder, scratch=[], folder=folder)
        place["environment"].update(HOME=folder, TMPDIR=folder)
    return active


def _works(step: Callable[[], Any]) -> bool:
    try:
        step()
    except OSError:
        return False
    return True


def _own_users() -> None:
    user, group = os.geteuid(), os.getegid()
    checked("unshare", NEWUSER)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{NOBODY} {user} 1")
    _write("/proc/self/gid_map", f"{NOBODY} {group} 1")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP_RUNNING))


def _become_first() -> None:
    """Goes on as PID 1 of the new namespace, whose end is the end of every process in it. The process that was started
    waits outside and hands on how it ended."""
    parent, child = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(parent)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.set_inheritable(child, False)
        return
    os.close(child)
    for descriptor in (0, 1):
        os.close(descriptor)
    status = os.waitpid(pid, 0)[1]
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _own_root(settings: dict[str, Any], place: dict[str, Any]) -> None:
    """A root of memory that shows of the host what is in `binds`, read-only, and nothing else."""
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    binds = settings["binds"]
    root = next(step for step in _STEPS if os.path.isdir(step) and not any(bind[0].startswith(step) for bind in binds))
    _mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    for source, target in binds:
        _bind(source, root + target)
    size = f"size={settings['disk']},nr_inodes={settings['disk'] // 4096},mode=1777"
    for path in (place["work"], "/tmp", "/dev", "/dev/shm", "/proc", "/old"):
        os.makedirs(root + path, exist_ok=True)
    for path in (place["work"], "/tmp", "/dev/shm"):
        _mount("tmpfs", root + path, "tmpfs", MS_NOSUID | MS_NODEV, size)
    for name in _DEVICES:
        _write(f"{root}/dev/{name}", "")
        _mount(f"/dev/{name}", f"{root}/dev/{name}", None, MS_BIND)
    for name, target in _LINKS.items():
        os.symlink(target, f"{root}/dev/{name}")
    _works(lambda: _mount("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC))
    checked("pivot_root", root.encode(), (root + "/old").encode())
    os.chdir("/")
    checked("umount2", b"/old", MNT_DETACH)
    os.rmdir("/old")
    _mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    for source, target in binds:
        if source == sys.prefix != target:
            _python_at(target)


def _python_at(target: str) -> None:
    """This Python goes on from where its files are now."""
    source = sys.prefix
    sys.path[:] = [target + path[len(source) :] if path.startswith(source) else path for path in sys.path]
    sys.executable = target + sys.executable[len(source) :]
    sys.prefix = sys.exec_prefix = target


def _bind(source: str, target: str) -> None:
    if os.path.islink(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.symlink(os.readlink(source), target)
        return
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _write(target, "")
    _mount(source, target, None, MS_BIND | MS_REC)
    # A flag that the host has set on this mount may not be taken away.
    kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC | 1024 | 2048)
    _mount(None, target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | kept)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = [word.encode() if word is not None else None for word in (source, target, kind)]
    checked("mount", *words, ctypes.c_ulong(flags), options.encode())


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
