"""Masks credentials before anything is written: values that are known to be secret, and shapes of well-known keys."""

from __future__ import annotations

import json
import os
import re
from functools import lru_cache
from typing import Any

from clew.errors import ConfigError

MASK = "[redacted]"

_SHAPES = re.compile(
    r"\b(?:"
    r"sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}"  # OpenAI, Anthropic, OpenRouter; a hyphenated name has no digit
    r"|gh[opsu]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}"
    r"|hf_[A-Za-z0-9]{30,}"
    r"|xox[abpr]-[A-Za-z0-9-]{20,}"
    r"|AKIA[0-9A-Z]{16}"
    r"|AIza[0-9A-Za-z_-]{35}"
    r")(?![A-Za-z0-9])"
)
# Each shape by a character that it holds, and how it begins: most texts are done after three fast looks.
_BEGINNINGS = {
    "-": ("sk-", "xox"),
    "_": ("ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "hf_"),
    "A": ("AKIA", "AIza"),
}
_SECRET_NAME = re.compile(r"(API_?KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
# A shorter value is likely a word of ordinary text ("test", "none"), and masking it would damage transcripts.
_SHORTEST = 12
_SHORTEST_REGISTERED = 6
_SHORTEST_SHAPE = 20

_registered: set[str] = set()


def register(value: str) -> None:
    """Makes `value` (an API key given as an argument, say) unwritable from now on."""
    if len(value) >= _SHORTEST_REGISTERED and value not in _registered:
        _registered.add(value)
        refresh()


def refresh() -> None:
    """Looks at the environment again; every run does so when it begins."""
    _known.cache_clear()


@lru_cache(maxsize=1)
def _known() -> list[str]:
    named = {v for k, v in os.environ.items() if _SECRET_NAME.search(k) and len(v) >= _SHORTEST}
    return sorted(named | _registered, key=len, reverse=True)


def redact(text: str) -> str:
    """`text` as it may be written: credentials are `[redacted]`, and lone surrogates, which JSON allows and UTF-8 does
    not, are spelled out."""
    if len(text) < _SHORTEST_REGISTERED and text.isascii():
        return text
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    for secret in _known():
        if secret in text:
            text = text.replace(secret, MASK)
    if len(text) < _SHORTEST_SHAPE:
        return text
    for sign, beginnings in _BEGINNINGS.items():
        if sign in text and any(beginning in text for beginning in beginnings):
            return _SHAPES.sub(MASK, text)
    return text


def redact_json(value: Any) -> Any:
    """A copy of `value` as it may be written, and as it comes back from JSON: strings redacted, tuples as lists, keys
    as strings. Raises `TypeError` for what JSON cannot hold."""
    if isinstance(value, str):
        return redact(str(value))
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {_key(key): redact_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_json(item) for item in value]
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def recordable(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """`redact_json` for the data of an event. Raises `ConfigError` for what JSON cannot hold."""
    try:
        return {_key(key): redact_json(value) for key, value in data.items()}
    except TypeError as error:
        raise ConfigError(f"the data of {kind!r} cannot be recorded: {error}") from error


def _key(key: Any) -> str:
    if isinstance(key, str):
        return redact(key)
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    raise TypeError(f"a key of type {type(key).__name__} is not a JSON key")
