"""What a server checks before it generates: the request's form, its own features, the context window."""

from __future__ import annotations

from clew.testing import tokens
from clew.testing.faults import Refusal, bad_request, error_body, overflow
from clew.testing.features import Features
from clew.testing.request import Request, text_of

# fmt: off
_COMMON = frozenset((
    "model", "stream", "stream_options", "max_tokens", "temperature", "top_p", "n", "stop", "presence_penalty",
    "frequency_penalty", "logit_bias", "user", "seed", "logprobs",
))
_CHAT = _COMMON | {
    "messages", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format",
    "top_logprobs", "max_completion_tokens", "reasoning_effort", "store", "metadata", "modalities", "prediction",
    "service_tier", "verbosity", "safety_identifier", "prompt_cache_key", "web_search_options", "audio",
}
# fmt: on
_TYPES: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "messages": list,
    "prompt": (str, list),
    "n": int,
    "max_tokens": int,
    "max_completion_tokens": int,
    "top_logprobs": int,
    "logprobs": int,
    "prompt_logprobs": int,
    "stop": (str, list),
    "tools": list,
    "stream": bool,
    "stream_options": dict,
    "temperature": (int, float),
    "top_p": (int, float),
}
_COMPLETIONS = _COMMON | frozenset(["prompt", "suffix", "echo", "best_of"])


def check(request: Request, features: Features) -> None:
    """Raises the `Refusal` that such a server answers `request` with, before any reply is generated."""
    _endpoint(request, features)
    _types(request, features)
    _parameters(request, features)
    _messages(request, features)
    _window(request, features)


def continues(request: Request, features: Features) -> bool:
    """Whether the server goes on with the client's text instead of starting a reply."""
    if not request.chat:
        return True
    if features.continue_final_message and request.body.get("continue_final_message"):
        return True
    ends_open = bool(request.messages) and request.messages[-1].get("role") == "assistant"
    asked_fresh = features.continue_final_message and request.body.get("add_generation_prompt") is True
    return ends_open and features.prefill is True and not asked_fresh


def prompt_tokens(request: Request) -> int:
    """Tokens of the prompt: the text's, and 4 per chat message for the template."""
    if not request.chat:
        return sum(map(tokens.count, request.prompts))
    return sum(4 + tokens.count(text_of(m.get("content"))) + _call_tokens(m) for m in request.messages)


def _call_tokens(message: dict[str, object]) -> int:
    calls = message.get("tool_calls")
    return tokens.count(str(calls)) if calls else 0


def _endpoint(request: Request, features: Features) -> None:
    known = request.chat or (features.completions and request.path.endswith("/completions"))
    if not known:
        body = error_body(features, 404, f"Invalid URL (POST {request.path})")
        raise Refusal(404, body)


def _types(request: Request, features: Features) -> None:
    for name, kinds in _TYPES.items():
        value = request.body.get(name)
        if value is not None and not isinstance(value, kinds):
            kind = kinds.__name__ if isinstance(kinds, type) else " or ".join(k.__name__ for k in kinds)
            message = f"Invalid type for '{name}': expected {kind}, but got {type(value).__name__} instead."
            raise bad_request(features, message, name, "invalid_type")


def _parameters(request: Request, features: Features) -> None:
    body = request.body
    for name in features.rejects:
        if body.get(name) not in (None, False, []):
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise bad_request(features, message, name, "unsupported_parameter")
    unknown = sorted(set(body) - (_CHAT if request.chat else _COMPLETIONS) - _extensions(features))
    if features.strict and unknown:
        raise bad_request(features, f"Unknown parameter: '{unknown[0]}'.", unknown[0], "unknown_parameter")
    n = body.get("n", 1)
    if n is not None and (n < 1 or (n > 1 and not features.n)):
        raise bad_request(features, f"n must be {'1' if not features.n else 'at least 1'}, got {n}.", "n")
    if features.max_stops is not None and len(request.stop) > features.max_stops:
        message = (
            f"Invalid 'stop': array too long. Expected an array with maximum length {features.max_stops}, "
            f"but got an array with length {len(request.stop)} instead."
        )
        raise bad_request(features, message, "stop", "array_above_max_length")
    if body.get("tools") and not features.tools:
        message = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        raise bad_request(features, message, "tools")
    if body.get("logprobs") and not features.logprobs and features.strict:
        raise bad_request(features, "You are not allowed to request logprobs from this model.", "logprobs")
    if request.max_tokens is not None and request.max_tokens < 1 and not _echoes(request):
        raise bad_request(features, f"max_tokens must be at least 1, got {request.max_tokens}.", "max_tokens")


def _extensions(features: Features) -> set[str]:
    """Parameters outside OpenAI's protocol that the server knows."""
    known = {
        "continue_final_message": features.continue_final_message,
        "add_generation_prompt": features.continue_final_message,
        "include_stop_str_in_output": features.stop_kept,
        "return_token_ids": features.token_ids,
        "prompt_logprobs": features.prompt_logprobs,
    }
    return {name for name, yes in known.items() if yes}


def _echoes(request: Request) -> bool:
    return not request.chat and bool(request.body.get("echo"))


def _messages(request: Request, features: Features) -> None:
    body = request.body
    if not body.get("model"):
        raise bad_request(features, "you must provide a model parameter")
    if not request.chat:
        if not request.prompts:
            raise bad_request(features, "you must provide a prompt: text, or a list of texts", "prompt")
        return
    if not request.messages:
        raise bad_request(features, "Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if (
        features.continue_final_message
        and body.get("continue_final_message")
        and body.get("add_generation_prompt", True)
    ):
        message = "Cannot set both `continue_final_message` and `add_generation_prompt` to True."
        raise bad_request(features, message)
    if request.messages[-1].get("role") != "assistant":
        return
    if features.prefill == "refuse":
        message = "This model does not support assistant message prefill; the last message must be the user's."
        raise bad_request(features, message, "messages")
    if not features.prefill_may_end_in_space and request.last != request.last.rstrip():
        message = "messages: final assistant content cannot end with trailing whitespace"
        raise bad_request(features, message, "messages")


def _window(request: Request, features: Features) -> None:
    if features.context is not None:
        asked = prompt_tokens(request)
        if asked + (request.max_tokens or 1) > features.context:
            raise overflow(features, asked, request, features.context)
