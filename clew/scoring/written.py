"""What the model wrote when it gave an answer, which is more than the answer."""

from __future__ import annotations

import re
from itertools import groupby
from typing import get_args

from clew.journal import current
from clew.journal.store import IndexRow
from clew.scoring.extract import extract_answer
from clew.task import Answer, TaskKind

# The scope in which strategies ask scorers: what is said there was not written by a solver, and may hold the gold.
SCORER = "scorer"

_DIGITS = re.compile(r"(\d+)")


def written(answer: Answer) -> str:
    """What the model wrote up to the answer: the last reply behind it that gives the answer's text, or else that holds
    it, with all that the model wrote before in the same conversation, parted where somebody else had the word. The
    answer's text alone where there is none, or where the trace is of another run."""
    text, run = answer.text.strip(), current()
    if not text:
        return text
    replies = [(row, str(run.journal.outcome(row.seq).get("text") or "").strip()) for row in calls(answer)]
    holding = [(row, reply) for row, reply in reversed(replies) if text in reply or _gives(reply, text)]
    giving = [(row, reply) for row, reply in holding if _gives(reply, text)]
    found = next(iter(giving or holding), None)
    return _conversation(*found) if found else text


def source(answer: Answer) -> Answer:
    """The candidate of `answer` that was chosen: the first one with its text and score, or else with its text;
    `answer` itself without one."""
    same = [one for one in answer.candidates if one.text == answer.text and one.trace and one.trace.scope]
    if not same:
        return answer
    return source(next((one for one in same if one.score == answer.score), same[0]))


def calls(answer: Answer) -> list[IndexRow]:
    """The replies of models behind `answer`, in the order of their addresses: those under the trace of its `source`,
    without those to scorers. Empty where the trace is of another run."""
    trace, run = source(answer).trace, current()
    if trace is None or not trace.scope or trace.run != run.id:
        return []
    rows = [
        row for row in run.journal.index(run.id)
        if row.kind == "model" and row.state == "finished" and row.parent is None
        and f"{row.place}/".startswith(f"{trace.scope}/") and SCORER not in row.place.split("/")
    ]  # fmt: skip
    # By address and not by time: which of two branches replied last is chance.
    return sorted(rows, key=lambda row: (_natural(row.place), row.ordinal))


def _gives(reply: str, text: str) -> bool:
    return any(extract_answer(reply, kind) == text for kind in get_args(TaskKind))


def _conversation(row: IndexRow, reply: str) -> str:
    run = current()
    asked = run.transcript(run.journal.event(row.seq).request["transcript"]["transcript"])
    parts = [*((one.origin == "model", one.text) for one in asked.segments), (True, reply)]
    said = ("".join(text for _, text in group).strip() for own, group in groupby(parts, lambda part: part[0]) if own)
    return "\n\n".join(filter(None, said))


def _natural(place: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(place)]
