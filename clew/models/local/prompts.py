"""From OpenAI messages to token ids by the tokenizer's chat template, and from text back to tool calls."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from clew.errors import ModelRequestRejected, Unsupported
from clew.models.local.loading import Loaded

# The form of Hermes and Qwen, which most open templates with tools use.
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Prompt:
    """`text` is what the model reads; `templated`: a chat template wrote it, special tokens included."""

    text: str
    templated: bool

    def encode(self, loaded: Loaded) -> list[int]:
        """Token ids. Text and template are encoded as one, as in training."""
        ids: list[int] = loaded.tokenizer(self.text, add_special_tokens=not self.templated)["input_ids"]
        if not ids:
            raise ModelRequestRejected(f"model 'local/{loaded.name}' was sent an empty prompt: give it some text")
        return ids

    def encode_from(self, loaded: Loaded, start: int) -> tuple[list[int], list[str]]:
        """Token ids of the whole text, and the text of each token that reaches beyond character `start`."""
        if not loaded.tokenizer.is_fast:
            raise Unsupported(
                f"model 'local/{loaded.name}' scores no text: its tokenizer does not tell where tokens are"
            )
        found = loaded.tokenizer(self.text, add_special_tokens=not self.templated, return_offsets_mapping=True)
        ids, places = found["input_ids"], found["offset_mapping"]
        # A special token that was put at the end stands nowhere in the text.
        while ids and places[-1] == (0, 0):
            ids, places = ids[:-1], places[:-1]
        # Nothing comes before the first token, so nothing can be said about it.
        first = max(next((i for i, (_, end) in enumerate(places) if end > start), len(ids)), 1)
        texts, at = [], places[first][0] if first < len(ids) else 0
        for _, end in places[first:]:
            texts.append(self.text[at : max(end, at)])
            at = max(end, at)
        return ids, texts


def write(
    loaded: Loaded,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
    continued: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Prompt:
    """The prompt for the assistant's next words.

    `continued`: the last message is the assistant's and still open. Its text follows the template's opening of a reply
    as it is, so that a continuation reads exactly what was written before. `options` are further variables of the
    template. A tokenizer without a template gets the messages' texts, one after the other with blank lines between.
    """
    plain = [{**message, "content": _text(loaded, message)} for message in messages]
    begun = plain.pop()["content"] if continued and plain else ""
    if loaded.tokenizer.chat_template is None:
        if tools:
            raise _no_tools(loaded, "it has no chat template")
        said = "".join(message["content"] + "\n\n" for message in plain if message["content"])
        return Prompt(said + begun, templated=False)
    if tools and "<tool_call>" not in str(loaded.tokenizer.chat_template):
        raise _no_tools(loaded, "its chat template does not write them as <tool_call>")
    try:
        text = loaded.tokenizer.apply_chat_template(
            [_with_arguments(message) for message in plain],
            tools=[dict(tool) for tool in tools] or None,
            tokenize=False,
            add_generation_prompt=True,
            **(options or {}),
        )
    except Exception as error:
        raise ModelRequestRejected(
            f"the chat template of model 'local/{loaded.name}' refuses the messages ({type(error).__name__}: {error}); "
            "change their roles or their order"
        ) from None
    return Prompt(text + begun, True)


def calls_in(text: str) -> tuple[str, list[dict[str, Any]]]:
    """The text before the first tool call, and the calls as OpenAI's protocol has them. What is no JSON object with a
    name stays text."""
    found = list(_CALL.finditer(text))
    calls = [call for match in found if (call := _call(match[1])) is not None]
    if len(calls) != len(found):
        return text, []
    return (text[: found[0].start()].rstrip() if found else text), calls


def _call(written: str) -> dict[str, Any] | None:
    try:
        said = json.loads(written, strict=False)
    except ValueError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("name"), str):
        return None
    arguments = said.get("arguments", {})
    arguments = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    function = {"name": said["name"], "arguments": arguments}
    return {"id": f"call_{uuid.uuid4().hex[:12]}", "type": "function", "function": function}


def _text(loaded: Loaded, message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    parts = [content] if isinstance(content, str) else content
    texts = [part if isinstance(part, str) else part.get("text") for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise Unsupported(f"model 'local/{loaded.name}' reads text alone: leave images and other parts out")
    return "".join(text for text in texts if text)


def _with_arguments(message: dict[str, Any]) -> dict[str, Any]:
    """Tool calls as templates want them: arguments as an object, not as its JSON."""
    if not message.get("tool_calls"):
        return message
    return {**message, "tool_calls": [_parsed(call) for call in message["tool_calls"]]}


def _parsed(call: Mapping[str, Any]) -> dict[str, Any]:
    function = dict(call["function"])
    with suppress(ValueError, TypeError):
        function["arguments"] = json.loads(function["arguments"])
    return {**call, "function": function}


def _no_tools(loaded: Loaded, why: str) -> Unsupported:
    return Unsupported(
        f"model 'local/{loaded.name}' takes no tools: {why}; use another model, or a graph without tools"
    )
