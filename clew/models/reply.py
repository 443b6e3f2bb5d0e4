"""What a model call returns, and its form in the journal."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from clew.journal import Cost, Effect, Transcript

Finish = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `cached` is the part of `input` that the server read from its prefix cache, `reasoning` the
    part of `output` that was hidden thinking. `estimated`: the server did not send counts."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    estimated: bool = False

    @property
    def total(self) -> int:
        return self.input + self.output

    def to_json(self) -> dict[str, Any]:
        data = {"input": self.input, "output": self.output}
        optional = {"cached": self.cached, "reasoning": self.reasoning, "estimated": self.estimated}
        return {**data, **{name: value for name, value in optional.items() if value}}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants called. `arguments` is empty and `error` says why when `raw` is not a JSON object."""

    id: str
    name: str
    arguments: dict[str, Any]
    raw: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply.

    `text` is the new text only. For `extend` it includes the stop string that was hit, for `chat` it does not; `stop`
    names it, None means that the model ended by itself (or ran into `max_tokens`: `finish == "length"`). `reasoning` is
    thinking that a server or a `<think>` block kept apart. `transcript` is the request's transcript with this reply
    added as a segment of origin `model`. `token_ids` and `logprobs` (text, natural log) are there when the server gave
    them. `key` addresses the effect in the run; `replayed` tells that nothing was sent now.
    """

    text: str
    transcript: Transcript
    reasoning: str = ""
    finish: Finish = "stop"
    stop: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    cost: Cost = field(default_factory=Cost)
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[tuple[str, float], ...] | None = None
    model: str = ""
    key: str = ""
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class LogProb:
    """Natural log probability of a text, in total and per token (text, logprob)."""

    total: float
    tokens: tuple[tuple[str, float], ...]


def reply_from(effect: Effect, transcript: Transcript, model: str) -> Reply:
    """The reply that an effect's outcome records."""
    outcome = effect.outcome
    calls = outcome.get("tool_calls") or []
    text, reasoning = outcome.get("text", ""), outcome.get("reasoning", "")
    ids, logprobs = outcome.get("token_ids"), outcome.get("logprobs")
    return Reply(
        text=text,
        transcript=transcript.add("assistant", text, "model", effect.key, _extra(outcome)),
        reasoning=reasoning,
        finish=cast(Finish, outcome.get("finish", "stop")),
        stop=outcome.get("stop"),
        tool_calls=tuple(_tool_call(call) for call in calls),
        usage=Usage(**outcome.get("usage", {})),
        cost=effect.cost,
        token_ids=None if ids is None else tuple(ids),
        logprobs=None if logprobs is None else tuple((token, value) for token, value in logprobs),
        model=outcome.get("model", model),
        key=effect.key,
        replayed=effect.replayed,
    )


def _extra(outcome: dict[str, Any]) -> dict[str, Any] | None:
    """What a provider wants to see again beside the text: tool calls, and the thinking that led to them."""
    if not outcome.get("tool_calls"):
        return None
    extra: dict[str, Any] = {"tool_calls": outcome["tool_calls"]}
    if outcome.get("thinking_blocks"):
        extra["thinking_blocks"] = outcome["thinking_blocks"]
    if outcome.get("reasoning"):
        extra["reasoning_content"] = outcome["reasoning"]
    return extra


def _tool_call(call: dict[str, Any]) -> ToolCall:
    function = call["function"]
    raw = function["arguments"]
    arguments, error = _arguments(raw)
    return ToolCall(call["id"], function["name"], arguments, raw, error)


def _arguments(raw: str) -> tuple[dict[str, Any], str | None]:
    if not raw.strip():
        return {}, None  # Some models write nothing for a tool without parameters.
    try:
        value = json.loads(raw, strict=False)
    except (ValueError, RecursionError) as error:
        return {}, f"the arguments are not JSON: {error}"
    if not isinstance(value, dict):
        return {}, f"the arguments are a JSON {type(value).__name__}, not an object"
    return value, None
