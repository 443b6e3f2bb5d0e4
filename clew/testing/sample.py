"""From a scripted reply to what a server generates: stop strings, `max_tokens`, token counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clew.testing import tokens
from clew.testing.features import Features
from clew.testing.replies import Call, Reply
from clew.testing.request import Request
from clew.testing.script import ScriptError


@dataclass(frozen=True)
class Sample:
    """One choice. `generated` is the visible text plus a stop string that was generated and is not shown."""

    text: str
    generated: str
    reasoning: str
    tool_calls: tuple[Call, ...]
    finish: str
    stop_reason: str | None
    completion_tokens: int
    reasoning_tokens: int
    reply: Reply


def generate(reply: Reply, request: Request, features: Features) -> Sample:
    """The choice that a server with `features` makes of `reply`."""
    if reply.tool_calls and not request.tools:
        raise ScriptError(f"the reply calls {reply.tool_calls[0].name!r}, but request {request.number} offers no tools")
    thought, left = _take(tokens.split(reply.reasoning), request.max_tokens)
    text = reply.text if reply.fresh is None or not _prefill_ignored(request) else reply.fresh
    until, stop = _until_stop(text, request.stop)
    written, left_after = _take(tokens.split(until), left)
    generated = "".join(written)
    cut = len(generated) < len(until) or len("".join(thought)) < len(reply.reasoning)
    calls, call_tokens, calls_cut = _calls(() if cut or stop else reply.tool_calls, left_after)
    stop = None if cut else stop
    hidden = stop is not None and not (features.stop_kept and request.body.get("include_stop_str_in_output"))
    finish = "length" if cut or calls_cut else "tool_calls" if calls else "stop"
    return Sample(
        text=generated[: len(generated) - len(stop)] if hidden and stop else generated,
        generated=generated,
        reasoning="".join(thought),
        tool_calls=calls,
        finish=reply.finish or finish,
        stop_reason=stop,
        completion_tokens=len(thought) + len(written) + call_tokens,
        reasoning_tokens=len(thought),
        reply=reply,
    )


def _prefill_ignored(request: Request) -> bool:
    return request.chat and not request.continues and request.messages[-1].get("role") == "assistant"


def _take(pieces: list[str], limit: int | None) -> tuple[list[str], int | None]:
    if limit is None:
        return pieces, None
    return pieces[:limit], max(0, limit - len(pieces))


def _until_stop(text: str, stops: Sequence[str]) -> tuple[str, str | None]:
    """`text` up to and with the stop string that is complete first; all of it and None if there is none."""
    ends = [(text.find(stop) + len(stop), stop) for stop in stops if stop in text]
    if not ends:
        return text, None
    end, stop = min(ends)
    return text[:end], stop


def _calls(calls: Sequence[Call], left: int | None) -> tuple[tuple[Call, ...], int, bool]:
    """The calls that fit `left` tokens (the last one's arguments may be cut), their tokens, whether they were cut."""
    fitting: list[Call] = []
    spent = 0
    for call in calls:
        pieces = tokens.split(call.text)
        room = len(pieces) if left is None else max(0, min(len(pieces), left - spent - 1))
        fitting.append(Call(call.name, "".join(pieces[:room]), call.id))
        spent += room + 1
        if room < len(pieces):
            return tuple(fitting), spent, True
    return tuple(fitting), spent, False
