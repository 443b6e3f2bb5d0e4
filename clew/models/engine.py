"""LiteLLM behind one function: a request in, plain data out. Nothing else in Clew imports it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from clew.models import clients, pricing
from clew.models.raw import Raw, read_chat, read_text
from clew.models.retry import Timeouts
from clew.models.streaming import Inline, StopScanner, read_stream


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `prompt` is set for plain completions, `messages` for chat. `params` are OpenAI parameters, `body`
    are fields that only some servers know. `stops` are looked for in the text, whether or not the server was told
    them. `inline`: reasoning belongs into the text."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    prompt: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    stops: tuple[str, ...] = ()
    stream: bool = False
    inline: bool = False


@dataclass(frozen=True)
class Door:
    """Where calls go and with which key."""

    name: str
    api_base: str | None
    api_key: str | None
    timeouts: Timeouts

    async def send(self, call: Call, tell: Callable[[str], None]) -> Raw:
        """One try of `call`. Raises whatever LiteLLM raises, `TimeoutError` and `Malformed`."""
        litellm = await self._ready(call)
        if self._in_process:
            call = replace(call, stream=True)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.timeouts.total(call.params.get("max_tokens") or 0)
        first = deadline if not call.stream else min(loop.time() + self.timeouts.first_token, deadline)
        async with asyncio.timeout_at(first) as clock:
            if call.stream:
                async with clients.closed_afterwards():
                    stream = await self._request(litellm, call)
                    return await read_stream(stream, call.stops, call.inline, self.timeouts, clock, deadline, tell)
            response = await self._request(litellm, call)
        return self._whole(response, call)

    async def response(self, call: Call) -> Any:
        """The response object itself, for what `Raw` does not hold."""
        litellm = await self._ready(call)
        async with asyncio.timeout(self.timeouts.total(call.params.get("max_tokens") or 0)):
            return await self._request(litellm, call)

    async def _ready(self, call: Call) -> Any:
        """LiteLLM, and the model itself where it runs here: how long that takes to load is no part of a call."""
        litellm = await load()
        if self._in_process:
            provider = await asyncio.to_thread(import_module, "clew.models.local.provider")
            await asyncio.to_thread(provider.ready, litellm, bare(self.name), call.params)
        return litellm

    async def _request(self, litellm: Any, call: Call) -> Any:
        # LiteLLM changes tools and tool calls in place; the caller's are part of what the journal recorded.
        params, messages = dict(call.params), call.messages
        if "tools" in params:
            params["tools"] = deepcopy(params["tools"])
        if any(len(message) > 2 for message in messages):
            messages = deepcopy(messages)
        options = {**self._options(), **params}
        if call.stream:
            options["stream"] = True
            if "stream_options" in supported(self.name):
                options["stream_options"] = {"include_usage": True}
        if call.body:
            options["extra_body"] = {**call.body, **options.get("extra_body", {})}
        if self._in_process and call.prompt is not None:
            messages, options["extra_body"] = _as_message(call.prompt), {**options.get("extra_body", {}), "raw": True}
        elif call.prompt is not None:
            return await self._plain_completion(litellm, call.prompt, options, call.stream)
        return await litellm.acompletion(model=self._route(call), messages=messages, **options)

    def _route(self, call: Call) -> str:
        """The name to call LiteLLM by. It has two ways to an OpenAI-compatible server: the OpenAI client, which checks
        each message against its type annotations (half the time of a call with ten messages), and a handler of its own,
        whose stream reader passes over events that are not JSON and so loses text. Streams take the client, plain
        calls the handler, and calls with tools what the name says, for the two differ in what they make of them."""
        if not self._compatible:
            return self.name
        if call.stream:
            return f"openai/{bare(self.name)}"
        if not call.params.keys() & {"tools", "response_format"}:
            return f"hosted_vllm/{bare(self.name)}"
        return self.name

    @cached_property
    def _in_process(self) -> bool:
        return pricing.provider_of(self.name) == pricing.IN_PROCESS

    @cached_property
    def _compatible(self) -> bool:
        """Whether this is an OpenAI-compatible server other than OpenAI's own."""
        base = pricing.base_of(self.name, self.api_base)
        if base is None or not self.name.startswith(("openai/", "hosted_vllm/", "text-completion-openai/")):
            return False
        parts = urlsplit(base)
        return not parts.query and not (parts.hostname or "").endswith("openai.com")

    async def _plain_completion(self, litellm: Any, prompt: str, options: dict[str, Any], stream: bool) -> Any:
        model = self.name if self.name.startswith("text-completion") else f"text-completion-openai/{bare(self.name)}"
        options["client"] = self._completions_client
        if stream:
            # Its wrapper of text streams hides how they end; the chat form of the same request has ordinary chunks.
            return await litellm.acompletion(model=model, messages=_as_message(prompt), **options)
        return await litellm.atext_completion(model=model, prompt=prompt, **options)

    @cached_property
    def _completions_client(self) -> Any:
        base = pricing.base_of(self.name, self.api_base)
        return clients.completions_client(self._key or "none", base, clients.httpx_timeout(self.timeouts.connect))

    @property
    def _key(self) -> str | None:
        """The key to send; None leaves it to LiteLLM. A local server that was given none gets a placeholder: the key
        that the environment holds for a provider is none of its business."""
        if self.api_key or not self._compatible:
            return self.api_key
        if self.api_base and pricing.is_local(self.name, self.api_base):
            return "none"
        return os.environ.get(
            "HOSTED_VLLM_API_KEY" if self.name.startswith("hosted_vllm") else "OPENAI_API_KEY", "none"
        )

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            # Retries are Clew's: each try is an event.
            "num_retries": 0,
            "max_retries": 0,
            # The journal replays; a second cache would give all samples of a request one text.
            "caching": False,
            "timeout": clients.httpx_timeout(self.timeouts.connect),
            # What a provider refuses although LiteLLM lists it (a temperature other than 1, say) is a wish, not a need.
            "drop_params": True,
        }
        if self._in_process:
            return options
        base = pricing.base_of(self.name, self.api_base) if self._compatible else self.api_base
        return options | {name: value for name, value in (("api_base", base), ("api_key", self._key)) if value}

    @staticmethod
    def _whole(response: Any, call: Call) -> Raw:
        raw = read_chat(response) if call.prompt is None else read_text(response)
        if call.inline and raw.reasoning:
            raw.text, raw.reasoning = Inline()(raw.reasoning, raw.text), ""
        if call.stops:
            scanner = StopScanner(call.stops)
            scanner.feed(raw.text)
            named = raw.stop if raw.stop in call.stops else None
            raw.text, raw.stop = scanner.text, scanner.stop
            if scanner.stop is None and named is not None:
                raw.text, raw.stop = raw.text + named, named
            if raw.stop is not None:
                raw.finish = "stop"
        return raw


async def load() -> Any:
    """LiteLLM, imported on first use (it takes seconds) without blocking the event loop."""
    litellm = sys.modules["litellm"] if _configured else await asyncio.to_thread(_load)
    await clients.close_with_loop(litellm)
    return litellm


_configured: list[bool] = []


def _load() -> Any:
    # Read when LiteLLM is imported: the bundled price map, not a download, and no .env file of the current folder.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    litellm: Any = import_module("litellm")
    if not _configured:
        litellm.telemetry = False
        litellm.suppress_debug_info = True
        # LiteLLM breaks a stream off after 100 equal chunks; a model that repeats itself is for `max_tokens` to end.
        litellm.REPEATED_STREAMING_CHUNK_LIMIT = sys.maxsize
        if "LITELLM_LOG" not in os.environ:
            for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
                logging.getLogger(name).setLevel(logging.CRITICAL)
            # Below this they log whole requests, headers with keys among them.
            for name in ("openai", "httpx", "httpcore"):
                logging.getLogger(name).setLevel(logging.WARNING)
        _configured.append(True)
    return litellm


def _as_message(prompt: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": prompt}]


def bare(name: str) -> str:
    """A model's name without LiteLLM's provider prefix."""
    return name.partition("/")[2] or name


@lru_cache(maxsize=256)
def supported(name: str) -> frozenset[str]:
    """OpenAI parameters that LiteLLM passes on for a model; needs `load` before."""
    if pricing.provider_of(name) == pricing.IN_PROCESS:
        return frozenset({"temperature", "top_p", "max_tokens", "stop", "seed", "n", "tools", "logprobs"})
    litellm = sys.modules["litellm"]
    try:
        model, provider, _, _ = litellm.get_llm_provider(name)
        return frozenset(litellm.get_supported_openai_params(model, custom_llm_provider=provider) or ())
    except Exception:
        # Unknown provider: the call itself will say so in clear words.
        return frozenset()
