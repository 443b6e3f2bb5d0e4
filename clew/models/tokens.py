"""Token counts without a tokenizer: for reservations, and for servers that send no usage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from clew.journal import Transcript

_PER_MESSAGE = 6


def estimate(text: str) -> int:
    """A cautious count of tokens: English prose has 4 to 5 characters per token, code about 3, and other scripts up to
    one token per character. Never computed for money when the server sent its own count."""
    if text.isascii():
        return -(-len(text) // 3)
    extra_bytes = len(text.encode("utf-8", "replace")) - len(text)
    return -(-len(text) // 3) + extra_bytes // 2


def estimate_prompt(transcript: Transcript, tools: Sequence[Any] = ()) -> int:
    """`estimate` of a whole request: text, message frames and tool definitions."""
    texts: Iterable[str] = (segment.text for segment in transcript.segments)
    extras = [segment.extra for segment in transcript.segments if segment.extra]
    attached = json.dumps([*extras, *tools]) if extras or tools else ""
    return sum(map(estimate, texts)) + _PER_MESSAGE * (len(transcript.segments) + 1) + estimate(attached)
