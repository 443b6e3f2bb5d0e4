"""Paths that a model or a patch wrote, and the files of a repository that they mean.

The released code compares lines with known paths by equality, so `./a.py`, quotes and wrong prefixes are lost and
duplicates stay (specification of Agentless, section 2.2). Here a path is cleaned, and means the file whose path has
the longest tail in common with it, when that is one file; what leaves the repository is refused before anything is
looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_AROUND = " \t\r\n\"'`*<>,;"
_DRIVE = re.compile(r"^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LINE_NUMBER = re.compile(r":\d+(?:[-:]\d+)?$")
# NTFS and HFS+ give .git other names as well.
_GIT_FOLDER = re.compile(r"^(?:\.git|git~\d+)[ .]*$", re.I)
_MAX_PATH = 1024


def is_safe(path: str) -> bool:
    """Whether `path` is a relative path in "/" form that stays inside and away from `.git`."""
    parts = path.split("/")
    return (
        0 < len(path) <= _MAX_PATH
        and not _CONTROL.search(path)
        and "\\" not in path
        and not any(part in ("", ".", "..") or _GIT_FOLDER.match(part) or len(part.encode()) > 255 for part in parts)
    )


def cleaned(written: str) -> str | None:
    """The path that was meant: without quotes, `./`, doubled and wrong slashes, and `:12` behind it. A leading slash is
    that of the repository. None for one with `..`, a drive, `~`, a control character, or a part named `.git`."""
    try:
        written.encode()
    except UnicodeEncodeError:
        return None
    text = _LINE_NUMBER.sub("", written.strip(_AROUND)).rstrip(_AROUND + ":").replace("\\", "/")
    path = "/".join(part for part in text.split("/") if part not in ("", "."))
    return path if is_safe(path) and not _DRIVE.match(path) and not path.startswith("~") else None


def tails(paths: Iterable[str]) -> dict[str, str | None]:
    """Every tail of the paths (`c.py`, `b/c.py` of `a/b/c.py`), with the one path that ends so, or None for several."""
    found: dict[str, str | None] = {}
    for path in paths:
        tail = path
        while "/" in tail:
            tail = tail.partition("/")[2]
            found[tail] = None if tail in found else path
    return found


def resolved(written: str, known: Mapping[str, object], by_tail: Mapping[str, str | None]) -> str | None:
    """The path in `known` that `written` means; None when it means none or several."""
    if written in known and is_safe(written):
        return written
    path = cleaned(written)
    if path is None:
        return None
    parts = path.split("/")
    for dropped in range(len(parts)):
        rest = "/".join(parts[dropped:])
        if dropped > 1 and "/" not in rest:
            break  # a bare name below several unknown folders says too little
        found = rest if rest in known else by_tail.get(rest)
        if found is not None:
            return found
    return None
