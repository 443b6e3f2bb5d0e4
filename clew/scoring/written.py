"""What the model wrote when it gave an answer, which is more than the answer."""

from __future__ import annotations

import re

from clew.journal import current
from clew.scoring.extract import extract_answer
from clew.task import Answer

_DIGITS = re.compile(r"(\d+)")


def written(answer: Answer) -> str:
    """The last reply under the answer's trace that gives the answer's text, or else that holds it: its reasoning and
    the answer. The answer's text alone where there is none, or where the trace is of another run."""
    text, run = answer.text.strip(), current()
    if not text or answer.trace is None or not answer.trace.scope or answer.trace.run != run.id:
        return text
    rows = [
        row for row in run.journal.index(run.id)
        if row.kind == "model" and row.state == "finished" and f"{row.place}/".startswith(f"{answer.trace.scope}/")
    ]  # fmt: skip
    # By address and not by time: which of two branches replied last is chance.
    rows.sort(key=lambda row: (_natural(row.place), row.ordinal), reverse=True)
    holding = [reply for row in rows if text in (reply := str(run.journal.outcome(row.seq).get("text") or "").strip())]
    return next((reply for reply in holding if extract_answer(reply, "qa") == text), (holding or [text])[0])


def _natural(place: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(place)]
