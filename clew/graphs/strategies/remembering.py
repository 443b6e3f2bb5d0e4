"""A method that remembers: rules, lessons and worked examples of earlier runs are notes to the inner graph, and what it
solves becomes a worked example (ExpeL, arXiv 2308.10144)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from clew.errors import EffectFailed
from clew.graphs.base import Graph, check_limits
from clew.graphs.strategies.base import (
    FINE,
    ask_inner,
    check_gold,
    concluded,
    identity,
    noted,
    strategy_graph,
    verdicts_on,
)
from clew.journal import Recipe, note, scope
from clew.memory import Demonstrations, Episodes, Insights, MemoryStore
from clew.scoring import Scorer
from clew.scoring.verdict import knows_gold
from clew.task import Answer, Task

T = TypeVar("T")


def remembering(
    inner: Any,
    *,
    memory: Episodes | MemoryStore,
    k: int = 2,
    scorer: Scorer | None = None,
    oracle: bool = False,
    recipe: Recipe | None = None,
) -> Graph:
    """Runs `inner` once, with what other runs have left on the task's family as notes. What the same run wrote is none
    of them, so that samples of one run stay independent.

    Args:
        inner: a graph.
        memory: a `MemoryStore`, or lessons in one.
        k: most insights, lessons and demonstrations, of each kind.
        scorer: decides whether the answer is right. A right one is kept as a demonstration, and what was recalled is
            credited or not; without a scorer nothing is written.
        oracle: must be set for a scorer that holds gold answers.

    A memory that fails is noted (`memory_failed`), and the method goes on without it. The answer is that of `inner`;
    `artifacts["remembering"]` and the note `remembering` hold the ids of what was `recalled`, and `remembered`.
    """
    check_limits("remembering", {"k": k}, {"k": 0})
    if scorer is not None:
        check_gold("remembering", scorer, oracle)
    episodes = memory if isinstance(memory, Episodes) else Episodes(memory)
    insights, demos = Insights(episodes.store), Demonstrations(episodes.store)

    async def ask(task: Task) -> Answer:
        with scope("recall"):
            rules = await _kept(insights.recall(task, k, own=False), [])
            lessons = [found.lesson for found in await _kept(episodes.recall(task, k, own=False), [])]
            examples = [found for found, _ in await _kept(demos.recall(task, k, own=False), [])]
        notes = [*(one.note() for one in rules), *(one.note() for one in lessons), *(one.note() for one in examples)]
        answer = await ask_inner(inner, noted(task, *notes), "inner", 0)
        report: dict[str, Any] = {"recalled": [one.source.removeprefix("memory:") for one in notes], "remembered": ""}
        label, ended = "unknown", FINE
        if scorer is not None:
            with scope("score"):
                (verdict,), ended = await verdicts_on(scorer, task, [answer])
            label = verdict.label
            report |= {"verdict": label, "oracle": knows_gold(scorer)}
        with scope("remember"):
            if label != "unknown":
                for store, used in ((insights, rules), (episodes, lessons), (demos, examples)):
                    await _kept(store.credit([one.id for one in used], label == "right"), None)
            if label == "right":
                report["remembered"] = await _kept(demos.remember(task, answer), "")
        return concluded("remembering", [answer], 0, report, ended=ended, score=answer.score)

    settings = {"inner": identity(inner), "memory": episodes.store.name, "k": k, "scorer": scorer and identity(scorer)}
    return strategy_graph("remembering", ask, settings, recipe)


async def _kept(access: Awaitable[T], otherwise: T) -> T:
    try:
        return await access
    except EffectFailed as error:
        note("memory_failed", {"error": f"{type(error).__name__}: {error}"})
        return otherwise
