"""Masks credentials before anything is written: values that are known to be secret, and shapes of well-known keys."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Any

MASK = "[redacted]"

_SHAPES = re.compile(
    r"\b(?:"
    r"sk-(?:ant-|proj-|or-)?[A-Za-z0-9_-]{20,}"  # OpenAI, Anthropic, OpenRouter
    r"|gh[opsu]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}"
    r"|hf_[A-Za-z0-9]{30,}"
    r"|xox[abpr]-[A-Za-z0-9-]{20,}"
    r"|AKIA[0-9A-Z]{16}"
    r"|AIza[0-9A-Za-z_-]{35}"
    r")(?![A-Za-z0-9])"
)
_SECRET_NAME = re.compile(r"(API_?KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
# A shorter value is likely a word of ordinary text ("test", "none"), and masking it would damage transcripts.
_SHORTEST = 12

_registered: set[str] = set()


def register(value: str) -> None:
    """Makes `value` (an API key given as an argument, say) unwritable from now on."""
    if len(value) >= 6 and value not in _registered:
        _registered.add(value)
        _known.cache_clear()


@lru_cache(maxsize=1)
def _known() -> re.Pattern[str] | None:
    named = {v for k, v in os.environ.items() if _SECRET_NAME.search(k) and len(v) >= _SHORTEST}
    values = sorted(named | _registered, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, values))) if values else None


def redact(text: str) -> str:
    """`text` with every credential replaced by `[redacted]`."""
    known = _known()
    if known is not None:
        text = known.sub(MASK, text)
    return _SHAPES.sub(MASK, text)


def redact_json(value: Any) -> Any:
    """A copy of a JSON value with every string redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_json(item) for item in value]
    return value
