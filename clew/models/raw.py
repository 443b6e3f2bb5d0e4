"""LiteLLM's response objects as plain data."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from clew.models.failures import Malformed

_FINISH = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls",
           "content_filter": "content_filter"}  # fmt: skip


@dataclass(slots=True)
class Raw:
    """What one try brought. `usage` are the server's own counts, None if it sent none; `stop` is the stop string that
    was found in the text or named by the server."""

    text: str = ""
    reasoning: str = ""
    finish: str = "stop"
    stop: str | None = None
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    thinking_blocks: list[Any] | None = None
    usage: dict[str, Any] | None = None
    token_ids: list[int] | None = None
    logprobs: list[tuple[str, float]] | None = None
    model: str = ""

    def add_tokens(self, ids: list[int] | None, logprobs: list[tuple[str, float]] | None) -> None:
        if ids:
            self.token_ids = [*(self.token_ids or ()), *ids]
        if logprobs:
            self.logprobs = [*(self.logprobs or ()), *logprobs]

    def outcome(self) -> dict[str, Any]:
        """The journal's form; what is empty is left out."""
        data: dict[str, Any] = {"text": self.text, "finish": _FINISH.get(self.finish, "stop")}
        optional = {
            "reasoning": self.reasoning,
            "stop": self.stop,
            "tool_calls": [_call_json(call) for call in self.tool_calls],
            "thinking_blocks": self.thinking_blocks,
            "token_ids": self.token_ids,
            "logprobs": self.logprobs,
        }
        return {**data, **{name: value for name, value in optional.items() if value}}


def read_chat(response: Any) -> Raw:
    """A chat response. Raises `Malformed` when it has no choice."""
    choice = _only_choice(response)
    message = choice.message
    raw = Raw(
        text=message.content or "",
        reasoning=getattr(message, "reasoning_content", None) or "",
        finish=choice.finish_reason or "stop",
        stop=named_stop(choice),
        tool_calls=[_call_data(call) for call in message.tool_calls or ()],
        thinking_blocks=getattr(message, "thinking_blocks", None),
        usage=usage_of(response),
        model=response.model or "",
    )
    raw.add_tokens(chunk_token_ids(choice), chunk_logprobs(choice))
    return raw


def read_text(response: Any) -> Raw:
    """A response of the plain completions endpoint."""
    choice = _only_choice(response)
    raw = Raw(
        text=choice.text or "",
        finish=choice.finish_reason or "stop",
        stop=named_stop(choice),
        usage=usage_of(response),
        model=response.model or "",
    )
    scored = getattr(choice, "logprobs", None)
    if scored is not None and scored.tokens:
        pairs = zip(scored.tokens, scored.token_logprobs, strict=False)
        raw.logprobs = [(token, value) for token, value in pairs if value is not None]
    raw.token_ids = chunk_token_ids(choice)
    return raw


def _only_choice(response: Any) -> Any:
    if not getattr(response, "choices", None):
        raise Malformed("the reply has no choices")
    return response.choices[0]


def named_stop(choice: Any) -> str | None:
    """The stop string that vLLM (`stop_reason`) or SGLang (`matched_stop`) names; an end token's id is none."""
    for name in ("stop_reason", "matched_stop"):
        value = extra_field(choice, name)
        if isinstance(value, str):
            return value
    return None


def peek(thing: Any, name: str) -> Any:
    """A field that may be missing; `getattr` with a default makes pydantic build an exception for each one that is."""
    value = vars(thing).get(name)
    return value if value is not None else (thing.__pydantic_extra__ or {}).get(name)


def extra_field(choice: Any, name: str) -> Any:
    """A field outside OpenAI's protocol: LiteLLM keeps it on the object or in `provider_specific_fields`."""
    value = peek(choice, name)
    return value if value is not None else (peek(choice, "provider_specific_fields") or {}).get(name)


def usage_of(response: Any) -> dict[str, Any] | None:
    """Counts that the server sent; LiteLLM fills in zeros where it sent none."""
    usage = getattr(response, "usage", None)
    if usage is None or not (usage.prompt_tokens or usage.completion_tokens):
        return None
    of_prompt, of_completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return {
        "input": usage.prompt_tokens or 0,
        "output": usage.completion_tokens or 0,
        "cached": getattr(of_prompt, "cached_tokens", None) or 0,
        "written": getattr(of_prompt, "cache_creation_tokens", None) or 0,
        "reasoning": getattr(of_completion, "reasoning_tokens", None) or 0,
    }


def chunk_token_ids(choice: Any) -> list[int] | None:
    ids = extra_field(choice, "token_ids")
    return list(ids) if ids else None


def chunk_logprobs(choice: Any) -> list[tuple[str, float]] | None:
    logprobs = peek(choice, "logprobs")
    content = None if logprobs is None else getattr(logprobs, "content", None)
    return [(token.token, token.logprob) for token in content] if content else None


def _call_data(call: Any) -> dict[str, Any]:
    data = {"id": call.id, "function": {"name": call.function.name, "arguments": call.function.arguments}}
    fields = getattr(call, "provider_specific_fields", None)
    return {**data, "provider_specific_fields": fields} if fields else data


def _call_json(call: dict[str, Any]) -> dict[str, Any]:
    """A tool call as OpenAI messages hold it. A missing id is made up here, so that the record has one for good."""
    function = {"name": call["function"]["name"] or "", "arguments": call["function"]["arguments"] or ""}
    return {**call, "id": call["id"] or f"call_{uuid.uuid4().hex[:12]}", "type": "function", "function": function}
