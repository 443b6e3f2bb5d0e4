"""A tokenizer and a language model of a few lines: enough to count, cut and score text the way a server does.

Tokens are words with their leading space, single signs, or white space, so markers such as `<|end_search_query|>` span
several tokens and stream in pieces. Probabilities are invented but fixed: they depend on nothing but the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple
from zlib import crc32

_TOKEN = re.compile(r" ?\w+| ?[^\w\s]|\s")
_OTHERS = (" the", " a", " of", " and", " to", " in", " is", " that")

LogProb = Callable[[str, str], float]


class Token(NamedTuple):
    """A token of a text: its text, id (31 bits), natural log probability and first character's offset."""

    text: str
    id: int
    logprob: float
    offset: int


def split(text: str) -> list[str]:
    """The tokens of `text`; joined they give `text` again."""
    return _TOKEN.findall(text)


def count(text: str) -> int:
    """Number of tokens in `text`."""
    return len(_TOKEN.findall(text))


def token_id(token: str) -> int:
    return crc32(token.encode("utf-8", "surrogatepass")) & 0x7FFFFFFF


def pseudo_logprob(context: str, token: str) -> float:
    """log p(token | context) of a fixed character model that sees the 4 characters before each one.

    Being a sum over characters, the score of a text is the same however it is cut into tokens, and the same when the
    text is generated and when it is scored as a prompt.
    """
    text = context[-4:] + token
    start = len(text) - len(token)
    seen = (text[max(0, i - 4) : i + 1].encode("utf-8", "surrogatepass") for i in range(start, len(text)))
    return -sum((crc32(piece) % 1000 + 1) / 2000 for piece in seen)


def score(text: str, context: str = "", logprob: LogProb = pseudo_logprob) -> list[Token]:
    """The tokens of `text` as the continuation of `context`."""
    tokens, offset = [], 0
    whole = context + text
    for piece in split(text):
        here = len(context) + offset
        before = whole[max(0, here - 4) : here] if logprob is pseudo_logprob else whole[:here]
        tokens.append(Token(piece, token_id(piece), logprob(before, piece), offset))
        offset += len(piece)
    return tokens


def alternatives(token: Token, k: int) -> list[Token]:
    """The `k` likeliest tokens in place of `token`, likeliest first; they share what probability it leaves."""
    rest = max(1e-9, 1.0 - math.exp(min(0.0, token.logprob)))
    others = [text for text in _OTHERS if text != token.text]
    ranked = [Token(text, token_id(text), math.log(rest / 2 ** (i + 1)), token.offset) for i, text in enumerate(others)]
    return sorted([token, *ranked], key=lambda t: -t.logprob)[:k]
