"""Best of N: several runs of one method, of which a scorer chooses (Cobbe et al., arXiv 2110.14168)."""

from __future__ import annotations

from typing import Any

from clew.graphs.base import Graph, check_limits
from clew.graphs.strategies.base import (
    FINE,
    ask_all,
    check_gold,
    check_runs,
    concluded,
    identity,
    strategy_graph,
    verdicts_on,
)
from clew.graphs.strategies.counting import Classes, decided
from clew.journal import Recipe, scope
from clew.scoring import Scorer, Verdict, knows_gold
from clew.scoring.selection import best
from clew.task import Answer, Task


def best_of(
    inner: Any,
    *,
    scorer: Scorer,
    n: int = 4,
    threshold: float | None = None,
    oracle: bool = False,
    concurrency: int = 8,
    recipe: Recipe | None = None,
) -> Graph:
    """Runs `inner` `n` times and answers what `scorer` values most; of equal values, the lowest index.

    Args:
        inner: a graph. It must not be deterministic: give its model a temperature.
        threshold: a value that is enough. Runs then start `concurrency` at a time, and the first in index order that
            reaches it is the answer, whatever stands beside it; later waves never run. For scorers that judge each
            answer by itself: they see the answers of one wave at a time.
        oracle: must be set for a scorer that holds gold answers, which no one has when it counts: the answer is then an
            upper bound, the coverage of `n` runs, and says so in `artifacts["best_of"]["oracle"]`.
        concurrency: most runs at a time.

    Only candidates with a text are scored. Where the scorer judges none of them, the majority is the answer, as in
    `vote`, and has no score. Where tests could not be run, the status is `budget` or `partial`. Each of
    `candidates` has its value as `score` (None: not judged), and `artifacts["best_of"]`, like the note `best_of`,
    holds their `labels`, how many runs were `asked` and `saved`, whether the answer was chosen by `score` or
    `vote`, `oracle`, and, from a scorer that runs tests, the `tests` of each, a `Tally`. Raises `ConfigError` for a
    scorer that holds gold answers without `oracle`.
    """
    limits = {"n": n, "concurrency": concurrency}
    check_limits("best_of", limits, dict.fromkeys(limits, 1))
    check_runs("best_of", n)
    check_gold("best_of", scorer, oracle)
    wave = n if threshold is None else min(n, concurrency)

    async def ask(task: Task) -> Answer:
        candidates: list[Answer] = []
        verdicts: list[Verdict] = []
        ended, enough = FINE, None
        while len(candidates) < n and enough is None and ended == FINE:
            first = len(candidates)
            more = await ask_all([inner] * min(wave, n - first), task, "sample", at_once=concurrency, first=first)
            with scope("score", first):
                judged, ended = await verdicts_on(scorer, task, more)
            candidates, verdicts = candidates + more, verdicts + judged
            enough = next((i for i, verdict in enumerate(verdicts) if _reaches(verdict, threshold)), None)
            if any(answer.status == "budget" for answer in more):
                break
        scores = [verdict.value for verdict in verdicts]
        candidates = [
            answer.model_copy(update={"score": value}) for answer, value in zip(candidates, scores, strict=True)
        ]
        report = {
            "labels": [verdict.label for verdict in verdicts],
            "asked": len(candidates),
            "saved": n - len(candidates),
            "oracle": knows_gold(scorer),
        }
        tallies = [verdict.tests for verdict in verdicts]
        if any(tallies):
            report["tests"] = [tally and tally.model_dump() for tally in tallies]
        if all(value is None for value in scores):
            classes = Classes(task)
            numbers = [await classes.of(answer.text) for answer in candidates]
            report, alike = {**report, "by": "vote"}, [1.0] * len(candidates)
            voted = decided("best_of", candidates, numbers, alike, report, ended)
            return voted.model_copy(update={"score": None})  # the share of votes is no value of the scorer
        chosen = best(scores).index if enough is None else enough
        assert chosen is not None, "there is a candidate"
        report = {**report, "by": "score"}
        return concluded("best_of", candidates, chosen, report, ended=ended, score=scores[chosen])

    settings = {"inner": identity(inner), "scorer": identity(scorer), "n": n, "threshold": threshold}
    if threshold is not None:
        settings["concurrency"] = concurrency  # which runs there are depends on it
    return strategy_graph("best_of", ask, settings, recipe)


def _reaches(verdict: Verdict, threshold: float | None) -> bool:
    return threshold is not None and verdict.value is not None and verdict.value >= threshold
