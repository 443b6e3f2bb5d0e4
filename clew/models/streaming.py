"""Finding stop strings in text that arrives in pieces, and reading LiteLLM's streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from clew.models.failures import Malformed
from clew.models.raw import Raw, chunk_logprobs, chunk_token_ids, peek, usage_of
from clew.models.retry import Timeouts


class StopScanner:
    """Collects text up to and including the first stop string that is complete.

    `feed` returns the part of a piece that was taken. Which stop string counts does not depend on how the text was cut:
    the one that ends first, and of several that end together the longest. `text` is what was taken, `stop` the one hit.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = [stop for stop in stops if stop]
        self._keep = max(map(len, self._stops), default=1) - 1
        self._taken: list[str] = []
        self._tail = ""
        self.stop: str | None = None

    @property
    def text(self) -> str:
        return "".join(self._taken)

    def feed(self, piece: str) -> str:
        if self.stop is not None:
            return ""
        if self._stops and piece:
            window = self._tail + piece
            found = [(at + len(stop), -len(stop), stop) for stop in self._stops if (at := window.find(stop)) >= 0]
            if found:
                end, _, self.stop = min(found)
                piece = piece[: end - len(self._tail)]
            self._tail = window[-self._keep :] if self._keep else ""
        self._taken.append(piece)
        return piece


class Inline:
    """Writes reasoning that a server split off back into the text, as the `<think>` block that the model wrote: text
    that is to be continued must hold all of it."""

    def __init__(self) -> None:
        self._open = False

    def __call__(self, reasoning: str, text: str) -> str:
        written = ""
        if reasoning:
            written = reasoning if self._open else f"<think>{reasoning}"
            self._open = True
        if text:
            written += f"</think>{text}" if self._open else text
            self._open = False
        return written


async def read_stream(
    stream: Any,
    stops: Sequence[str],
    inline: bool,
    timeouts: Timeouts,
    clock: asyncio.Timeout,
    deadline: float,
    tell: Callable[[str], None],
) -> Raw:
    """Reads a stream of LiteLLM until it ends or a stop string is complete, then closes it.

    `clock` is rescheduled from chunk to chunk, never beyond `deadline`. Raises `Malformed` when the stream ends without
    a finish reason: LiteLLM would call that a normal end, and the text may be cut.
    """
    scanner, merge = StopScanner(stops), Inline() if inline else None
    raw, reasoning = Raw(), []
    calls: dict[int, dict[str, Any]] = {}
    try:
        async for chunk in _idle_limited(stream, timeouts.idle, clock, deadline):
            if not chunk.choices:
                continue
            choice = chunk.choices[0]
            delta = choice.delta
            thought, text = peek(delta, "reasoning_content") or "", delta.content or ""
            if merge is not None:
                thought, text = "", merge(thought, text)
            if thought:
                reasoning.append(thought)
            if text and (taken := scanner.feed(text)):
                tell(taken)
            for call in delta.tool_calls or ():
                _merge_call(calls, call)
            raw.add_tokens(chunk_token_ids(choice), chunk_logprobs(choice))
            raw.model = raw.model or chunk.model or ""
            if choice.finish_reason:
                raw.finish = choice.finish_reason
            if scanner.stop is not None:
                break
    finally:
        await stream.aclose()
    raw.text, raw.reasoning, raw.stop = scanner.text, "".join(reasoning), scanner.stop
    raw.tool_calls = [calls[index] for index in sorted(calls)]
    if scanner.stop is not None:
        raw.finish = "stop"
    elif _ended_silently(stream):
        raise Malformed("the stream ended without a finish reason")
    raw.usage = _stream_usage(stream)
    return raw


async def _idle_limited(stream: Any, idle: float, clock: asyncio.Timeout, deadline: float) -> AsyncIterator[Any]:
    loop = asyncio.get_running_loop()
    limit = 0.0
    async for chunk in stream:
        yield chunk
        # A timer per chunk would cost as much as the chunk: the limit may come a tenth early.
        if loop.time() + 0.9 * idle > limit:
            limit = min(loop.time() + idle, deadline)
            clock.reschedule(limit)


def _ended_silently(stream: Any) -> bool:
    # Only LiteLLM's own wrapper tells; its text-completion generator does not.
    if not hasattr(stream, "received_finish_reason"):
        return False
    return stream.received_finish_reason is None and getattr(stream, "intermittent_finish_reason", None) is None


def _stream_usage(stream: Any) -> dict[str, Any] | None:
    """What the server counted. LiteLLM's own last chunk is no source: without server counts it holds an estimate."""
    for chunk in reversed(getattr(stream, "chunks", None) or ()):
        usage = usage_of(chunk)
        if usage is not None:
            return usage
    return None


def _merge_call(calls: dict[int, dict[str, Any]], part: Any) -> None:
    call = calls.setdefault(part.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call["id"] = part.id or call["id"]
    call["function"]["name"] = part.function.name or call["function"]["name"]
    call["function"]["arguments"] += part.function.arguments or ""
    if getattr(part, "provider_specific_fields", None):
        call["provider_specific_fields"] = part.provider_specific_fields
