"""What a model's server can do: as given, as known of hosted models, or as a probe found it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal
from weakref import WeakKeyDictionary

from clew.journal import Run
from clew.models import pricing

Transport = Literal["completion", "prefill", "tools"]
Server = tuple[str, str | None]
"""A model's name and its address."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model's server can do. Give one to `Model` to skip the probe.

    `transport` is how `extend` continues the assistant's text:
      completion  the server renders the open message (`continue_final_message` of vLLM and SGLang), or, with `raw`,
                  takes plain text at `/completions` (base models: the segments' texts are joined as they are);
      prefill     a trailing assistant message is continued (Anthropic, DeepSeek, Mistral, Ollama, llama.cpp);
      tools       nothing can be continued: the model answers with text and tool calls.
    `stop_kept`: the server keeps the stop string in its output or names it, so that a stop can be told from the
    model's own end; without it stop strings are found in the stream. `stream`: the server streams. `tools`: it takes
    tools, None = not known. `source` tells where this came from.
    """

    transport: Transport
    stop_kept: bool = False
    raw: bool = False
    stream: bool = True
    tools: bool | None = None
    source: Literal["given", "table", "probe"] = "given"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Capabilities:
        return cls(**{field.name: data[field.name] for field in fields(cls) if field.name in data})


# Findings of this process, and as each run recorded them.
_of_process: dict[Server, Capabilities] = {}
_of_run: WeakKeyDictionary[Run, dict[Server, Capabilities]] = WeakKeyDictionary()
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Server, asyncio.Lock]] = WeakKeyDictionary()


def found(server: Server, run: Run) -> Capabilities | None:
    """What is known without a request. What the run recorded comes before what the process learned since."""
    return _of_run.get(run, {}).get(server) or _of_process.get(server) or _listed(*server)


async def find(server: Server, run: Run, probe: Callable[[], Awaitable[Capabilities]]) -> Capabilities:
    """`found`, else a probe, of which there is one at a time per server."""
    known = found(server, run)
    if known is not None:
        return known
    lock = _locks.setdefault(asyncio.get_running_loop(), {}).setdefault(server, asyncio.Lock())
    async with lock:
        known = found(server, run)
        if known is None:
            known = _of_process[server] = await probe()
    return known


def remember(server: Server, run: Run, capabilities: Capabilities) -> None:
    """Makes what the run recorded hold for the rest of the run."""
    _of_run.setdefault(run, {})[server] = capabilities


def forget_probes() -> None:
    """Drops what probes found in this process, so that the next call asks again: for use after a server was changed."""
    _of_process.clear()
    _of_run.clear()


def _listed(name: str, base: str | None) -> Capabilities | None:
    """Capabilities of a hosted model by LiteLLM's map; None for everything that must be asked."""
    if name.startswith("text-completion-openai/"):
        return Capabilities("completion", raw=True, tools=False, source="table")
    if pricing.provider_of(name) == pricing.IN_PROCESS:
        return Capabilities("completion", stop_kept=True, source="table")
    entry = pricing.entry(name)
    if base is not None or entry is None or pricing.is_local(name, None):
        return None
    tools = bool(entry.get("supports_function_calling"))
    # Claude thinks only when it is asked to; other reasoning models think first, out of sight.
    in_the_open = entry.get("litellm_provider") == "anthropic" or not entry.get("supports_reasoning")
    prefill = bool(entry.get("supports_assistant_prefill"))
    if prefill and (in_the_open or not tools):
        return Capabilities("prefill", tools=tools, source="table")
    return Capabilities("tools", tools=True, source="table") if tools else None
