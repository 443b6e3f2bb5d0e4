"""Places that a model names: files, folders, definitions and lines, read from its answers and found in the repository.

The released code knows a path only when the line equals it, reads locations only from a bare fence and from lines that
are not indented, and drops a name that two classes have (specification of Agentless, section 2.2). Here a line may be
quoted, numbered, indented or explained; what cannot be found is told as an event, never raised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from clew.graphs.agentless.matching import bare, split
from clew.graphs.agentless.paths import cleaned, resolved, tails
from clew.graphs.agentless.types import Location, Outline, Symbol

MentionKind = Literal["class", "function", "variable", "line"]

_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})")
_BULLET = re.compile(r"[\s>]*(?:#{1,6}(?!#)|[-*+•](?!\*)|\(?\d{1,3}[.)])?\s*")
_LABEL = re.compile(r"[*_]{0,2}(?:file ?name|file ?path|full path|file|path|folder)[*_]{0,2}\s*[:=]\s*[*_]{0,2}", re.I)
_QUOTED = re.compile(r"`([^`\n]+)`|\"([^\"\n]+)\"|'([^'\n]+)'")
_EXPLAINED = re.compile(r"\s+(?:-+|–|—|#|//|\()|:\s|[,:]$")
_PATH_LIKE = re.compile(r"[^\s`'\"]*(?:/[^\s`'\"]*|\.\w{1,10})")
_KINDS: Mapping[str, MentionKind] = {
    **dict.fromkeys(["class", "struct", "enum", "union", "interface", "trait", "impl", "type"], "class"),
    **dict.fromkeys(["function", "func", "fn", "def", "method", "constructor", "property"], "function"),
    **dict.fromkeys(["variable", "var", "constant", "const", "attribute", "field"], "variable"),
    **dict.fromkeys(["line", "lines"], "line"),
}
_ELEMENT = re.compile(rf"[*_`]{{0,3}}(?:async )?({'|'.join(_KINDS)})(?:es|s)?[*_`]{{0,3}}\s*(?:[:=]|\s)\s*(.*)", re.I)
_LINES = re.compile(r"(\d{1,9})(?:\s*(?:-|–|—|to|\.\.)\s*(\d{1,9}))?")
_LIST = re.compile(r"(?:[\d\s\[,;&*`\"'–—-]|\.\.|to\b|and\b|lines?\b|L(?=\d))*", re.I)
_NAME = re.compile(r"[^\W\d][\w$]*(?:(?:\.|::|#|->)~?[^\W\d][\w$]*)*")
_ARGUMENTS, _MARK = re.compile(r"\([^()]*\)"), "\x01"
_CALLED = re.compile(rf"({_NAME.pattern})\s*{_MARK}")
_WORDS = frozenset(
    {"async", "await", "class", "const", "def", "fn", "func", "function", "private", "protected", "public", "static"}
    | {"struct", "the"}
)
_JOINT = re.compile(r"::|#|->")
# A line of an answer that is longer names nothing, and what comes after so many characters is not read.
_LONGEST, _MOST = 1_200, 1 << 17


# Files -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileList:
    """Files of the repository in the order in which an answer names them, each once, and the paths that are none."""

    paths: tuple[str, ...]
    unknown: tuple[str, ...] = ()


def parse_files(text: str, known: Collection[str]) -> FileList:
    """The files of a list, in fences if there are any that name one, else in the whole answer."""
    index = _Index(known)
    found = _files(_fenced(text), index)
    return found if found.paths else _files(_written(text), index)


def _files(lines: Sequence[str], index: _Index) -> FileList:
    paths: list[str] = []
    unknown: list[str] = []
    for line in lines:
        found, strange = index.named(line)
        paths += found
        unknown += strange
    return FileList(tuple(dict.fromkeys(paths)), tuple(dict.fromkeys(unknown)))


def parse_folders(text: str, known: Collection[str]) -> tuple[str, ...]:
    """The folders of a list that hold files of `known`, without the slash at their ends."""
    holders = {path[:at] for path in known for at, letter in enumerate(path) if letter == "/"}

    def folders(lines: Sequence[str]) -> Iterator[str]:
        for line in lines:
            for word in _words(line):
                folder = cleaned(word)
                if folder in holders:
                    yield folder

    return tuple(dict.fromkeys(folders(_fenced(text)))) or tuple(dict.fromkeys(folders(_written(text))))


def outside_of(folders: Sequence[str], paths: Sequence[str]) -> tuple[str, ...]:
    """The `paths` in none of the `folders`; all of them when nothing would be left."""
    heads = tuple(f"{folder}/" for folder in folders)
    return tuple(path for path in paths if not path.startswith(heads)) or tuple(paths)


class _Index:
    def __init__(self, known: Collection[str]) -> None:
        self.known = dict.fromkeys(known)
        self._tails = tails(known)

    def named(self, line: str) -> tuple[list[str], list[str]]:
        """The files that a line names, and what looks like a file and is none."""
        words = _words(line)
        for word in words[:2]:
            path = resolved(word, self.known, self._tails)
            if path is not None:
                return [path], []
        found = [path for word in words[2:] if (path := resolved(word, self.known, self._tails)) is not None]
        strange = [word for word in words if _PATH_LIKE.fullmatch(word)]
        return found, [] if found else strange[:1]


def _words(line: str) -> list[str]:
    """What a line of a list may name: the whole of it, what stands before an explanation, what stands in quotes."""
    if len(line) > _LONGEST:
        return []
    bullet = _BULLET.match(line)
    rest = line[bullet.end() :] if bullet else line
    label = _LABEL.match(rest)
    rest = (rest[label.end() :] if label else rest).strip().strip("*")
    quoted = [next(filter(None, groups)) for groups in _QUOTED.findall(rest)]
    listed = bool(bullet and bullet.group().strip()) or rest.startswith(("`", '"', "'", "["))
    return [rest, _EXPLAINED.split(rest, maxsplit=1)[0].strip("*`'\" "), *(quoted if listed else [])]


def _written(text: str) -> list[str]:
    return _plain([bare(line) for line in split(text[:_MOST]) if not _FENCE.match(line)])


def _fenced(text: str) -> list[str]:
    """The lines in fences; one that is open goes on to the end."""
    inside = False
    found = []
    for line in split(text[:_MOST]):
        if _FENCE.match(line):
            inside = not inside
        elif inside:
            found.append(bare(line))
    return _plain(found)


def _plain(lines: list[str]) -> list[str]:
    """The lines; of an answer in JSON its keys and values, a line each, as the form asked for would have them."""
    text = "\n".join(lines).strip()
    if not text.startswith(("{", "[")):
        return lines
    try:
        return list(_flat(json.loads(text)))
    except (ValueError, RecursionError):
        return lines


def _flat(said: object, kind: str = "") -> Iterator[str]:
    if isinstance(said, dict):
        for key, inner in said.items():
            named = _ELEMENT.fullmatch(f"{key}:") is not None
            yield from () if named else (key,)
            yield from _flat(inner, key if named else kind)
    elif isinstance(said, list):
        for each in said:
            yield from _flat(each, kind)
    elif isinstance(said, str | int):
        yield f"{kind}: {said}" if kind and not _ELEMENT.fullmatch(str(said)) else str(said)


# Definitions and lines -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mention:
    """What an answer says about a file: a name as it was written (`Class.method`), or lines ("12", "12-15")."""

    path: str
    kind: MentionKind
    name: str


@dataclass(frozen=True)
class Mentions:
    """`unknown` are the paths of an answer that are no files; what is said about them is left out."""

    items: tuple[Mention, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Places:
    """`events`: `location_ambiguous` (all places are given), `location_near` (what is around the name is given) and
    `location_unknown`, each with path and name."""

    locations: tuple[Location, ...]
    events: tuple[dict[str, Any], ...] = ()


def parse_mentions(text: str, known: Collection[str]) -> Mentions:
    """Elements or edit locations: under the path of each file, lines such as `class: Cart`, `function: Cart.total`,
    `variable: RATE`, `line: 12`. Several names or lines may stand in one line. Without a path they belong to the only
    file of `known`."""
    index = _Index(known)
    found = _mentions(_fenced(text), index)
    return found if found.items else _mentions(_written(text), index)


def _mentions(lines: Sequence[str], index: _Index) -> Mentions:
    path = next(iter(index.known)) if len(index.known) == 1 else None
    items: list[Mention] = []
    unknown: list[str] = []
    for line in lines:
        bullet = _BULLET.match(line)
        element = _ELEMENT.match(line[bullet.end() if bullet else 0 :]) if len(line) <= _LONGEST else None
        names = list(_names(_KINDS[element[1].lower()], element[2])) if element else []
        if element and names and path is not None:
            items += [Mention(path, _KINDS[element[1].lower()], name) for name in names]
        if element and names:
            continue
        paths, strange = index.named(line)
        if paths or strange:
            path = paths[0] if paths else None
            unknown += strange
    return Mentions(tuple(dict.fromkeys(items)), tuple(dict.fromkeys(unknown)))


def _names(kind: MentionKind, said: str) -> Iterator[str]:
    if kind == "line":
        # Numbers in what is said about the lines, such as the code that stands there, are none of lines.
        numbers = _LIST.match(said)
        for first, last in _LINES.findall(numbers[0] if numbers else "") or _LINES.findall(said)[:1]:
            yield f"{first}-{last}" if last else first
        return
    # With its arguments marked, a name can be told from the words before it: `public int total(int x)`.
    for part in _ARGUMENTS.sub(_MARK, said).split(","):
        names = [name for name in _NAME.findall(part) if name not in _WORDS]
        called = [name for name in _CALLED.findall(part) if name not in _WORDS]
        name = next(iter([*called, *names]), "")
        if name:
            yield _JOINT.sub(".", name).removeprefix("self.")


def find_places(mentions: Sequence[Mention], outlines: Mapping[str, Outline], sample: int = 0) -> Places:
    """The lines of what was named. A name with a class is that class's member; a bare one is a function of the file,
    else a method of the class that was named last in it, else every method of that name, told as ambiguous when there
    are several. A name of another kind than was said counts when there is none of the right kind; for one that is not
    there counts what is around it. Lines beyond the end of a file are unknown."""
    locations: list[Location] = []
    events: list[dict[str, Any]] = []
    last_class: dict[str, str] = {}
    for mention in mentions:
        outline = outlines.get(mention.path)
        noted = {"path": mention.path, "name": mention.name}
        unknown = {"kind": "location_unknown", **noted}
        if outline is None:
            events.append(unknown)
            continue
        if mention.kind == "line":
            lines = _line(mention, outline, sample)
            locations += lines
            events += [] if lines else [unknown]
            continue
        symbols = _symbols(mention, outline.symbols, last_class.get(mention.path))
        if not symbols:
            symbols = next(filter(None, (_symbols(near, outline.symbols, None) for near in _nearby(mention))), [])
            names = [symbol.qualname for symbol in symbols]
            events.append({"kind": "location_near", **noted, "names": names} if symbols else unknown)
        if len({symbol.qualname for symbol in symbols}) > 1:
            events.append({"kind": "location_ambiguous", **noted, "names": [symbol.qualname for symbol in symbols]})
        if symbols and symbols[0].kind == "class":
            last_class[mention.path] = symbols[0].qualname
        locations += [_location(mention.path, symbol, sample) for symbol in symbols]
    return Places(tuple(dict.fromkeys(locations)), tuple(events))


def _nearby(mention: Mention) -> Iterator[Mention]:
    """What is around a name that is not there (a function in a function), then the name without its module."""
    parts = mention.name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        yield replace(mention, name=".".join(parts[:end]))
    for start in range(1, len(parts)):
        yield replace(mention, name=".".join(parts[start:]))


def _location(path: str, symbol: Symbol, sample: int) -> Location:
    return Location(
        path=path, kind=symbol.kind, name=symbol.qualname, start=symbol.start, end=symbol.end, sample=sample
    )


def _line(mention: Mention, outline: Outline, sample: int) -> list[Location]:
    first, _, last = mention.name.partition("-")
    start, end = sorted((int(first), int(last or first)))
    if not 1 <= max(start, 1) <= outline.lines or end < 1:
        return []
    start, end = max(start, 1), min(end, outline.lines)
    return [Location(path=mention.path, kind="line", name=mention.name, start=start, end=end, sample=sample)]


def _symbols(mention: Mention, symbols: Sequence[Symbol], last_class: str | None) -> list[Symbol]:
    name = mention.name
    whole = [symbol for symbol in symbols if symbol.qualname == name]
    ends = whole or [symbol for symbol in symbols if symbol.qualname.endswith(f".{name}")]
    kinds = ("function", "method") if mention.kind == "function" else (mention.kind,)
    right = [symbol for symbol in ends if symbol.kind in kinds] or [
        symbol for symbol in symbols if symbol.kind in kinds and symbol.name == name
    ]
    found = right or ends
    if "." not in name and last_class is not None and not any(symbol.qualname == name for symbol in found):
        return [symbol for symbol in found if symbol.qualname == f"{last_class}.{name}"] or found
    return found
