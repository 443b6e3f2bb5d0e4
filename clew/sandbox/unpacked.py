"""Wheels unpacked into one folder that a sandbox's Python takes by PYTHONPATH. Nothing that they hold is run."""

from __future__ import annotations

import configparser
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from clew.errors import WheelsMissing

from .types import MiB

# What an archive that is broken, or was made to be, raises.
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, NotImplementedError, ValueError,
)  # fmt: skip
LARGEST = 4096 * MiB
MOST_FILES = 200_000
BIN = "bin"
_SCRIPT = "#!/usr/bin/env python3\nimport sys\nfrom {module} import {first}\nsys.exit({call}())\n"
_PIECE = 1 << 20
# What a wheel may bring beside modules (PEP 427); headers and data have no use here.
_ROOTS = {"purelib": "", "platlib": "", "scripts": BIN}


def unpack(wheels: Iterable[Path], folder: Path) -> None:
    """Unpacks wheels into `folder`, and writes the console scripts of all into its `bin`.

    Raises `WheelsMissing` for a wheel that is broken, too big, or whose names lead outside.
    """
    room = [LARGEST, MOST_FILES]
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in wheels:
        try:
            with zipfile.ZipFile(wheel) as archive:
                _unpack(archive, folder, room)
        except UNREADABLE as error:
            raise WheelsMissing(f"the wheel {wheel.name!r} cannot be unpacked ({error}): it is not used") from None
    for points in sorted(folder.glob("*.dist-info/entry_points.txt")):
        for name, text in _scripts(points.read_text(encoding="utf-8", errors="replace")):
            _script(folder, name, text.encode())


def _unpack(archive: zipfile.ZipFile, folder: Path, room: list[int]) -> None:
    for info in archive.infolist():
        name = _name(info.filename)
        if info.is_dir() or name is None:
            continue
        room[0] -= info.file_size
        room[1] -= 1
        if min(room) < 0:
            raise ValueError(f"more than {LARGEST >> 20} MiB or {MOST_FILES} files in all")
        with archive.open(info) as source:
            if name.startswith(f"{BIN}/"):
                _script(folder, name.removeprefix(f"{BIN}/"), source.read(_PIECE))
                continue
            left = info.file_size
            with open(_place(folder, name), "wb") as target:
                while piece := source.read(min(_PIECE, left + 1)):
                    left -= len(piece)
                    if left < 0:
                        raise ValueError(f"{info.filename!r} is longer than it says")
                    target.write(piece)


def _name(written: str) -> str | None:
    """Where a member goes, relative to the folder; None for one that is left out."""
    parts = PurePosixPath(written).parts
    if not parts or written.startswith("/") or ".." in parts or "\\" in written or "\0" in written:
        raise ValueError(f"{written!r} leads outside")
    if parts[0].endswith(".data"):
        if len(parts) < 3 or parts[1] not in _ROOTS:
            return None
        parts = tuple(filter(None, (_ROOTS[parts[1]], *parts[2:])))
    elif parts[0] == BIN:
        return None  # no module is called like that, and nothing but scripts belongs there
    return "/".join(parts)


def _place(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _script(folder: Path, name: str, data: bytes) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        return
    path = _place(folder, f"{BIN}/{name}")
    path.write_bytes(re.sub(rb"\A#!pythonw?(?=[\s])", b"#!/usr/bin/env python3", data))
    path.chmod(0o755)


def _scripts(text: str) -> Iterator[tuple[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment]
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    for section in ("console_scripts", "gui_scripts"):
        for name, where in parser.items(section) if parser.has_section(section) else ():
            found = re.fullmatch(r"\s*([\w.]+)\s*:\s*(\w+)((?:\.\w+)*)\s*(?:\[.*\])?\s*", where)
            if found:
                yield name, _SCRIPT.format(module=found[1], first=found[2], call=found[2] + found[3])
