"""Comparing short texts: exact match, token F1 and containment, after SQuAD's normalisation.

The normalisation and both metrics are those of the SQuAD evaluation script (Rajpurkar et al., arXiv 1606.05250), which
HotpotQA, 2WikiMultihopQA, MuSiQue and most others use: with several gold answers, the best match counts.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
# HotpotQA's script gives these words no partial credit: "no" is not half of "no, it is not".
_CLOSED = frozenset({"yes", "no", "noanswer"})


def normalise(text: str) -> str:
    """`text` in lower case, without ASCII punctuation, then without the articles a, an and the, with single spaces.

    Punctuation is removed, not replaced ("U.S." becomes "us", "well-known" "wellknown"); accents and typographic marks
    stay, as in the script.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def same(prediction: str, gold: str) -> bool:
    """Whether both are equal after `normalise`. Texts that it leaves empty ("A", "+") are compared as they are, so that
    an empty prediction never equals a gold answer that is not empty."""
    left, right = normalise(prediction), normalise(gold)
    if not left and not right:
        return prediction.strip().casefold() == gold.strip().casefold()
    return left == right


def exact_match(prediction: str, golds: Iterable[str]) -> float:
    """1.0 if `prediction` is the `same` as one of `golds`, else 0.0."""
    return float(any(same(prediction, gold) for gold in golds))


def f1(prediction: str, golds: Iterable[str]) -> float:
    """The best harmonic mean of token precision and recall over `golds`, in [0, 1].

    Tokens are the words of `normalise`, with multiplicity. "yes", "no" and "noanswer" on either side get 1.0 or 0.0,
    which is HotpotQA's addition to SQuAD's script.
    """
    return max((_f1(prediction, gold) for gold in golds), default=0.0)


def _f1(prediction: str, gold: str) -> float:
    left, right = normalise(prediction), normalise(gold)
    words, wanted = left.split(), right.split()
    if left in _CLOSED or right in _CLOSED or not words or not wanted:
        return float(same(prediction, gold))
    shared = (Counter(words) & Counter(wanted)).total()
    return 2 * shared / (len(words) + len(wanted))


def contains(prediction: str, golds: Iterable[str]) -> float:
    """1.0 if the words of one of `golds` stand in `prediction` side by side, else 0.0. Whole words: "art" is not in
    "party"."""
    words = normalise(prediction).split()
    return float(any(_within(normalise(gold).split(), words) or same(prediction, gold) for gold in golds))


def _within(part: Sequence[str], whole: Sequence[str]) -> bool:
    size = len(part)
    return size > 0 and any(whole[i : i + size] == part for i in range(len(whole) - size + 1))
