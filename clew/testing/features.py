"""What a kind of provider can do, as data: a `Features` value makes the scripted server play it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Features:
    """Capabilities of the played server; the default can do everything.

    A missing capability fails the way such servers fail: an unknown endpoint is 404, a parameter that a `strict` server
    does not know is 400 and one that a lenient server does not know is ignored, a prefill that is not honoured is
    answered by a fresh reply.
    """

    dialect: Literal["vllm", "openai", "anthropic"] = "vllm"
    """Wording and codes of its errors."""
    completions: bool = True
    """POST /v1/completions exists."""
    continue_final_message: bool = True
    """Knows vLLM's `continue_final_message` and `add_generation_prompt`."""
    prefill: bool | Literal["refuse"] = True
    """A last message of the assistant is continued (True), answered afresh (False) or 400 ("refuse")."""
    prefill_may_end_in_space: bool = True
    """False: 400 for a prefill with trailing white space, as Anthropic does."""
    tools: bool = True
    """Knows `tools`; otherwise 400."""
    n: bool = True
    """Gives `n` choices; otherwise 400 for n > 1."""
    logprobs: bool = True
    """Gives log probabilities of generated tokens."""
    prompt_logprobs: bool = True
    """Scores prompts: `echo` with `logprobs` on completions, vLLM's `prompt_logprobs` on both endpoints."""
    token_ids: bool = True
    """Knows vLLM's `return_token_ids`."""
    stop_kept: bool = True
    """Knows vLLM's `include_stop_str_in_output`."""
    stop_reason: bool = True
    """Names the stop string that ended a choice, in vLLM's `stop_reason`."""
    max_stops: int | None = None
    """Most stop strings allowed in a request; more are 400."""
    usage: bool = True
    """Reports token counts."""
    stream_usage: bool = True
    """Knows `stream_options.include_usage`."""
    reasoning: str = "reasoning_content"
    """Field that carries a reply's reasoning; empty: it is hidden and only counted in `usage`."""
    strict: bool = False
    """400 for parameters it does not know."""
    rejects: tuple[str, ...] = ()
    """Parameters that it knows and refuses for this model, with 400."""
    context: int | None = None
    """Context window in tokens; prompt plus `max_tokens` beyond it are 400."""


vllm = Features(prefill=False)
"""vLLM: raw completions, `continue_final_message`, kept stop strings, token ids, prompt scores."""

openai = Features(
    dialect="openai",
    completions=False,
    continue_final_message=False,
    prefill=False,
    prompt_logprobs=False,
    token_ids=False,
    stop_kept=False,
    stop_reason=False,
    max_stops=4,
    reasoning="",
    strict=True,
)
"""A hosted chat model: no raw completions, a prefill is ignored, unknown parameters are refused."""

anthropic_like_prefill = Features(
    dialect="anthropic",
    completions=False,
    continue_final_message=False,
    prefill=True,
    prefill_may_end_in_space=False,
    n=False,
    logprobs=False,
    prompt_logprobs=False,
    token_ids=False,
    stop_kept=False,
    stop_reason=False,
)
"""A hosted chat model that continues a prefill which has no trailing white space."""

hidden_reasoning = Features(
    dialect="openai",
    completions=False,
    continue_final_message=False,
    prefill=False,
    logprobs=False,
    prompt_logprobs=False,
    token_ids=False,
    stop_kept=False,
    stop_reason=False,
    reasoning="",
    strict=True,
    rejects=("stop", "logprobs", "top_logprobs"),
)
"""A model that hides its reasoning: no stop strings, no prefill; native tool calls are the only way to interrupt it."""

PRESETS: dict[str, Features] = {
    "all": Features(),
    "vllm": vllm,
    "openai": openai,
    "anthropic_like_prefill": anthropic_like_prefill,
    "hidden_reasoning": hidden_reasoning,
}
