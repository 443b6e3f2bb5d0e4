"""One process at a time in a store's folder, readers included; who waits too long is told who holds it."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path

from clew.errors import RetrievalError, StoreBusy

WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.05


class FolderLock:
    """An advisory lock on `folder`, held from construction until `release` or the end of the process.

    The operating system frees it when its process dies, however it dies. Raises `StoreBusy` after `wait` seconds; its
    message names process, host and command of the holder.
    """

    def __init__(self, folder: Path, wait: float = WAIT_SECONDS) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = open(folder / "lock", "a+b")  # noqa: SIM115 - open as long as the lock is held
        except OSError as error:
            raise RetrievalError(
                f"the store folder {str(folder)!r} cannot be opened ({error.strerror}); name one that you can write to"
            ) from error
        until = time.monotonic() + wait
        while not _try_lock(self._file.fileno()):
            if time.monotonic() >= until:
                self._file.close()
                raise StoreBusy(
                    f"the store {str(folder)!r} is in use by {self._holder()}; waited {wait:g} s."
                    " The embedded engine admits one process at a time: stop that one or try again later"
                )
            time.sleep(_POLL_SECONDS)
        self._write_holder()

    def release(self) -> None:
        if not self._file.closed:
            self._file.truncate(0)
            self._file.close()

    def _write_holder(self) -> None:
        command = " ".join(Path(part).name if place == 0 else part for place, part in enumerate(sys.argv))
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": command[:200]}
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(holder).encode())
        self._file.flush()

    def _holder(self) -> str:
        try:
            holder = json.loads((self.folder / "lock").read_bytes())
            return f"process {holder['pid']} on {holder['host']} ({holder['command']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


def _try_lock(handle: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            # One byte far behind the text, so that others can still read who holds the lock.
            os.lseek(handle, 1 << 20, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            return True
        except OSError:
            return False
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
