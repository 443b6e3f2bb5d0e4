"""`Model`: the door to a language model. Every call is one effect of the current run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from clew.errors import ConfigError, ModelNotFound, ModelRequestRejected, Unsupported
from clew.journal import Cost, Hold, Run, Transcript, current, register_secret, scope
from clew.models import engine, pricing, scoring
from clew.models import probe as probing
from clew.models.capabilities import Capabilities, known
from clew.models.raw import Raw, usage_of
from clew.models.reply import LogProb, Reply, Usage, reply_from
from clew.models.retry import Retries, Timeouts, Tries, repeat
from clew.models.tokens import estimate, estimate_prompt
from clew.models.transports import Ask, chat_call, drops_leading_space, extend_call

Messages = Transcript | str | Sequence[Mapping[str, Any]]
Seed = Literal["run"] | int | None

# Sampling parameters that are wishes: a model that does not take one answers without it.
_WISHES = ("seed", "temperature", "top_p", "logprobs", "top_logprobs")
# Part of a call but not of what decides its reply, or secret.
_UNRECORDED = frozenset({"extra_headers", "headers", "api_key", "client", "user"})


class Model:
    """A language model behind LiteLLM.

        model = Model("hosted_vllm/Qwen/Qwen3-8B", api_base="http://localhost:8000/v1")
        reply = await model.chat("What is a clew?")

    Args:
        name: LiteLLM's name with the provider first: `openai/gpt-5-mini`, `anthropic/claude-sonnet-4-5`,
            `hosted_vllm/NAME`, `ollama_chat/NAME`, `openai/NAME` for any OpenAI-compatible server at `api_base`.
        api_base: address of the server, ending in /v1 for OpenAI-compatible ones; default: the provider's own.
        api_key: default: the provider's environment variable. It appears in no journal, log, repr or error.
        temperature, top_p: default: the server's own.
        max_tokens: most new tokens per call; always set, because budgets reserve by it.
        timeout, retries: see `Timeouts` and `Retries`. LiteLLM's own retries are off.
        capabilities: what the server can do; default: found out by a probe when `extend` first needs it.
        price: US dollars per input and per output token; default: LiteLLM's map, nothing for a local server.
        seed: "run" derives one per call from the run and the place in it, so that a resume asks the same again; a number
            is sent as it is (plus the sample's index); None sends none.
        extra: further parameters, passed on to LiteLLM (`reasoning_effort`, `top_k`, `extra_body`, `extra_headers`, ...).

    All calls raise subclasses of `ModelError` (`RateLimited`, `ModelTimeout`, `ContextOverflow`, ...), `Refused` when the
    run's budget has no room, and `ConfigError` for arguments that make no sense.
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
        timeout: Timeouts = Timeouts(),
        retries: Retries = Retries(),
        capabilities: Capabilities | None = None,
        price: tuple[float, float] | None = None,
        seed: Seed = "run",
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if not name or name != name.strip():
            raise ConfigError(f"model name {name!r} is not usable: give one such as 'openai/gpt-5-mini'")
        if max_tokens < 1:
            raise ConfigError(f"max_tokens={max_tokens!r} leaves no room for a reply: give 1 or more")
        self.name = name
        self.max_tokens = max_tokens
        self.timeout, self.retries = timeout, retries
        self.price = pricing.price_of(name, api_base, price)
        self._params = _given(temperature=temperature, top_p=top_p, **dict(extra or {}))
        self._seed: Seed = seed
        self._declared = capabilities
        self._door = engine.Door(name, api_base, _key(name, api_base, api_key), timeout)

    def __repr__(self) -> str:
        return f"Model({self.name!r}, at {self.where})"

    @property
    def where(self) -> str:
        """The address that calls go to, for people: without user names and passwords."""
        base = pricing.base_of(self.name, self._door.api_base)
        if base is None:
            return f"provider {pricing.provider_of(self.name) or 'unknown'}"
        parts = urlsplit(base)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def fingerprint(self) -> dict[str, Any]:
        """What decides this model's replies, as JSON: name and parameters. Not where the server stands, how patient the
        client is, or any key."""
        declared = self._declared.to_json() if self._declared else None
        params = _recorded(self._params)
        return _given(name=self.name, max_tokens=self.max_tokens, seed=self._seed, capabilities=declared, **params)

    # Calls ----------------------------------------------------------------------------------------------------

    async def chat(
        self,
        transcript: Messages,
        *,
        stop: Sequence[str] = (),
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
        """
        ask = self._ask(transcript, stop, tools, temperature, max_tokens, json, extra)
        return await self._effect("chat", ask, hold)

    async def sample(self, transcript: Messages, n: int, **options: Any) -> list[Reply]:
        """`n` independent replies, asked for at the same time; options as in `chat`. Each is an effect of its own in
        `scope("sample", i)` with a seed of its own. When one fails the others are still recorded, and the error of the
        first in order is raised."""
        asked = to_transcript(transcript)

        async def one(index: int) -> Reply:
            with scope("sample", index):
                return await self._shifted(index).chat(asked, **options)

        return await _all(one(index) for index in range(n))

    async def extend(
        self,
        transcript: Messages,
        *,
        stop: Sequence[str] = (),
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
        ask = self._ask(transcript, stop, tools, temperature, max_tokens, False, extra)
        return await self._effect("extend", ask, hold)

    async def logprob(self, transcript: Messages, continuation: str) -> LogProb:
        """The log probability that the assistant goes on with `continuation`. Raises `Unsupported` when the server does
        not score prompts (vLLM and servers with `echo` do)."""
        if not continuation:
            return LogProb(0.0, ())
        run, asked = current(), to_transcript(transcript)
        raw = self._declared.raw if self._declared else self.name.startswith("text-completion")
        call = scoring.call(asked, continuation, raw)
        request = {"call": "logprob", "model": self.name, "transcript": asked, "continuation": continuation}

        async def perform() -> dict[str, Any]:
            try:
                response = await self._repeat(run, lambda: self._door.response(call))
            except (ModelRequestRejected, ModelNotFound, Unsupported) as error:
                raise Unsupported(f"{error}; it probably does not score prompts") from None
            tokens = scoring.tokens_of(response, asked, continuation, raw)
            if tokens is None:
                raise Unsupported(
                    f"model {self.name!r} at {self.where} does not score prompts: its reply has no scores"
                )
            usage = self._usage(Raw(usage=usage_of(response)), prompt).to_json()
            return {"tokens": tokens, "usage": usage, "usd": self._cost(usage["input"], usage["output"]).usd}

        prompt = estimate_prompt(asked) + estimate(continuation)
        effect = await run.effect(
            "model", request, perform, reserve=self._cost(prompt, 1), cost=lambda o: self._spent(o, prompt)
        )
        tokens = tuple((text, value) for text, value in effect.outcome["tokens"])
        return LogProb(sum(value for _, value in tokens), tokens)

    async def capabilities(self) -> Capabilities:
        """What the model's server can do: as given, known, or found by a probe of at most four short requests. The finding
        is recorded in the run, and kept for other runs of this process."""
        if self._declared is not None:
            return self._declared
        run = current()

        async def perform() -> dict[str, Any]:
            spent: dict[str, Any] = {}
            found = await self._find(run, spent)
            return {"capabilities": found.to_json(), **spent}

        reserve = self._cost(probing.REQUESTS * 80, probing.REQUESTS * probing.MAX_TOKENS, calls=0)
        effect = await run.effect("probe", {"model": self.name}, perform, reserve=reserve, cost=self._probe_cost)
        found = Capabilities.from_json(effect.outcome["capabilities"])
        _of_run.setdefault(run, {})[self._identity] = found
        return found

    # One call -------------------------------------------------------------------------------------------------

    def reserve(self, transcript: Messages, max_tokens: int | None = None) -> Cost:
        """What a call on `transcript` is reserved with before it is made: for `Run.hold`."""
        return self._cost(estimate_prompt(to_transcript(transcript)), max_tokens or self.max_tokens)

    def _ask(
        self, transcript: Messages, stop: Sequence[str], tools: Sequence[Mapping[str, Any]], temperature: float | None,
        max_tokens: int | None, json: bool | Mapping[str, Any], extra: Mapping[str, Any],
    ) -> Ask:  # fmt: skip
        asked = to_transcript(transcript)
        if not asked.segments:
            raise ConfigError("an empty transcript was sent to a model: give it at least one message")
        stops = (stop,) if isinstance(stop, str) else tuple(stop)
        params = {**self._params, "max_tokens": max_tokens or self.max_tokens}
        params |= _given(temperature=temperature, response_format=_response_format(json), **extra)
        return Ask(asked, params, stops, tuple(_tool(tool) for tool in tools))

    async def _effect(self, kind: str, ask: Ask, hold: Hold | None) -> Reply:
        run = current()
        seed = self._seed_for(run, ask.transcript)
        if seed is not None:
            ask.params["seed"] = seed
        prompt = estimate_prompt(ask.transcript, ask.tools)
        effect = await run.effect(
            "model",
            self._request(kind, ask),
            lambda: self._perform(run, kind, ask, prompt),
            reserve=self._cost(prompt, ask.params["max_tokens"]),
            cost=lambda outcome: self._spent(outcome, prompt),
            hold=hold,
        )
        return reply_from(effect, ask.transcript, self.name)

    def _request(self, kind: str, ask: Ask) -> dict[str, Any]:
        return _given(
            call=kind,
            model=self.name,
            transcript=ask.transcript,
            stop=list(ask.stops) or None,
            tools=list(ask.tools) or None,
            params=_recorded(ask.params),
        )

    async def _perform(self, run: Run, kind: str, ask: Ask, prompt: int) -> dict[str, Any]:
        await engine.load()
        spent: dict[str, Any] = {}
        capabilities = await self._find(run, spent) if kind == "extend" else self._found(run)
        ask, dropped = self._droppable(ask)
        call = extend_call(self.name, ask, _sure(capabilities)) if kind == "extend" else chat_call(ask, capabilities)
        tries = Tries()
        raw = await self._repeat(run, lambda: self._door.send(call, _teller(run)), tries)
        if kind == "chat":
            _settle_chat(raw)
        elif drops_leading_space(ask, _sure(capabilities)):
            raw.text = raw.text.lstrip()
        outcome = raw.outcome()
        outcome["usage"] = self._usage(raw, prompt).to_json()
        outcome["usd"] = self._usd(raw, outcome["usage"])
        transport = capabilities.transport if capabilities and kind == "extend" else None
        served = raw.model if raw.model not in ("", self.name, engine.bare(self.name)) else None
        return (
            outcome | spent | _given(transport=transport, model=served, dropped=dropped, lost=tries.maybe_paid or None)
        )

    def _droppable(self, ask: Ask) -> tuple[Ask, list[str] | None]:
        """Without the wishes that the model does not take; tools are a need: refused here, in clear words."""
        takes = engine.supported(self.name)
        if not takes:
            return ask, None
        if ask.tools and "tools" not in takes:
            raise Unsupported(f"model {self.name!r} takes no tools: use a model that does, or a graph without tools")
        dropped = [name for name in _WISHES if name in ask.params and name not in takes]
        if not dropped:
            return ask, None
        kept = {name: value for name, value in ask.params.items() if name not in dropped}
        # Nobody asked for the derived seed.
        return Ask(ask.transcript, kept, ask.stops, ask.tools), [d for d in dropped if d != "seed"] or None

    async def _repeat(self, run: Run, once: Callable[[], Awaitable[Any]], tries: Tries | None = None) -> Any:
        return await repeat(once, self.retries, run, self.name, self.where, tries)

    # Capabilities ---------------------------------------------------------------------------------------------

    @property
    def _identity(self) -> tuple[str, str | None]:
        return self.name, pricing.base_of(self.name, self._door.api_base)

    def _found(self, run: Run) -> Capabilities | None:
        """Capabilities that are known without a request. What the run recorded comes before what the process learned."""
        return (
            self._declared
            or _of_run.get(run, {}).get(self._identity)
            or _of_process.get(self._identity)
            or known(self.name, self._identity[1])
        )

    async def _find(self, run: Run, spent: dict[str, Any]) -> Capabilities:
        """`_found`, else a probe, of which there is one at a time per server; what it took is put into `spent`."""
        found = self._found(run)
        if found is not None:
            return found
        locks = _locks.setdefault(asyncio.get_running_loop(), {})
        async with locks.setdefault(self._identity, asyncio.Lock()):
            found = self._found(run)
            if found is None:
                found = await self._probe(run, spent)
                _of_process[self._identity] = found
        return found

    async def _probe(self, run: Run, spent: dict[str, Any]) -> Capabilities:
        usages: list[Usage] = []

        async def send(call: engine.Call) -> Raw:
            raw: Raw = await self._repeat(run, lambda: self._door.send(call, _silent))
            usages.append(self._usage(raw, 80))
            return raw

        found = await probing.probe(send)
        spent["probe"] = {
            "requests": len(usages),
            "input": sum(usage.input for usage in usages),
            "output": sum(usage.output for usage in usages),
        }
        run.note("model.probe", {"model": self.name, **found.to_json()})
        return found

    def _probe_cost(self, outcome: dict[str, Any]) -> Cost:
        taken = outcome.get("probe") or {}
        return self._cost(taken.get("input", 0), taken.get("output", 0), calls=0, estimated=False)

    # Money ----------------------------------------------------------------------------------------------------

    def _cost(self, prompt: int, completion: int, calls: int = 1, estimated: bool = True) -> Cost:
        usd = self.price.usd(prompt, completion) if self.price else None
        return Cost(tokens=prompt + completion, usd=usd, model_calls=calls, estimated=estimated)

    def _spent(self, outcome: dict[str, Any], prompt: int) -> Cost:
        usage = Usage(**outcome["usage"])
        cost = Cost(usage.total, outcome["usd"], model_calls=1, estimated=usage.estimated)
        # A try that broke off after the server had begun was probably billed for its prompt.
        lost = self._cost(prompt, 0, calls=0) if outcome.get("lost") else Cost()
        for _ in range(outcome.get("lost", 0)):
            cost += lost
        return cost + self._probe_cost(outcome) if "probe" in outcome else cost

    def _usage(self, raw: Raw, prompt: int) -> Usage:
        given = raw.usage
        if given is None:
            calls = "".join(call["function"]["arguments"] or "" for call in raw.tool_calls)
            written = estimate(raw.text) + estimate(raw.reasoning) + estimate(calls)
            return Usage(prompt, written, estimated=True)
        return Usage(given["input"], given["output"], given["cached"], given["reasoning"])

    def _usd(self, raw: Raw, usage: dict[str, Any]) -> float | None:
        if self.price is None:
            return None
        written = (raw.usage or {}).get("written", 0)
        return self.price.usd(usage["input"], usage["output"], usage.get("cached", 0), written)

    # Seeds ----------------------------------------------------------------------------------------------------

    def _seed_for(self, run: Run, transcript: Transcript) -> int | None:
        return run.seed(self.name, transcript.head) if self._seed == "run" else self._seed

    def _shifted(self, index: int) -> Model:
        """This model with the seed of sample `index`; the derived seed follows the scope by itself."""
        if not isinstance(self._seed, int):
            return self
        twin = object.__new__(Model)
        twin.__dict__.update(self.__dict__, _seed=self._seed + index)
        return twin


# Findings of probes by (name, address): of this process, and as the run recorded them.
_of_process: dict[tuple[str, str | None], Capabilities] = {}
_of_run: WeakKeyDictionary[Run, dict[tuple[str, str | None], Capabilities]] = WeakKeyDictionary()
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str | None], asyncio.Lock]] = WeakKeyDictionary()


def forget_probes() -> None:
    """Drops what probes found in this process, so that the next call asks again: after a server was changed."""
    _of_process.clear()


def to_transcript(messages: Messages) -> Transcript:
    """A transcript from one user message or from OpenAI messages, whose text all counts as prompt."""
    if isinstance(messages, Transcript):
        return messages
    if isinstance(messages, str):
        return Transcript().add("user", messages, "prompt")
    transcript = Transcript()
    for message in messages:
        rest = {name: value for name, value in message.items() if name not in ("role", "content")}
        content = message.get("content") or ""
        if not isinstance(content, str):  # Images and other parts go through as they are.
            rest, content = {**rest, "content": content}, ""
        if message.get("role") not in ("system", "user", "assistant", "tool"):
            raise ConfigError(f"message role {message.get('role')!r} is unknown: use system, user, assistant or tool")
        transcript = transcript.add(message["role"], content, "prompt", None, rest or None)
    return transcript


async def _all(replies: Any) -> list[Reply]:
    results = await asyncio.gather(*replies, return_exceptions=True)
    failed = next((result for result in results if isinstance(result, BaseException)), None)
    if failed is not None:
        raise failed
    return [result for result in results if isinstance(result, Reply)]


def _settle_chat(raw: Raw) -> None:
    """Takes the stop string off, and thinking out of the text."""
    if raw.stop is not None:
        raw.text = raw.text.removesuffix(raw.stop)
    before, closed, after = raw.text.partition("</think>")
    if closed:
        raw.reasoning += before.lstrip().removeprefix("<think>").strip()
        raw.text = after.lstrip()
    elif raw.text.lstrip().startswith("<think>"):
        raw.reasoning += raw.text.lstrip().removeprefix("<think>")
        raw.text = ""


def _teller(run: Run) -> Callable[[str], None]:
    def tell(text: str) -> None:
        run.emit({"event": "delta", "kind": "delta", "text": text})

    return tell


def _silent(text: str) -> None:
    pass


def _sure(capabilities: Capabilities | None) -> Capabilities:
    assert capabilities is not None, "extend finds capabilities before it performs"
    return capabilities


def _key(name: str, api_base: str | None, given: str | None) -> str | None:
    """The key to send. It is registered as a secret; a local server that was given none gets a placeholder, because the
    key that the environment holds for a provider is not its business."""
    if given:
        register_secret(given)
        return given
    variable = pricing.provider_of(name).upper().replace("-", "_") + "_API_KEY"
    if os.environ.get(variable):
        register_secret(os.environ[variable])
    return "none" if api_base and pricing.is_local(name, api_base) else None


def _response_format(json: bool | Mapping[str, Any]) -> dict[str, Any] | None:
    if isinstance(json, bool):
        return {"type": "json_object"} if json else None
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": dict(json), "strict": True}}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    return dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _recorded(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in _UNRECORDED}
