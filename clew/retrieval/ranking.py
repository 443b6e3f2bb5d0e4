"""From three candidate lists to one ranking of pages, each with its best passages.

Scores are fused, not ranks: each list is scaled to 0..1 between its first and its last candidate and the lists are
added with weights (the convex combination of Bruch, Gai & Ingber, 2023, "An analysis of fusion functions for hybrid
retrieval"). A page is worth its best passage, a part of the next two, and how near the whole page is. Weights were
chosen on the development set in docs/retrieval.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .store import Candidates, Found
from .tokens import is_symbol, raw_tokens


@dataclass(frozen=True, slots=True)
class Ranking:
    """Weights. `sparse` is the share of BM25 against 1 - `sparse` of the dense score, `whole` the page's own.

    `symbol_sparse` and `symbol_whole` stand in for queries that name a symbol. `best` weighs a page's passages, best
    first. `depth`: candidates of each search.
    """

    sparse: float = 0.5
    whole: float = 0.25
    symbol_sparse: float = 0.7
    symbol_whole: float = 0.1
    best: tuple[float, ...] = (1.0, 0.3, 0.1)
    depth: int = 100


DEFAULT = Ranking()


class RankedPage(NamedTuple):
    """A page, its score, and its candidate passages as (score, id), best first."""

    page: int
    score: float
    passages: list[tuple[float, int]]


def rank(query: str, found: Candidates, by: Ranking = DEFAULT) -> list[RankedPage]:
    """Pages, best first; ties go by page number, so that equal input gives equal output."""
    symbol = any(is_symbol(token) for token in raw_tokens(query))
    sparse = by.symbol_sparse if symbol else by.sparse
    whole = by.symbol_whole if symbol else by.whole
    scores: dict[int, float] = {}
    page_of: dict[int, int] = {}
    for weight, rows in ((1 - sparse, found.dense), (sparse, found.sparse)):
        for (id, page, _), scaled in zip(rows, _scaled(rows), strict=True):
            scores[id] = scores.get(id, 0.0) + weight * scaled
            page_of[id] = page
    near = {row.page: scaled for row, scaled in zip(found.whole, _scaled(found.whole), strict=True)}
    pages: dict[int, list[tuple[float, int]]] = {page: [] for page in near}
    for id, score in scores.items():
        pages.setdefault(page_of[id], []).append((score, id))
    ranked = []
    for page, passages in pages.items():
        passages.sort(reverse=True)
        total = sum(weight * score for weight, (score, _) in zip(by.best, passages, strict=False))
        ranked.append(RankedPage(page, total + whole * near.get(page, 0.0), passages))
    return sorted(ranked, key=lambda each: (-each.score, each.page))


def _scaled(rows: list[Found]) -> list[float]:
    """Scores between the last candidate's, 0, and the first one's, 1; all 1 if they are equal."""
    if not rows:
        return []
    low, high = rows[-1].score, rows[0].score
    return [(row.score - low) / (high - low) for row in rows] if high - low > 1e-9 else [1.0] * len(rows)
