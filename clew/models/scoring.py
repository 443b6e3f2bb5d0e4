"""Log probabilities of given text: vLLM's `prompt_logprobs`, `echo` of plain completions, or a local model's word."""

from __future__ import annotations

from typing import Any

from clew.journal import Transcript
from clew.models.engine import Call
from clew.models.raw import extra_field


def call(transcript: Transcript, continuation: str, raw: bool) -> Call:
    """The request that scores `continuation` as the assistant's next words. One token is generated and thrown away,
    because servers refuse to generate none."""
    if raw:
        params = {"max_tokens": 1, "logprobs": 1, "echo": True}
        return Call(prompt=transcript.text() + continuation, params=params)
    messages = transcript.add("assistant", continuation, "prompt").messages()
    body = {"prompt_logprobs": 0, "continue_final_message": True, "add_generation_prompt": False}
    return Call(messages=messages, params={"max_tokens": 1}, body=body)


def own_call(transcript: Transcript, continuation: str, raw: bool, params: dict[str, Any]) -> Call:
    """The request to a model in this process, which scores and writes nothing."""
    if raw:
        return Call(prompt=transcript.text() + continuation, params=params, body={"continuation": continuation})
    body = {"continuation": continuation, "continue_final_message": True}
    return Call(transcript.add("assistant", continuation, "prompt").messages(), params=params, body=body)


def tokens_of(response: Any, transcript: Transcript, continuation: str, raw: bool) -> list[tuple[str, float]] | None:
    """The tokens of `continuation` with their log probabilities; None if the server sent none. A token that begins
    before the continuation counts as a whole."""
    own = extra_field(response.choices[0], "continuation_logprobs")
    if own is not None:
        return [(text, value) for text, value in own]
    if raw:
        return _echoed(response.choices[0], len(transcript.text()), continuation)
    return _last(response, continuation)


def _echoed(choice: Any, start: int, continuation: str) -> list[tuple[str, float]] | None:
    scored = getattr(choice, "logprobs", None)
    if scored is None or not scored.tokens:
        return None
    end, at, found = start + len(continuation), 0, []
    for token, value in zip(scored.tokens, scored.token_logprobs, strict=False):
        if at + len(token) > start and at < end and value is not None:
            found.append((token, value))
        at += len(token)
    return found if at >= end else None


def _last(response: Any, continuation: str) -> list[tuple[str, float]] | None:
    entries = getattr(response, "prompt_logprobs", None) or extra_field(response.choices[0], "prompt_logprobs")
    found: list[tuple[str, float]] = []
    length = 0
    for entry in reversed(entries or []):
        if length >= len(continuation) or not entry:
            break
        best = next(iter(entry.values()))
        found.append((best["decoded_token"], best["logprob"]))
        length += len(best["decoded_token"])
    found.reverse()
    return found if length >= len(continuation) and _covers(found, continuation) else None


def _covers(tokens: list[tuple[str, float]], continuation: str) -> bool:
    return "".join(text for text, _ in tokens).endswith(continuation)
