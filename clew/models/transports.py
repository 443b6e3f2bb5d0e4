"""From a transcript to a request: `chat`, and the three ways in which `extend` continues the assistant's own text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from clew.models import pricing
from clew.models.asking import Ask
from clew.models.capabilities import Capabilities
from clew.models.engine import Call
from clew.models.raw import Raw

# Providers that continue a trailing assistant message only if it is marked.
_MARKED = {"deepseek": "prefix", "mistral": "prefix", "codestral": "prefix"}


def chat_call(ask: Ask, capabilities: Capabilities | None) -> Call:
    """A reply to the conversation. Stop strings go to the server only if it is known to tell which one it hit."""
    params = {**ask.params, "tools": list(ask.tools)} if ask.tools else ask.params
    call = Call(messages=ask.transcript.messages(), params=params)
    if capabilities is not None and capabilities.raw:
        call = replace(call, messages=[], prompt=ask.transcript.text(), params=ask.params)
    return _with_stops(call, ask.stops, capabilities)


def continue_call(name: str, ask: Ask, capabilities: Capabilities) -> Call:
    """A continuation of the assistant's text, by the transport that the server offers."""
    if capabilities.transport == "tools":
        # Nothing is written in the open, so there is no text in which a stop string could be awaited.
        return chat_call(replace(ask, stops=()), capabilities)
    if capabilities.raw:
        return chat_call(replace(ask, tools=()), capabilities)
    call = Call(messages=ask.transcript.messages(), params=ask.params, inline=True)
    call = _with_stops(call, ask.stops, capabilities)
    if not _is_open(call.messages):
        return replace(call, messages=[m for m in call.messages if m["content"] or m["role"] != "assistant"])
    if capabilities.transport == "completion":
        return replace(call, body={**call.body, "continue_final_message": True, "add_generation_prompt": False})
    return replace(call, messages=[*call.messages[:-1], _prefill(name, call.messages[-1])])


def settle_chat(raw: Raw) -> None:
    """Takes the stop string off a reply, and a `<think>` block out of its text. (A template may have opened the block,
    so that only its end is in the text; a reply that was cut may have only its beginning.)"""
    if raw.stop is not None:
        raw.text = raw.text.removesuffix(raw.stop)
    thought, closed, text = raw.text.partition("</think>")
    if closed or thought.lstrip().startswith("<think>"):
        raw.reasoning += thought.strip().removeprefix("<think>").strip()
        raw.text = text
    if raw.reasoning:
        raw.text = raw.text.lstrip()


def settle_extend(raw: Raw, ask: Ask, capabilities: Capabilities) -> None:
    """Drops white space at a continuation's start that the transcript has and the prefill was sent without."""
    last = ask.transcript.segments[-1]
    if capabilities.transport == "prefill" and last.role == "assistant" and last.text[-1:].isspace():
        raw.text = raw.text.lstrip()


def _is_open(messages: Sequence[dict[str, Any]]) -> bool:
    last = messages[-1] if messages else {}
    return last.get("role") == "assistant" and bool(last["content"]) and "tool_calls" not in last


def _prefill(name: str, message: dict[str, Any]) -> dict[str, Any]:
    # Anthropic refuses a prefill that ends in white space, through whatever server it is reached.
    opened = {**message, "content": message["content"].rstrip()}
    mark = _MARKED.get(pricing.provider_of(name))
    return {**opened, mark: True} if mark else opened


def _with_stops(call: Call, stops: tuple[str, ...], capabilities: Capabilities | None) -> Call:
    if not stops:
        return call
    if capabilities is not None and capabilities.stop_kept:
        told = {**call.params, "stop": list(stops)}
        return replace(call, params=told, body={**call.body, "include_stop_str_in_output": True}, stops=stops)
    # A server that cuts the stop string off leaves no difference between a stop and the model's own end.
    return replace(call, stops=stops, stream=capabilities is None or capabilities.stream)
