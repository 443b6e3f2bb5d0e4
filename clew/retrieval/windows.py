"""The parts of a long page that a query is about."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

from .tokens import terms

# A shorter rest between two windows says nothing.
_SHORTEST = 40
_ENDS = re.compile(r"\n+|(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class Window:
    """Characters `start` to `end` of a page; a higher `score` fits the query better."""

    start: int
    end: int
    text: str
    score: float


def best_windows(text: str, query: str, snippet: str = "", *, n: int = 3, max_chars: int = 2000) -> list[Window]:
    """Up to `n` windows of at most `max_chars` characters that do not overlap, best first.

    A window is worth the words of `query` (and, at half weight, of `snippet`) that stand in it, rare ones on this page
    most; the place where `snippet` stands word for word counts as much as the whole query. The whole page is looked
    at, whatever its length. A page without any of the words gives its beginning.
    """
    if max_chars < 1 or n < 1 or not text.strip():
        return []
    if len(text) <= max_chars:
        return [Window(0, len(text), text, 1.0)]
    marks = _marks(text, query, snippet)
    windows: list[Window] = []
    gaps = [(0, len(text))]
    while len(windows) < n:
        found = []
        for low, high in gaps:
            # A stretch may not reach over a window that is taken, so each gap between windows is looked at by itself.
            stretch = _densest([mark for mark in marks if low <= mark[0] < high], max_chars)
            if stretch is not None:
                found.append((stretch[1], stretch[0], low, high))
        if not found:
            break
        score, centre, low, high = max(found)
        start, end = _around(text, centre, max_chars, low, high)
        windows.append(Window(start, end, text[start:end], score))
        gaps.remove((low, high))
        gaps += [gap for gap in ((low, start), (end, high)) if gap[1] - gap[0] >= min(_SHORTEST, max_chars)]
    if not windows:
        start, end = _around(text, 0, max_chars, 0, len(text))
        windows.append(Window(start, end, text[start:end], 0.0))
    return windows


def _marks(text: str, query: str, snippet: str) -> list[tuple[int, str, float]]:
    """(position, term, weight) of everything in the text that speaks for a window, by position."""
    weights = dict.fromkeys(terms(snippet), 0.5) | dict.fromkeys(terms(query), 1.0)
    marks: list[tuple[int, str, float]] = []
    if weights:
        shortest_last = sorted(weights, key=len, reverse=True)
        pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, shortest_last)) + r")", re.IGNORECASE)
        places = [(match.start(), match.group().lower()) for match in pattern.finditer(text)]
        counts = Counter(term for _, term in places)
        pages = len(text) / 400
        for place, term in places:
            rarity = math.log(1 + pages / counts[term])
            marks.append((place, term, weights.get(term, 0.5) * rarity))
    at = text.find(snippet.strip()) if snippet.strip() else -1
    if at >= 0:
        whole = sum({term: weight for _, term, weight in marks}.values())
        marks.append((at + len(snippet.strip()) // 2, "\0snippet", max(whole, 1.0)))
    return sorted(marks)


def _densest(marks: list[tuple[int, str, float]], width: int) -> tuple[int, float] | None:
    """Centre and score of the stretch of `width` characters whose distinct terms weigh most."""
    best: tuple[float, int, int] | None = None
    inside: Counter[str] = Counter()
    score, left = 0.0, 0
    for right, (place, term, weight) in enumerate(marks):
        score += weight if not inside[term] else weight * 0.05
        inside[term] += 1
        while place - marks[left][0] > width * 3 // 4:
            inside[marks[left][1]] -= 1
            score -= marks[left][2] if not inside[marks[left][1]] else marks[left][2] * 0.05
            left += 1
        if best is None or score > best[0] + 1e-9:
            best = (score, left, right)
    if best is None:
        return None
    return (marks[best[1]][0] + marks[best[2]][0]) // 2, round(best[0], 6)


def _around(text: str, centre: int, width: int, low: int, high: int) -> tuple[int, int]:
    """A window of at most `width` characters around `centre`, between `low` and `high`, cut at ends of sentences."""
    start = max(low, min(centre - width // 2, high - width))
    end = min(high, start + width)
    slack = width // 6
    cuts = [match.end() for match in _ENDS.finditer(text, start, end)]
    if start > low and cuts and cuts[0] <= min(start + slack, centre):
        start = cuts[0]
    if end < high and cuts:
        last = cuts[bisect_right(cuts, end) - 1]
        if last >= max(end - slack, centre + 1):
            end = last
    return start, end
