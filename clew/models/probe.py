"""Finding out what an unknown server can do: at most four short requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from clew.errors import BadReply, ContentFiltered, ContextOverflow, ModelError, ModelRequestRejected, Unsupported
from clew.models.capabilities import Capabilities
from clew.models.engine import Call
from clew.models.raw import Raw

# The open text ends inside a word: whoever starts a new message writes the word, or the sentence, from its start.
SENTENCE = "The quick brown fox jumps over the lazy dog."
OPEN = "The quick brown fox ju"
_REST = "mps over"
_STOP = " lazy"
_QUESTION = f"Repeat this sentence exactly, without any other word: {SENTENCE}"
_CONTINUE = {"continue_final_message": True, "add_generation_prompt": False}
_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Looks a word up.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    },
}
_MAX_TOKENS = 32
REQUESTS = 4
PROMPT_TOKENS = REQUESTS * 80
REPLY_TOKENS = REQUESTS * _MAX_TOKENS

Send = Callable[[Call], Awaitable[Raw]]
Seen = Literal["continued", "fresh", "refused"]

# What a server may answer to a parameter that it does not know; other errors (key, address, name) end the probe.
_REFUSALS = (ModelRequestRejected, Unsupported, BadReply, ContentFiltered, ContextOverflow)


async def probe(send: Send) -> Capabilities:
    """Asks a server, through `send`, to finish a sentence that the assistant has begun.

    First with the request to continue the open message; a server that also names or keeps the stop string knows that
    parameter. Else as a plain prefill. Else nothing can be continued: tools if they are accepted, and a prefill as the
    last resort. Raises only what makes every call impossible: `ModelAuthError`, `ModelNotFound`, `ModelUnreachable`.
    """
    asked, raw = await _try(send, Call(messages=_begun(), params=_params(stop=[_STOP]), body=_body()))
    kept = raw is not None and _keeps_stop(raw)
    if asked == "continued" and kept:
        return Capabilities("completion", stop_kept=True, source="probe")
    plain, _ = await _try(send, Call(messages=_begun(), params=_params()))
    if plain == "continued":
        return Capabilities("prefill", source="probe")
    if asked == "continued":
        return Capabilities("completion", source="probe")
    tools = await _takes_tools(send)
    return Capabilities("tools" if tools else "prefill", tools=tools, source="probe")


async def _try(send: Send, call: Call) -> tuple[Seen, Raw | None]:
    try:
        raw = await send(call)
    except _REFUSALS:
        return "refused", None
    except ModelError as error:
        if type(error) is ModelError:  # Some servers fail with 500 on a parameter that they do not know.
            return "refused", None
        raise
    # Thinking that the server splits off cannot be continued as text.
    continued = not raw.reasoning and raw.text.lstrip().startswith(_REST)
    return "continued" if continued else "fresh", raw


def _keeps_stop(raw: Raw) -> bool:
    return raw.stop == _STOP or raw.text.rstrip().endswith(_STOP)


async def _takes_tools(send: Send) -> bool:
    message = {"role": "user", "content": "Look up the word 'clew'."}
    seen, _ = await _try(send, Call(messages=[message], params={**_params(), "tools": [_TOOL]}))
    return seen != "refused"


def _begun() -> list[dict[str, Any]]:
    return [{"role": "user", "content": _QUESTION}, {"role": "assistant", "content": OPEN}]


def _params(**more: Any) -> dict[str, Any]:
    return {"temperature": 0.0, "max_tokens": _MAX_TOKENS, **more}


def _body() -> dict[str, Any]:
    return {**_CONTINUE, "include_stop_str_in_output": True}
