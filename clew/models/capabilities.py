"""What a model's server can do, and what is known about hosted models without asking them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from clew.models import pricing

Transport = Literal["completion", "prefill", "tools"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model's server can do. Give one to `Model` to skip the probe.

    `transport` is how `extend` continues the assistant's text:
      completion  the server renders the open message (`continue_final_message` of vLLM and SGLang), or, with `raw`, takes
                  plain text at `/completions` (base models: the segments' texts are joined as they are);
      prefill     a trailing assistant message is continued (Anthropic, DeepSeek, Mistral, Ollama, llama.cpp);
      tools       nothing can be continued: the model answers with text and tool calls.
    `stop_kept`: the server keeps the stop string in its output or names it, so that a stop can be told from the model's
    own end; without it stop strings are found in the stream. `stream`: the server streams. `tools`, `logprob`: None =
    not known. `source` tells where this came from: given, table, probe.
    """

    transport: Transport
    stop_kept: bool = False
    raw: bool = False
    stream: bool = True
    tools: bool | None = None
    logprob: bool | None = None
    source: Literal["given", "table", "probe"] = "given"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Capabilities:
        return cls(**{field.name: data[field.name] for field in fields(cls) if field.name in data})


def known(name: str, api_base: str | None) -> Capabilities | None:
    """Capabilities of a hosted model by LiteLLM's model map; None for everything that must be asked."""
    if name.startswith("text-completion-openai/"):
        return None if api_base is None else Capabilities("completion", raw=True, tools=False, source="table")
    entry = pricing.entry(name)
    if api_base is not None or entry is None or pricing.is_local(name, None):
        return None
    provider = entry.get("litellm_provider")
    # Claude thinks only when it is asked to; other reasoning models think first, out of sight.
    open_text = provider == "anthropic" or not entry.get("supports_reasoning")
    if entry.get("supports_assistant_prefill") and open_text:
        return Capabilities("prefill", tools=bool(entry.get("supports_function_calling")), source="table")
    if entry.get("supports_function_calling"):
        return Capabilities("tools", tools=True, source="table")
    return None
