"""Majority vote over samples of one method: self-consistency (Wang et al., arXiv 2203.11171), over whole runs as well
as single completions."""

from __future__ import annotations

import math
from typing import Any, Literal

from clew.graphs.base import Graph, check_limits
from clew.graphs.strategies.base import FINE, ask_all, check_gold, check_runs, identity, strategy_graph, verdicts_on
from clew.graphs.strategies.counting import Classes, Equal, decided, least_to_decide
from clew.journal import Recipe, scope
from clew.scoring import Scorer, knows_gold
from clew.task import Answer, Task

Weight = Literal["one", "score", "log_probability"]


def vote(
    inner: Any,
    *,
    n: int = 8,
    weight: Weight = "one",
    scorer: Scorer | None = None,
    equal: Equal | None = None,
    adaptive: bool = True,
    oracle: bool = False,
    concurrency: int = 8,
    recipe: Recipe | None = None,
) -> Graph:
    """Runs `inner` up to `n` times and answers what most runs answer; of equally many, what was answered first.

    Args:
        inner: a graph. It must not be deterministic: give its model a temperature.
        n: at most 10,000.
        weight: what a vote counts. `one`; `score`, the `score` of the run's answer, in [0, 1]; `log_probability`, that
            score as a mean log probability, so that a vote counts exp(score). Votes without a score count nothing.
        scorer: its values are the weights, in place of `weight`; negative and unknown ones count nothing. Where no vote
            counts anything, each counts one.
        equal: when two texts say the same; default: by the kind of task, see `Classes`.
        adaptive: to stop as soon as the runs that are left cannot change the answer. Runs start in waves no larger than
            the least number that could decide, so that none is wasted and the answer is that of all `n`. Not with a
            scorer, which sees all candidates at once.
        oracle: must be set for a scorer that holds gold answers; the answer is then an upper bound.
        concurrency: most runs at a time.

    Empty answers, abstentions and answers that are no option do not vote. `score` of the answer is its share of the
    weight of all votes. `artifacts["vote"]` and the note `vote` hold `groups` (indices of equal candidates, the
    heaviest first), `margin` (the weight by which the first leads the second), `weights` where votes weigh differently,
    how many runs were `asked` and `saved`, the number of the `chosen` one, and `oracle`.
    """
    limits = {"n": n, "concurrency": concurrency}
    check_limits("vote", limits, dict.fromkeys(limits, 1))
    check_runs("vote", n)
    if scorer is not None:
        check_gold("vote", scorer, oracle)
    early = adaptive and scorer is None

    async def ask(task: Task) -> Answer:
        candidates: list[Answer] = []
        classes, numbers = Classes(task, equal), list[int | None]()
        wave = n if not early else least_to_decide([], [], n)
        while wave:
            more = await ask_all([inner] * wave, task, "sample", at_once=concurrency, first=len(candidates))
            candidates += more
            numbers += [await classes.of(answer.text) for answer in more]
            left = n - len(candidates)
            cut = any(answer.status == "budget" for answer in more)
            wave = 0 if cut else least_to_decide(numbers, [_weight(answer, weight) for answer in candidates], left)
        weights = [_weight(answer, weight) for answer in candidates]
        ended = FINE
        if scorer is not None:
            with scope("score"):
                verdicts, ended = await verdicts_on(scorer, task, candidates)
            weights = [max(verdict.value or 0.0, 0.0) for verdict in verdicts]
        report = {"saved": n - len(candidates), "oracle": scorer is not None and knows_gold(scorer)}
        return decided("vote", candidates, numbers, weights, report, ended)

    settings = {
        "inner": identity(inner), "n": n, "weight": weight, "adaptive": adaptive, "equal": equal and identity(equal),
        "scorer": scorer and identity(scorer),
    }  # fmt: skip
    return strategy_graph("vote", ask, settings, recipe)


def _weight(answer: Answer, weight: Weight) -> float:
    if weight == "one":
        return 1.0
    if answer.score is None or math.isnan(answer.score):
        return 0.0
    value = math.exp(min(answer.score, 0.0)) if weight == "log_probability" else answer.score
    return min(max(value, 0.0), 1.0)
