"""Scores of CoRAG's chains without a gold answer: how sure is it that a chain leads to the answer?

Whatever measures it, larger is better. The paper's own score is the mean log probability of the nothing-found sentence,
where smaller is better; it is negated here and kept as it is in the notes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from clew.errors import ConfigError, EffectFailed, ModelRequestRejected, Refused, Unsupported
from clew.graphs.corag_links import NOTHING_FOUND, Chain, Links, branches, rendered
from clew.graphs.final import Said, short_reply
from clew.graphs.passages import cut_middle
from clew.journal import Transcript, note
from clew.models import Model, Reply
from clew.models.tokens import estimate
from clew.retrieval import Hit
from clew.scoring.text import normalise
from clew.task import Task

ScorerName = Literal["likelihood", "verdict", "votes", "consistency"]

VERDICT_INSTRUCTION = """\
Below are a question and what was found out about it so far, as smaller questions with their answers. Decide whether \
these answers, taken as true, hold everything that is needed to answer the question. Other words with the same meaning \
count; answers that are beside the point do not.

Output: one word, yes or no."""

_WORD = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Score:
    """`value`: larger is better, None when it could not be found out. `raw` is what was measured."""

    value: float | None
    raw: Any = None


Measure = Callable[[Task, Sequence[Chain]], Awaitable[list[Score]]]


@dataclass(frozen=True)
class Scorers:
    """The four chain scorers. `finish` gives the final answer of a chain, for the vote; `votes` is the number of
    sampled verdicts, `verdict_tokens` their limit."""

    model: Model
    links: Links
    finish: Callable[[Task, Chain, Sequence[Hit]], Awaitable[Said]]
    instruction: str = VERDICT_INSTRUCTION
    votes: int = 5
    verdict_tokens: int = 16

    async def score(
        self, task: Task, chains: Sequence[Chain], order: Sequence[str], found: Sequence[Hit] = ()
    ) -> tuple[list[float | None], tuple[str, ...]]:
        """The values of `chains` by the first scorer in `order` that the model's server supports, and `order` from that
        one on, for the next time. The note `chain_scores` names the scorer, the raw scores, and why others could not be
        used. Raises `Unsupported` when none can."""
        measures: dict[str, Measure] = {
            "likelihood": partial(self._each, self._likelihood),
            "verdict": partial(self._each, self._verdict),
            "votes": partial(self._each, self._votes),
            "consistency": partial(self._consistency, found),
        }
        passed_over: dict[str, str] = {}
        for at, name in enumerate(order):
            try:
                scores = await measures[name](task, chains)
            except (Unsupported, ModelRequestRejected) as error:
                passed_over[name] = str(error)
                continue
            if all(score.value is None for score in scores) and at + 1 < len(order):
                passed_over[name] = f"no chain got a score: {[score.raw for score in scores]}"
                continue
            data = {"scorer": name, "values": [s.value for s in scores], "raw": [s.raw for s in scores]}
            note("chain_scores", {**data, **({"instead_of": passed_over} if passed_over else {})})
            return [score.value for score in scores], tuple(order[at:])
        raise Unsupported(f"no chain scorer of {list(order)} works here: {passed_over}; add 'votes' to the fallback")

    async def sufficient(self, task: Task, chain: Chain) -> bool:
        """Whether one verdict holds the chain to be enough (early stop). A reply that is neither yes nor no means that
        it is not."""
        reply = await short_reply(self.model, self.verdict_prompt(task, chain), self.verdict_tokens, temperature=0.0)
        word = _WORD.match(reply.text)
        note("sufficiency", {"chain": chain["index"], "links": len(chain["links"]), "reply": reply.text[:200]})
        return word is not None and word[1].lower() == "yes"

    async def _each(
        self, measure: Callable[[Task, Chain], Awaitable[Score]], task: Task, chains: Sequence[Chain]
    ) -> list[Score]:
        """Every chain by itself, side by side. A call that fails leaves its score out; one that the server does not
        support ends the measure."""

        async def one(chain: Chain) -> Score:
            try:
                return await measure(task, chain)
            except (Unsupported, ModelRequestRejected):
                raise
            except EffectFailed as error:
                note("chain_score_failed", {"error": f"{type(error).__name__}: {error}"})
                return Score(None)

        return await branches("score", [partial(one, chain) for chain in chains])

    async def _likelihood(self, task: Task, chain: Chain) -> Score:
        """The paper's score: the sub-answer's prompt with the main question and the chain in place of passages, and how
        likely the model thinks it that the reply is the nothing-found sentence (mean over its tokens)."""
        documents = "".join(rendered(chain["links"])).strip()
        room = self.links.prompt_tokens - estimate(self.links.subanswer) - estimate(task.question)
        prompt = self.links.reading_prompt(task.question, cut_middle(documents, max(room, 0)))
        found = await self.model.logprob(prompt, NOTHING_FOUND)
        mean = found.total / max(len(found.tokens), 1)
        return Score(-mean, mean)

    async def _verdict(self, task: Task, chain: Chain) -> Score:
        """One token, yes or no, with its log probability: the probability of yes."""
        reply = await self.model.chat(
            self.verdict_prompt(task, chain), temperature=0.0, max_tokens=1, logprobs=True, top_logprobs=1
        )
        if not reply.logprobs:
            raise Unsupported(f"model {self.model.name!r} gave no log probabilities with its reply")
        token, value = reply.logprobs[0]
        word = _WORD.match(token)
        if word is None:
            return Score(None, {"token": token, "logprob": value})
        sure = math.exp(min(value, 0.0))
        return Score(sure if word[1].lower() == "yes" else 1 - sure, {"token": token, "logprob": value})

    async def _votes(self, task: Task, chain: Chain) -> Score:
        """The share of yes among sampled verdicts; what is neither yes nor no is no vote."""
        replies: list[Reply] = []
        for limit in (self.verdict_tokens, self.model.max_tokens):  # the second for a model that thinks first
            prompt = self.verdict_prompt(task, chain)
            replies = await self.model.sample(prompt, self.votes, temperature=0.7, max_tokens=limit)
            if any(reply.text.strip() or reply.finish != "length" for reply in replies):
                break
        words = [word[1].lower() for reply in replies if (word := _WORD.match(reply.text))]
        raw = {"yes": words.count("yes"), "no": words.count("no"), "of": self.votes}
        return Score(raw["yes"] / len(words) if words else None, raw)

    async def _consistency(self, found: Sequence[Hit], task: Task, chains: Sequence[Chain]) -> list[Score]:
        """Every chain gives its final answer; a chain's score is the share of chains whose answer is the same after
        normalisation."""

        async def answer(chain: Chain) -> str:
            said = await self.finish(task, chain, found)
            if said.status == "budget":
                raise Refused(said.stop_reason, "not every chain could be asked for its answer")
            return said.text

        texts = await branches("answer", [partial(answer, chain) for chain in chains])
        said = [normalise(text) or text.strip() for text in texts]
        votes = Counter(text for text in said if text)
        return [Score(votes[key] / len(chains) if key else None, text) for key, text in zip(said, texts, strict=True)]

    def verdict_prompt(self, task: Task, chain: Chain) -> Transcript:
        head = f"{self.instruction}\n\nMain question:\n{task.question}"
        tail = "\n\nIs this enough to answer the main question? One word:"
        room = self.links.prompt_tokens - estimate(head) - estimate(tail)
        links = cut_middle("".join(rendered(chain["links"])), max(room, 0))
        return Transcript().add("user", head, "prompt").add("user", links, "injected").add("user", tail, "prompt")


def order_of(scorer: str, fallback: Sequence[str]) -> tuple[str, ...]:
    """The scorers to try, in order. Raises `ConfigError` for a name that there is none of."""
    known = ("likelihood", "verdict", "votes", "consistency")
    order = tuple(dict.fromkeys([scorer, *fallback]))
    for name in order:
        if name not in known:
            raise ConfigError(f"chain scorer {name!r} is unknown: give one of {', '.join(known)}")
    return order


def best(values: Sequence[float | None], count: int = 1) -> list[int]:
    """The indices of the `count` largest values, best first; ties by index, a missing value last."""
    ranked = sorted(range(len(values)), key=lambda i: (-math.inf if (v := values[i]) is None else v) * -1)
    return ranked[:count]
