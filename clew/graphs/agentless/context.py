"""The code that a model is shown: the lines around its locations, cut to what fits into the prompt."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clew.graphs.agentless.matching import bare, split
from clew.graphs.agentless.types import Location, Span
from clew.models.tokens import estimate

GAP = "..."

Count = Callable[[str], int]


@dataclass(frozen=True)
class Context:
    """`text` as it stands in the prompt, the `spans` that it shows, and what was cut to make it fit (`events`: kind
    `context_cut`, what: file, window, location or lines)."""

    text: str
    spans: tuple[Span, ...]
    events: tuple[dict[str, Any], ...] = ()


def spans_of(locations: Sequence[Location], texts: Mapping[str, str], window: int = 10) -> tuple[Span, ...]:
    """The lines of the locations with `window` lines on either side, clipped to the file; what overlaps or touches is
    one span. Files in the order of their first locations, spans in that of their lines."""
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
            if merged and start <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        spans += [Span(path=path, start=start, end=end) for start, end in merged]
    return tuple(spans)


def render(spans: Sequence[Span], texts: Mapping[str, str], *, numbered: bool = False) -> str:
    """The lines of `spans` under a heading with the path of each file; a line `...` stands for what is left out.
    `numbered` lines begin with their numbers, which is right for asking where, not for copying into SEARCH."""
    parts: list[str] = []
    for path in dict.fromkeys(span.path for span in spans):
        lines = split(texts[path])
        parts.append(f"### {path}")
        shown = 0
        for span in (span for span in spans if span.path == path):
            parts += [GAP] if span.start > shown + 1 else []
            for number in range(span.start, min(span.end, len(lines)) + 1):
                parts.append(f"{number:>5}| " * numbered + bare(lines[number - 1]))
            shown = span.end
        parts += [GAP] if shown < len(lines) else []
        parts.append("")
    return "\n".join(parts)


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
