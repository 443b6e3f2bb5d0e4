"""What a caller asks of a model, in the forms that are convenient to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clew.errors import ConfigError
from clew.journal import Transcript

Messages = Transcript | str | Sequence[Mapping[str, Any]]

_ROLES = ("system", "user", "assistant", "tool")
# Part of a call but not of what decides its reply, or secret.
_UNRECORDED = frozenset({"extra_headers", "headers", "api_key", "client", "user", "batch_rows", "batch_tokens"})


@dataclass(frozen=True, slots=True)
class Ask:
    """The conversation, OpenAI parameters, stop strings and tools of one call."""

    transcript: Transcript
    params: dict[str, Any]
    stops: tuple[str, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()


def to_transcript(messages: Messages) -> Transcript:
    """A transcript from one user message or from OpenAI messages, whose text all counts as prompt. Raises `ConfigError`
    when there is no message or one of an unknown role."""
    if isinstance(messages, str):
        return Transcript().add("user", messages, "prompt")
    if not isinstance(messages, Transcript):
        transcript = Transcript()
        for message in messages:
            transcript = _add(transcript, message)
        messages = transcript
    if not messages.segments:
        raise ConfigError("an empty transcript was sent to a model: give it at least one message")
    return messages


def _add(transcript: Transcript, message: Mapping[str, Any]) -> Transcript:
    role, content = message.get("role"), message.get("content") or ""
    if role not in _ROLES:
        raise ConfigError(f"message role {role!r} is unknown: use one of {', '.join(_ROLES)}")
    rest = {name: value for name, value in message.items() if name not in ("role", "content")}
    if not isinstance(content, str):  # Images and other parts go through as they are.
        rest, content = {**rest, "content": content}, ""
    return transcript.add(role, content, "prompt", None, rest or None)


def stop_strings(stop: str | Sequence[str]) -> tuple[str, ...]:
    """Stop strings without repetitions. Raises `ConfigError` for an empty one, which would stop at once."""
    stops = (stop,) if isinstance(stop, str) else tuple(dict.fromkeys(stop))
    if not all(stops):
        raise ConfigError(f"stop={stop!r} holds an empty string: leave it out")
    return stops


def tool_definition(tool: Mapping[str, Any]) -> dict[str, Any]:
    """An OpenAI tool definition, also from its bare `function` object."""
    return dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)}


def response_format(json: bool | Mapping[str, Any]) -> dict[str, Any] | None:
    """OpenAI's `response_format` for any JSON object (True) or for one that fits a schema."""
    if isinstance(json, bool):
        return {"type": "json_object"} if json else None
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": dict(json), "strict": True}}


def given(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def recorded(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that decide a reply, and no credentials: what a journal and a fingerprint hold."""
    return {name: value for name, value in params.items() if name not in _UNRECORDED}
