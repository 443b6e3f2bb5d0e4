"""`Model`: the door to a language model. Every call is one effect of the current run."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import urlsplit

from clew.config import without_login
from clew.errors import ConfigError, ModelError, ModelNotFound, ModelRequestRejected, Unsupported
from clew.journal import Cost, Hold, Run, Transcript, current, register_secret, scope
from clew.journal.attempt import inside_of
from clew.models import capabilities as finding
from clew.models import engine, pricing, scoring
from clew.models import probe as probing
from clew.models.accounting import Meter
from clew.models.asking import (
    Ask,
    Messages,
    given,
    recorded,
    response_format,
    stop_strings,
    to_transcript,
    tool_definition,
)
from clew.models.capabilities import Capabilities
from clew.models.raw import Raw, usage_of
from clew.models.reply import LogProb, Reply, Usage, reply_from
from clew.models.retry import Retries, Timeouts, Tries, repeat
from clew.models.tokens import estimate, estimate_prompt
from clew.models.transports import chat_call, continue_call, settle_chat, settle_extend

_PATIENT = Timeouts()
_TIRELESS = Retries()
# Sampling parameters that are wishes: a model that does not take one answers without it.
_WISHES = ("seed", "temperature", "top_p", "logprobs", "top_logprobs", "response_format")


class Model:
    """A language model behind LiteLLM.

        model = Model("hosted_vllm/Qwen/Qwen3-8B", api_base="http://localhost:8000/v1")
        reply = await model.chat("What is a clew?")

    Args:
        name: LiteLLM's name with the provider first: `openai/gpt-5-mini`, `anthropic/claude-sonnet-4-5`,
            `hosted_vllm/NAME`, `ollama_chat/NAME`, `openai/NAME` for any OpenAI-compatible server at `api_base`,
            `local/FOLDER` for a Hugging Face model in this process.
        api_base: address of the server, ending in /v1 for OpenAI-compatible ones; default: the provider's own.
        api_key: default: the provider's environment variable. It appears in no journal, log, repr or error.
        temperature, top_p: default: the server's own.
        max_tokens: most new tokens per call; always set, because budgets reserve by it.
        timeout, retries: see `Timeouts` and `Retries`. LiteLLM's own retries are off.
        capabilities: what the server can do; default: found out by a probe when `extend` first needs it.
        price: US dollars per input and per output token; default: LiteLLM's map, nothing for a local server.
        seed: "run" derives one for each call, so that a resume asks the same again; a number is sent as it is (plus
            the sample's index); None sends none.
        extra: further parameters for LiteLLM (`reasoning_effort`, `top_k`, `extra_body`, `extra_headers`, ...).

    All calls raise subclasses of `ModelError` (`RateLimited`, `ModelTimeout`, `ContextOverflow`, ...), `Refused` when
    the run's budget has no room, and `ConfigError` for arguments that make no sense.
    """

    def __init__(
        self,
        name: str,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int = 2048,
        timeout: Timeouts = _PATIENT,
        retries: Retries = _TIRELESS,
        capabilities: Capabilities | None = None,
        price: tuple[float, float] | None = None,
        seed: Literal["run"] | int | None = "run",
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if not name or name != name.strip():
            raise ConfigError(f"model name {name!r} is not usable: give one such as 'openai/gpt-5-mini'")
        if max_tokens < 1:
            raise ConfigError(f"max_tokens={max_tokens!r} leaves no room for a reply: give 1 or more")
        self.name = name
        self.max_tokens = max_tokens
        self.retries = retries
        self.price = pricing.price_of(name, api_base, price)
        self._params = given(temperature=temperature, top_p=top_p, **dict(extra or {}))
        self._seed = seed
        self._declared = capabilities
        self._meter = Meter(self.price)
        self._door = engine.Door(name, api_base, api_key, timeout)
        _register_secrets(name, api_key, self._params)

    def __repr__(self) -> str:
        return f"Model({self.name!r}, at {self.where})"

    @property
    def where(self) -> str:
        """The address that calls go to, for people: without user names and passwords."""
        base = self._server[1]
        if self._in_process:
            return "this process"
        if base is None:
            return f"provider {pricing.provider_of(self.name) or 'unknown'}"
        return urlsplit(without_login(base))._replace(query="").geturl()

    @property
    def _in_process(self) -> bool:
        return pricing.provider_of(self.name) == pricing.IN_PROCESS

    def fingerprint(self) -> dict[str, Any]:
        """What decides this model's replies, as JSON: name and parameters. Not where the server stands, how patient the
        client is, or any key."""
        declared = self._declared.to_json() if self._declared else None
        fixed = given(name=self.name, max_tokens=self.max_tokens, seed=self._seed, capabilities=declared)
        return {**recorded(self._params), **fixed}

    # Calls ----------------------------------------------------------------------------------------------------

    async def chat(
        self,
        transcript: Messages,
        *,
        stop: str | Sequence[str] = (),
        tools: Sequence[Mapping[str, Any]] = (),
        temperature: float | None = None,
        max_tokens: int | None = None,
        json: bool | Mapping[str, Any] = False,
        hold: Hold | None = None,
        **extra: Any,
    ) -> Reply:
        """The model's reply to a conversation.

        Args:
            transcript: a `Transcript`, one user message, or OpenAI messages.
            stop: strings that end the reply; the text comes without them.
            tools: OpenAI tool definitions, or just their `function` objects.
            json: True asks for a JSON object, a JSON schema for one that fits it (where the server can).
            hold: budget that was set aside for this call.
            extra: further parameters, as in the constructor.
        """
        options = {"temperature": temperature, "max_tokens": max_tokens, "response_format": response_format(json)}
        return await self._effect("chat", self._ask(transcript, stop, tools, {**extra, **options}), hold)

    async def sample(self, transcript: Messages, n: int, **options: Any) -> list[Reply]:
        """`n` independent replies, asked for at the same time; options as in `chat`. Each is an effect of its own in
        `scope("sample", i)` with a seed of its own. When one fails the others are still recorded, and the error of the
        first in order is raised."""
        asked = to_transcript(transcript)

        async def one(index: int) -> Reply:
            with scope("sample", index):
                return await self._shifted(index).chat(asked, **options)

        return await _all([one(index) for index in range(n)])

    async def extend(
        self,
        transcript: Messages,
        *,
        stop: str | Sequence[str] = (),
        tools: Sequence[Mapping[str, Any]] = (),
        temperature: float | None = None,
        max_tokens: int | None = None,
        hold: Hold | None = None,
        **extra: Any,
    ) -> Reply:
        """Continues the assistant's own text (or begins it, after a user message) up to a stop string, which stays in
        the reply's text.

        Which of three transports does it is decided by `capabilities()`. With `tools` nothing is continued: the model
        answers with text and calls of the `tools` that are given here; the other transports ignore these.
        """
        options = {"temperature": temperature, "max_tokens": max_tokens}
        return await self._effect("extend", self._ask(transcript, stop, tools, {**extra, **options}), hold)

    async def logprob(self, transcript: Messages, continuation: str) -> LogProb:
        """The log probability that the assistant goes on with `continuation`. Raises `Unsupported` when the server does
        not score prompts (vLLM and servers with `echo` do)."""
        if not continuation:
            return LogProb(0.0, ())
        run, asked = current(), to_transcript(transcript)
        request = {"call": "logprob", "model": self.name, "transcript": asked, "continuation": continuation}
        prompt = estimate_prompt(asked) + estimate(continuation)
        effect = await run.effect(
            "model",
            request,
            lambda: self._score(run, asked, continuation, prompt),
            reserve=self._meter.cost(prompt, 1),
            cost=lambda outcome: self._meter.spent(outcome, prompt),
        )
        tokens = tuple((text, value) for text, value in effect.outcome["tokens"])
        return LogProb(sum(value for _, value in tokens), tokens)

    async def capabilities(self) -> Capabilities:
        """What the model's server can do: as given, known, or found by a probe of at most four short requests.

        The finding is recorded in the run and holds for the rest of it, so a graph that must know the transport asks at
        its start. It is also kept for other runs of this process.
        """
        if self._declared is not None:
            return self._declared
        run = current()

        async def perform() -> dict[str, Any]:
            spent: dict[str, Any] = {}
            found = await self._find(run, spent)
            return {"capabilities": found.to_json(), **spent}

        reserve = self._meter.cost(probing.PROMPT_TOKENS, probing.REPLY_TOKENS, calls=0)
        effect = await run.effect("probe", {"model": self.name}, perform, reserve=reserve, cost=self._meter.of_probe)
        found = Capabilities.from_json(effect.outcome["capabilities"])
        finding.remember(self._server, run, found)
        return found

    # One call -------------------------------------------------------------------------------------------------

    def reserve(self, transcript: Messages, max_tokens: int | None = None) -> Cost:
        """What a call on `transcript` is reserved with before it is made; for `Run.hold`."""
        return self._meter.cost(estimate_prompt(to_transcript(transcript)), max_tokens or self.max_tokens)

    def _ask(
        self,
        transcript: Messages,
        stop: str | Sequence[str],
        tools: Sequence[Mapping[str, Any]],
        options: dict[str, Any],
    ) -> Ask:
        params = {"max_tokens": self.max_tokens, **self._params, **given(**options)}
        return Ask(to_transcript(transcript), params, stop_strings(stop), tuple(map(tool_definition, tools)))

    async def _effect(self, kind: Literal["chat", "extend"], ask: Ask, hold: Hold | None) -> Reply:
        run = current()
        if isinstance(self._seed, int):
            ask.params.setdefault("seed", self._seed)
        request = given(
            call=kind,
            model=self.name,
            transcript=ask.transcript,
            stop=list(ask.stops) or None,
            tools=list(ask.tools) or None,
            params=recorded(ask.params),
        )
        prompt = estimate_prompt(ask.transcript, ask.tools)
        effect = await run.effect(
            "model",
            request,
            lambda: self._perform(kind, run, ask, prompt),
            reserve=self._meter.cost(prompt, ask.params["max_tokens"]),
            cost=lambda outcome: self._meter.spent(outcome, prompt),
            hold=hold,
        )
        return reply_from(effect, ask.transcript, self.name)

    async def _perform(self, kind: Literal["chat", "extend"], run: Run, ask: Ask, prompt: int) -> dict[str, Any]:
        tries = Tries()
        perform = self._chat if kind == "chat" else self._extend
        try:
            await engine.load()
            asked, dropped = self._accepted(self._seeded(run, ask))
            raw, more = await perform(run, asked, tries)
        except (ModelError, ConfigError) as error:
            # The journal takes an error's own word for what it cost; without it the whole reservation would be lost.
            vars(error)["cost"] = self._meter.cost(prompt * tries.maybe_paid, 0)
            raise
        served = raw.model if raw.model not in ("", self.name, engine.bare(self.name)) else None
        seed, lost = asked.params.get("seed"), tries.maybe_paid or None
        optional = given(model=served, seed=seed, dropped=dropped, lost=lost)
        return {**raw.outcome(), **self._meter.record(raw, prompt), **optional, **more}

    async def _chat(self, run: Run, ask: Ask, tries: Tries) -> tuple[Raw, dict[str, Any]]:
        # No probe for a chat: where nothing is known, stop strings are found in the stream.
        known = self._declared or finding.found(self._server, run)
        raw = await self._send(run, chat_call(ask, known), tries)
        settle_chat(raw)
        return raw, {}

    async def _extend(self, run: Run, ask: Ask, tries: Tries) -> tuple[Raw, dict[str, Any]]:
        spent: dict[str, Any] = {}
        capabilities = await self._find(run, spent)
        raw = await self._send(run, continue_call(self.name, ask, capabilities), tries)
        settle_extend(raw, ask, capabilities)
        return raw, {"transport": capabilities.transport, **spent}

    async def _score(self, run: Run, asked: Transcript, continuation: str, prompt: int) -> dict[str, Any]:
        known = self._declared or finding.found(self._server, run)
        raw = known is not None and known.raw
        call = scoring.call(asked, continuation, raw)
        if self._in_process:
            call = scoring.own_call(asked, continuation, raw, self._params)
        try:
            response = await self._repeat(run, lambda: self._door.response(call))
        except (ModelRequestRejected, ModelNotFound, Unsupported) as error:
            raise Unsupported(f"{error}; it probably does not score prompts") from None
        tokens = scoring.tokens_of(response, asked, continuation, raw)
        if tokens is None:
            raise Unsupported(f"model {self.name!r} at {self.where} does not score prompts: its reply has no scores")
        return {"tokens": tokens, **self._meter.record(Raw(usage=usage_of(response)), prompt)}

    def _seeded(self, run: Run, ask: Ask) -> Ask:
        """The call with a seed of its own: from the key of its effect, which a resume finds again, and which differs
        between places, and between equal calls at one place."""
        effect = inside_of.get()
        if self._seed != "run" or "seed" in ask.params or effect is None:
            return ask
        return replace(ask, params={**ask.params, "seed": run.seed(effect[0])})

    def _accepted(self, ask: Ask) -> tuple[Ask, list[str] | None]:
        """The call without the wishes that the model does not take, and their names. Tools are a need: a model without
        them is refused here, in clear words."""
        takes = engine.supported(self.name)
        if not takes:
            return ask, None
        if ask.tools and "tools" not in takes:
            raise Unsupported(f"model {self.name!r} takes no tools: use one that does, or a graph without tools")
        dropped = [name for name in _WISHES if name in ask.params and name not in takes]
        if not dropped:
            return ask, None
        params = {name: value for name, value in ask.params.items() if name not in dropped}
        # Nobody wished for the derived seed.
        return replace(ask, params=params), [name for name in dropped if name != "seed"] or None

    async def _send(self, run: Run, call: engine.Call, tries: Tries | None = None, quiet: bool = False) -> Raw:
        def tell(text: str) -> None:
            if not quiet:
                run.emit({"event": "delta", "kind": "delta", "text": text})

        raw: Raw = await self._repeat(run, lambda: self._door.send(call, tell), tries)
        return raw

    async def _repeat(self, run: Run, once: Callable[[], Awaitable[Any]], tries: Tries | None = None) -> Any:
        return await repeat(once, self.retries, run, self.name, self.where, tries)

    # Capabilities ---------------------------------------------------------------------------------------------

    @property
    def _server(self) -> tuple[str, str | None]:
        return self.name, pricing.base_of(self.name, self._door.api_base)

    async def _find(self, run: Run, spent: dict[str, Any]) -> Capabilities:
        """What the server can do, asked if nobody knows; what the asking took is put into `spent`."""
        if self._declared is not None:
            return self._declared
        usages: list[Usage] = []

        async def send(call: engine.Call) -> Raw:
            raw = await self._send(run, call, quiet=True)
            usages.append(self._meter.usage(raw, probing.PROMPT_TOKENS // probing.REQUESTS))
            return raw

        async def probe() -> Capabilities:
            found = await probing.probe(send)
            total = {"input": sum(u.input for u in usages), "output": sum(u.output for u in usages)}
            spent["probe"] = {"requests": len(usages), **total}
            run.note("model.probe", {"model": self.name, **found.to_json()})
            return found

        return await finding.find(self._server, run, probe)

    def _shifted(self, index: int) -> Model:
        """This model with the seed of sample `index`; the derived seed follows the scope by itself."""
        if not isinstance(self._seed, int):
            return self
        twin = object.__new__(Model)
        twin.__dict__.update(self.__dict__, _seed=self._seed + index)
        return twin


async def _all(replies: Sequence[Coroutine[Any, Any, Reply]]) -> list[Reply]:
    results = await asyncio.gather(*replies, return_exceptions=True)
    failed = next((result for result in results if isinstance(result, BaseException)), None)
    if failed is not None:
        raise failed
    return [result for result in results if isinstance(result, Reply)]


_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie", re.IGNORECASE)


def _register_secrets(name: str, api_key: str | None, params: Mapping[str, Any]) -> None:
    """Makes sure that no credential of this model is ever written."""
    variable = pricing.provider_of(name).upper().replace("-", "_") + "_API_KEY"
    headers: Mapping[str, str] = params.get("extra_headers") or {}
    secrets = [value for header, value in headers.items() if _SECRET_HEADER.search(header)]
    for secret in (api_key, os.environ.get(variable), *secrets):
        if secret:
            register_secret(secret)
