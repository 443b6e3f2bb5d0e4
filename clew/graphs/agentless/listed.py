"""Lines of requirements, as pip reads them in a file, taken as data: names and versions, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from clew.errors import ConfigError
from clew.sandbox.wheels import checked_requirement

_MOST_FILES = 50
MOST_LINES = 5000
_INCLUDE = re.compile(r"(?:-r\s*|--requirement[\s=]+)(\S+)")


@dataclass
class Listed:
    """`needs` by PEP 508, and `notes` on lines that were left out."""

    needs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def listed_in(text: str, path: str, read: Callable[[str], str | None]) -> Listed:
    """The requirements in `text`, which is that of the file `path` ("" for none). `read` gives the text of a file of
    the same repository, None for no file of it: `-r` reaches no other, and each of them once. Options, addresses and
    paths are left out with a note; the project itself (`-e .`) without one."""
    found = Listed()
    _read(text, path, read, found, {path})
    return found


def _read(text: str, path: str, read: Callable[[str], str | None], found: Listed, seen: set[str]) -> None:
    for line in re.sub(r"\\\n", " ", text).splitlines()[:MOST_LINES]:
        line = re.sub(r"(?:^|\s)#.*", "", line).strip()
        if not line or re.fullmatch(r"(?:(?:-e|--editable)\s*)?\.(?:\[[^\]]*\])?/?", line):
            continue
        include = _INCLUDE.fullmatch(line)
        if include is not None and path:
            _include(include[1], path, read, found, seen)
            continue
        try:
            need = re.sub(r"\s--(?:hash|config-settings?|global-option)[\s=].*", "", line).strip()
            checked_requirement(need)
        except ConfigError:
            where = f" of {path}" if path else ""
            found.notes.append(f"the line {_shown(line)!r}{where} was left out: it is no name with versions")
            continue
        found.needs.append(need)


def _include(name: str, path: str, read: Callable[[str], str | None], found: Listed, seen: set[str]) -> None:
    parts: list[str] = []
    for part in (PurePosixPath(path).parent / name).parts:
        if part == "..":
            if not parts:
                parts = ["/"]
                break
            parts.pop()
        else:
            parts.append(part)
    inside = "/".join(parts)
    if inside in seen:
        return
    seen.add(inside)
    text = None if inside.startswith("/") or len(seen) > _MOST_FILES else read(inside)
    if text is None:
        found.notes.append(f"{_shown(name)!r}, which {path} includes, was left out: it is no file of the repository")
        return
    _read(text, inside, read, found, seen)


def _shown(line: str) -> str:
    """A line as it may be told: addresses may hold a login."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", line)[:100]


def canonical(name: str) -> str:
    """A name of a package, an extra or a group, as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def constraint_of(written: str) -> str:
    """Poetry's `^1.2` and `~1.2` as PEP 508 says them; others stay."""
    parts = []
    for each in filter(None, (part.strip() for part in written.split(","))):
        found = re.fullmatch(r"([\^~])\s*(\d+(?:\.\d+)*)\S*", each)
        if found is None:
            if each != "*":
                parts.append(each if re.match(r"[<>=!~]", each) else f"=={each}")
            continue
        numbers = [int(number) for number in found[2].split(".")]
        at = next((n for n, number in enumerate(numbers) if number), len(numbers) - 1)
        at = at if found[1] == "^" else min(1, len(numbers) - 1)
        parts.append(f">={found[2]},<{'.'.join(map(str, [*numbers[:at], numbers[at] + 1]))}")
    return ",".join(parts)
