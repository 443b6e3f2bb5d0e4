"""Prices and flags of models from LiteLLM's bundled map, read from its file: no network, no import of LiteLLM."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_MAP = "model_prices_and_context_window_backup.json"
_ABOVE = re.compile(r"^input_cost_per_token_above_(\d+)k_tokens$")
# The provider of models that run in this process.
IN_PROCESS = "local"
# Providers that run on the user's own machine unless they are pointed elsewhere.
_OWN = frozenset({"ollama", "ollama_chat", "llamafile", "lm_studio", IN_PROCESS})
_PRIVATE_SUFFIXES = (".local", ".localhost", ".internal", ".lan", ".home.arpa")
_BASE_VARIABLES = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "text-completion-openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "hosted_vllm": ("HOSTED_VLLM_API_BASE",),
    "ollama": ("OLLAMA_API_BASE",),
    "ollama_chat": ("OLLAMA_API_BASE",),
    "lm_studio": ("LM_STUDIO_API_BASE",),
    "llamafile": ("LLAMAFILE_API_BASE",),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars per token."""

    input: float
    output: float
    cached: float
    written: float


@dataclass(frozen=True, slots=True)
class Price:
    """Rates of a model; `tiers` are (prompt tokens above which they hold, rates), highest first."""

    base: Rate
    tiers: tuple[tuple[int, Rate], ...] = ()

    def usd(self, prompt: int, completion: int, cached: int = 0, written: int = 0) -> float:
        """Dollars of a call; `cached` and `written` are parts of `prompt`: read from and put into the prefix cache."""
        rate = next((rate for above, rate in self.tiers if prompt > above), self.base)
        plain = max(prompt - cached - written, 0)
        return plain * rate.input + cached * rate.cached + written * rate.written + completion * rate.output


FREE = Price(Rate(0.0, 0.0, 0.0, 0.0))


def price_of(name: str, api_base: str | None, given: tuple[float, float] | None) -> Price | None:
    """The price of a model: the given one (dollars per input and output token), LiteLLM's map, nothing for a local
    server, else None (unknown). A hosted model that the map calls free counts as unknown: such entries have been wrong,
    and a money limit must not rest on them."""
    if given is not None:
        return Price(Rate(given[0], given[1], given[0], given[0]))
    listed = _listed(entry(name) or {})
    if listed is not None:
        return listed
    return FREE if is_local(name, api_base) else None


def _listed(entry: dict[str, Any]) -> Price | None:
    rate = _rate(entry, "")
    if not (rate.input or rate.output):
        return None
    sizes = sorted((int(m[1]) for m in map(_ABOVE.match, entry) if m), reverse=True)
    tiers = tuple((size * 1000, _rate(entry, f"_above_{size}k_tokens", rate)) for size in sizes)
    return Price(rate, tiers)


def _rate(entry: dict[str, Any], suffix: str, base: Rate = Rate(0.0, 0.0, 0.0, 0.0)) -> Rate:
    def of(field: str, default: float) -> float:
        return float(entry.get(field + suffix) or default)

    prompt = of("input_cost_per_token", base.input)
    return Rate(
        input=prompt,
        output=of("output_cost_per_token", base.output),
        cached=of("cache_read_input_token_cost", base.cached or prompt),
        written=of("cache_creation_input_token_cost", base.written or prompt),
    )


def provider_of(name: str) -> str:
    """LiteLLM's provider of a model name, as far as the name or the map tells; "" if they do not."""
    prefix, slash, _ = name.partition("/")
    return prefix if slash else str((_map().get(name) or {}).get("litellm_provider", ""))


def entry(name: str) -> dict[str, Any] | None:
    """LiteLLM's record of a model, found by its full name or, for the provider that lists it, by the bare one."""
    found = _map().get(name)
    if found is None and "/" in name:
        provider, _, bare = name.partition("/")
        found = _map().get(bare)
        if found is not None and found.get("litellm_provider") != provider:
            return None
    return found


def base_of(name: str, api_base: str | None) -> str | None:
    """The address that calls go to: the given one, else LiteLLM's from the environment; None = the provider's own."""
    provider = provider_of(name)
    if provider == IN_PROCESS:
        return None
    if api_base:
        return api_base
    found = (os.environ.get(variable) for variable in _BASE_VARIABLES.get(provider, ()))
    return next((value for value in found if value), None)


def is_local(name: str, api_base: str | None) -> bool:
    """Whether a model runs on a machine of one's own: a loopback or private address, a host name without a public
    domain, or a provider that is local by default."""
    provider, base = provider_of(name), base_of(name, api_base)
    if provider == "litellm_proxy":
        return False  # A gateway on the own machine passes calls on to providers that cost money.
    if base is None:
        return provider in _OWN
    host = (urlsplit(base if "//" in base else f"//{base}").hostname or "").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_PRIVATE_SUFFIXES))
    return address.is_loopback or address.is_private or address.is_link_local


def _map() -> dict[str, dict[str, Any]]:
    # Prices that a user registered with LiteLLM live in the imported module only.
    module = sys.modules.get("litellm")
    live = getattr(module, "model_cost", None)
    return live if isinstance(live, dict) else _bundled()


@lru_cache(maxsize=1)
def _bundled() -> dict[str, dict[str, Any]]:
    spec = find_spec("litellm")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        path = Path(folder) / _MAP
        if path.is_file():
            data: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
            return data
    return {}
