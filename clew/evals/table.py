"""Rows and figures of an evaluation, read from the journal: a row per run, a line of figures per graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from clew.evals.plan import Cell, Plan
from clew.evals.statistics import difference, estimate
from clew.journal import Cost, Journal
from clew.scoring.scorers import F1, ExactMatch, scorer_for
from clew.scoring.verdict import Scorer
from clew.task import Answer, Task, TaskKind

SCORES = ("em", "f1", "right")


@dataclass(frozen=True)
class Row:
    """One finished run. docs/eval.md says what each field means."""

    command: str
    version: str
    config: str
    task: str
    kind: str
    type: str
    hops: int | None
    graph: str
    model: str
    repeat: int
    seed: int
    run: str
    prediction: str
    status: str
    stop_reason: str
    answers: tuple[str, ...]
    em: float
    f1: float
    right: bool
    recall: float | None
    searches: int
    model_calls: int
    tokens: int
    usd: float | None
    seconds: float
    error: bool
    unjudged: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Reader:
    """Makes rows of runs. The gold answers live here and in the scorers; no graph sees them.

    `scorers` replaces the usual scorer of a kind of task. Raises `ConfigError` for a kind that has none.
    """

    def __init__(self, plan: Plan, journal: Journal, scorers: Mapping[TaskKind, Scorer] | None = None) -> None:
        from clew import __version__

        self._plan, self._journal, self._version = plan, journal, __version__
        golds = {item.task.id: item.gold.answers for item in plan.tasks.items}
        self._em, self._f1 = ExactMatch(golds), F1(golds)
        own = dict(scorers or {})
        kinds = sorted({item.task.kind for item in plan.tasks.items})
        self._scorers: dict[TaskKind, Scorer] = {kind: own.get(kind) or scorer_for(kind, golds) for kind in kinds}

    async def row(self, cell: Cell) -> Row | None:
        """The row of a cell; None while its run is not finished."""
        run = self._journal.get_run(cell.run)
        if run is None or run.status not in ("done", "error"):
            return None
        answer = (
            Answer.model_validate(run.answer) if run.answer else Answer(status="error", stop_reason=run.error or "")
        )
        failed = answer.status == "error"
        task, gold = cell.item.task, cell.item.gold
        em, f1, label = 0.0, 0.0, "wrong"
        if not failed:  # a failure is wrong, whatever was left of an answer
            em, f1 = await _value(self._em, task, answer), await _value(self._f1, task, answer)
            (verdict,) = await self._scorers[task.kind].score(task, [answer])
            label = verdict.label
        seen, plan = _seen(self._journal, cell.run), self._plan
        # A graph that can search and did not has found nothing; one that cannot has no recall.
        searches = "searcher" in (getattr(plan.graphs[cell.graph], "fingerprint", None) or {})
        sources = seen.sources if seen.sources is not None or not searches else set()
        return Row(
            command=plan.command, version=self._version, config=plan.digest, task=task.id, kind=task.kind,
            type=cell.item.type, hops=cell.item.hops, graph=cell.graph, model=plan.model, repeat=cell.repeat,
            seed=plan.seed, run=cell.run, prediction=answer.text, status=answer.status, stop_reason=answer.stop_reason,
            answers=gold.answers, recall=recall(gold.documents, sources), searches=seen.cost.searches,
            model_calls=seen.cost.model_calls, tokens=seen.cost.tokens,
            usd=None if seen.cost.usd is None else round(seen.cost.usd, 9), seconds=round(seen.seconds, 3),
            em=em, f1=f1, right=label == "right", error=failed, unjudged=label == "unknown",
        )  # fmt: skip


async def _value(scorer: Scorer, task: Task, answer: Answer) -> float:
    (verdict,) = await scorer.score(task, [answer])
    return verdict.value or 0.0


@dataclass(frozen=True)
class _Seen:
    """What a run's events say. `sources` is None for a run that asked no searcher."""

    cost: Cost
    seconds: float
    sources: set[str] | None


def _seen(journal: Journal, run: str) -> _Seen:
    cost, seconds, sources = Cost(), 0.0, None
    for row in journal.index(run):
        if row.state in ("note", "started") or row.kind == "hold":
            continue
        # Finding out what a server can do is no part of a method; which run does it is chance.
        if row.kind != "probe" and not row.inherited:
            cost += row.cost
        if not row.inherited:
            seconds = max(seconds, row.at + (row.seconds or 0.0))
        if row.kind in ("search", "read"):
            outcome = journal.outcome(row.seq) if row.state == "finished" else {}
            found = [hit["source"] for hit in outcome.get("hits", [])] + [outcome.get("source", "")]
            sources = (sources or set()) | {source for source in found if source}
    return _Seen(cost, seconds, sources)


def recall(documents: Sequence[str], sources: set[str] | None) -> float | None:
    """The share of gold `documents` among retrieved `sources`; None without gold documents, or without a search. A path
    and a longer one that ends in it are the same document: an index of a folder above knows `a.md` as `documents/a.md`.
    """
    if not documents or sources is None:
        return None
    return sum(any(_same(document, source) for source in sources) for document in documents) / len(documents)


def _same(one: str, other: str) -> bool:
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")


# Figures -----------------------------------------------------------------------------------------------------------


def figures(plan: Plan, rows: Sequence[Row], why: str = "") -> list[dict[str, Any]]:
    """One JSON object per graph, in the plan's order; `why` says why runs are missing. See docs/eval.md."""
    expected = len(plan.tasks.items) * plan.repeats
    found = []
    for label in plan.graphs:
        mine = [row for row in rows if row.graph == label]
        missing = expected - len(mine)
        status = {"status": "incomplete" if missing else "complete", "missing": missing}
        found.append(
            {
                "graph": label, "model": plan.model, **status, **({"why": why} if missing and why else {}),
                **line(mine),
                "per_hop": _groups(mine, lambda row: "unknown" if row.hops is None else str(row.hops)),
                "per_type": _groups(mine, lambda row: row.type or "none"),
                "differences": differences(label, [other for other in plan.graphs if other != label], rows),
            }
        )  # fmt: skip
    return found


def line(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures of some runs of one graph: means per run with intervals over items, None where there is nothing."""
    data: dict[str, Any] = {"n": len(rows), "items": len({row.task for row in rows})}
    clusters = [row.task for row in rows]
    for name in SCORES:
        found = estimate([float(getattr(row, name)) for row in rows], clusters)
        data[name] = None if found is None else round(found.mean, 6)
        data[f"{name}_low"] = None if found is None else round(found.low, 6)
        data[f"{name}_high"] = None if found is None else round(found.high, 6)
    return {
        **data,
        "recall": _mean([row.recall for row in rows if row.recall is not None]),
        "searches": _mean([row.searches for row in rows]),
        "model_calls": _mean([row.model_calls for row in rows]),
        "tokens": _mean([row.tokens for row in rows]),
        "usd": None if None in [row.usd for row in rows] else _mean([row.usd or 0.0 for row in rows]),
        "seconds": _mean([row.seconds for row in rows]),
        "errors": sum(row.error for row in rows),
    }


def differences(label: str, others: Iterable[str], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The paired differences of `label` to `others` in exact match and in the share of right answers, on the items that
    both have."""
    found = []
    for other in others:
        data: dict[str, Any] = {"to": other}
        for name in ("em", "right"):
            apart = difference(_by_item(rows, label, name), _by_item(rows, other, name))
            values = asdict(apart) if apart else {}
            data["n"] = values.get("n", 0)
            for key, field in (("", "mean"), ("_low", "low"), ("_high", "high"), ("_share", "share")):
                data[name + key] = round(values[field], 6) if apart else None
        found.append(data)
    return found


def telling(figures: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The scores that a table must show: `right` only where it says something else than exact match."""
    same = all(each["right"] == each["em"] for each in figures)
    return ("em", "f1") if same else SCORES


def pairs(figures: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Each pair of graphs once: the label of the first, and its difference to the second."""
    found = []
    for first, second in combinations(figures, 2):
        apart = next(each for each in first["differences"] if each["to"] == second["graph"])
        found.append((str(first["graph"]), apart))
    return found


def _by_item(rows: Sequence[Row], label: str, name: str) -> dict[Any, list[float]]:
    found: dict[Any, list[float]] = {}
    for row in rows:
        if row.graph == label:
            found.setdefault(row.task, []).append(float(getattr(row, name)))
    return found


def _groups(rows: Sequence[Row], name: Callable[[Row], str]) -> dict[str, dict[str, Any]]:
    names = sorted({name(row) for row in rows}, key=lambda text: text.zfill(9) if text.isdigit() else text)
    return {each: line([row for row in rows if name(row) == each]) for each in names}


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 9) if values else None
