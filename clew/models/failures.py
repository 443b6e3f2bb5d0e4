"""Why a call failed: LiteLLM's exceptions sorted by cause, with a sentence for each.

LiteLLM maps an unreachable server, a reply that is not JSON and a true 500 alike to `InternalServerError`, and keeps
the response's headers in an attribute of its own. So the cause is read from the chain of exceptions, the status and the
words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from clew.errors import (
    BadReply,
    ClewError,
    ContentFiltered,
    ContextOverflow,
    ModelAuthError,
    ModelError,
    ModelNotFound,
    ModelRequestRejected,
    ModelTimeout,
    ModelUnreachable,
    RateLimited,
    Unsupported,
)
from clew.journal.redact import redact

Cause = Literal[
    "rate_limit", "server", "connection", "timeout", "bad_reply", "quota", "auth", "not_found", "overflow", "filtered",
    "unsupported", "rejected",
]  # fmt: skip

RETRIED: frozenset[Cause] = frozenset({"rate_limit", "server", "connection", "timeout", "bad_reply"})
# Tries that may have been billed although nothing usable came back.
MAYBE_PAID: frozenset[Cause] = frozenset({"timeout", "bad_reply"})

# What happened, and what to do.
_ERRORS: dict[Cause, tuple[type[ModelError], str, str]] = {
    "rate_limit": (RateLimited, "keeps asking to slow down", "lower the concurrency or try again later"),
    "quota": (RateLimited, "says that the account's quota is used up", "check the plan and billing"),
    "server": (ModelError, "fails with a server error", "look at the server's log or try again later"),
    "connection": (ModelUnreachable, "cannot be reached", "check the address and that the server runs"),
    "timeout": (ModelTimeout, "did not answer in time", "raise the timeout (Timeouts) or lower max_tokens"),
    "bad_reply": (BadReply, "sent a reply that breaks its protocol", "check the server's version and any proxy"),
    "auth": (ModelAuthError, "refused the key", "set api_key or the provider's environment variable"),
    "not_found": (ModelNotFound, "does not know the model or the endpoint", "check the name and the address"),
    "overflow": (ContextOverflow, "has no room for prompt plus max_tokens", "shorten the prompt or lower max_tokens"),
    "filtered": (ContentFiltered, "withheld the reply by its content filter", "change the prompt"),
    "unsupported": (Unsupported, "does not support a parameter of the request", "leave it out or change the model"),
    "rejected": (ModelRequestRejected, "rejected the request", "change what the server names"),
}

_OVERFLOW = re.compile(
    r"context[ _-]?(length|window|size)[^.]{0,60}(exceed|is|of|limit|too)"
    r"|(exceed|beyond|over|larger than|longer than)[^.]{0,60}context[ _-]?(length|window|size)"
    r"|maximum context|max(imum)?[ _]model[ _]len|n_ctx|prompt is too long|input is too long|too many (input )?tokens"
    r"|(input|prompt)[^.]{0,40}tokens?[^.]{0,40}exceed|exceeds? the (maximum|max)[^.]{0,30}tokens"
    r"|reduce the length of the (messages|prompt|input)|string too long|range of input length"
    r"|decoder prompt \(length \d+\) is longer",
    re.IGNORECASE,
)
_FILTER = re.compile(r"content[ _]?(filter|management|policy)|responsible ?ai|safety system", re.IGNORECASE)
_QUOTA = re.compile(r"insufficient[ _]quota|exceeded your current quota|billing|credit balance|payment", re.IGNORECASE)
_NO_KEY = re.compile(
    r"api[ _]key.{0,40}(must be set|missing|not set|required|is None)|no api key|missing credentials", re.IGNORECASE
)
_BROKEN = re.compile(r"'choices'|json response|expecting (value|property|',')|unterminated string", re.IGNORECASE)
_NO_PROVIDER = "LLM Provider NOT provided"
_PREFIX = re.compile(r"^(?:\s*(?:litellm\.)?[A-Za-z_]*(?:Error|Exception|Timeout)\b\s*[:-]\s*)+")
_WRAPPED = re.compile(r"^\s*[A-Za-z_0-9]+(?:Exception|Error)\s+-\s+")
_LONGEST = 300


class Malformed(Exception):
    """The server's reply breaks its protocol."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed try. `detail` are the server's words without credentials, `retry_after` the seconds it asks for."""

    cause: Cause
    detail: str
    retry_after: float | None = None
    status: int | None = None
    retry: bool = True

    def error(self, name: str, where: str, tries: int) -> ModelError:
        """The error to raise when this try was the last."""
        cls, what, advice = _ERRORS[self.cause]
        times = f" after {tries} tries" if tries > 1 else ""
        status = f"{self.status}: " if self.status else ""
        return cls(redact(f"model {name!r} at {where} {what}{times} ({status}{self.detail}); {advice}"))


def own_word(error: Exception) -> ClewError | None:
    """What a model in this process said itself, behind LiteLLM's wrapping."""
    original = getattr(error, "original_exception", None)
    links = [*_chain(error), *(_chain(original) if isinstance(original, Exception) else ())]
    return next((link for link in links if isinstance(link, ClewError)), None)


def classify(error: Exception) -> Failure:
    """The cause of an exception that LiteLLM (or the door itself) raised."""
    error = _inner(error)
    chain = list(_chain(error))
    headers = _headers(chain)
    status = getattr(error, "status_code", None) if headers or _is_status_error(error) else None
    text = str(error)
    return Failure(
        cause=_cause(error, chain, status, bool(headers), text),
        detail=_detail(text),
        retry_after=_retry_after(headers),
        status=status,
        retry=headers.get("x-should-retry") != "false",
    )


def _cause(error: Exception, chain: list[BaseException], status: int | None, answered: bool, text: str) -> Cause:
    names = {type(link).__name__ for link in chain}
    if isinstance(error, Malformed):
        return "bad_reply"
    if isinstance(error, TimeoutError):
        return "timeout"
    if "ContextWindowExceededError" in names or (status in (400, 413, 422, 500) and _OVERFLOW.search(text)):
        return "overflow"
    if "ContentPolicyViolationError" in names or (status in (400, 403) and _FILTER.search(text)):
        return "filtered"
    if "UnsupportedParamsError" in names:
        return "unsupported"
    if not answered:
        # No headers: nothing came over the line, or LiteLLM stumbled over what came.
        if names & {
            "ConnectTimeout",
            "ReadTimeout",
            "WriteTimeout",
            "PoolTimeout",
            "TimeoutException",
            "APITimeoutError",
        }:
            return "connection" if "ConnectTimeout" in names else "timeout"
        if names & {"JSONDecodeError", "ValidationError", "APIResponseValidationError"} or _BROKEN.search(text):
            return "bad_reply"
        if names & {"ConnectError", "ReadError", "NetworkError", "RemoteProtocolError", "TransportError", "ProxyError"}:
            return "connection"
    if status in (401, 403) or _NO_KEY.search(text):
        return "auth"
    if status == 404 or _NO_PROVIDER in text:
        return "not_found"
    if status in (402, 429):
        return "quota" if status == 402 or _QUOTA.search(text) else "rate_limit"
    if status in (408, 504):
        return "timeout"
    if status == 200:
        return "bad_reply"
    if status is None or status >= 500:
        return "server"
    return "rejected"


def _inner(error: Exception) -> Exception:
    """The failure behind LiteLLM's wrapper for streams that break half-way."""
    if type(error).__name__ != "MidStreamFallbackError":
        return error
    original: Exception | None = getattr(error, "original_exception", None)
    if original is None or not _headers(list(_chain(original))):
        return Malformed(f"the stream broke off: {_detail(str(original or error))}")
    return original


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(12):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _headers(chain: list[BaseException]) -> dict[str, str]:
    """Headers of the server's answer, lower case; empty when there was none."""
    for link in chain:
        response = getattr(link, "response", None)
        found: Any = (
            getattr(link, "litellm_response_headers", None)
            or getattr(response, "headers", None)
            or getattr(link, "headers", None)
        )
        if found:
            return {str(name).lower(): str(value) for name, value in dict(found).items()}
    return {}


def _is_status_error(error: Exception) -> bool:
    """Without headers a status still counts when a server put it into a 200 reply, or LiteLLM refused the request."""
    return getattr(error, "status_code", None) in (400, 401, 403, 404, 422, 429)


def _retry_after(headers: dict[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `Retry-After`, which is a number or an HTTP date (RFC 9110, 10.2.3)."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(float(value) * scale, 0.0)
        except ValueError:
            pass
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            continue
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max((when - datetime.now(UTC)).total_seconds(), 0.0)
    return None


def _detail(text: str) -> str:
    """The server's own words, out of LiteLLM's wrapping, masked and short."""
    if _NO_PROVIDER in text:
        return "the name has no provider: an OpenAI-compatible server's models are called openai/NAME"
    text = _message(_WRAPPED.sub("", _PREFIX.sub("", text)).strip())
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]{1,80}>", " ", text)).strip()
    text = redact(text)
    return text[: _LONGEST - 1] + "…" if len(text) > _LONGEST else text or "no reason given"


def _message(text: str) -> str:
    try:
        data = json.loads(text)
    except ValueError:
        return text
    error = data.get("error", data) if isinstance(data, dict) else data
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else text
