"""Rows of an evaluation, read from the journal: one per run, with the candidates that its answer was chosen from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clew.evals import choices, judging
from clew.evals.plan import Cell, Plan
from clew.journal import Cost, Journal
from clew.scoring.scorers import F1, ExactMatch, scorer_for
from clew.scoring.verdict import Scorer, Verdict
from clew.task import Answer, Task, TaskKind

# Kinds of tasks whose answers are run to be judged.
BY_TESTS: tuple[TaskKind, ...] = ("code", "repair")


@dataclass(frozen=True)
class Candidate:
    """One of the answers that a strategy chose from. docs/eval.md says what each field means."""

    text: str
    status: str
    score: float | None
    accepted: bool | None
    right: bool
    tokens: int
    usd: float | None
    model_calls: int


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
    feedback: str = ""
    score: float | None = None
    candidates: tuple[Candidate, ...] = ()
    right_at: tuple[bool, ...] = ()

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
        verdict, *others = await self._judged(cell, [answer, *answer.candidates])
        if not failed:  # a failure is wrong, whatever was left of an answer
            em, f1 = await _value(self._em, task, answer), await _value(self._f1, task, answer)
            label = verdict.label
        plan = self._plan
        fingerprint = getattr(plan.graphs[cell.graph], "fingerprint", None) or {}
        method = str(fingerprint.get("method", ""))
        scopes = [_scope(each) for each in answer.candidates]
        seen = _seen(self._journal, cell.run, scopes, in_turn=method in choices.IN_TURN)
        # A graph that can search and did not has found nothing; one that cannot has no recall.
        sources = seen.sources if seen.sources is not None or not _says(fingerprint, "searcher") else set()
        candidates = tuple(
            Candidate(
                text=each.text, status=each.status, score=each.score, accepted=accepted,
                right=judged.label == "right" and each.status != "error",
                tokens=cost.tokens, usd=_rounded(cost.usd), model_calls=cost.model_calls,
            )
            for each, accepted, judged, cost in zip(
                answer.candidates, choices.accepted(method, answer), others, seen.parts, strict=True
            )
        )  # fmt: skip
        return Row(
            command=plan.command, version=self._version, config=plan.digest, task=task.id, kind=task.kind,
            type=cell.item.type, hops=cell.item.hops, graph=cell.graph, model=plan.model, repeat=cell.repeat,
            seed=plan.seed, run=cell.run, prediction=answer.text, status=answer.status, stop_reason=answer.stop_reason,
            answers=gold.answers, recall=recall(gold.documents, sources), searches=seen.cost.searches,
            model_calls=seen.cost.model_calls, tokens=seen.cost.tokens, usd=_rounded(seen.cost.usd),
            seconds=round(seen.seconds, 3), em=em, f1=f1, right=label == "right", error=failed,
            unjudged=label == "unknown", feedback=verdict.feedback if label == "unknown" else "", score=answer.score,
            candidates=candidates,
            right_at=tuple(candidates[leader].right for leader in choices.leaders(method, answer)),
        )  # fmt: skip

    async def _judged(self, cell: Cell, answers: Sequence[Answer]) -> list[Verdict]:
        task, scorer = cell.item.task, self._scorers[cell.item.task.kind]
        if task.kind not in BY_TESTS:
            return await scorer.score(task, answers)
        return await judging.recorded(scorer, task, answers, journal=self._journal, of=cell.run)


def _says(fingerprint: object, name: str) -> bool:
    """Whether a fingerprint, or one that stands in it, has the entry `name`."""
    if isinstance(fingerprint, Mapping):
        return name in fingerprint or any(_says(value, name) for value in fingerprint.values())
    return isinstance(fingerprint, list | tuple) and any(_says(value, name) for value in fingerprint)


def _scope(answer: Answer) -> str:
    return answer.trace.scope if answer.trace is not None else ""


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 9)


async def _value(scorer: Scorer, task: Task, answer: Answer) -> float:
    (verdict,) = await scorer.score(task, [answer])
    return verdict.value or 0.0


@dataclass(frozen=True)
class _Seen:
    """What a run's events say. `sources` is None for a run that asked no searcher; `parts` are the costs of what
    happened in each scope that was asked for."""

    cost: Cost
    seconds: float
    sources: set[str] | None
    parts: list[Cost]


def _seen(journal: Journal, run: str, scopes: Sequence[str], in_turn: bool) -> _Seen:
    """With `in_turn`, what happened after a scope and before the next one counts as its part."""
    cost, seconds, sources = Cost(), 0.0, None
    parts = dict.fromkeys(scopes, Cost())
    latest = ""
    for row in journal.index(run):
        if row.state in ("note", "started") or row.kind == "hold":
            continue
        # Finding out what a server can do is no part of a method; which run does it is chance.
        if row.kind != "probe" and not row.inherited:
            cost += row.cost
            inside = next((scope for scope in parts if scope and f"{row.place}/".startswith(f"{scope}/")), "")
            latest = inside or (latest if in_turn else "")
            if latest:
                parts[latest] += row.cost
        if not row.inherited:
            seconds = max(seconds, row.at + (row.seconds or 0.0))
        if row.kind in ("search", "read"):
            outcome = journal.outcome(row.seq) if row.state == "finished" else {}
            found = [hit["source"] for hit in outcome.get("hits", [])] + [outcome.get("source", "")]
            sources = (sources or set()) | {source for source in found if source}
    return _Seen(cost, seconds, sources, [parts[scope] for scope in scopes])


def recall(documents: Sequence[str], sources: set[str] | None) -> float | None:
    """The share of gold `documents` among retrieved `sources`; None without gold documents, or without a search. A path
    and a longer one that ends in it are the same document: an index of a folder above knows `a.md` as `documents/a.md`.
    """
    if not documents or sources is None:
        return None
    return sum(any(_same(document, source) for source in sources) for document in documents) / len(documents)


def _same(one: str, other: str) -> bool:
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")
