"""Scripts as JSON lines, for the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from clew.errors import ConfigError
from clew.testing.random_text import RandomText
from clew.testing.replies import Call, Faulty, Reply, Rule, Scripted, Template

_REPLY_FIELDS = frozenset(f.name for f in fields(Reply))


def load(path: str | Path) -> list[Scripted | Rule]:
    """Replies of a JSONL file; ConfigError names the file and line that cannot be read.

    A line is a reply, or `{"when": REGEX, "reply": REPLY}` (a list of replies is used up in order). A reply is a
    string; `{"template": TEXT}`; `{"random": {fields of RandomText}}`; `{"faulty": FAULT, "times": 2, "then": REPLY}`;
    or the fields of `Reply`, in which tool calls are `{"name": …, "arguments": {…}}` and any text may be a template.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read the script {str(path)!r}: {error.strerror}; give a JSONL file") from error
    return list(_parse(lines, str(path)))


def _parse(lines: Iterable[str], path: str) -> Iterable[Scripted | Rule]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            if isinstance(value, dict) and "when" in value:
                given = value["reply"]
                yield Rule(value["when"], [_reply(g) for g in given] if isinstance(given, list) else _reply(given))
            else:
                yield _reply(value)
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"{path}:{number} is no scripted reply ({error!r}): {line[:120]!r}") from error


def _reply(value: Any) -> Scripted:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise TypeError(f"a reply is a string or an object, not {value!r}")
    if "random" in value:
        return RandomText(**value["random"])
    if "template" in value and len(value) == 1:
        return Template(value["template"])
    if "faulty" in value:
        return Faulty(value["faulty"], value.get("times", 1), _reply(value.get("then", "")))
    unknown = set(value) - _REPLY_FIELDS
    if unknown:
        raise KeyError(f"unknown fields {sorted(unknown)}")
    given = {name: _text(item) for name, item in value.items()}
    if "tool_calls" in given:
        given["tool_calls"] = tuple(
            Call(call["name"], _text(call.get("arguments", {})), call.get("id")) for call in value["tool_calls"]
        )
    if isinstance(given.get("retry_after"), dict):
        given["retry_after"] = timedelta(**value["retry_after"])
    return Reply(**given)


def _text(value: Any) -> Any:
    """`value` with `{"template": …}` inside it turned into templates."""
    if isinstance(value, dict):
        if set(value) == {"template"}:
            return Template(value["template"])
        return {name: _text(item) for name, item in value.items()}
    return [_text(item) for item in value] if isinstance(value, list) else value
