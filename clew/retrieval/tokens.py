"""Words and symbols for sparse vectors: how text is cut, folded and hashed.

A symbol is found by its whole name and by its parts: `functools.lru_cache` gives `functools.lru_cache`, `functools`,
`lru_cache`, `lru` and `cache`. Tokens are hashed to 32 bits with CRC-32, which never changes between processes,
versions or machines.
"""

from __future__ import annotations

import re
from collections import Counter
from zlib import crc32

_TOKEN = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*|\w(?:\w|\.(?=\w)|::(?=\w))*")
_CONTRACTION = re.compile(r"(?:n['’]t|['’](?:s|re|ll|ve|d|m))\b")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_CAMEL = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")


def words(text: str) -> frozenset[str]:
    """The words of `text` as a set."""
    return frozenset(text.split())


STOP = words("""
a an and are as at be been being but by can could did do does doing for from get gets had has have how i if in
into is it its itself let may me might my of on or our shall should so such than that the their them then there
these they this those to too us was we were what when where whether which while who whom whose why will with
would you your does't don't isn't am about also any each
""")


def is_symbol(token: str) -> bool:
    """Whether `token` is written as code is: a dotted name, snake_case, camelCase, `--option`, `ALL_CAPS`, `__x__`."""
    marked = token.startswith("-") or "_" in token or "." in token or "::" in token or _CAMEL.search(token)
    return bool(marked) and not token.replace(".", "").isdigit()


def raw_tokens(text: str) -> list[str]:
    """The tokens of `text` as they are written, symbols whole."""
    return [token.rstrip("-") for token in _TOKEN.findall(_CONTRACTION.sub("", text))]


def stem(word: str) -> str:
    """`word` without a regular English ending, so that `files`, `caching` and `cached` meet `file` and `cache`."""
    size = len(word)
    if size > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif size > 4 and word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif size > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if len(word) > len(ending) + 3 and word.endswith(ending):
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def fold(name: str) -> str:
    """A name without dots as an index term: words are stemmed, names that only code would use are kept."""
    return name.lower() if is_symbol(name) else stem(name.lower())


def terms(text: str) -> Counter[str]:
    """The index terms of `text` with their counts: folded words without stop words, symbols whole and in parts."""
    found: Counter[str] = Counter()
    for token in raw_tokens(text):
        folded = token.lower()
        if not is_symbol(token):
            if folded not in STOP and folded:
                found[stem(folded)] += 1
            continue
        found[folded] += 1
        names = re.split(r"\.|::", token)
        for name in names if len(names) > 1 else ():
            found[fold(name)] += 1
        pieces = [piece.lower() for piece in _PARTS.findall(names[-1])]
        if len(pieces) > 1:
            for piece in pieces:
                if piece not in STOP:
                    found[stem(piece)] += 1
    return found


def term_hash(term: str) -> int:
    """The dimension of `term` in a sparse vector, 0 to 2**32 - 1."""
    return crc32(term.encode("utf-8", "surrogatepass"))
