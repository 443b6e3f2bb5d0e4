"""Where a SEARCH text stands in a file, and the lines that take its place: all other bytes stay as they are.

Lines are whole and carry their line ends; one ends at "\\n" and nowhere else. A text is looked for exactly, among the
lines that were shown before the rest of the file, then without regard to blanks at either end of a line. It must be
found once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Manner = Literal["exact", "trailing_blanks", "indentation"]

# Half-open ranges of line indices.
Range = tuple[int, int]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_INDENT = re.compile(r"[ \t]*")
_ELLIPSIS = re.compile(r"(?:#|//|--|/\*)?\s?(?:\.\.\.|…)(?: lines? \d+(?:-\d+)? left out)?(?:\s?\*/)?")
_TAB = 4
# Messages name so many lines, and so much of one.
_NAMED = 5
# So many places are looked for.
_MANY = 50
_MOST_GAPS = 20
_SHOWN_OF_LINE = 80


@dataclass(frozen=True)
class Match:
    """Lines `[start, end)` of the file, for the lines `needle` of a SEARCH text (without `cut` blank lines at its
    ends). `outside`: not in the lines that were shown."""

    start: int
    end: int
    manner: Manner
    outside: bool
    needle: tuple[str, ...]
    cut: Range = (0, 0)


@dataclass(frozen=True)
class NoMatch:
    kind: Literal["ambiguous", "not_found", "overlap"]
    message: str


def split(text: str) -> list[str]:
    """The lines of `text` with their line ends."""
    return _LINE.findall(text)


def bare(line: str) -> str:
    """A line without its line end."""
    return line.removesuffix("\n").removesuffix("\r")


def is_ellipsis(line: str) -> bool:
    """Whether the line stands for a gap: dots, alone, in a comment, or with the lines that they stand for."""
    return _ELLIPSIS.fullmatch(line.strip()) is not None


# Finding ---------------------------------------------------------------------------------------------------------

_MANNERS: Mapping[Manner, Callable[[str], str]] = {
    "exact": bare,
    "trailing_blanks": str.rstrip,
    "indentation": str.strip,
}
_TOLERANT: tuple[Manner, ...] = ("trailing_blanks", "indentation")


def find(lines: Sequence[str], search: Sequence[str], shown: Sequence[Range]) -> Match | NoMatch:
    """The one place where the lines `search` stand whole. Tried in this order, each in the ranges `shown`, then in the
    whole file: as they are, without blanks at the ends of lines, without indentation, then again without the blank
    lines around them. Several places in `shown` are ambiguous at once, several in the file if nothing narrows them."""
    edges = _blank_edges(search)
    tries: list[tuple[Manner, Range]] = [(manner, (0, 0)) for manner in _MANNERS]
    tries += [(manner, edges) for manner in _TOLERANT if any(edges)]
    ambiguous: NoMatch | None = None
    for manner, cut in tries:
        needle = tuple(search[cut[0] : len(search) - cut[1]])
        keys, ours = ([_MANNERS[manner](line) for line in each] for each in (lines, needle))
        inside = list(dict.fromkeys(at for part in shown for at in _places(keys, ours, *part)))
        places = _places(keys, ours, 0, len(keys))
        for found, outside in ((inside, False), (places, bool(shown))):
            if len(found) == 1:
                return Match(found[0], found[0] + len(needle), manner, outside, needle, cut)
            if len(found) > 1:
                ambiguous = ambiguous or _ambiguous(found)
                if found is inside:
                    return ambiguous
    return ambiguous or _not_found(lines, search)


def _blank_edges(search: Sequence[str]) -> Range:
    """How many lines at the beginning and at the end are blank; at least one line is left."""
    written = [index for index, line in enumerate(search) if line.strip()]
    return (written[0], len(search) - 1 - written[-1]) if written else (0, 0)


def _places(keys: Sequence[str], needle: Sequence[str], start: int, stop: int) -> list[int]:
    """Where `needle` stands whole in `keys[start:stop]`; of very many places the first."""
    # Lines as characters: Python looks for a text in linear time, however often its parts repeat.
    letters = {line: chr(number) for number, line in enumerate(dict.fromkeys(needle), 1)}
    text = "".join([letters.get(key, "\0") for key in keys[max(start, 0) : stop]])
    word = "".join([letters[line] for line in needle])
    places: list[int] = []
    at = text.find(word) if word else -1
    while at >= 0 and len(places) < _MANY:
        places.append(max(start, 0) + at)
        at = text.find(word, at + 1)
    return places


def _ambiguous(places: Sequence[int]) -> NoMatch:
    at = ", ".join(str(place + 1) for place in places[:_NAMED]) + " and more" * (len(places) > _NAMED)
    count = f"{len(places)} times" if len(places) < _MANY else "very often"
    return NoMatch(
        "ambiguous",
        f"the SEARCH text stands {count} in the file (at lines {at}); "
        "add lines before or after it until it stands there once",
    )


def _not_found(lines: Sequence[str], search: Sequence[str]) -> NoMatch:
    known = {line.strip() for line in lines}
    strange = next((line for line in search if line.strip() not in known), None)
    if strange is None:
        detail = "its lines are in the file, but not one after the other"
    else:
        detail = f"the file has no line {bare(strange).strip()[:_SHOWN_OF_LINE]!r}"
    return NoMatch("not_found", f"the SEARCH text is not in the file: {detail}; copy whole lines as they are")


def gap_parts(search: Sequence[str], replace: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    """Two texts with gaps (`...`) as pairs of what stands between the gaps. A gap at the beginning or the end of one of
    them goes. Empty when the two have not as many gaps, or the first has none, or too many."""
    if not 0 < sum(map(is_ellipsis, search)) <= _MOST_GAPS:
        return []
    ours, theirs = _parts(_without_outer_gaps(search)), _parts(_without_outer_gaps(replace))
    written = all(any(line.strip() for line in part) for part in ours)
    return list(zip(ours, theirs, strict=True)) if written and len(ours) == len(theirs) else []


def _without_outer_gaps(lines: Sequence[str]) -> list[str]:
    kept = [index for index, line in enumerate(lines) if line.strip() and not is_ellipsis(line)]
    if not kept:
        return []
    first, last = kept[0], kept[-1] + 1
    # Blank lines stay where there was no gap beyond them.
    first = first if any(map(is_ellipsis, lines[:first])) else 0
    last = last if any(map(is_ellipsis, lines[last:])) else len(lines)
    return list(lines[first:last])


def _parts(lines: Sequence[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in lines:
        if is_ellipsis(line):
            parts.append([])
        else:
            parts[-1].append(line)
    return parts


# Replacing -------------------------------------------------------------------------------------------------------


def rewritten(lines: Sequence[str], match: Match, replace: Sequence[str]) -> list[str]:
    """The lines that take the place of `match`: those that SEARCH and REPLACE share keep their bytes, the new ones get
    the indentation and the line end of what they replace."""
    old = list(lines[match.start : match.end])
    new = [bare(line) for line in _uncut(replace, match.cut)]
    ours = [bare(line) for line in match.needle]
    shift = _shift(ours, [bare(line) for line in old], new) if match.manner == "indentation" else None
    end = line_end(old or lines)
    result: list[str] = []
    for tag, first, last, start, stop in SequenceMatcher(None, ours, new).get_opcodes():
        if tag == "equal":
            result += old[first:last]
            continue
        pairs = [*zip(ours[first:last], old[first:last], strict=True), *[("", "")] * (stop - start)]
        for line, (mine, its) in zip(new[start:stop], pairs, strict=False):
            result.append((shift(line, mine, bare(its)) if shift else line) + end)
    return result


def _uncut(replace: Sequence[str], cut: Range) -> Sequence[str]:
    """`replace` without those blank lines at its ends that its SEARCH text had too many."""
    first = next((index for index, line in enumerate(replace) if line.strip()), len(replace))
    last = next((index for index, line in enumerate(reversed(replace)) if line.strip()), len(replace))
    return replace[min(cut[0], first) : len(replace) - min(cut[1], last)]


def line_end(lines: Sequence[str]) -> str:
    """The line end of the first line that has one."""
    first = next((line for line in lines if line.endswith("\n")), "\n")
    return "\r\n" if first.endswith("\r\n") else "\n"


def _indent(line: str) -> str:
    found = _INDENT.match(line)
    return found.group() if found else ""


def _least(lines: Sequence[str]) -> str:
    return min((_indent(line) for line in lines if line.strip()), key=len, default="")


def _shift(ours: Sequence[str], old: Sequence[str], new: Sequence[str]) -> Callable[[str, str, str], str] | None:
    """What indents a line of the model as the file is, given the line of SEARCH that it replaces and that of the file.
    Learned from the pairs of found lines. None when the new lines have the file's indentation already."""
    if _least(new) == _least(old) != _least(ours):
        return None
    pairs = Counter((_indent(mine), _indent(its)) for mine, its in zip(ours, old, strict=True) if mine.strip())
    # Of several for one indentation the most frequent counts: often the first line alone has lost its own.
    learned = {mine: its for mine, its in sorted(pairs, key=lambda pair: (pairs[pair], pair[0] == pair[1]))}
    tabs = any("\t" in its for its in learned.values())
    ratios = [len(mine) // len(its) for mine, its in learned.items() if its and mine and "\t" not in mine and tabs]
    unit = max(1, ratios[0]) if ratios else _TAB

    def converted(blanks: str) -> str:
        wide = len(blanks.expandtabs(unit))
        return "\t" * (wide // unit) + " " * (wide % unit) if tabs else " " * wide

    def shift(line: str, replaced: str, found: str) -> str:
        mine = _indent(line)
        if not line.strip():
            return line
        if replaced.strip() and _indent(replaced) == mine:
            return _indent(found) + line[len(mine) :]
        if mine in learned:
            return learned[mine] + line[len(mine) :]
        shorter = max((known for known in learned if mine.startswith(known)), key=len, default=None)
        if shorter is not None:
            return learned[shorter] + converted(mine[len(shorter) :]) + line[len(mine) :]
        nearest = min(learned, key=len)
        lost = len(converted(nearest)) - len(converted(mine))
        its = learned[nearest]
        return its[: max(0, len(its) - lost)] + line[len(mine) :]

    return shift


def spliced(lines: Sequence[str], pieces: Sequence[tuple[Range, Sequence[str]]]) -> list[str]:
    """`lines` with the ranges of `pieces`, which do not overlap, replaced. A file without a line end at its end stays
    so when its last line is replaced."""
    result: list[str] = []
    position = 0
    for (start, end), new in sorted(pieces, key=lambda piece: piece[0]):
        result += [*lines[position:start], *new]
        position = end
    result += lines[position:]
    end_of_line = line_end(lines)
    result = [line if line.endswith("\n") else line + end_of_line for line in result[:-1]] + result[-1:]
    unended = bool(lines) and not lines[-1].endswith("\n")
    touched = any(end == len(lines) and new for (_, end), new in pieces)
    if result and touched and unended and result[-1].endswith("\n"):
        result[-1] = bare(result[-1])
    return result
