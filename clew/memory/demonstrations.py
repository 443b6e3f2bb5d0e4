"""Successful trajectories as worked examples, recalled by similarity (ExpeL, arXiv 2308.10144, section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from clew.errors import ConfigError
from clew.journal import current
from clew.task import Answer, Note, Task, Trace
from clew.tools.output import neutralise

from .entry import origin_of
from .lessons import LIMIT, count_op, digest, family_of, label, put_op, revived, search_op
from .trajectories import LONGEST, trajectory

if TYPE_CHECKING:
    from .store import MemoryStore

DEMOS = "demos"


class Demonstration(BaseModel):
    """A task that was solved: its `question`, the `steps` that led to the `answer` (what the model wrote and did,
    bounded), and the run and scope where it happened. It counts how often it was `used`, and how often that
    `helped`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    steps: str
    answer: str
    family: str
    task_id: str = ""
    id: str = ""
    run: str = ""
    scope: str = ""
    created: str = ""
    used: int = 0
    helped: int = 0
    origin: str = ""

    def note(self) -> Note:
        """The demonstration as a method reads it."""
        parts = [f"Question: {self.question}", self.steps, f"Answer: {self.answer}"]
        text = "\n\n".join(neutralise(part.strip()) for part in parts if part.strip())
        return Note(kind="demo", text=text, source=f"memory:{self.id}")


class Demonstrations:
    """Demonstrations in `store`, at most `limit` per family; when one more comes, the one goes that was of least use.

    Every call is one effect of kind `memory`. Raises `RetrievalError` (recorded) when the store fails.
    """

    def __init__(self, store: MemoryStore, *, limit: int = LIMIT) -> None:
        if limit < 1:
            raise ConfigError(f"limit={limit!r} remembers nothing: give 1 or more")
        self.store, self.limit = store, limit

    async def recall(
        self, task: Task, k: int, *, family: str | None = None, own: bool = True
    ) -> list[tuple[Demonstration, float]]:
        """The `k` demonstrations of the task's family (or of `family`) whose questions are nearest, best first, each
        with the cosine; without `own` none that this run has a part in."""
        if k < 1:
            return []
        asked = search_op(DEMOS, family or family_of(task), task.question, k, own)
        (rows,) = await self.store.carry_out([asked])
        found = [(revived(Demonstration, row["entry"]), row["score"] or 0.0) for row in rows]
        return [(demonstration, similarity) for demonstration, similarity in found if demonstration is not None]

    async def remember(self, task: Task, answer: Answer) -> str:
        """Keeps how `answer` was found, read from the journal by the scope of its trace (the answer alone where it has
        none in this run), and returns the id. The same answer to the same question is kept once."""
        run, family = current(), family_of(task)
        by = origin_of(run)
        # What a scope holds is complete when its answer is there; of a whole run, a replay would see more.
        trace = answer.trace or Trace(run="")
        steps = trajectory(run.journal, trace) if trace.run == run.id and trace.scope else ""
        value = {
            "question": task.question, "steps": steps, "answer": answer.text[:LONGEST], "family": family,
            "task_id": by.task or task.id, "used": 0, "helped": 0,
        }  # fmt: skip
        namespace, key = (DEMOS, label(family)), digest(task.question, answer.text)
        await self.store.carry_out(
            [
                {**put_op(namespace, key, value, ["question"]), "new": True},
                {"op": "trim", "namespace": list(namespace), "keep": self.limit, "spare": key},
            ]
        )
        return key

    async def credit(self, ids: Sequence[str], helped: bool) -> None:
        """Counts one use of these demonstrations, and whether what used them came out right."""
        if ids:
            await self.store.carry_out([count_op((DEMOS,), ids, helped)])
