"""What a scripted server says: replies, templates over what the client sent, rules and faults."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, get_args

from clew.testing.request import Request

Fault = Literal[
    "auth",
    "bad_gateway",
    "content_filter",
    "context_overflow",
    "cut_stream",
    "disconnect",
    "empty",
    "end_stream",
    "hang",
    "malformed_json",
    "null_content",
    "overloaded",
    "permission",
    "quota",
    "rate_limit",
    "server_error",
    "slow",
    "stall",
    "wrong_model",
]

_FAULTS = frozenset(get_args(Fault))


class Template(str):
    """A reply's text as a Jinja template over the request, so that it can be filled from what the client sent.

    Variables: `request` (a `Request`), `messages`, `last` (text of the last message), `prompt` (everything sent).
    Filters: `find(regex, which=0)` gives the match (or its first group) number `which` (-1 = the last);
    `after(marker)` what follows the marker's last occurrence; `before(marker)` what precedes its first. A marker or
    match that is missing, like an undefined variable, makes the server answer 500 and list the request as unexpected.
    """

    __slots__ = ()


@dataclass(frozen=True)
class Call:
    """A tool call: `arguments` as data, or as the very string that the model wrote (which need not be JSON)."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.arguments, str):
            return str(self.arguments)
        return json.dumps(dict(self.arguments), ensure_ascii=False)


@dataclass(frozen=True)
class Reply:
    """One sample of the model, or a fault in its place.

    `text`, `reasoning`, `fresh` and strings in tool arguments may be a `Template`; plain strings are verbatim. The
    server cuts the text at stop strings and at `max_tokens` (which also counts the reasoning).
    """

    text: str = ""
    tool_calls: Sequence[Call] = ()
    reasoning: str = ""
    fresh: str | None = None
    """What the model says when it was sent a prefill that the server does not honour; default: `text`."""
    finish: str | None = None
    """`finish_reason` to give whatever happened, e.g. "content_filter"."""
    delay: float = 0.0
    """Seconds before the first byte (with fault "slow": between chunks)."""
    status: int = 200
    """Another status makes it an error whose message is `text`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    retry_after: float | timedelta | None = None
    """`Retry-After` of an error: a float in seconds, a timedelta as HTTP date; None: 0 for "rate_limit", else none."""
    usage: Mapping[str, Any] | bool = True
    """True: counted; False: left out; a mapping: verbatim."""
    chunk: int | None = None
    """Characters per streamed event, so that markers split anywhere; None: one token per event."""

    def __post_init__(self) -> None:
        if self.fault is not None and self.fault not in _FAULTS:
            raise ValueError(f"unknown fault {self.fault!r}; known are {', '.join(sorted(_FAULTS))}")


@dataclass(frozen=True)
class Faulty:
    """`fault` for the first `times` tries of the request that meets it, then the reply `then`.

    Tries belong together when path and body are equal, so concurrent clients do not take each other's tries.
    """

    fault: Fault | Reply
    times: int = 1
    then: Scripted = ""

    @property
    def tries(self) -> list[Scripted]:
        """What its request gets, try by try."""
        fault = self.fault if isinstance(self.fault, Reply) else Reply(fault=self.fault)
        return [fault] * self.times + [self.then]

    def __post_init__(self) -> None:
        _ = self.tries  # An unknown fault is refused where it is written, not when it is met.


@dataclass(frozen=True)
class Rule:
    """Answers the requests that `when` accepts: a regular expression searched in `request.prompt`, or a predicate.

    `reply` answers each of them; a list of replies is used up in order, after which the rule accepts no more.
    """

    when: str | re.Pattern[str] | Callable[[Request], bool]
    reply: Scripted | Sequence[Scripted]

    def accepts(self, request: Request) -> bool:
        if isinstance(self.when, str | re.Pattern):
            return re.search(self.when, request.prompt) is not None
        return bool(self.when(request))


Answer = str | Reply
Scripted = Answer | Faulty | Callable[[Request], Answer] | Callable[[Request], Awaitable[Answer]]
