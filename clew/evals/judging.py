"""Judging programs: their tests run in a sandbox, so what came of them is recorded, in a run of its own beside the one
that it judges. A repeated evaluation runs no test again, and needs no sandbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b

from clew.journal import Journal, run
from clew.scoring.verdict import Scorer, Verdict, fingerprint_of
from clew.task import Answer, Task


async def recorded(
    scorer: Scorer, task: Task, answers: Sequence[Answer], *, journal: Journal, of: str
) -> list[Verdict]:
    """The verdicts of `scorer` on answers of the run `of`. What the sandbox could not say is asked for again; the
    feedback of a verdict `unknown` then says why."""
    from clew.graphs.strategies.base import strategy_graph

    async def judge(task: Task) -> Answer:
        verdicts = await scorer.score(task, answers)
        return Answer(artifacts={"verdicts": [verdict.model_dump(mode="json") for verdict in verdicts]})

    settings = {"scorer": fingerprint_of(scorer)}
    graph = strategy_graph("tests", judge, settings)
    decided = json.dumps([of, task.id, settings, [answer.text for answer in answers]], sort_keys=True)
    id = blake2b(decided.encode("utf-8", "backslashreplace"), digest_size=6).hexdigest()
    plain = Task(id=task.id, kind=task.kind, prompt=f"Which answers of run {of} pass the tests?")
    verdicts = _read(await run(graph, plain, journal=journal, run_id=id, title=f"tests of {of}"), len(answers))
    if any(verdict.label == "unknown" for verdict in verdicts):
        verdicts = _read(await run(graph, plain, journal=journal, run_id=id, retry=("failed",)), len(answers))
    failed = [row.seq for row in journal.index(id) if row.state == "failed"]
    why = str(journal.outcome(failed[0]).get("message", "")) if failed else ""
    return [
        verdict.model_copy(update={"feedback": why}) if why and verdict.label == "unknown" else verdict
        for verdict in verdicts
    ]


def _read(answer: Answer, size: int) -> list[Verdict]:
    if "verdicts" not in answer.artifacts:
        return [Verdict(value=None, feedback=answer.stop_reason)] * size
    return [Verdict.model_validate(verdict) for verdict in answer.artifacts["verdicts"]]
