"""Queries that ask the same thing in other words' clothes: case, punctuation, articles, the frame of a question.

Conservative: two queries are held to be one only where nothing that could change the answer differs, because a query
that is wrongly called a repetition is a search lost.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from .tokens import words

_FRAMES = re.compile(
    r"(?:(?:please|(?:can|could|would) you|i (?:want|need|would like) to (?:know|find(?: out)?)|do you know)\s+)*"
    r"(?:(?:tell me|find out|find|look up|search for|show me|give me|explain)\s+(?:about\s+)?)?"
)
_ASKING = re.compile(r"(?:what|which)(?:'s|\s+(?:is|are|was|were))\s+|who(?:'s|\s+(?:is|are|was|were))\s+(?=the\s)")
_AUXILIARY = words("is are was were do does did")
# `a` is an article only behind these: "vitamin A" and "a sonata in A" name something by it.
_BEFORE_ARTICLE = _AUXILIARY | {"of"}
_CONTRACTED = {"can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not"}
_OUTER = ",;:!?\"'“”„«»()[]{}…"
_INNER = re.compile(r"(?<!\d)[,;:!?\"“”„«»()\[\]{}…—–]+|[,;:!?\"“”„«»()\[\]{}…—–]+(?!\d)")
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=\w)|(?<=\w)-(?=[^\W\d_])")


def normalise_query(text: str) -> str:
    """`text` without what does not change its meaning as a query: case, punctuation, articles, forms of `be` and `do`,
    `what is` and `who is the` in front, requests such as `tell me`; `X of Y` and `Y's X` become `y x`.

    Everything else is kept in its order: names, numbers with their signs and units, negation, prepositions, and the
    question words that choose an answer (`when`, `where`, `how many`). A text of nothing but small words keeps them.
    """
    plain = _plain(text)
    shown = _ASKING.sub("", _FRAMES.sub("", plain, count=1), count=1)
    return " ".join(_folded(shown.split()) or plain.split()) or " ".join(text.split())


def near_duplicate(query: str, earlier: Iterable[str]) -> str | None:
    """The first query of `earlier` that `query` repeats, or None.

    Queries repeat each other if `normalise_query` makes them equal; singular and plural of a word that both write in
    lower case count as equal too where case tells names from words, that is, if both queries hold a capital further
    on than their first word.
    """
    wanted = normalise_query(query)
    for other in earlier:
        found = normalise_query(other)
        if found == wanted or (wanted and _differ_in_number_only(query, wanted, other, found)):
            return other
    return None


def _plain(text: str) -> str:
    """Words in lower case, without punctuation around them and with contractions written out."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = _INNER.sub(" ", text.replace("’", "'").replace("‘", "'"))
    found: list[str] = []
    for chunk in text.split():
        word = chunk.strip(_OUTER + "`").rstrip(".-" + _OUTER) or chunk.strip(_OUTER + ".`")
        word = word if word.startswith("-") else _HYPHEN.sub(" ", word)
        word = _CONTRACTED.get(word, word)
        if word.endswith("n't"):
            word = word.removesuffix("n't") + " not"
        found.append("and" if word == "&" else word)
    return " ".join(" ".join(found).split())


def _folded(given: list[str]) -> list[str]:
    """The words that count, with what stands before an `of` put behind what follows it."""
    parts: list[list[str]] = [[]]
    for place, word in enumerate(given):
        before, last = given[place - 1] if place else "of", place == len(given) - 1
        if word == "of" and not last:
            parts.append([])
        elif word in ("the", "an") or word in _AUXILIARY or (word == "a" and before in _BEFORE_ARTICLE and not last):
            continue
        else:
            parts[-1].append("what" if word == "which" else word if last else word.removesuffix("'s"))
    return [word for part in reversed(parts) for word in part]


def _differ_in_number_only(one: str, one_normal: str, other: str, other_normal: str) -> bool:
    left, right = one_normal.split(), other_normal.split()
    if len(left) != len(right) or not (_tells_names(one) and _tells_names(other)):
        return False
    differing = [pair for pair in zip(left, right, strict=True) if pair[0] != pair[1]]
    return all(
        _singular(a) == _singular(b) and _lower_case_in(a, one) and _lower_case_in(b, other) for a, b in differing
    )


def _singular(word: str) -> str:
    if not word.isalpha() or len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    return word.removesuffix("s")


def _tells_names(text: str) -> bool:
    """Whether a word behind the first one is written with a capital, and not all of them are."""
    return any(word[0].isupper() for word in text.split()[1:]) and text != text.upper()


def _lower_case_in(word: str, text: str) -> bool:
    """Whether `word` stands in `text` in lower case and nowhere else in another."""
    written = re.findall(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)
    return bool(written) and all(each.islower() for each in written)
