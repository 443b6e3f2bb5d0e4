"""BM25F as sparse vectors: how much each term says about a passage, with title, headings and defined names as fields.

A passage's weight of a term is its saturated, length-normalised field frequency (Robertson, Zaragoza & Taylor, 2004,
"Simple BM25 extension to multiple weighted fields"); the inverse document frequency is applied by the engine when it
searches, so that nothing is rewritten when the corpus grows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .tokens import fold, raw_tokens, term_hash, terms

VERSION = 1


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse vector: `weights[i]` at dimension `indices[i]`; indices ascend."""

    indices: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FieldWeights:
    """BM25F: `k1` saturates frequency, `b` normalises by length against `length` terms, the rest weigh fields."""

    k1: float = 1.2
    b: float = 0.5
    length: float = 100.0
    title: float = 1.0
    heading: float = 1.0
    name: float = 3.0


DEFAULT = FieldWeights()


def passage_vector(
    text: str, title: str, headings: Iterable[str], names: Iterable[str], by: FieldWeights = DEFAULT
) -> Sparse:
    """The sparse vector of a passage from its text, its page's title, the headings above it and names it defines."""
    body = terms(text)
    length = sum(body.values())
    found: Counter[str] = body
    counts: dict[str, float] = dict(found)
    for weight, field in ((by.title, terms(title)), (by.heading, terms("\n".join(headings))), (by.name, _names(names))):
        for term, count in field.items():
            counts[term] = counts.get(term, 0.0) + weight * min(count, 2)
    norm = by.k1 * (1 - by.b + by.b * length / by.length)
    return _vector({term: count * (by.k1 + 1) / (count + norm) for term, count in counts.items()})


def query_vector(query: str) -> Sparse:
    """The sparse vector of a query: 1 for each of its terms (a query of stop words alone keeps them)."""
    return _vector(dict.fromkeys(terms(query) or {word.lower(): 1 for word in raw_tokens(query)}, 1.0))


def _names(names: Iterable[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for name in names:
        parts = re.split(r"\.|::", name)
        found[fold(parts[-1])] += 1
        if len(parts) > 1:
            found[name.lower()] += 1
    return found


def _vector(weights: dict[str, float]) -> Sparse:
    by_dimension: dict[int, float] = {}
    for term, weight in weights.items():
        dimension = term_hash(term)
        by_dimension[dimension] = by_dimension.get(dimension, 0.0) + weight
    order = sorted(by_dimension)
    return Sparse(tuple(order), tuple(by_dimension[dimension] for dimension in order))
