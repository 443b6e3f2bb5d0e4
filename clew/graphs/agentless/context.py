"""The code that a model is shown: the lines around its locations, cut to what fits into the prompt.

Differs from the released code, which shows these lines alone: who is to write a fix also sees in what they stand, how
an object of their class is made, and what their file imports.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clew.graphs.agentless.matching import bare, split
from clew.graphs.agentless.types import Location, Outline, Span, Symbol
from clew.models.tokens import estimate

Count = Callable[[str], int]

_CONSTRUCTORS = ("__init__", "constructor")
_OPENS = re.compile(r"(?::[ \t]*(?:#.*)?|\{[ \t]*(?://.*)?)\r?\n?$")
_ATTRIBUTE = re.compile(r"[ \t]*(?:self|this)\.\w+(?:[ \t]*:[^=]+)?[ \t]*=(?!=)")
# A head of a definition has at most so many lines; a constructor of more lines is shown by those that bind attributes.
_HEAD, _SHORT, _ATTRIBUTES = 10, 30, 40
# So few lines between others are shown: a line that tells of a gap is hardly shorter.
_NEAR = 3
_IMPORTS = re.compile(r"(?:import|from|use|using|package)\b|#[ \t]*include\b|(?:const|let|var)\b[^=]*=[ \t]*require\b")
# Imports stand among so many lines, and so many of these are shown.
_TOP, _MOST_IMPORTS = 150, 60


@dataclass(frozen=True)
class Context:
    """`text` as it stands in the prompt, the `spans` that it shows, and what was cut to make it fit (`events`: kind
    `context_cut`, what: file, window, location or lines)."""

    text: str
    spans: tuple[Span, ...]
    events: tuple[dict[str, Any], ...] = ()


def spans_of(locations: Sequence[Location | Span], texts: Mapping[str, str], window: int = 10) -> tuple[Span, ...]:
    """The lines of the locations with `window` lines on either side, clipped to the file; what overlaps, touches or is
    three lines apart at most is one span. Files in the order of their first locations, spans in that of their lines."""
    by_path: dict[str, list[tuple[int, int]]] = {}
    for location in locations:
        if location.path in texts:
            by_path.setdefault(location.path, []).append((location.start, location.end))
    spans: list[Span] = []
    for path, ranges in by_path.items():
        last = len(split(texts[path]))
        clipped = [(max(1, start - window), min(last, end + window)) for start, end in ranges]
        merged: list[tuple[int, int]] = []
        for start, end in sorted(lines for lines in clipped if lines[0] <= lines[1]):
            if merged and start <= merged[-1][1] + 1 + _NEAR:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        spans += [Span(path=path, start=start, end=end) for start, end in merged]
    return tuple(spans)


def render(spans: Sequence[Span], texts: Mapping[str, str], *, numbered: bool = False) -> str:
    """The lines of `spans` under a heading with the path of each file; `... lines 3-9 left out` stands for a gap.
    `numbered` lines begin with their numbers, which is right for asking where, not for copying into SEARCH."""
    parts: list[str] = []
    for path in dict.fromkeys(span.path for span in spans):
        lines = split(texts[path])
        parts.append(f"### {path}")
        shown = 0
        for span in (span for span in spans if span.path == path):
            parts += _gap(shown + 1, span.start - 1)
            for number in range(span.start, min(span.end, len(lines)) + 1):
                parts.append(f"{number:>5}| " * numbered + bare(lines[number - 1]))
            shown = span.end
        parts += [*_gap(shown + 1, len(lines)), ""]
    return "\n".join(parts)


def _gap(first: int, last: int) -> list[str]:
    """The line that stands for lines of the file; it cannot be mistaken for a body of `...`."""
    return [f"... line{f's {first}-{last}' if last > first else f' {first}'} left out"] if last >= first else []


def surroundings(
    spans: Sequence[Span], locations: Sequence[Location], outlines: Mapping[str, Outline], texts: Mapping[str, str]
) -> tuple[Span, ...]:
    """Lines to read beside `spans`: the heads of the definitions that a span begins within, and the constructors of
    the classes that have a location in one of their methods: whole ones of at most 30 lines, of longer ones the head
    and the lines that bind attributes."""
    found: list[Span] = []
    for path in dict.fromkeys(span.path for span in spans if span.path in outlines):
        symbols, lines = outlines[path].symbols, split(texts[path])
        begins = [span.start for span in spans if span.path == path]
        places = [place for place in locations if place.path == path]
        around = [each for each in symbols if any(each.start < start <= each.end for start in begins)]
        within = [each for each in symbols if any(each.start <= at.end and at.start <= each.end for at in places)]
        classes = {each.qualname.rpartition(".")[0] for each in within if each.kind == "method"}
        parts = [_head(symbol, lines) for symbol in around]
        for symbol in symbols:
            owner = symbol.qualname.rpartition(".")[0]
            if owner in classes and symbol.name in (*_CONSTRUCTORS, owner.rpartition(".")[2]):
                parts += _constructor(symbol, lines)
        found += [Span(path=path, start=start, end=end) for start, end in parts]
    return tuple(found)


def imports(spans: Sequence[Span], texts: Mapping[str, str]) -> tuple[Span, ...]:
    """The lines at the beginning of the files of `spans` that say what they import, at most 60 of each."""
    found: list[Span] = []
    for path in dict.fromkeys(span.path for span in spans):
        lines = split(texts[path])
        numbers = [number for number, line in enumerate(lines[:_TOP], start=1) if _IMPORTS.match(line)]
        if numbers:
            start, end = numbers[0], _closed(lines, numbers[-1])
            found.append(Span(path=path, start=start, end=min(end, start + _MOST_IMPORTS - 1)))
    return tuple(found)


def _closed(lines: Sequence[str], start: int) -> int:
    """The line, at or after `start`, at which the brackets that are opened there are closed again."""
    depth = 0
    for number in range(start, min(start + _MOST_IMPORTS, len(lines)) + 1):
        depth += sum(map(lines[number - 1].count, "({")) - sum(map(lines[number - 1].count, ")}"))
        if depth <= 0:
            return number
    return start


def _head(symbol: Symbol, lines: Sequence[str]) -> tuple[int, int]:
    """The first lines of a definition, up to where its body begins; the first line of one without a body."""
    if symbol.kind != "variable":
        for number in range(symbol.start, min(symbol.end, symbol.start + _HEAD - 1, len(lines)) + 1):
            if _OPENS.search(lines[number - 1]):
                return symbol.start, number
    return symbol.start, symbol.start


def _constructor(symbol: Symbol, lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    if symbol.end - symbol.start < _SHORT:
        yield symbol.start, symbol.end
        return
    yield _head(symbol, lines)
    inside = range(symbol.start, min(symbol.end, len(lines)) + 1)
    yield from [(number, number) for number in inside if _ATTRIBUTE.match(lines[number - 1])][:_ATTRIBUTES]


def without(place: Location | Span, spans: Sequence[Span]) -> Iterator[Span]:
    """The lines of a place that are in none of `spans`, which are in order."""
    start = place.start
    for span in spans:
        if span.path != place.path or span.end < place.start or span.start > place.end:
            continue
        if start < span.start:
            yield Span(path=place.path, start=start, end=span.start - 1)
        start = max(start, span.end + 1)
    if start <= place.end:
        yield Span(path=place.path, start=start, end=place.end)


def most_that_fit(texts: Sequence[str], limit: int, count: Count = estimate) -> int:
    """How many of `texts`, from the first on, have at most `limit` tokens together."""
    total = 0
    for number, text in enumerate(texts):
        total += count(text)
        if total > limit:
            return number
    return len(texts)


@dataclass(frozen=True)
class _Plan:
    texts: Mapping[str, str]
    limit: int
    numbered: bool
    count: Count
    locations: tuple[Location, ...]
    window: int
    events: tuple[dict[str, Any], ...] = ()

    @property
    def paths(self) -> list[str]:
        return list(dict.fromkeys(location.path for location in self.locations))

    @property
    def spans(self) -> tuple[Span, ...]:
        return spans_of(self.locations, self.texts, self.window)

    def fits(self) -> bool:
        return self.count(render(self.spans, self.texts, numbered=self.numbered)) <= self.limit

    def cut(self, event: dict[str, Any], **fields: Any) -> _Plan:
        return replace(self, events=(*self.events, {"kind": "context_cut", **event}), **fields)


def assemble(
    paths: Sequence[str],
    locations: Sequence[Location],
    texts: Mapping[str, str],
    *,
    limit: int,
    window: int = 10,
    numbered: bool = False,
    count: Count = estimate,
) -> Context:
    """The code around `locations` with at most `limit` tokens by `count`.

    `paths` are the files, the best first; those without a location are left out. When no file has one, the first file
    is shown as a whole (event `context_whole_file`), so that the prompt is never empty. What does not fit is cut, each
    step told as an event, in this order: the last file, while there are two; the window, to a half until it is 0; the
    last location, while there are two; lines at the end, while there are two.
    """
    rank = {path: place for place, path in enumerate(path for path in dict.fromkeys(paths) if path in texts)}
    kept = sorted((place for place in locations if place.path in rank), key=lambda place: rank[place.path])
    events: list[dict[str, Any]] = []
    if not kept and rank:
        top = next(iter(rank))
        kept = [Location(path=top, kind="line", name="", start=1, end=max(1, len(split(texts[top]))))]
        events.append({"kind": "context_whole_file", "path": top})
    plan = _Plan(texts, limit, numbered, count, tuple(kept), window, tuple(events))
    while not plan.fits() and len(plan.paths) > 1:
        worst = plan.paths[-1]
        left = tuple(place for place in plan.locations if place.path != worst)
        plan = plan.cut({"what": "file", "path": worst}, locations=left)
    while not plan.fits() and plan.window:
        plan = plan.cut({"what": "window", "lines": plan.window // 2}, window=plan.window // 2)
    while not plan.fits() and len(plan.locations) > 1:
        plan = plan.cut({"what": "location", "name": plan.locations[-1].name}, locations=plan.locations[:-1])
    return _ended(plan)


def _ended(plan: _Plan) -> Context:
    spans = plan.spans
    events = plan.events
    if spans and not plan.fits():
        last = spans[-1]

        def size(lines: int) -> int:
            shorter = last.model_copy(update={"end": last.start + lines - 1})
            return plan.count(render([*spans[:-1], shorter], plan.texts, numbered=plan.numbered))

        most = max(1, bisect_right(range(1, last.end - last.start + 2), plan.limit, key=size))
        spans = (*spans[:-1], last.model_copy(update={"end": last.start + most - 1}))
        events = (*events, {"kind": "context_cut", "what": "lines", "path": last.path, "lines": most})
    return Context(render(spans, plan.texts, numbered=plan.numbered), spans, events)
