"""Reward models: how good an answer, or each of its steps, is to a classifier that was trained on that."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any, Literal

from clew.errors import BadReply, ConfigError, EffectFailed, Refused
from clew.journal import Cost, effect, note, scope
from clew.models.tokens import estimate
from clew.scoring.classifiers import LOCAL, Classifier, Conversation, Form, Outputs, classifier
from clew.scoring.verdict import Verdict
from clew.scoring.written import written
from clew.task import Answer, Task

KIND = "reward"
SEPARATOR = "<extra_0>"
Aggregate = Literal["min", "last", "mean", "product"]

_AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "last": lambda values: values[-1],
    "mean": fmean,
    "product": math.prod,
}
_BLANK = re.compile(r"\n[ \t]*\n\s*")


class RewardModel:
    """Scores each answer as a whole, by a sequence classifier that reads question and answer as a conversation in the
    model's own chat template. The value is the probability of the class `positive`: of one output its sigmoid, of
    several their softmax. The label is `unknown`, unless `accept` is given: `right` from that value on, else `wrong`.

    Each different answer is one effect of kind `reward`, one model call of the budget, in `scope("reward", i)`. No text
    is 0 and `wrong` without a call; a model that fails, or a budget that refuses, is `unknown` (value None).

    Args:
        model: `local/FOLDER` (or a name on the hub) for a model in this process; else the name by which the server at
            `api_base` knows it (vLLM: `vllm serve NAME`, asked at `/classify`).
        positive: the class of good answers, counted from 0 (of one output there is none to choose).
        price: US dollars per token read; default: nothing.
    """

    name = "reward"
    oracle = False
    form: Form = "outcome"

    def __init__(
        self,
        model: str,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        accept: float | None = None,
        positive: int = 1,
        price: float = 0.0,
    ) -> None:
        if accept is not None and not 0 < accept <= 1:
            raise ConfigError(f"accept={accept!r} is no value to reach: give a number above 0 and at most 1")
        self._classifier: Classifier = classifier(model, api_base, api_key)
        self.accept, self._positive, self._price = accept, positive, price

    def fingerprint(self) -> dict[str, Any]:
        """What decides its verdicts, as JSON."""
        settings = {"accept": self.accept, "positive": self._positive}
        return {"scorer": self.name, "model": self._classifier.fingerprint(), **settings}

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        """One verdict per answer."""
        asked = [self._parts(task, answer) for answer in answers]
        first: dict[tuple[str, ...], int] = {}
        for index, parts in enumerate(asked):
            first.setdefault(parts, index)
        found = await asyncio.gather(*(self._one(task, parts, index) for parts, index in first.items()))
        verdicts = dict(zip(first, found, strict=True))
        return [verdicts[parts] for parts in asked]

    def _parts(self, task: Task, answer: Answer) -> tuple[str, ...]:
        text = answer.text.strip()
        return (text,) if text else ()

    def _said(self, parts: tuple[str, ...]) -> str:
        return parts[0]

    async def _one(self, task: Task, parts: tuple[str, ...], index: int) -> Verdict:
        if not parts:
            return Verdict(value=0.0, label="wrong", feedback="no answer")
        try:
            with scope("reward", index):
                rows = await self._rows(task, parts)
                values = [self._probability(row) for row in rows]
                return self._verdict(parts, values, rows)
        except (EffectFailed, Refused) as error:
            return Verdict(value=None, feedback=f"the reward model failed: {type(error).__name__}: {error}")

    async def _rows(self, task: Task, parts: tuple[str, ...]) -> list[list[float]]:
        conversation = [
            {"role": "user", "content": task.question}, {"role": "assistant", "content": self._said(parts)},
        ]  # fmt: skip
        guess = sum(estimate(message["content"]) for message in conversation) + 20

        async def perform() -> dict[str, Any]:
            outputs = await self._outputs(conversation)
            return {"rows": outputs.rows, "tokens": outputs.tokens}

        request = {"model": self._classifier.fingerprint(), "form": self.form, "messages": conversation}
        done = await effect(
            KIND, request, perform, reserve=self._cost(guess, True),
            cost=lambda outcome: self._cost(outcome["tokens"] or guess, outcome["tokens"] is None),
        )  # fmt: skip
        rows: list[list[float]] = done.outcome["rows"]
        return rows

    async def _outputs(self, conversation: Conversation) -> Outputs:
        return await self._classifier(conversation, self.form, SEPARATOR)

    def _cost(self, tokens: int, estimated: bool) -> Cost:
        usd = 0.0 if self._classifier.name.startswith(LOCAL) else tokens * self._price
        return Cost(tokens=tokens, usd=usd, model_calls=1, estimated=estimated)

    def _probability(self, row: Sequence[float]) -> float:
        if len(row) == 1:
            return _sigmoid(row[0])
        if not 0 <= self._positive < len(row):
            raise BadReply(f"the reward model has {len(row)} classes and no class {self._positive}: give positive=")
        if all(0 <= value <= 1 for value in row) and abs(sum(row) - 1) < 1e-3:
            return row[self._positive]  # a server that would not leave its activation off
        highest = max(row)
        exponentials = [math.exp(value - highest) for value in row]
        return exponentials[self._positive] / sum(exponentials)

    def _verdict(self, parts: tuple[str, ...], values: Sequence[float], rows: list[list[float]]) -> Verdict:
        told = f"reward {values[0]:.3f} (outputs {', '.join(f'{value:.3f}' for value in rows[0])})"
        return self._labelled(values[0], told)

    def _labelled(self, value: float, feedback: str) -> Verdict:
        if self.accept is None:
            return Verdict(value=value, feedback=feedback)
        return Verdict(value=value, label="right" if value >= self.accept else "wrong", feedback=feedback)


class ProcessReward(RewardModel):
    """Scores each step of an answer, and the answer by `aggregate` of its steps: `min` (Lightman et al., arXiv
    2305.20050, use `product`), `last`, `mean` or `product`. Values per step stand in the feedback, the weakest named,
    and in a note `step_rewards` of the run.

    The classifier reads the steps with `separator` after each and gives one output for each separator: in this process
    a token classifier, read there; at a server a model whose pooler returns its step tokens (vLLM's `/pooling`, as with
    Qwen2.5-Math-PRM, whose separator is the default). Another number of outputs than of steps is `unknown`.

    Args:
        steps: the steps of an answer; default: the paragraphs of the reply that gave it, found through its trace, or of
            its text.
        others: as in `RewardModel`.
    """

    name = "process_reward"
    form: Form = "steps"

    def __init__(
        self,
        model: str,
        *,
        aggregate: Aggregate = "min",
        steps: Callable[[Task, Answer], Sequence[str]] | None = None,
        separator: str = SEPARATOR,
        **others: Any,
    ) -> None:
        super().__init__(model, **others)
        if aggregate not in _AGGREGATES:
            raise ConfigError(f"aggregate={aggregate!r} is unknown: give one of {', '.join(_AGGREGATES)}")
        if not separator:
            raise ConfigError("separator='' separates nothing: give the text that ends a step to the model")
        self._aggregate, self._steps, self._separator = aggregate, steps or paragraphs, separator

    def fingerprint(self) -> dict[str, Any]:
        steps = f"{self._steps.__module__}.{self._steps.__qualname__}"
        return {**super().fingerprint(), "aggregate": self._aggregate, "separator": self._separator, "steps": steps}

    def _parts(self, task: Task, answer: Answer) -> tuple[str, ...]:
        steps = (step.replace(self._separator, " ").strip() for step in self._steps(task, answer))
        return tuple(step for step in steps if step)

    def _said(self, parts: tuple[str, ...]) -> str:
        return "".join(step + self._separator for step in parts)

    async def _outputs(self, conversation: Conversation) -> Outputs:
        outputs = await self._classifier(conversation, self.form, self._separator)
        steps = conversation[-1]["content"].count(self._separator)
        if len(outputs.rows) != steps:
            raise BadReply(
                f"the reward model gave {len(outputs.rows)} outputs for {steps} steps: is {self._separator!r} what it"
                " separates them by?"
            )
        return outputs

    def _verdict(self, parts: tuple[str, ...], values: Sequence[float], rows: list[list[float]]) -> Verdict:
        note("step_rewards", {"values": list(values)})
        weakest = min(range(len(values)), key=lambda n: values[n])
        listed = ", ".join(f"{value:.3f}" for value in values)
        told = f"steps {listed}; the weakest is step {weakest + 1}: {parts[weakest][:300]}"
        return self._labelled(_AGGREGATES[self._aggregate](values), told)


def paragraphs(task: Task, answer: Answer) -> list[str]:
    """The paragraphs, which blank lines part, of what the model wrote when it gave `answer`."""
    return _BLANK.split(written(answer))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
