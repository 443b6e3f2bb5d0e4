"""Rejection sampling of chains (arXiv 2501.14342, as the survey arXiv 2503.22732 describes it): several chains per
question, of which the one that makes the gold answer likeliest is kept.

The released code has no such part, and the paper's exact numbers are not known to us: they are parameters. Gold stays
here: the graphs that write chains get the bare task, and what scores them runs apart, under a run of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph

import clew
from clew.errors import ConfigError, EffectFailed, ModelRequestRejected, Refused, Unsupported
from clew.evals.tasks.items import Item
from clew.graphs import Graph, corag
from clew.graphs.base import MethodState, prompt_hashes
from clew.graphs.corag_links import branches
from clew.journal import Budget, Journal
from clew.models import Model
from clew.retrieval import Searcher
from clew.scoring.abstention import abstains
from clew.scoring.text import exact_match
from clew.task import Answer
from clew.training.chains import ChainRow, chain_rows

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Sampled:
    """What became of one question: the run of its best chain, that chain's `value` (`by` likelihood: mean log
    probability of the gold answer, at most 0; `by` exact_match: 1 or 0) and whether it is `kept`. `run` is None when no
    chain came to an answer."""

    question: str
    run: str | None
    value: float | None
    by: Literal["likelihood", "exact_match"]
    kept: bool


async def sample_chains(
    model: Model,
    searcher: Searcher,
    items: Iterable[Item],
    *,
    journal: Journal,
    name: str = "chains",
    chains: int = 4,
    lengths: tuple[int, int] = (1, 5),
    temperature: float = 0.7,
    min_logprob: float = -1.0,
    seed: int = 0,
    concurrency: int = 8,
    budget: Budget | None = None,
    **options: Any,
) -> AsyncIterator[Sampled]:
    """Samples `chains` chains per item at `temperature`, each of a random length in `lengths` (both ends included,
    drawn from `seed`), scores them against gold and yields one `Sampled` per item, in order.

    A chain's value is the mean log probability of the gold answer as the reply to its final call, the best of several
    gold answers; a chain is kept from `min_logprob` on. A server that does not score prompts leaves the exact match of
    the chain's own answer, which must be 1. An item without gold answers is right with `unknown`.

    Runs are named `name.ITEM.NUMBER`, and `name.ITEM.gold-HASH` for the scores of the chains that HASH stands for.
    Calling this again with the same arguments goes on where it stopped, and costs nothing where it was done.
    `concurrency` questions are worked on at a time, `budget` limits each run, `options` go to `corag` (`bare=True`
    unless given).
    """
    if chains < 1 or not 0 <= lengths[0] <= lengths[1]:
        raise ConfigError(f"chains={chains!r}, lengths={lengths!r} make no sense: give 1 or more, and (least, most)")
    options = {"bare": True, **options}

    async def one(item: Item) -> Sampled:
        drawn = random.Random(f"{seed}:{item.task.id}")
        runs = [f"{name}.{item.task.id}.{i}" for i in range(chains)]

        async def sample(run: str, length: int) -> Answer:
            graph = corag(model, searcher, length=length, temperature=temperature, **options)
            return await clew.run(graph, item.task, journal=journal, run_id=run, budget=budget)

        answers = await asyncio.gather(*map(sample, runs, [drawn.randint(*lengths) for _ in runs]))
        usable = {run: answer for run, answer in zip(runs, answers, strict=True) if answer.text}
        if not usable:
            return Sampled(item.task.id, None, None, "likelihood", False)
        grader = _grader(model, journal, item, usable, options["bare"])
        run = f"{name}.{item.task.id}.gold-{prompt_hashes(chains=str([*usable]))['chains']}"
        graded = await clew.run(grader, item.task, journal=journal, run_id=run, budget=budget)
        return _best(item, list(usable), graded, min_logprob)

    async for done in _in_order(one, items, concurrency):
        yield done


def rows_of(journal: Journal, sampled: Iterable[Sampled], *, drop_nothing_found: bool = False) -> Iterator[ChainRow]:
    """The rows of the chains that were kept."""
    for one in sampled:
        if one.kept and one.run is not None:
            gold = one.value if one.by == "likelihood" else None
            yield from chain_rows(journal, one.run, drop_nothing_found=drop_nothing_found, gold_logprob=gold)


def _best(item: Item, runs: Sequence[str], graded: Answer, min_logprob: float) -> Sampled:
    by, values = graded.artifacts.get("by"), graded.artifacts.get("values")
    if by is None or values is None:  # a limit or a failed call ended the scoring
        return Sampled(item.task.id, None, None, "likelihood", False)
    at = max(range(len(runs)), key=lambda i: values[i])
    least = min_logprob if by == "likelihood" else 1.0
    return Sampled(item.task.id, runs[at], values[at], by, values[at] >= least)


def _grader(model: Model, journal: Journal, item: Item, answers: Mapping[str, Answer], bare: bool) -> Graph:
    """A graph that scores chains against gold, so that the scores are recorded like everything else that is paid."""
    golds = item.gold.answers or (UNKNOWN,)

    async def likelihood(run: str) -> float:
        """Mean log probability of the likeliest gold answer as the reply to the chain's final call."""
        final = next(row for row in chain_rows(journal, run) if row.part == "final")
        found = [await model.logprob(final.prompt, gold if bare else f"\\boxed{{{gold}}}") for gold in golds]
        return max(one.total / max(len(one.tokens), 1) for one in found)

    async def grade(state: MethodState) -> MethodState:
        try:
            values = await branches("chain", [partial(likelihood, run) for run in answers])
            by = "likelihood"
        except (Unsupported, ModelRequestRejected):
            values, by = [_right(item, answer.text) for answer in answers.values()], "exact_match"
        except (Refused, EffectFailed) as error:
            return {"answer": Answer(status="error", stop_reason=str(error)).model_dump(mode="json")}
        return {"answer": Answer(artifacts={"by": by, "values": values}).model_dump(mode="json")}

    builder = StateGraph(MethodState)
    builder.add_node("grade", grade)
    builder.add_edge(START, "grade")
    builder.add_edge("grade", END)
    fingerprint = {"method": "grade_chains", "model": model.fingerprint(), "gold": prompt_hashes(gold=str(golds))}
    return Graph.of(builder.compile(name="grade_chains"), fingerprint=fingerprint)


def _right(item: Item, text: str) -> float:
    return exact_match(text, item.gold.answers) if item.gold.answers else float(abstains(text))


async def _in_order(work: Any, items: Iterable[Item], concurrency: int) -> AsyncIterator[Sampled]:
    """Results in the order of `items`, with `concurrency` of them in work."""
    waiting: list[asyncio.Task[Sampled]] = []
    try:
        for item in items:
            waiting.append(asyncio.create_task(work(item)))
            if len(waiting) >= concurrency:
                yield await waiting.pop(0)
        while waiting:
            yield await waiting.pop(0)
    finally:
        for task in waiting:
            task.cancel()
