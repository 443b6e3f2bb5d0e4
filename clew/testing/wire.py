"""The bodies and streamed events of OpenAI's protocol, with vLLM's additions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clew.testing import tokens
from clew.testing.features import Features
from clew.testing.replies import Call
from clew.testing.request import Request
from clew.testing.sample import Sample
from clew.testing.tokens import LogProb, Token

Json = dict[str, Any]


@dataclass(frozen=True)
class Wire:
    """Writes the answer to one request: `body` for a plain one, `events` for a stream."""

    request: Request
    features: Features
    prompt_tokens: int
    logprob: LogProb

    # Whole bodies -------------------------------------------------------------------------------------------------

    def body(self, samples: Sequence[Sample]) -> Json:
        choice = self._chat_choice if self.request.chat else self._text_choice
        body = self._head("chat.completion" if self.request.chat else "text_completion")
        body["choices"] = [choice(sample, index) for index, sample in enumerate(samples)]
        if self.request.chat:
            body.update(self._of_prompt(0))
        usage = self.usage(samples)
        return body if usage is None else {**body, "usage": usage}

    def usage(self, samples: Sequence[Sample]) -> Json | None:
        given = samples[0].reply.usage if samples else True
        if not isinstance(given, bool):
            return dict(given)
        if not (given and self.features.usage):
            return None
        completion = sum(sample.completion_tokens for sample in samples)
        reasoning = sum(sample.reasoning_tokens for sample in samples)
        usage: Json = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
        }
        return {**usage, "completion_tokens_details": {"reasoning_tokens": reasoning}} if reasoning else usage

    def _head(self, kind: str) -> Json:
        prefix = "chatcmpl" if self.request.chat else "cmpl"
        return {
            "id": f"{prefix}-{int(self.request.at * 1e6):x}-{self.request.number}",
            "object": kind,
            "created": int(time.time()),
            "model": self.request.model,
        }

    def _chat_choice(self, sample: Sample, index: int) -> Json:
        content = sample.text if sample.text or not sample.tool_calls else None
        if sample.reply.fault == "null_content":
            content = None
        message: Json = {"role": "assistant", "content": content}
        if sample.reasoning and self.features.reasoning:
            message[self.features.reasoning] = sample.reasoning
        if sample.tool_calls:
            message["tool_calls"] = [self._call(call, index, i) for i, call in enumerate(sample.tool_calls)]
        scored = self._scored(sample, index)
        choice: Json = {"index": index, "message": message, "logprobs": self._chat_logprobs(scored)}
        return {**choice, **self._ending(sample), **self._ids(scored)}

    def _text_choice(self, sample: Sample, index: int) -> Json:
        prompt = self.prompt(index)
        echoed = prompt if self.request.body.get("echo") else ""
        scored = self._scored(sample, index)
        choice: Json = {"index": index, "text": echoed + sample.text}
        choice["logprobs"] = self._text_logprobs(scored, prompt if echoed else None)
        if sample.reply.fault == "null_content":
            choice["text"] = None
        return {**choice, **self._ending(sample), **self._ids(scored), **self._of_prompt(index)}

    def _call(self, call: Call, choice: int, position: int, *, arguments: str | None = None) -> Json:
        name = call.id or f"call_{self.request.number}_{choice}_{position}"
        function = {"name": call.name, "arguments": call.text if arguments is None else arguments}
        return {"id": name, "type": "function", "function": function}

    def _ending(self, sample: Sample | None) -> Json:
        ending: Json = {"finish_reason": sample.finish if sample else None}
        if self.features.stop_reason:
            ending["stop_reason"] = sample.stop_reason if sample else None
        return ending

    # Log probabilities and token ids ------------------------------------------------------------------------------

    def prompt(self, index: int) -> str:
        """The prompt that choice `index` continues."""
        if self.request.chat:
            return self.request.prompt
        return self.request.prompts[index // self.request.n]

    @property
    def _wants_logprobs(self) -> bool:
        wanted = self.request.body.get("logprobs")
        return self.features.logprobs and wanted is not None and wanted is not False

    @property
    def _wants_ids(self) -> bool:
        return self.features.token_ids and bool(self.request.body.get("return_token_ids"))

    def _scored(self, sample: Sample, index: int) -> list[Token]:
        """Tokens of the choice, scored. vLLM counts a hidden stop string's tokens in, others do not."""
        if not (self._wants_logprobs or self._wants_ids):
            return []
        text = sample.generated if self.features.dialect == "vllm" else sample.text
        return tokens.score(text, self.prompt(index), self.logprob)

    def _ids(self, scored: Sequence[Token]) -> Json:
        return {"token_ids": [token.id for token in scored]} if self._wants_ids else {}

    def _of_prompt(self, index: int) -> Json:
        """vLLM's token ids and scores of the prompt."""
        wants_scores = self.features.prompt_logprobs and self.request.body.get("prompt_logprobs") is not None
        if not (wants_scores or self._wants_ids):
            return {}
        scored = tokens.score(self.prompt(index), "", self.logprob)
        extra: Json = {"prompt_token_ids": [token.id for token in scored]} if self._wants_ids else {}
        if wants_scores:
            entries = [{str(t.id): {"logprob": t.logprob, "rank": 1, "decoded_token": t.text}} for t in scored]
            extra["prompt_logprobs"] = [None, *entries[1:]] if entries else []
        return extra

    def _chat_logprobs(self, scored: Sequence[Token]) -> Json | None:
        if not self._wants_logprobs:
            return None
        top = int(self.request.body.get("top_logprobs") or 0)

        def entry(token: Token) -> Json:
            return {"token": token.text, "logprob": token.logprob, "bytes": list(token.text.encode())}

        others = [[entry(other) for other in tokens.alternatives(token, top)] for token in scored]
        return {"content": [{**entry(t), "top_logprobs": o} for t, o in zip(scored, others, strict=True)]}

    def _text_logprobs(self, scored: Sequence[Token], echoed: str | None, offset: int = 0) -> Json | None:
        if not self._wants_logprobs:
            return None
        prompt = tokens.score(echoed, "", self.logprob) if echoed and self.features.prompt_logprobs else []
        top = int(self.request.body.get("logprobs") or 0)
        shift = offset + len(echoed or "")
        whole = [*prompt, *scored]
        nothing = 1 if prompt else 0  # The first token of a prompt has no probability.
        tops = [{o.text: o.logprob for o in [token, *tokens.alternatives(token, top)]} for token in whole]
        return {
            "tokens": [token.text for token in whole],
            "token_logprobs": [None] * nothing + [token.logprob for token in whole[nothing:]],
            "top_logprobs": [None] * nothing + tops[nothing:],
            "text_offset": [token.offset for token in prompt] + [token.offset + shift for token in scored],
        }

    # Streams ------------------------------------------------------------------------------------------------------

    def events(self, samples: Sequence[Sample]) -> Iterator[Json]:
        """The chunks of a stream; those of several choices take turns."""
        head = self._head("chat.completion.chunk" if self.request.chat else "text_completion")
        options = self.request.body.get("stream_options") or {}
        with_usage = self.features.stream_usage and bool(options.get("include_usage"))
        parts = self._chat_parts if self.request.chat else self._text_parts
        open_choices = [(index, parts(sample, index)) for index, sample in enumerate(samples)]
        first = True
        while open_choices:
            for index, iterator in list(open_choices):
                part = next(iterator, None)
                if part is None:
                    open_choices.remove((index, iterator))
                    continue
                extra = self._of_prompt(0) if first and self.request.chat else {}
                usage = {"usage": None} if with_usage else {}
                yield {**head, **extra, "choices": [{"index": index, **part}], **usage}
                first = False
        if with_usage:
            yield {**head, "choices": [], "usage": self.usage(samples)}

    def _chat_parts(self, sample: Sample, index: int) -> Iterator[Json]:
        def part(delta: Json, logprobs: Json | None = None) -> Json:
            return {"delta": delta, "logprobs": logprobs, "finish_reason": None}

        if sample.reply.fault == "null_content":
            yield part({"role": "assistant", "content": None})
            yield {**part({}), **self._ending(sample)}
            return
        yield part({"role": "assistant", "content": ""})
        if self.features.reasoning:
            for piece, _ in _pieces(sample.reasoning, sample.reply.chunk, []):
                yield part({self.features.reasoning: piece})
        for piece, scored in _pieces(sample.text, sample.reply.chunk, self._scored(sample, index)):
            yield {**part({"content": piece}, self._chat_logprobs(scored)), **self._ids(scored)}
        for position, call in enumerate(sample.tool_calls):
            opening = self._call(call, index, position, arguments="")
            yield part({"tool_calls": [{"index": position, **opening}]})
            for piece, _ in _pieces(call.text, sample.reply.chunk, []):
                yield part({"tool_calls": [{"index": position, "function": {"arguments": piece}}]})
        yield {**part({}), **self._ending(sample)}

    def _text_parts(self, sample: Sample, index: int) -> Iterator[Json]:
        prompt = self.prompt(index)
        echoes = bool(self.request.body.get("echo"))
        if echoes:
            yield {"text": prompt, "logprobs": self._text_logprobs([], prompt), "finish_reason": None}
        for piece, scored in _pieces(sample.text, sample.reply.chunk, self._scored(sample, index)):
            logprobs = self._text_logprobs(scored, None, len(prompt) if echoes else 0)
            yield {"text": piece, "logprobs": logprobs, "finish_reason": None, **self._ids(scored)}
        yield {"text": "", "logprobs": None, **self._ending(sample)}


def _pieces(text: str, chunk: int | None, scored: Sequence[Token]) -> Iterator[tuple[str, list[Token]]]:
    """`text` in streamed pieces, each with the tokens that end in it; the last has those of a hidden stop string."""
    cuts = tokens.split(text) if chunk is None else [text[i : i + chunk] for i in range(0, len(text), chunk)]
    end, position = 0, 0
    for number, piece in enumerate(cuts, 1):
        end += len(piece)
        done = position
        last = number == len(cuts)
        while done < len(scored) and (last or scored[done].offset + len(scored[done].text) <= end):
            done += 1
        yield piece, list(scored[position:done])
        position = done
