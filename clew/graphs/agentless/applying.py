"""Edits applied to the texts of files: all bytes outside of an edit stay as they are.

In the released code an edit that begins at line 1 adds a blank line, the last line end is lost, and all places where a
text stands are replaced (specification of Agentless, sections 2.1 and 6).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clew.graphs.agentless.edits import Kind, Refusal
from clew.graphs.agentless.matching import (
    Match,
    NoMatch,
    Range,
    bare,
    find,
    gap_parts,
    is_ellipsis,
    line_end,
    rewritten,
    spliced,
    split,
)
from clew.graphs.agentless.paths import is_safe
from clew.graphs.agentless.types import Change, Edit, Span

# What a path of a new file may be made of: no blanks, quotes, or signs that shells and other systems read.
_NEW_PART = re.compile(r"(?!-)[\w.@+\-\[\](),=]*[\w@+\-\[\](),=]")
_ELIDED = re.compile(r"\s*(?:#|//|/\*|--)\s*(?:\.\.\.|…).*\b(?:rest|exist|remain|unchanged|same|other|previous)", re.I)
_BYTE_ORDER_MARK = "\ufeff"
_UNKNOWN_CHARACTER = "\ufffd"
_LINE_SHOWN = 80


@dataclass(frozen=True)
class Applied:
    """The files that became others, in the order of their first edits; `events` tell which edits were found otherwise
    than exactly in the lines that were shown."""

    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...] = ()
    events: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class _Work:
    """What is refused and noted while the edits of an answer are applied."""

    refusals: list[Refusal]
    events: list[dict[str, Any]]

    def refuse(self, kind: Kind, path: str, message: str) -> None:
        self.refusals.append(Refusal(kind, path, f"{path[:_LINE_SHOWN]}: {message}"))


def apply_edits(edits: Sequence[Edit], files: Mapping[str, str], shown: Sequence[Span] = ()) -> Applied:
    """What the files become.

    A SEARCH text must stand once in the `shown` lines of its file, else once in the whole file; first exactly, then
    without regard to blanks at the ends of its lines, where REPLACE is indented as the file is. All edits of a file are
    found in its old text; one that is not there, or overlaps one before it, is looked for in the new text. `...` lines
    stand for lines that are left as they are; a SEARCH text of nothing else inserts before the first top-level line of
    what was shown that stands once in the file. An empty SEARCH text makes a new file. Edits that change nothing, and
    repeated ones, are left out. A refused edit does not keep the others from being applied.
    """
    work = _Work([], [])
    by_path: dict[str, list[Edit]] = {}
    for edit in dict.fromkeys(edits):
        by_path.setdefault(edit.path, []).append(edit)
    if len(set(edits)) < len(edits):
        work.events.append({"kind": "edit_repeated", "count": len(edits) - len(set(edits))})
    changes = []
    for path, its in by_path.items():
        before = files.get(path)
        ranges = [(span.start - 1, span.end) for span in shown if span.path == path]
        ranges = ranges or [(0, 0)] * bool(shown)
        after = _edited(before, _usable(its, before is None, files, work), ranges, work)
        if after != before:
            changes.append(Change(path=path, before=before, after=after))
    return Applied(tuple(changes), tuple(work.refusals), tuple(work.events))


def _usable(edits: Sequence[Edit], new: bool, files: Mapping[str, str], work: _Work) -> list[Edit]:
    usable: list[Edit] = []
    for edit in edits:
        if problem := _problem(edit, new, files):
            work.refuse(problem[0], edit.path, problem[1])
            continue
        new = False
        usable.append(edit)
    return usable


def _problem(edit: Edit, new: bool, files: Mapping[str, str]) -> tuple[Kind, str] | None:
    old, text = _lines(edit.search), _lines(edit.replace)
    if not _is_text(edit.replace) or (_UNKNOWN_CHARACTER in edit.replace and _UNKNOWN_CHARACTER not in edit.search):
        return "not_text", "the REPLACE text has characters that no UTF-8 text file has; write it without them"
    if new and any(line.strip() for line in old):
        return (
            "bad_path",
            f"there is no file {edit.path[:_LINE_SHOWN]!r} in the repository; write the path as it was shown",
        )
    if new:
        return _bad_new_path(edit.path, files) or (None if text else ("no_op", "the new file is empty"))
    if list(map(bare, old)) == list(map(bare, text)):
        return "no_op", "SEARCH and REPLACE are the same, so nothing would change; write the new lines after `=======`"
    if not any(line.strip() for line in old) and files.get(edit.path) != "":
        known = "copy into SEARCH the lines to be replaced, or for new lines the one that they stand next to"
        return "empty_search", f"SEARCH is empty, but the file exists already; {known}"
    given = set(map(bare, old))
    elided = next((line for line in map(bare, text) if _ELIDED.match(line) and line not in given), None)
    if elided is not None:
        found = f"REPLACE stands for other lines with {elided.strip()[:_LINE_SHOWN]!r}"
        return "elided", f"{found}; write all lines, or a smaller edit"
    return None


def _bad_new_path(path: str, files: Mapping[str, str]) -> tuple[Kind, str] | None:
    parts = path.split("/")
    fine = is_safe(path) and all(map(_NEW_PART.fullmatch, parts))
    inside = any("/".join(parts[:count]) in files for count in range(1, len(parts)))
    if fine and not inside and not any(known.startswith(f"{path}/") for known in files):
        return None
    wanted = (
        "write one that is relative to the repository, of letters, digits and `._-/`, where no file stands in the way"
    )
    return "bad_path", f"no file can be made at {path[:_LINE_SHOWN]!r}; {wanted}"


def _is_text(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _lines(text: str) -> list[str]:
    return [bare(line) + "\n" for line in split(text)]


@dataclass(frozen=True)
class _Found:
    """The ranges of lines that an edit replaces, with the new lines, and what is to be noted if it is made."""

    pieces: list[tuple[Range, Sequence[str]]]
    events: list[dict[str, Any]] = field(default_factory=list)


def _edited(before: str | None, edits: Sequence[Edit], shown: Sequence[Range], work: _Work) -> str | None:
    mark = _BYTE_ORDER_MARK if before is not None and before.startswith(_BYTE_ORDER_MARK) else ""
    lines = split((before or "").removeprefix(mark))
    made = _Found([])
    later: list[tuple[Edit, NoMatch]] = []
    for edit in edits:
        found = _found(lines, edit, shown)
        if isinstance(found, NoMatch):
            later.append((edit, found))
        elif any(_overlap(mine, its) for mine, _ in found.pieces for its, _ in made.pieces):
            later.append((edit, NoMatch("overlap", "the edit overlaps one before it; write the two as one")))
        else:
            made = _Found(made.pieces + found.pieces, made.events + found.events)
    work.events.extend(made.events)
    lines = spliced(lines, made.pieces)
    for edit, problem in later:
        retried = _found(lines, edit, ()) if made.pieces and problem.kind != "ambiguous" else problem
        if isinstance(retried, NoMatch):
            work.refuse(problem.kind, edit.path, problem.message)
        else:
            work.events.extend([{"kind": "edit_found_after_others", "path": edit.path}, *retried.events])
            lines = spliced(lines, retried.pieces)
    return mark + "".join(lines) if made.pieces else before


def _found(lines: Sequence[str], edit: Edit, shown: Sequence[Range]) -> _Found | NoMatch:
    search, replace = _lines(edit.search), _lines(edit.replace)
    if not edit.search.strip():
        return _Found([((0, 0), replace)]) if not lines else NoMatch("not_found", "the file is not empty")
    found = find(lines, search, shown)
    if isinstance(found, Match):
        return _piece(lines, edit.path, found, replace)
    if all(is_ellipsis(line) or not line.strip() for line in search):
        return _inserted(lines, edit, shown)
    parts: list[_Found] = []
    position = 0
    for ours, theirs in gap_parts(search, replace):
        part = find(lines, ours, shown)
        if isinstance(part, NoMatch) or part.start < position:
            return part if isinstance(part, NoMatch) else found
        position = part.end
        parts.append(_piece(lines, edit.path, part, theirs))
    if not parts:
        return found
    noted = {"kind": "edit_with_gaps", "path": edit.path, "parts": len(parts)}
    events = [event for part in parts for event in part.events]
    return _Found([piece for part in parts for piece in part.pieces], [noted, *events])


def _piece(lines: Sequence[str], path: str, match: Match, replace: Sequence[str]) -> _Found:
    where = {"path": path, "start": match.start + 1, "end": match.end}
    events: list[dict[str, Any]] = []
    if match.manner != "exact":
        events.append({"kind": "edit_found_without_blanks", "manner": match.manner, **where})
    if match.outside:
        events.append({"kind": "edit_outside_of_shown_lines", **where})
    return _Found([((match.start, match.end), rewritten(lines, match, replace))], events)


def _inserted(lines: Sequence[str], edit: Edit, shown: Sequence[Range]) -> _Found | NoMatch:
    end = line_end(lines)
    new = [bare(line) + end for line in _lines(edit.replace) if not is_ellipsis(line)]
    for at in (at for first, last in shown for at in range(first, min(last, len(lines)))):
        top = lines[at][:1].isalpha() or lines[at].startswith(("@", "_"))
        decorated = at > 0 and lines[at - 1].startswith(("@", "#["))
        if top and not decorated and lines.count(lines[at]) == 1:
            return _Found([((at, at), new)], [{"kind": "edit_inserted_at_gap", "path": edit.path, "start": at + 1}])
    return NoMatch("not_found", "SEARCH has no line of the file; copy the line that the new ones stand next to")


def _overlap(one: Range, other: Range) -> bool:
    return one[0] < other[1] and other[0] < one[1]
