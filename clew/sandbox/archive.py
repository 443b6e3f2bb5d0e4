"""Files on their way into a sandbox: a tar archive, and a hash that says what is in it."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO

from clew.errors import ConfigError

from .types import Files, MiB

_PIECE = 1 << 18
_IN_MEMORY = 16 * MiB


@dataclass(frozen=True, slots=True)
class Archive:
    """A tar archive in a file that has no name, its size, and the hash of paths, modes and contents in it."""

    file: IO[bytes]
    size: int
    digest: str

    def close(self) -> None:
        self.file.close()

    def pieces(self) -> Iterator[bytes]:
        self.file.seek(0)
        while piece := self.file.read(_PIECE):
            yield piece


def pack(workspace: str | Path | None, files: Files | None, room: int) -> Archive | None:
    """An archive of the folder `workspace` with `files` laid over it; None when there is neither. Symbolic links stay
    links: what they name on the host is not read.

    Raises `ConfigError` for a folder that is none, for a path that leaves the working directory, and for more than
    `room` bytes.
    """
    laid = {checked(name): _bytes(text) for name, text in (files or {}).items()}
    if workspace is None and not laid:
        return None
    seen = sha256()
    spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - open as long as it is sent
    total = 0
    with tarfile.open(fileobj=spool, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, source in _entries(workspace, laid):
            total += info.size
            if total > room:
                raise ConfigError(
                    f"the files for the sandbox have more than {room} bytes, the limit of its disk: give a higher "
                    "Limits(disk=...), or leave files out"
                )
            data = source if isinstance(source, bytes) else Path(source).read_bytes() if source else b""
            info.size = len(data)
            seen.update(
                f"{info.name}\0{info.mode:o}\0{info.linkname}\0{len(data)}\0".encode("utf-8", "surrogateescape")
            )
            seen.update(data)
            tar.addfile(info, io.BytesIO(data))
    return Archive(spool, spool.tell(), seen.hexdigest()[:32])


def checked(name: str) -> str:
    """`name` when it is a path inside the working directory; else raises `ConfigError`."""
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or path == PurePosixPath()
    if not name or "\0" in name or outside or not _is_text(name):
        raise ConfigError(f"{name!r} is no path inside the sandbox: give a relative one without '..'")
    return str(path)


def _entries(workspace: str | Path | None, laid: dict[str, bytes]) -> Iterator[tuple[tarfile.TarInfo, bytes | str]]:
    """What goes into the archive, with its content or the path of it on the host; always in the same order."""
    if workspace is not None:
        root = Path(workspace)
        if not root.is_dir():
            raise ConfigError(f"the workspace {str(workspace)!r} is no folder: give one that exists")
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted([*folders, *names]):
                path = Path(folder, name)
                inside = path.relative_to(root).as_posix()
                if inside in laid:
                    continue
                info = tarfile.TarInfo(inside)
                status = path.lstat()
                info.mtime = int(status.st_mtime)
                info.mode = 0o755 if status.st_mode & 0o100 else 0o644
                if path.is_symlink():
                    info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(path), 0o777
                    yield info, b""
                elif path.is_dir():
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    yield info, b""
                elif path.is_file():
                    info.size = status.st_size
                    yield info, str(path)
    for name in sorted(laid):
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(laid[name]), 0o644
        yield info, laid[name]


def encoded(text: str) -> bytes:
    """`text` as UTF-8; half characters, as a model may write them, do no harm."""
    return text.encode("utf-8", "surrogateescape" if _is_text(text) else "surrogatepass")


def _bytes(text: str | bytes) -> bytes:
    return encoded(text) if isinstance(text, str) else text


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
