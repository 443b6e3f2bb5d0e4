"""Which reply answers which request."""

from __future__ import annotations

import inspect
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from clew.testing.replies import Call, Faulty, Reply, Rule, Scripted, Template
from clew.testing.request import Request

Replies = Scripted | Rule | Iterable[Scripted | Rule]


class ScriptError(Exception):
    """The script has no reply for a request, or its reply does not fit; the message says why."""


class _Supply(NamedTuple):
    items: deque[Scripted]
    endless: bool


class Script:
    """Replies in the order of use.

    A single reply answers every request. In a list, the first rule that accepts a request answers it; a request that
    no rule accepts takes the next reply that stands outside rules.
    """

    def __init__(self, replies: Replies) -> None:
        items: list[Scripted | Rule]
        if isinstance(replies, Rule):
            items = [replies]
        elif isinstance(replies, str | Reply | Faulty) or callable(replies):
            items = [Rule(lambda _: True, replies)]
        else:
            items = list(replies)
        for item in items:
            if not (isinstance(item, str | Reply | Faulty | Rule) or callable(item)):
                raise TypeError(f"{item!r} is no reply; give text, Reply, Faulty, Rule or a function of the request")
        self.queue: deque[Scripted] = deque(item for item in items if not isinstance(item, Rule))
        self.rules = [(rule, _supply(rule.reply)) for rule in items if isinstance(rule, Rule)]
        self._tries: dict[tuple[str, int], deque[Scripted]] = {}

    @property
    def left(self) -> list[Scripted]:
        """Replies that no request has taken: the queue's, then those of rules with lists."""
        of_rules = [item for _, supply in self.rules if not supply.endless for item in supply.items]
        waiting = [item for tries in self._tries.values() for item in tries]
        return [*self.queue, *of_rules, *waiting]

    def take(self, request: Request, *, rules_only: bool = False) -> Scripted | None:
        """The scripted reply for `request`, removed from the script; None if only rules were asked and none accepts."""
        if self._tries and (waiting := self._tries.get((request.digest, request.choice))):
            return waiting.popleft()
        item = self._from_rules(request)
        if item is None and not rules_only:
            item = self._from_queue(request)
        if isinstance(item, Faulty):
            tries = deque(item.tries)
            self._tries[request.digest, request.choice] = tries
            return tries.popleft()
        return item

    def _from_rules(self, request: Request) -> Scripted | None:
        for rule, supply in self.rules:
            if supply.items and rule.accepts(request):
                return supply.items[0] if supply.endless else supply.items.popleft()
        return None

    def _from_queue(self, request: Request) -> Scripted:
        if self.queue:
            return self.queue.popleft()
        rules = f" and none of {len(self.rules)} rules accepts it" if self.rules else ""
        raise ScriptError(f"no scripted reply is left for request {request.number}{rules}: {describe(request)}")


def _supply(given: Scripted | Iterable[Scripted]) -> _Supply:
    if isinstance(given, str | Reply | Faulty) or callable(given):
        return _Supply(deque([given]), endless=True)
    return _Supply(deque(given), endless=False)


def describe(request: Request) -> str:
    """One line that names a request: path, model and the end of what was sent."""
    end = request.prompt[-200:]
    return f"POST {request.path} model={request.model!r} ending in {end!r}"


async def resolve(item: Scripted, request: Request) -> Reply:
    """The reply of a scripted item: functions are called, templates filled."""
    if callable(item):
        answer = item(request)
        return await resolve(await answer if inspect.isawaitable(answer) else answer, request)
    if isinstance(item, Faulty):
        raise ScriptError("a function returned Faulty; only a list or a rule can keep count of tries")
    reply = Reply(text=item) if isinstance(item, str) else item
    return replace(
        reply,
        text=_fill(reply.text, request),
        reasoning=_fill(reply.reasoning, request),
        fresh=_fill(reply.fresh, request),
        tool_calls=tuple(replace(c, arguments=_fill(c.arguments, request)) for c in map(_call, reply.tool_calls)),
    )


def _call(call: Call | tuple[Any, ...]) -> Call:
    return call if isinstance(call, Call) else Call(*call)


def _fill(value: Any, request: Request) -> Any:
    if isinstance(value, Template):
        variables = {"request": request, "messages": request.messages, "last": request.last, "prompt": request.prompt}
        try:
            return _ENVIRONMENT.from_string(value).render(variables)
        except TemplateError as error:
            raise ScriptError(f"template {value[:120]!r} failed: {error}; {describe(request)}") from error
    if isinstance(value, Mapping):
        return {key: _fill(item, request) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_fill(item, request) for item in value]
    return value


def _find(text: str, regex: str, which: int = 0) -> str:
    matches = list(re.finditer(regex, text, re.DOTALL))
    if not -len(matches) <= which < len(matches):
        raise ScriptError(f"find({regex!r}, {which}) has {len(matches)} matches in {text[-300:]!r}")
    match = matches[which]
    return str(match[1] if match.re.groups else match[0])


def _after(text: str, marker: str) -> str:
    if marker not in text:
        raise ScriptError(f"after({marker!r}): the marker is not in {text[-300:]!r}")
    return text.rpartition(marker)[2]


def _before(text: str, marker: str) -> str:
    if marker not in text:
        raise ScriptError(f"before({marker!r}): the marker is not in {text[-300:]!r}")
    return text.partition(marker)[0]


def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    filters: dict[str, Callable[..., str]] = {"find": _find, "after": _after, "before": _before}
    environment.filters.update(filters)
    return environment


_ENVIRONMENT = _environment()
