"""Files of programs: those that are collected, and all that must not be there for the next one."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .kept import private

# Where the kernel lists System V shared memory, semaphores and queues that outlive their makers, after a header line.
_LISTS = ("/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg")
_QUEUES = "/dev/mqueue"


@contextmanager
def _rights_of(user: int | None) -> Iterator[None]:
    """With the rights that programs had, so that no name of theirs leads further than they could go."""
    if user is None:
        yield
        return
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def collect(place: dict[str, Any], names: list[str], room: int) -> dict[str, memoryview]:
    """Regular files of the working directory, as far as `room` bytes go; one that is a symbolic link is left out."""
    found: dict[str, memoryview] = {}
    with _rights_of(place["user"]):
        for name in names:
            try:
                descriptor = os.open(os.path.join(place["work"], name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                continue
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_size <= room:
                found[name] = _whole(descriptor, status.st_size)
                room -= status.st_size
            os.close(descriptor)
    return found


def _whole(descriptor: int, size: int) -> memoryview:
    memory, done = private(size), 0
    while done < size and (got := os.preadv(descriptor, [memory[done:]], done)):
        done += got
    return memory[:done]


def clean(place: dict[str, Any]) -> bool:
    """Empties what programs can write to, once they have ended. Returns whether nothing at all is left."""
    places = [place["work"], *place["scratch"]]
    try:
        if any(os.listdir(path) for path in places):
            with _rights_of(place["user"]):
                for path in places:
                    _empty_folder(path)
        return (
            not any(os.listdir(path) for path in places) and not any(_listed(path) for path in _LISTS) and not _queues()
        )
    except (OSError, RecursionError):
        return False


def _empty_folder(place: str) -> None:
    for entry in os.scandir(place):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, onerror=_open_up)
        else:
            os.unlink(entry.path)


def _open_up(function: Any, path: str, error: Any) -> None:
    """A directory whose rights were taken away is given them back and removed again."""
    os.chmod(path if os.path.isdir(path) else os.path.dirname(path), 0o700)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _listed(path: str) -> int:
    try:
        with open(path) as file:
            return len(file.read().splitlines()) - 1
    except OSError:
        return 0


def _queues() -> bool:
    return os.path.isdir(_QUEUES) and bool(os.listdir(_QUEUES))
