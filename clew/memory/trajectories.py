"""Attempts as the journal has them: what was asked, what the model wrote and did, and whether it came out right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from clew.journal import Journal
from clew.scoring import Scorer
from clew.scoring.written import SCORER
from clew.task import Answer, Task, Trace
from clew.tools.output import cut, neutralise

from .entry import Origin

LONGEST = 4_000
_LONGEST_STEP = 1_200
# Where the request of an effect says what was asked.
_ASKED = ("query", "source", "code", "text", "arguments")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a task. `text` is its trajectory, bounded; `origin` the run and the place in it."""

    task: Task
    answer: Answer
    right: bool
    text: str
    origin: Origin


async def attempts_in(journal: Journal, runs: Iterable[str], scorer: Scorer) -> list[Attempt]:
    """The attempts of finished runs: their answers and the candidates of these, one for each trajectory, in order.

    `scorer` may hold gold answers, since no graph sees what it says; what it cannot judge is left out. Raises
    `RunNotFound`.
    """
    found = []
    for row in map(journal.find_run, runs):
        if row.answer is None:
            continue
        task, answer = Task.model_validate(row.task), Answer.model_validate(row.answer)
        # A strategy's answer is one of its candidates, which know where they came from.
        answers = list(answer.candidates) or [answer]
        verdicts = await scorer.score(task, answers)
        for one, verdict in zip(answers, verdicts, strict=True):
            if verdict.label != "unknown":
                place = one.trace.scope if one.trace else ""
                origin = Origin.of_task(row.task, run=row.id, began=row.created, place=place)
                text = trajectory(journal, one.trace or Trace(run=row.id))
                found.append(Attempt(task, one, verdict.label == "right", text, origin))
    return found


def trajectory(journal: Journal, trace: Trace, longest: int = LONGEST) -> str:
    """What a model wrote and did under `trace`, in the order in which it began, without what was answered to it, and
    without what scorers were told; control markers are neutralised, and beyond `longest` characters the middle is left
    out."""
    steps = []
    for row in journal.index(trace.run):
        if row.state != "finished" or row.kind in ("memory", "hold", "probe") or not _under(trace.scope, row.place):
            continue
        event = journal.event(row.seq)
        said = _written(event.outcome) if row.kind == "model" else f"[{row.kind}] {_asked(event.request)}"
        if said.strip():
            steps.append(cut(said.strip(), _LONGEST_STEP))
    return neutralise(cut("\n\n".join(steps), longest))


def _under(scope: str, place: str) -> bool:
    inside = not scope or place == scope or place.startswith(f"{scope}/")
    return inside and SCORER not in place.split("/")


def _written(outcome: Any) -> str:
    calls = [call["function"] for call in outcome.get("tool_calls") or ()]
    return "\n".join([outcome.get("text") or "", *(f"[{call['name']}] {call['arguments']}" for call in calls)])


def _asked(request: Any) -> str:
    return next((str(request[name]) for name in _ASKED if request.get(name)), "")


def sources_of(*attempts: Attempt) -> list[dict[str, Any]]:
    """The origins of attempts, as an operation names them."""
    return [asdict(origin) for origin in dict.fromkeys(attempt.origin for attempt in attempts)]
