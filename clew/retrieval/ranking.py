"""From three candidate lists to one ranking of pages, each with its best passages.

Scores are fused, not ranks: each list is scaled to 0..1 between its first and its last candidate and the lists are
added with weights (the convex combination of Bruch, Gai & Ingber, 2023, "An analysis of fusion functions for hybrid
retrieval"). A page is worth its best passage, a part of the next two, and how near the whole page is. Weights were
chosen on the development set in docs/retrieval.md.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from .store import Candidates, Found
from .tokens import is_symbol, raw_tokens


@dataclass(frozen=True, slots=True)
class Ranking:
    """Weights. `sparse` is the share of BM25 against 1 - `sparse` of the dense score, `whole` the page's own.

    `symbol_sparse` and `symbol_whole` stand in for queries that name a symbol. `best` weighs a page's passages, best
    first. `depth`: candidates of each search.
    """

    sparse: float = 0.45
    whole: float = 0.25
    symbol_sparse: float = 0.7
    symbol_whole: float = 0.1
    best: tuple[float, ...] = (1.0, 0.3, 0.1)
    depth: int = 100


DEFAULT = Ranking()


@dataclass(frozen=True, slots=True)
class RankedPage:
    """A page, its score and the ids of its candidate passages with their scores, best first."""

    page: int
    score: float
    passages: tuple[tuple[int, float], ...]


def rank(query: str, found: Candidates, by: Ranking = DEFAULT) -> list[RankedPage]:
    """Pages, best first; ties go by page number, so that equal input gives equal output."""
    symbol = any(is_symbol(token) for token in raw_tokens(query))
    sparse = by.symbol_sparse if symbol else by.sparse
    whole = by.symbol_whole if symbol else by.whole
    scores: dict[int, float] = defaultdict(float)
    page_of: dict[int, int] = {}
    for weight, rows in ((1 - sparse, found.dense), (sparse, found.sparse)):
        for row, scaled in _scaled(rows):
            scores[row.id] += weight * scaled
            page_of[row.id] = row.page
    pages: dict[int, list[tuple[int, float]]] = {row.page: [] for row in found.whole}
    for id, score in scores.items():
        pages.setdefault(page_of[id], []).append((id, score))
    near = {row.page: scaled for row, scaled in _scaled(found.whole)}
    ranked = []
    for page, passages in pages.items():
        passages.sort(key=lambda passage: (-passage[1], passage[0]))
        total = sum(weight * score for weight, (_, score) in zip(by.best, passages, strict=False))
        ranked.append(RankedPage(page, total + whole * near.get(page, 0.0), tuple(passages)))
    return sorted(ranked, key=lambda each: (-each.score, each.page))


def _scaled(rows: list[Found]) -> list[tuple[Found, float]]:
    if not rows:
        return []
    low, high = rows[-1].score, rows[0].score
    if high - low < 1e-9:
        return [(row, 1.0) for row in rows]
    return [(row, (row.score - low) / (high - low)) for row in rows]
