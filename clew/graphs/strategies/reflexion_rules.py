"""The rules of Reflexion without its calls: what a loop has seen, when it ends, and what the next attempt is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clew.graphs.markers import neutralise
from clew.graphs.passages import cut_middle
from clew.graphs.strategies.base import Ended
from clew.graphs.strategies.reflexion_notes import Reflection, digest
from clew.scoring import Verdict
from clew.task import Answer, Note, Task

Variant = Literal["auto", "reflection", "last_attempt", "both", "none"]

LESSON = "Attempt {trial} at this problem failed. What I learned from it:\n{text}"
OTHER_LESSON = "(Learned on another task, {origin}; similarity {similarity:.2f}.)\n{text}"
NOT_ACCEPTED = "The evaluator did not accept this attempt."
# Of what an evaluator said, and of an attempt (released code), in tokens.
FEEDBACK_TOKENS, ATTEMPT_TOKENS = 800, 1_600


class Kept(BaseModel):
    """A reflection on attempt `source_attempt`, the attempts that were shown it, and whether the first of them passed
    (None: none was made, or it could not be judged). `lesson` is its id in the memory."""

    model_config = ConfigDict(extra="forbid")

    source_attempt: int
    reflection: Reflection
    used_in: list[int] = Field(default_factory=list)
    helped: bool | None = None
    lesson: str = ""


class Foreign(BaseModel):
    """A lesson from another task."""

    model_config = ConfigDict(extra="forbid")

    id: str
    text: str
    origin: str
    similarity: float


class Record(BaseModel):
    """What a loop has seen so far; attempts are numbered from 1."""

    model_config = ConfigDict(extra="forbid")

    attempts: list[Answer] = Field(default_factory=list)
    verdicts: list[Verdict] = Field(default_factory=list)
    reflections: list[Kept] = Field(default_factory=list)
    recalled: list[Foreign] = Field(default_factory=list)

    @property
    def trial(self) -> int:
        """The number of the last attempt."""
        return len(self.attempts)


@dataclass(frozen=True)
class Rules:
    """The settings of `reflexion` that decide; `evaluator` names the scorer, of which `blind` tells that only its
    verdict may be shown, because its words could hold the gold answer."""

    max_trials: int
    memory_size: int
    variant: Variant
    threshold: float
    patience: int
    evaluator: str
    blind: bool

    def shows(self, task: Task) -> tuple[bool, bool]:
        """Whether the next attempt sees reflections, and whether it sees the last attempt. The paper's programs are
        revised with both, its questions are begun anew with reflections alone."""
        variant = self.variant
        if variant == "auto":
            variant = "both" if task.kind in ("code", "repair") else "reflection"
        return variant in ("reflection", "both"), variant in ("last_attempt", "both")

    def recent(self, record: Record) -> list[Kept]:
        """The last `memory_size` reflections, oldest first."""
        return record.reflections[-self.memory_size :]

    def passed(self, verdict: Verdict) -> bool | None:
        """Whether the evaluator accepts; None when it could not judge."""
        if verdict.label != "unknown":
            return verdict.label == "right"
        return None if verdict.value is None else verdict.value >= self.threshold

    def end(self, record: Record, limit: str) -> Ended | None:
        """Status and stop reason, when the loop ends after this evaluation (LIMIT?); `limit` stopped the evaluator."""
        answer, verdict = record.attempts[-1], record.verdicts[-1]
        passed = self.passed(verdict)
        if passed:
            return "ok", ""
        if limit or answer.status == "budget":
            return "budget", limit or answer.stop_reason
        if answer.status == "error":  # no attempt: the model, a search or the sandbox failed
            return "error", answer.stop_reason
        if passed is None:
            return "no_evaluator", "not_judged" if self.blind else verdict.feedback.strip()[:200]
        if record.trial >= self.max_trials:
            return "exhausted", "max_trials"
        latest = [one.text.strip() for one in record.attempts[-self.patience - 1 :]]
        if self.patience and len(latest) > self.patience and len(set(latest)) == 1:
            return "exhausted", "no_progress"
        return None

    def best(self, record: Record) -> int:
        """The index of the best attempt: one that passed, else one that nobody judged, else the one of the largest
        value; of equals, the first."""

        def rank(index: int) -> tuple[Any, ...]:
            verdict, said = record.verdicts[index], bool(record.attempts[index].text.strip())
            rated = {True: 2, None: 1, False: 0}[self.passed(verdict)]
            return rated, -1.0 if verdict.value is None else verdict.value, said, -index

        return max(range(record.trial), key=rank)

    def feedback(self, record: Record) -> str:
        """What the evaluator said of the last attempt, as far as it may be shown."""
        verdict = record.verdicts[-1]
        if self.blind:
            return NOT_ACCEPTED
        said = cut_middle(verdict.feedback.strip(), FEEDBACK_TOKENS)
        if not said and verdict.value is not None and verdict.label == "unknown":
            said = f"The evaluator gave this attempt {verdict.value:.2f}; {self.threshold:g} is wanted."
        return said or NOT_ACCEPTED

    def notes(self, record: Record, task: Task) -> list[Note]:
        """What the next attempt is told. What stays the same comes first, so that prefixes of prompts are shared:
        recalled lessons, the last attempt and what was said of it, the reflections."""
        notes = [
            Note(kind="lesson", text=neutralise(OTHER_LESSON.format(**one.model_dump())), source=f"memory:{one.id}")
            for one in record.recalled
        ]
        reflections, last_attempt = self.shows(task)
        if record.attempts and last_attempt:
            answer = record.attempts[-1]
            program = task.kind == "code" and answer.text.strip()
            text = f"```python\n{answer.text.strip()}\n```" if program else neutralise(digest(answer, ATTEMPT_TOKENS))
            notes.append(Note(kind="draft", text=text, source=f"attempt {record.trial}"))
            notes.append(Note(kind="critique", text=neutralise(self.feedback(record)), source=self.evaluator))
        for kept in self.recent(record) if reflections else ():
            text = neutralise(LESSON.format(trial=kept.source_attempt, text=kept.reflection.text))
            notes.append(Note(kind="lesson", text=text, source=f"attempt {kept.source_attempt}"))
        return notes
