"""Replies that are never twice the same: whoever asks again can be told from whoever remembers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clew.testing.replies import Call, Reply
from clew.testing.request import Request

_SYLLABLES = [first + second for first in "bdfghklmnprst" for second in "aeio"]


@dataclass
class RandomText:
    """A reply of random words, for each request anew.

    With probability `p` it asks for something: the request's first tool with random arguments where tools are offered,
    else `marker[0] + words + marker[1]` with a marker pair chosen from `markers`. Otherwise it ends with `final`, in
    which `{}` stands for a random word. `seed=None` draws from the operating system, so that two servers differ too.
    """

    markers: Sequence[Sequence[str]] = ()
    final: str = "\\boxed{{{}}}"
    prefix: str = ""
    p: float = 0.5
    words: int = 20
    seed: int | None = None
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.SystemRandom() if self.seed is None else random.Random(self.seed)

    def __call__(self, request: Request) -> Reply:
        prose = self.prefix + self._prose(self.words)
        asks = self._random.random() < self.p
        if asks and request.tools:
            return Reply(text=prose, tool_calls=(self._call(request.tools[0]),))
        if asks and self.markers:
            begin, end = self._random.choice(list(self.markers))
            return Reply(text=f"{prose} {begin}{self._prose(4)}{end}")
        return Reply(text=f"{prose} {self.final.format(self._word())}".rstrip())

    def _word(self) -> str:
        return "".join(self._random.choices(_SYLLABLES, k=4))

    def _prose(self, n: int) -> str:
        return " ".join(self._word() for _ in range(n))

    def _call(self, tool: dict[str, Any]) -> Call:
        properties = (tool.get("parameters") or {}).get("properties") or {}
        return Call(str(tool["name"]), {name: self._value(schema) for name, schema in properties.items()})

    def _value(self, schema: dict[str, Any]) -> Any:
        if schema.get("enum"):
            return self._random.choice(schema["enum"])
        match schema.get("type"):
            case "integer" | "number":
                return self._random.randrange(100)
            case "boolean":
                return self._random.random() < 0.5
            case "array":
                return [self._value(schema.get("items") or {})]
            case "object":
                return {name: self._value(item) for name, item in (schema.get("properties") or {}).items()}
            case _:
                return self._prose(4)
