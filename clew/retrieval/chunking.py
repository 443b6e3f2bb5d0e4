"""A document becomes passages: spans of its text that follow its structure and fit the embedding model.

Together the spans cover every character of the text that is not white space, once and in order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from .documents import Document, Section

# Part of what a store remembers: another value means other passages.
VERSION = 1
_PIECE = 4_000
_PART = 90
_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?;:])\s+"), re.compile(r"\s+"))


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """`limit`: most tokens of a passage with its heading line (bounded by the model's own limit).

    Neighbouring sections are joined while they stay within `join` tokens; `heading` bounds the heading line.
    """

    limit: int = 254
    join: int = 96
    heading: int = 48

    @property
    def name(self) -> str:
        return f"structure-{VERSION} limit={self.limit} join={self.join} heading={self.heading}"


DEFAULT = ChunkSettings()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Characters `start` to `end` of a document. `heading` is the line put before them when they are embedded.

    Of its `tokens`, `head` are that line's. `bare`: the passage holds nothing but headings yet.
    """

    start: int
    end: int
    heading: str
    path: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    tokens: int = 0
    head: int = 0
    bare: bool = False


Count = Callable[[Sequence[str]], list[int]]
Cut = Callable[[str], list[int]]


def chunk(document: Document, count: Count, cut: Cut, settings: ChunkSettings = DEFAULT) -> list[Chunk]:
    """The passages of `document`, in order; `count` and `cut` are those of an `Embedder`."""
    text, sections = document.text, document.sections
    headings = [heading_line(document.title, section.path) for section in sections]
    headings = _shorten(headings, count, cut, settings.heading)
    heads = count(headings)
    units = list(_units(text, sections))
    sizes = count([text[start:end] for start, end, _ in units])
    found: list[Chunk] = []
    for (start, end, place), size in zip(units, sizes, strict=True):
        room = settings.limit - heads[place]
        piece = Chunk(start, end, headings[place], sections[place].path, (), heads[place] + size, heads[place])
        pieces = [piece] if size <= room else list(_split(text, piece, room, heads[place], count, cut))
        opens = start == _first(text, sections, place)
        for at, each in enumerate(pieces):
            names = sections[place].names if opens and at == 0 else ()
            bare = opens and len(pieces) == 1 and _only_heading(sections[place], end - start)
            _pack(found, replace(each, names=names, bare=bare), settings)
    return found


def heading_line(title: str, path: tuple[str, ...]) -> str:
    """Title and headings from the top down, each once: `Title > Heading > Sub-heading`."""
    parts = [title, *path] if not path or path[0] != title else list(path)
    return " > ".join(part if len(part) <= _PART else part[: _PART - 1] + "…" for part in parts if part)


def passage_id(source: str, heading: str, text: str, occurrence: int) -> int:
    """A 63-bit id of a passage; `occurrence` numbers equal passages of one page."""
    key = "\0".join((source, heading, text, str(occurrence)))
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def _pack(found: list[Chunk], piece: Chunk, settings: ChunkSettings) -> None:
    """Append `piece`, or join it to the last passage: to its own section, to bare headings, to a small neighbour."""
    if found:
        last = found[-1]
        names = (*last.names, *piece.names)
        if last.bare and piece.tokens + last.tokens - last.head <= settings.limit:
            found[-1] = replace(piece, start=last.start, tokens=piece.tokens + last.tokens - last.head, names=names)
            return
        together = last.tokens + piece.tokens - piece.head
        same = last.path == piece.path and not piece.names and together <= settings.limit
        related = last.path[:1] == piece.path[:1] or not last.path
        if same or (related and together <= settings.join):
            found[-1] = replace(last, end=piece.end, tokens=together, names=names)
            return
    found.append(piece)


def _only_heading(section: Section, size: int) -> bool:
    return bool(section.path) and size <= len(section.path[-1]) + 4


def _first(text: str, sections: tuple[Section, ...], place: int) -> int:
    """Where the visible text of section `place` starts."""
    start = sections[place].start
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def _units(text: str, sections: tuple[Section, ...]) -> Iterator[tuple[int, int, int]]:
    """Paragraphs (start, end, place of their section), none longer than `_PIECE` characters."""
    for place, section in enumerate(sections):
        end = sections[place + 1].start if place + 1 < len(sections) else len(text)
        for start, stop in _cut_at(text, section.start, end, _BREAKS[0]):
            for piece in _bounded(text, start, stop):
                yield (*piece, place)


def _cut_at(text: str, start: int, end: int, mark: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The stretches between `mark`s in text[start:end], without white space around them; empty ones are left out."""
    at = start
    for match in mark.finditer(text, start, end):
        yield from _strip(text, at, match.start())
        at = match.end()
    yield from _strip(text, at, end)


def _strip(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if end > start:
        yield start, end


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > _PIECE:
        cut = max(text.rfind("\n", start, start + _PIECE), text.rfind(" ", start, start + _PIECE))
        cut = cut if cut > start + _PIECE // 2 else start + _PIECE
        yield from _strip(text, start, cut)
        start = cut
    yield from _strip(text, start, end)


def _split(text: str, piece: Chunk, room: int, head: int, count: Count, cut: Cut, level: int = 1) -> Iterator[Chunk]:
    """Pieces of at most `room` tokens: by lines, else sentences, else words, else between any two tokens."""
    if level == len(_BREAKS):
        yield from _split_tokens(text, piece, room, head, count, cut)
        return
    spans = list(_cut_at(text, piece.start, piece.end, _BREAKS[level]))
    sizes = count([text[start:end] for start, end in spans])
    start, end, total = spans[0][0], spans[0][0], 0
    for (left, right), size in zip(spans, sizes, strict=True):
        if total and total + size > room:
            yield replace(piece, start=start, end=end, tokens=head + total)
            start, total = left, 0
        if size > room:
            yield from _split(text, replace(piece, start=left, end=right), room, head, count, cut, level + 1)
            start, total = right, 0
        else:
            start = start if total else left
            total += size
        end = right
    if total:
        yield replace(piece, start=start, end=end, tokens=head + total)


def _split_tokens(text: str, piece: Chunk, room: int, head: int, count: Count, cut: Cut) -> Iterator[Chunk]:
    start = piece.start
    while start < piece.end:
        offsets = cut(text[start : piece.end])
        size = min(room, len(offsets))
        # Cut in front of the first token that does not fit; a cut inside a word can change how the rest is cut up.
        end = start + offsets[room] if len(offsets) > room and offsets[room] > 0 else piece.end
        while end - start > 1 and count([text[start:end]])[0] > room:
            end = start + (end - start) * 3 // 4
        yield replace(piece, start=start, end=end, tokens=head + size)
        start = end


def _shorten(headings: list[str], count: Count, cut: Cut, limit: int) -> list[str]:
    """Heading lines cut to `limit` tokens, from the left: the nearest headings say most."""
    shortened = []
    for heading, size in zip(headings, count(headings), strict=True):
        if size > limit:
            heading = heading[cut(heading)[size - limit] :]
        shortened.append(heading)
    return shortened
