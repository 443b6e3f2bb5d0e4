"""Skeletons: a file with its functions' bodies left out, as a model sees it to name the elements to change.

Specification of Agentless, section 2.1: bodies of functions are an ellipsis, docstrings of classes are dropped,
module level keeps classes, functions and assignments, of which those above 30 lines keep their first and last 10. The
released code does so with `libcst`, for Python that parses; here any of the languages, and files with syntax errors
too. Differs: comments in classes go as well, so that documentation in comments costs no more than docstrings do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .languages import suffix_of
from .syntax import LEFT_OUT, Syntax, read_syntax


def skeleton(data: bytes, path: str) -> str:
    """The skeleton of a source file, "" for one without a grammar or definitions. Lines end in "\\n"."""
    return skeleton_of(data, read_syntax(data, suffix_of(path)))


def skeleton_of(data: bytes, syntax: Syntax) -> str:
    """The same from syntax that was read before."""
    starts = [0]
    for line in data.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    cuts = _outermost(syntax.cuts)
    kept: list[bytes] = []
    at = 0
    for first, last in _merged(syntax.keeps):
        end = min(starts[min(last + 1, len(starts) - 1)], len(data))
        begin = starts[first]
        while at < len(cuts) and cuts[at][0] < end:
            start, stop, instead = cuts[at]
            at += 1
            if start < begin:
                continue
            kept += [data[begin:start], instead.encode()]
            begin = stop
        kept.append(data[begin : max(begin, end)])
        if not kept[-1].endswith(b"\n"):
            kept.append(b"\n")
    lines = b"".join(kept).decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return "".join(f"{line.rstrip()}\n" for line in lines if line.strip())


def with_lines(text: str, entries: Sequence[Sequence[str]]) -> str:
    """A skeleton with more of the bindings that are cut in it: for each of them in order, lines of what is left out."""
    lines = text.split("\n")
    cuts = [at for at, line in enumerate(lines) if line == LEFT_OUT]
    if len(cuts) == len(entries):
        for at, entry in reversed(list(zip(cuts, entries, strict=True))):
            lines[at : at + 1] = [LEFT_OUT, *(part for line in entry for part in (line, LEFT_OUT))]
    return "\n".join(lines)


_ENTRY = re.compile(r"""[ \t]*(?:[\[({"'\d-]|[A-Za-z]{1,2}["']|new |[A-Za-z_][\w.]*[ \t]*[:(,])""")


def is_entry(line: str) -> bool:
    """Whether a line alone may be an entry of a table: of a call that goes over many lines one says nothing."""
    opened, closed = (sum(map(line.count, brackets)) for brackets in ("([{", ")]}"))
    return opened == closed and _ENTRY.match(line) is not None


_OVERLOADS = re.compile(r"^[ \t]*@(?:\w+\.)?overload\n(?:[^\n]*\n){1,40}?[^\n]*: ?\.\.\.\n", re.MULTILINE)


def without_noise(text: str) -> str:
    """A skeleton without what names nothing new: `__all__`, and the `@overload` copies of a function."""
    kept: list[str] = []
    depth = 0
    for line in _OVERLOADS.sub("", text).split("\n"):
        if depth > 0 or line.startswith("__all__"):
            depth += sum(line.count(each) for each in "[(") - sum(line.count(each) for each in ")]")
        else:
            kept.append(line)
    return text if depth > 0 else "\n".join(kept)


def _merged(keeps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges of lines in order, those that meet joined."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(keeps):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _outermost(cuts: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Cuts in order, without those inside of another."""
    found: list[tuple[int, int, str]] = []
    for cut in sorted(cuts, key=lambda each: (each[0], -each[1])):
        if not found or cut[0] >= found[-1][1]:
            found.append(cut)
    return found
