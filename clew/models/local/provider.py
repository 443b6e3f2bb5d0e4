"""LiteLLM's face of local models: OpenAI's protocol, with vLLM's names for what OpenAI has none for.

Beside OpenAI's `max_tokens, temperature, top_p, seed, stop, n, tools` a request may hold `top_k, device, dtype,
batch_rows, batch_tokens`, and in `extra_body`
    continue_final_message     the last message is open and is continued
    include_stop_str_in_output the text keeps the stop string
    chat_template_kwargs       further variables of the chat template
    raw                        the only message is the prompt itself, without a template
    continuation               this end of the last message is scored, and nothing is written
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from litellm.types.utils import (
    ChatCompletionTokenLogprob,
    ChoiceLogprobs,
    Choices,
    Delta,
    Message,
    ModelResponse,
    ModelResponseStream,
    StreamingChoices,
    Usage,
)

from clew.errors import ConfigError, ContextOverflow, Unsupported
from clew.models.local import prompts
from clew.models.local.loading import Loaded, load
from clew.models.local.prompts import Prompt
from clew.models.local.rows import Order, Piece, Row
from clew.models.local.sampling import Sampling
from clew.models.local.scoring import Score

NAME = "local"
BATCH_ROWS = 64
BATCH_TOKENS = 262_144
_MAX_TOKENS = 2048
_OWN = ("device", "dtype", "batch_rows", "batch_tokens", "top_k")
_TAKEN = frozenset(
    {*_OWN, "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop", "n", "tools", "stream"}
)
# These change no reply.
_IGNORED = frozenset({"logprobs", "max_retries", "stream_options", "user", "extra_body", "extra_headers"})


def register(litellm: Any) -> None:
    """Makes `local/...` known to LiteLLM in this process."""
    if not any(item["provider"] == NAME for item in litellm.custom_provider_map):
        litellm.custom_provider_map.append({"provider": NAME, "custom_handler": Provider()})
        litellm.utils.custom_llm_setup()


def ready(litellm: Any, name: str, params: Mapping[str, Any]) -> None:
    """Registers the provider and loads a model: what takes long and is no part of a call."""
    register(litellm)
    load(name, params.get("device"), params.get("dtype"))


@dataclass(frozen=True, slots=True)
class Request:
    """One checked request. `kept`: the text keeps its stop string."""

    loaded: Loaded
    order: Order
    number: int
    kept: bool
    tools: bool


class Provider:
    """Answers LiteLLM's `acompletion`, streamed or not."""

    async def acompletion(self, model: str, messages: list[Any], optional_params: dict[str, Any], **_: Any) -> Any:
        body = optional_params.get("extra_body") or {}
        if body.get("continuation"):
            return await _scored(model, messages, optional_params, body)
        request = await asyncio.to_thread(_request, model, messages, optional_params)
        texts = await asyncio.gather(*(_whole(_row(request, index)) for index in range(request.number)))
        choices = [_choice(request, index, row, pieces) for index, (row, pieces) in enumerate(texts)]
        return ModelResponse(
            model=model, choices=choices, usage=_usage(request, sum(len(pieces) for _, pieces in texts))
        )

    # Not a generator itself: LiteLLM calls it in a thread, where a request may be checked and refused at leisure.
    def astreaming(self, model: str, messages: list[Any], optional_params: dict[str, Any], **_: Any) -> Any:
        request = _request(model, messages, optional_params)
        if request.number > 1:
            raise Unsupported(f"model 'local/{model}' streams one text per request: leave n={request.number} out")
        return _stream(model, request)


def _request(name: str, messages: list[Any], params: dict[str, Any]) -> Request:
    """Checks a request and writes its prompt. Raises Clew's own errors, in words for the person who asked."""
    unknown = [key for key, value in params.items() if value and key not in _TAKEN | _IGNORED]
    if unknown:
        raise Unsupported(f"model 'local/{name}' knows no {unknown[0]}={params[unknown[0]]!r}: leave it out")
    loaded = load(name, params.get("device"), params.get("dtype"))
    body = params.get("extra_body") or {}
    tools: Sequence[Mapping[str, Any]] = params.get("tools") or ()
    ids = _prompt(loaded, messages, tools, body).encode(loaded)
    stop = params.get("stop") or ()
    order = Order(
        ids=ids,
        max_tokens=int(params.get("max_tokens") or params.get("max_completion_tokens") or _MAX_TOKENS),
        sampling=_sampling(loaded, params),
        seed=params.get("seed"),
        stops=(stop,) if isinstance(stop, str) else tuple(stop),
        ends=loaded.ends,
        batch_rows=_at_least_one(params, "batch_rows", BATCH_ROWS),
        batch_tokens=_at_least_one(params, "batch_tokens", BATCH_TOKENS),
    )
    _check_room(loaded, len(ids), order.max_tokens)
    kept = bool(body.get("include_stop_str_in_output"))
    return Request(loaded, order, int(params.get("n") or 1), kept, bool(tools))


def _prompt(loaded: Loaded, messages: list[Any], tools: Sequence[Mapping[str, Any]], body: dict[str, Any]) -> Prompt:
    if body.get("raw"):
        return Prompt("".join(message["content"] for message in messages), templated=False)
    continued = bool(body.get("continue_final_message"))
    return prompts.write(loaded, messages, tools, continued, body.get("chat_template_kwargs"))


def _check_room(loaded: Loaded, prompt: int, new: int) -> None:
    if loaded.context is not None and prompt + new > loaded.context:
        raise ContextOverflow(
            f"model 'local/{loaded.name}' has no room for {prompt} prompt tokens plus max_tokens={new}: its context "
            f"holds {loaded.context}; shorten the prompt or lower max_tokens"
        )


def _sampling(loaded: Loaded, params: dict[str, Any]) -> Sampling:
    asked = {name: params[name] for name in ("temperature", "top_p", "top_k") if params.get(name) is not None}
    way = replace(loaded.usual, **asked)
    if way.temperature < 0 or not 0 <= way.top_p <= 1 or way.top_k < 0:
        raise ConfigError(f"{way} makes no sense: give temperature >= 0, top_p from 0 to 1, top_k >= 0")
    return way


def _at_least_one(params: dict[str, Any], name: str, default: int) -> int:
    value = params.get(name, default)
    if not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name}={value!r} leaves no room for a request: give 1 or more")
    return value


def _row(request: Request, index: int) -> Row:
    order = request.order
    if index and order.seed is not None:
        order = replace(order, seed=order.seed + index)
    row = Row(order, request.loaded.decode)
    request.loaded.batcher.submit(row)
    return row


async def _whole(row: Row) -> tuple[Row, list[Piece]]:
    return row, [piece async for pieces in row.pieces() for piece in pieces]


def _text(request: Request, row: Row, pieces: Sequence[Piece]) -> str:
    text = "".join(piece.taken for piece in pieces)
    return text.removesuffix(row.stop) if row.stop and not request.kept else text


def _choice(request: Request, index: int, row: Row, pieces: Sequence[Piece]) -> Choices:
    text = _text(request, row, pieces)
    calls: list[dict[str, Any]] = []
    if request.tools:
        text, calls = prompts.calls_in(text)
    return Choices(
        index=index,
        message=Message(content=text, role="assistant", tool_calls=calls or None),
        finish_reason="tool_calls" if calls else row.finish,
        logprobs=_logprobs(pieces),
        token_ids=[piece.token for piece in pieces],
        stop_reason=row.stop,
    )


async def _stream(model: str, request: Request) -> AsyncIterator[ModelResponseStream]:
    row = _row(request, 0)
    # What may turn out to be a tool call, or a stop string that is not wanted, is not shown before it is known.
    late = request.tools or (bool(request.order.stops) and not request.kept)
    held: list[Piece] = []
    async for pieces in row.pieces():
        held += pieces
        if not late and row.finish is None:
            yield _chunk(model, "".join(piece.taken for piece in held), held)
            held = []
    # First the counts: who has found the stop string in the last text reads no further.
    yield ModelResponseStream(
        model=model, choices=[StreamingChoices(index=0, delta=Delta(content=""))], usage=_usage(request, row.count)
    )
    text = _text(request, row, held)
    calls: list[dict[str, Any]] = []
    if request.tools:
        text, calls = prompts.calls_in(text)
    yield _chunk(model, text, held, "tool_calls" if calls else row.finish, calls)


def _chunk(
    model: str, text: str, pieces: Sequence[Piece], finish: str | None = None, calls: Sequence[dict[str, Any]] = ()
) -> ModelResponseStream:
    numbered = [{**call, "index": index} for index, call in enumerate(calls)]
    choice = StreamingChoices(
        index=0,
        delta=Delta(content=text, role="assistant", tool_calls=numbered or None),
        finish_reason=finish,
        logprobs=_logprobs(pieces),
        token_ids=[piece.token for piece in pieces],
    )
    return ModelResponseStream(model=model, choices=[choice])


def _logprobs(pieces: Sequence[Piece]) -> ChoiceLogprobs:
    content = [
        ChatCompletionTokenLogprob(token=piece.text, logprob=round(piece.logprob, 6), top_logprobs=[])
        for piece in pieces
    ]
    return ChoiceLogprobs(content=content)


def _usage(request: Request, written: int) -> Usage:
    prompt = len(request.order.ids)
    return Usage(prompt_tokens=prompt, completion_tokens=written, total_tokens=prompt + written)


async def _scored(name: str, messages: list[Any], params: dict[str, Any], body: dict[str, Any]) -> ModelResponse:
    """A response whose `continuation_logprobs` are (text, log probability) of each token of the continuation."""
    loaded, ids, texts = await asyncio.to_thread(_to_score, name, messages, params, body)
    values: list[float] = []
    if texts:
        score = Score(ids, len(ids) - len(texts))
        loaded.batcher.score(score)
        values = await asyncio.wrap_future(score.result)
    found = [[text, round(value, 6)] for text, value in zip(texts, values, strict=True)]
    choice = Choices(index=0, message=Message(content="", role="assistant"), continuation_logprobs=found)
    usage = Usage(prompt_tokens=len(ids), completion_tokens=0, total_tokens=len(ids))
    return ModelResponse(model=name, choices=[choice], usage=usage)


def _to_score(
    name: str, messages: list[Any], params: dict[str, Any], body: dict[str, Any]
) -> tuple[Loaded, list[int], list[str]]:
    loaded = load(name, params.get("device"), params.get("dtype"))
    prompt = _prompt(loaded, messages, (), body)
    ids, texts = prompt.encode_from(loaded, len(prompt.text) - len(body["continuation"]))
    _check_room(loaded, len(ids), 0)
    return loaded, ids, texts
