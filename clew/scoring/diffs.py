"""Unified diffs as plain data: read, and applied to texts. Nothing here touches a file or starts git.

`Changes` map a path to the file before and after, None where it does not exist.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from clew.errors import PatchRefused

Changes = Mapping[str, tuple[str | None, str | None]]

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_HEADER = re.compile(r"diff --git (?:a/(?P<old>.*) b/(?P<new>.*)|\"?a/.*)")
_ESCAPE = re.compile(r"\\([0-7]{3}|[abfnrtv\"\\])")
_LETTERS = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}


@dataclass(frozen=True)
class Hunk:
    """Lines of one place with their line ends: those that were there from line `start` (from 1), and those that are."""

    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]


_OLD, _NEW = attrgetter("old"), attrgetter("new")


@dataclass(frozen=True)
class FileDiff:
    """What a diff says of one file. A path is None where the file does not exist; both differ for a renamed one."""

    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...] = ()


def lines_of(text: str) -> list[str]:
    """The lines of a text with their ends, which are "\\n" alone."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])


def read_diff(text: str) -> tuple[FileDiff, ...]:
    """The files of a unified diff, as git or diff wrote it. Raises `PatchRefused` for one without files, for binary
    parts and for hunks that end early."""
    lines = lines_of(text)
    found: list[FileDiff] = []
    at = 0
    while at < len(lines):
        if lines[at].startswith("diff --git "):
            file, at = _git_file(lines, at)
            found.append(file)
        elif lines[at].startswith("--- ") and lines[at + 1 : at + 2] and lines[at + 1].startswith("+++ "):
            old, new = _path(lines[at][4:], "a/"), _path(lines[at + 1][4:], "b/")
            hunks, at = _hunks(lines, at + 2)
            found.append(FileDiff(old, new, hunks))
        else:
            at += 1
    if not found:
        raise PatchRefused("the text is no unified diff: it names no file")
    return tuple(found)


def patched(files: Mapping[str, str], diff: str) -> dict[str, tuple[str | None, str | None]]:
    """The changes that a diff makes to `files`. A hunk belongs where it says, or else where its lines stand once.

    Of a file that `files` does not hold, a diff that does not make it tells no more than the lines of its hunks, which
    are then taken for the whole. Raises `PatchRefused` for a diff that cannot be read or does not fit.
    """
    changes: dict[str, tuple[str | None, str | None]] = {}
    for file in read_diff(diff):
        for path, change in _changed(files, file):
            if path in changes:
                raise PatchRefused(f"the diff has two parts for {path!r}")
            changes[path] = change
    return changes


def unified(before: str | None, after: str | None, context: int = 3) -> str:
    """The hunks between two texts, without the lines that name files; "" when no line differs. Lines are compared
    without their ends, so that a last line end is no difference."""
    old, new = ([line.rstrip("\r\n") for line in lines_of(text or "")] for text in (before, after))
    return "\n".join(list(difflib.unified_diff(old, new, lineterm="", n=context))[2:])


def _changed(files: Mapping[str, str], file: FileDiff) -> list[tuple[str, tuple[str | None, str | None]]]:
    if file.old is None:
        assert file.new is not None, "a part names a file"
        if file.new in files:
            raise PatchRefused(f"the diff makes {file.new!r}, which exists")
        return [(file.new, (None, "".join(_applied([], file.hunks, file.new))))]
    if file.old in files:
        before = files[file.old]
        after = "".join(_applied(lines_of(before), file.hunks, file.old))
    else:
        before, after = ("".join(line for hunk in file.hunks for line in side(hunk)) for side in (_OLD, _NEW))
    if file.new is None:
        if after:
            raise PatchRefused(f"the diff deletes {file.old!r} and leaves {len(after)} characters of it")
        return [(file.old, (before, None))]
    if file.new != file.old:
        return [(file.old, (before, None)), (file.new, (None, after))]
    return [(file.old, (before, after))]


def _git_file(lines: Sequence[str], at: int) -> tuple[FileDiff, int]:
    header = _HEADER.match(lines[at].rstrip("\n"))
    old = new = None
    if header and header["old"] is not None:
        whole = header["old"] + " b/" + header["new"]
        # Of a path that holds " b/" the halves are equal.
        half = (len(whole) - 3) // 2
        same = whole[:half] == whole[half + 3 :]
        old, new = (whole[:half], whole[:half]) if same else (header["old"], header["new"])
    at += 1
    while at < len(lines) and not lines[at].startswith(("diff --git ", "@@ ")):
        word = lines[at].rstrip("\n")
        if word.startswith(("GIT binary patch", "Binary files ")):
            raise PatchRefused(f"the diff of {new or old!r} is binary: give a textual one")
        if word.startswith("new file mode"):
            old = None
        elif word.startswith("deleted file mode"):
            new = None
        elif word.startswith(("rename from ", "rename to ")):
            name = _unquoted(word.partition(" ")[2].partition(" ")[2])
            old, new = (name, new) if word.startswith("rename from") else (old, name)
        elif word.startswith("--- "):
            old = _path(word[4:], "a/")
        elif word.startswith("+++ "):
            new = _path(word[4:], "b/")
        at += 1
    hunks, at = _hunks(lines, at)
    if old is None and new is None:
        raise PatchRefused("the diff has a part that names no file")
    return FileDiff(old, new, hunks), at


def _hunks(lines: Sequence[str], at: int) -> tuple[tuple[Hunk, ...], int]:
    hunks = []
    while at < len(lines) and (head := _HUNK.match(lines[at])):
        left = [int(head[2] or 1), int(head[3] or 1)]
        sides: tuple[list[str], list[str]] = ([], [])
        at += 1
        while any(left) or (at < len(lines) and lines[at].startswith("\\")):
            line = lines[at] if at < len(lines) else "@"
            if line.startswith("\\"):  # the line before has no end
                for side in _sides(lines[at - 1]):
                    sides[side][-1:] = [last.removesuffix("\n") for last in sides[side][-1:]]
            elif line[0] in " +-\n" and all(left[side] for side in _sides(line)):
                for side in _sides(line):
                    sides[side].append(line[1:] if line != "\n" else line)
                    left[side] -= 1
            else:
                raise PatchRefused(f"a hunk of the diff ends early: {lines[min(at, len(lines)) - 1][:80]!r}")
            at += 1
        hunks.append(Hunk(int(head[1]), *map(tuple, sides)))
    return tuple(hunks), at


def _sides(line: str) -> tuple[int, ...]:
    return {"-": (0,), "+": (1,)}.get(line[:1], (0, 1))


def _applied(lines: Sequence[str], hunks: Sequence[Hunk], name: str) -> list[str]:
    done: list[str] = []
    position = 0
    for hunk in hunks:
        size = len(hunk.old)
        at = hunk.start - 1 if size else hunk.start
        if at < position or tuple(lines[at : at + size]) != hunk.old:
            starts = (n for n in range(position, len(lines) - size + 1) if size and lines[n] == hunk.old[0])
            places = [n for n in starts if tuple(lines[n : n + size]) == hunk.old]
            if len(places) != 1:
                raise PatchRefused(f"line {hunk.start} of {name!r} is not what the diff says: it does not apply")
            at = places[0]
        done += [*lines[position:at], *hunk.new]
        position = at + size
    return [*done, *lines[position:]]


def _path(written: str, prefix: str) -> str | None:
    name = _unquoted(written.rstrip("\n").partition("\t")[0])
    return None if name == "/dev/null" else name.removeprefix(prefix)


def _unquoted(name: str) -> str:
    if not (name.startswith('"') and name.endswith('"') and len(name) > 1):
        return name
    data = bytearray()
    rest = name[1:-1]
    while found := _ESCAPE.search(rest):
        data += rest[: found.start()].encode()
        data.append(int(found[1], 8) & 255 if found[1].isdigit() else _LETTERS[found[1]])
        rest = rest[found.end() :]
    return (data + rest.encode()).decode("utf-8", "replace")
