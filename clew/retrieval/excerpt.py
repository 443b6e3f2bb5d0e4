"""What a reader gets to see of the pages that a search found: the best windows of each, and nothing twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .types import Hit, Page
from .windows import Window, best_windows

_ENDS = re.compile(r"\n+|(?<=[.!?])\s+")
# Shorter pieces (a signature, "Note:") stand on many pages without making them the same.
_SHORTEST = 20
# A window of which more than this share was already shown says nothing new.
_REPEATED = 0.7

GAP = "\n[...]\n"


def excerpts(
    pages: Iterable[tuple[Hit, Page]], query: str, *, windows: int = 2, max_chars: int = 1500
) -> list[tuple[Hit, Page, str]]:
    """For each page, in the given order, the text of its best windows, `[...]` between those that do not touch.

    A chapter and its section, or two editions of a page, share most of their text: a window that was shown before is
    left out, and so is a page of which nothing new remains.
    """
    shown: set[str] = set()
    found = []
    for hit, page in pages:
        best = best_windows(page.text, query, snippet=hit.text, n=windows, max_chars=max_chars)
        fresh = [window for window in best if _share_shown(window.text, shown) <= _REPEATED]
        if fresh:
            shown.update(piece for window in fresh for piece in _pieces(window.text))
            found.append((hit, page, joined(page.text, fresh)))
    return found


def joined(text: str, windows: Sequence[Window]) -> str:
    """The windows in the order of the page; `[...]` stands only where text was really left out."""
    parts: list[str] = []
    end = 0
    for window in sorted(windows, key=lambda window: window.start):
        between = text[end : window.start]
        if parts:
            parts.append(GAP if between.strip() else between)
        parts.append(window.text)
        end = window.end
    return "".join(parts).strip()


def _pieces(text: str) -> list[str]:
    pieces = (" ".join(piece.split()) for piece in _ENDS.split(text))
    return [piece for piece in pieces if len(piece) >= _SHORTEST]


def _share_shown(text: str, shown: set[str]) -> float:
    pieces = _pieces(text)
    total = sum(map(len, pieces))
    return sum(len(piece) for piece in pieces if piece in shown) / total if total else 0.0
