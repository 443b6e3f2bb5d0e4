"""A request as the scripted server saw it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any


def text_of(content: Any) -> str:
    """The text of a message's content: a string, a list of parts, or nothing."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


@dataclass(frozen=True)
class Request:
    """One POST request; `number` counts from 0 in order of arrival, `at` is Unix time in seconds.

    `headers` have lower-case names and no credentials; `authorized` says whether the right key came with it (any key,
    where the server asks for none). `choice` counts from 0 where one request asks for `n` choices: each takes a reply.
    """

    number: int
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    authorized: bool
    at: float
    choice: int = 0
    continues: bool = False
    """Whether the reply goes on with text that the client sent (completions, or an honoured prefill)."""

    @property
    def chat(self) -> bool:
        """Whether it came to /v1/chat/completions."""
        return self.path.endswith("/chat/completions")

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Messages of a chat request; empty for completions."""
        messages = self.body.get("messages")
        return [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []

    @property
    def prompts(self) -> list[str]:
        """Prompts of a completions request; empty for chat."""
        prompt = self.body.get("prompt")
        given = prompt if isinstance(prompt, list) else [prompt]
        return [p for p in given if isinstance(p, str)]

    @cached_property
    def prompt(self) -> str:
        """Everything the client sent as text: the raw prompt, or the texts of all messages, one per line."""
        if self.chat:
            return "\n".join(text_of(m.get("content")) for m in self.messages)
        return self.prompts[min(self.choice // self.n, len(self.prompts) - 1)] if self.prompts else ""

    @property
    def last(self) -> str:
        """Text of the last message, or the raw prompt."""
        if not self.chat:
            return self.prompt
        return text_of(self.messages[-1].get("content")) if self.messages else ""

    @property
    def prefix(self) -> str:
        """The text that the reply continues; empty when it starts afresh."""
        return self.last if self.continues else ""

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The functions on offer (name, description, parameters); empty under `tool_choice="none"`."""
        tools = self.body.get("tools")
        if not isinstance(tools, list) or self.body.get("tool_choice") == "none":
            return []
        return [t["function"] for t in tools if isinstance(t, dict) and isinstance(t.get("function"), dict)]

    @property
    def n(self) -> int:
        n = self.body.get("n")
        return n if isinstance(n, int) and n > 0 else 1

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def stop(self) -> list[str]:
        stop = self.body.get("stop") or []
        given = stop if isinstance(stop, list) else [stop]
        return [s for s in given if isinstance(s, str) and s]

    @property
    def max_tokens(self) -> int | None:
        """The limit on new tokens; None = none. Completions have 16 by default, as OpenAI's and vLLM's."""
        limit = self.body.get("max_completion_tokens", self.body.get("max_tokens"))
        if isinstance(limit, int):
            return limit
        return None if self.chat else 16

    @cached_property
    def digest(self) -> str:
        """Hash of path and body: the same for every try of one request."""
        text = json.dumps([self.path, self.body], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]
