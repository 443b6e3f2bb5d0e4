"""Error bodies in the words of OpenAI, vLLM and Anthropic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple

from clew.testing.features import Features
from clew.testing.replies import Reply
from clew.testing.request import Request


class Refusal(Exception):
    """The server answers a request with an error: status, body and headers."""

    def __init__(self, status: int, body: dict[str, Any] | str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status, self.body, self.headers = status, body, headers or {}


class _Wording(NamedTuple):
    status: int
    message: str
    type: str
    code: str | None


_WORDINGS = {
    "auth": _Wording(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    "permission": _Wording(403, "Your key may not use this model.", "insufficient_permissions", None),
    "wrong_model": _Wording(
        404, "The model `{model}` does not exist or you do not have access to it.", "invalid_request_error",
        "model_not_found",
    ),
    "rate_limit": _Wording(
        429, "Rate limit reached for {model} on requests per min (RPM): Limit 3, Used 3, Requested 1.", "requests",
        "rate_limit_exceeded",
    ),
    "quota": _Wording(
        429, "You exceeded your current quota, please check your plan and billing details.", "insufficient_quota",
        "insufficient_quota",
    ),
    "server_error": _Wording(500, "The server had an error while processing your request.", "server_error", None),
    "overloaded": _Wording(503, "The engine is currently overloaded, please try again later.", "server_error", None),
    "content_filter": _Wording(
        400, "The response was filtered due to the prompt triggering the content management policy.",
        "invalid_request_error", "content_filter",
    ),
}  # fmt: skip

_VLLM_TYPES = {400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError", 429: "RateLimitError"}


def error_body(
    features: Features, status: int, message: str, type_: str = "invalid_request_error", code: str | None = None,
    param: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The JSON body of an error in the server's dialect."""
    if features.dialect == "anthropic":
        return {"type": "error", "error": {"type": type_, "message": message, "code": code}}
    if features.dialect == "vllm":
        return {"error": {"message": message, "type": _VLLM_TYPES.get(status, type_), "param": param, "code": status}}
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


def bad_request(features: Features, message: str, param: str | None = None, code: str | None = None) -> Refusal:
    return Refusal(400, error_body(features, 400, message, code=code, param=param))


def stands_alone(item: object) -> bool:
    """Whether a scripted item is a fault in place of the whole answer, so that no reply is used up for more choices."""
    whole = ("context_overflow", "bad_gateway", "disconnect", "hang", "empty", *_WORDINGS)
    return isinstance(item, Reply) and (item.status != 200 or item.fault in whole)


def refusal(reply: Reply, request: Request, features: Features, prompt_tokens: int) -> Refusal | None:
    """The error that a reply stands for; None if it is no plain error."""
    headers = _headers(reply)
    if reply.fault == "context_overflow":
        return overflow(features, prompt_tokens, request, features.context or 4096, headers)
    if reply.fault == "bad_gateway":
        return Refusal(502, "<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>", headers)
    if reply.fault in _WORDINGS:
        wording = _WORDINGS[reply.fault]
        message = wording.message.format(model=request.model)
        body = error_body(features, wording.status, message, wording.type, wording.code)
        return Refusal(wording.status, body, headers)
    if reply.status != 200:
        kind = "server_error" if reply.status >= 500 else "invalid_request_error"
        return Refusal(reply.status, error_body(features, reply.status, reply.text, kind), headers)
    return None


def overflow(
    features: Features, prompt_tokens: int, request: Request, context: int, headers: dict[str, str] | None = None
) -> Refusal:
    """400 for a request beyond the context window, worded as the dialect's servers word it."""
    new = request.max_tokens or 0
    if features.dialect == "anthropic":
        over = prompt_tokens > context or not new
        message = (
            f"prompt is too long: {prompt_tokens} tokens > {context} maximum"
            if over
            else f"input length and `max_tokens` exceed context limit: {prompt_tokens} + {new} > {context}, "
            "decrease input length or `max_tokens` and try again"
        )
        code = None
    elif features.dialect == "vllm":
        message = (
            f"This model's maximum context length is {context} tokens. However, you requested {prompt_tokens + new} "
            f"tokens ({prompt_tokens} in the messages, {new} in the completion). Please reduce the length of the "
            "messages or completion."
        )
        code = None
    else:
        message = (
            f"This model's maximum context length is {context} tokens. However, your messages resulted in "
            f"{prompt_tokens} tokens. Please reduce the length of the messages."
        )
        code = "context_length_exceeded"
    param = "messages" if request.chat else "prompt"
    return Refusal(400, error_body(features, 400, message, code=code, param=param), headers)


def _headers(reply: Reply) -> dict[str, str]:
    after = reply.retry_after
    if after is None and reply.fault == "rate_limit":
        after = 0.0
    if isinstance(after, timedelta):
        when = format_datetime(datetime.now(UTC) + after, usegmt=True)
        return {"Retry-After": when, **reply.headers}
    return {**({} if after is None else {"Retry-After": f"{after:g}"}), **reply.headers}
