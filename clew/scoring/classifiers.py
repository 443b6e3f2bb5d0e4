"""Classifiers as reward models: behind HTTP, as vLLM serves them, or a Hugging Face folder in this process."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from clew.errors import (
    BadReply,
    ConfigError,
    ContextOverflow,
    ModelAuthError,
    ModelError,
    ModelNotFound,
    ModelRequestRejected,
    ModelTimeout,
    ModelUnreachable,
    RateLimited,
    Unsupported,
)
from clew.journal import register_secret

Conversation = Sequence[dict[str, str]]
Form = Literal["outcome", "steps"]

LOCAL = "local/"
BATCH = 8
TIMEOUT_S, TRIES, WAIT_S = 120.0, 4, 0.5


@dataclass(frozen=True)
class Outputs:
    """What a classifier gives for one conversation: its raw outputs, one row of one number per class for the whole
    (`outcome`) or one row for each step (`steps`), and the number of tokens that it read (None: not told)."""

    rows: list[list[float]]
    tokens: int | None


class Classifier(Protocol):
    @property
    def name(self) -> str: ...

    def fingerprint(self) -> dict[str, Any]: ...

    async def __call__(self, conversation: Conversation, form: Form, separator: str) -> Outputs:
        """Raises subclasses of `ModelError`."""
        ...


@dataclass(frozen=True)
class Served:
    """A classifier at an HTTP server: `/classify` for outcomes and `/pooling` for steps, as vLLM has them. The server
    applies the model's own chat template; its activation is asked to stay off, so that outputs are logits. Busy,
    failing and unreachable servers are asked again, three times."""

    name: str
    api_base: str
    api_key: str | None = field(default=None, repr=False)

    def fingerprint(self) -> dict[str, Any]:
        return {"name": self.name}

    async def __call__(self, conversation: Conversation, form: Form, separator: str) -> Outputs:
        body = {"model": self.name, "messages": list(conversation), "add_generation_prompt": False}
        path = "classify" if form == "outcome" else "pooling"
        more = {"use_activation": False} if form == "outcome" else {}
        for tries_left in reversed(range(TRIES)):
            try:
                return _outputs(await self._post(path, {**body, **more}), form)
            except (RateLimited, ModelUnreachable, ModelTimeout):
                if not tries_left:
                    raise
            await asyncio.sleep(WAIT_S * 2 ** (TRIES - 1 - tries_left))
        raise AssertionError("the last try returns or raises")

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        import httpx

        # vLLM has these beside /v1, not under it.
        url = f"{self.api_base.rstrip('/').removesuffix('/v1')}/{path}"
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
                response = await client.post(url, json=body, headers=headers)
        except httpx.TimeoutException as error:
            raise ModelTimeout(f"{url} did not answer within {TIMEOUT_S:g} seconds") from error
        except httpx.HTTPError as error:
            raise ModelUnreachable(
                f"{url} cannot be reached: {error}: start the server, or correct api_base"
            ) from error
        if response.status_code != 200:
            raise _refusal(response.status_code, url, self.name, response.text[:300])
        try:
            return response.json()
        except ValueError as error:
            raise BadReply(f"the reply of {url} is no JSON: {response.text[:200]!r}") from error


def _refusal(status: int, url: str, name: str, said: str) -> ModelError:
    told = f"{url} refused with {status}: {said!r}"
    if status in (401, 403):
        return ModelAuthError(f"{told}: give an api_key that may use {name!r}")
    if status == 404:
        return ModelNotFound(f"{told}: it serves no {name!r}, or no classifier (vLLM: a pooling model)")
    if status == 429:
        return RateLimited(told)
    if status >= 500:
        return ModelUnreachable(told)
    overflow = "maximum context length" in said or "longer than the maximum" in said
    return ContextOverflow(told) if overflow else ModelRequestRejected(told)


def _outputs(reply: Any, form: Form) -> Outputs:
    try:
        first = reply["data"][0]
        found = [first["probs"]] if form == "outcome" else first["data"]
        rows = [[float(value) for value in (row if isinstance(row, list) else [row])] for row in found]
        tokens = (reply.get("usage") or {}).get("prompt_tokens")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BadReply(f"the server's reply has no outputs of a classifier: {str(reply)[:200]!r}") from error
    if not all(rows) or not all(math.isfinite(value) for row in rows for value in row):
        raise BadReply(f"the classifier's outputs are no finite numbers: {str(rows)[:200]}")
    return Outputs(rows, tokens if isinstance(tokens, int) else None)


class Local:
    """A classifier of Hugging Face in this process: a sequence classifier for outcomes, a token classifier for steps,
    read at the last token of each step. It is loaded when it is first asked, from safetensors and without code of its
    own, and works in threads beside the event loop; conversations that wait are put into one batch."""

    def __init__(self, folder: str, device: str | None = None) -> None:
        self.name, self._folder, self._device = LOCAL + folder, folder, device
        self._threads = ThreadPoolExecutor(BATCH, "clew-reward")
        self._waiting: list[_Waiting] = []
        self._model: Any = None
        self._tokenizer: Any = None
        self._at_work, self._list = threading.Lock(), threading.Lock()

    def fingerprint(self) -> dict[str, Any]:
        return {"name": self.name}

    async def __call__(self, conversation: Conversation, form: Form, separator: str) -> Outputs:
        mine = _Waiting(list(conversation), form, separator)
        with self._list:
            self._waiting.append(mine)
        await asyncio.get_running_loop().run_in_executor(self._threads, self._work, mine)
        if isinstance(mine.done, Outputs):
            return mine.done
        raise mine.done or AssertionError("the work ends with outputs or an error")

    def _work(self, mine: _Waiting) -> None:
        with self._at_work:
            while mine.done is None:
                with self._list:
                    batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                try:
                    self._load(mine.form)
                    for one in batch:
                        one.done = self._too_long(one)
                    if fitting := [one for one in batch if one.done is None]:
                        self._forward(fitting)
                except Exception as error:
                    failed = error if isinstance(error, ModelError) else ModelError(f"{self.name}: {error}")
                    for one in batch:
                        one.done = failed

    def _load(self, form: Form) -> None:
        if self._model is not None:
            return
        import transformers

        kind = "AutoModelForSequenceClassification" if form == "outcome" else "AutoModelForTokenClassification"
        options = {"trust_remote_code": False, "use_safetensors": True}
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(self._folder, trust_remote_code=False)
            model, report = getattr(transformers, kind).from_pretrained(
                self._folder, output_loading_info=True, **options
            )
        except (OSError, ValueError) as error:
            raise ModelNotFound(
                f"{self.name!r} holds no classifier that can be loaded ({str(error)[:200]}): give a folder with a model"
                " in safetensors and its tokenizer"
            ) from error
        if report["missing_keys"]:
            raise Unsupported(
                f"{self.name!r} is no {kind.removeprefix('AutoModelFor')}: its weights lack"
                f" {', '.join(sorted(report['missing_keys'])[:3])}"
            )
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        model.config.get_text_config().pad_token_id = model.config.pad_token_id = self._tokenizer.pad_token_id
        self._model = model.eval().to(self._device or "cpu")

    def _forward(self, batch: Sequence[_Waiting]) -> None:
        import torch

        texts = [self._text(one.conversation) for one in batch]
        given = self._tokenizer(
            texts, padding=True, padding_side="right", add_special_tokens=False, return_tensors="pt",
            return_offsets_mapping=True,
        )  # fmt: skip
        offsets = given.pop("offset_mapping").tolist()
        with torch.inference_mode():
            logits = self._model(**{name: value.to(self._model.device) for name, value in given.items()}).logits
        lengths = given["attention_mask"].sum(dim=1).tolist()
        for one, text, row, places, length in zip(batch, texts, logits.float().cpu(), offsets, lengths, strict=True):
            read = [row] if one.form == "outcome" else [row[n] for n in _ends(one, text, places, length)]
            one.done = Outputs([values.tolist() for values in read], length)

    def _too_long(self, one: _Waiting) -> ModelError | None:
        most = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        length = len(self._tokenizer(self._text(one.conversation), add_special_tokens=False)["input_ids"])
        if not most or length <= most:
            return None
        return ContextOverflow(f"{length} tokens are more than the {most} that {self.name!r} can read")

    def _text(self, conversation: Conversation) -> str:
        if self._tokenizer.chat_template is None:
            return "\n\n".join(message["content"] for message in conversation)
        return str(self._tokenizer.apply_chat_template(list(conversation), tokenize=False))


@dataclass
class _Waiting:
    conversation: list[dict[str, str]]
    form: Form
    separator: str
    done: Outputs | ModelError | None = None


def _ends(one: _Waiting, text: str, places: Sequence[tuple[int, int]], length: int) -> list[int]:
    """The tokens at which the steps of an answer end: those that hold the last character of each separator."""
    answer = one.conversation[-1]["content"]
    at = text.rindex(answer)
    ends = []
    while (found := text.find(one.separator, at, text.rindex(answer) + len(answer))) >= 0:
        at = found + len(one.separator)
        ends.append(next(n for n in range(length) if places[n][0] < at <= places[n][1]))
    return ends


def classifier(model: str, api_base: str | None, api_key: str | None) -> Classifier:
    """`local/FOLDER` in this process, any other name at the server `api_base`. Raises `ConfigError` without one."""
    if model.startswith(LOCAL):
        return Local(model.removeprefix(LOCAL))
    if not api_base:
        raise ConfigError(
            f"the reward model {model!r} has no server: give api_base, or local/FOLDER for one in this process"
        )
    if api_key:
        register_secret(api_key)
    return Served(model.removeprefix("hosted_vllm/").removeprefix("openai/"), api_base, api_key)
