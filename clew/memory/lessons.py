"""Episodic memory: what a run learned from its failures (Reflexion, arXiv 2303.11366), kept per family of tasks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clew.errors import ConfigError
from clew.journal import current, note
from clew.task import Note, Task
from clew.tools.output import neutralise

from .entry import Entry, Origin, origin_of

if TYPE_CHECKING:
    from .store import MemoryStore

T = TypeVar("T", bound=BaseModel)

LESSONS = "lessons"
LIMIT = 200


class Lesson(BaseModel):
    """A reflection on an attempt. `text` is what a later attempt reads, `fields` the same by its parts, if it has any;
    `situation` is the question that it was learned on, by which it is found.

    When the lesson is remembered, the store fills in what is empty of `id`, `family`, `task_id` and `situation`, and by
    itself `run` and `scope` (where it was learned), `created` (UTC, ISO 8601) and `origin` (task set and task, as far
    as known). It counts how often the lesson was `used`, and how often that `helped`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    fields: dict[str, str] = Field(default_factory=dict)
    family: str = ""
    task_id: str = ""
    situation: str = ""
    id: str = ""
    run: str = ""
    scope: str = ""
    created: str = ""
    used: int = 0
    helped: int = 0
    origin: str = ""

    def note(self) -> Note:
        """The lesson as a method reads it."""
        return Note(kind="lesson", text=neutralise(self.text), source=f"memory:{self.id}")


class Recalled(NamedTuple):
    """A lesson, and the cosine of the task to what it was learned on (or to its text, where that is nearer)."""

    lesson: Lesson
    similarity: float


def family_of(task: Task) -> str:
    """The family of a task: `inputs["family"]`, else its kind."""
    return str(task.inputs.get("family") or task.kind)


class Episodes:
    """Lessons in `store`, at most `limit` per family: when one more comes, the one goes that was of least use.

    Every call is one effect of kind `memory`. Raises `RetrievalError` (recorded) when the store fails.
    """

    def __init__(self, store: MemoryStore, *, limit: int = LIMIT) -> None:
        if limit < 1:
            raise ConfigError(f"limit={limit!r} remembers nothing: give 1 or more")
        self.store, self.limit = store, limit

    async def recall(self, task: Task, k: int, *, family: str | None = None, own: bool = True) -> list[Recalled]:
        """The `k` lessons of the task's family (or of `family`) that are nearest to the task, best first; without
        `own` none that this run has a part in."""
        if k < 1:
            return []
        (rows,) = await self.store.carry_out([search_op(LESSONS, family or family_of(task), task.question, k, own)])
        found = [(revived(Lesson, row["entry"]), row["score"] or 0.0) for row in rows]
        return [Recalled(lesson, similarity) for lesson, similarity in found if lesson is not None]

    async def remember(self, lesson: Lesson) -> Lesson:
        """Keeps a lesson and returns it with what was filled in. A lesson whose `id` is known already (by default it
        follows from run, place and text) stays as it was."""
        by, run = origin_of(current()), current()
        row = run.journal.get_run(run.id)
        task: dict[str, Any] = (row.task if row else None) or {}
        family = lesson.family or (family_of(Task.model_validate(task)) if task else "")
        if not family:
            raise ConfigError(f"the lesson {lesson.text[:60]!r} has no family: name one, or remember it inside a run")
        task_id = lesson.task_id or by.task
        situation = lesson.situation or str(task.get("prompt") or "") or lesson.text
        kept = lesson.model_copy(update={"family": family, "task_id": task_id, "situation": situation})
        value = kept.model_dump(include={"text", "fields", "family", "task_id", "situation"}) | {"used": 0, "helped": 0}
        namespace = (LESSONS, label(family))
        key = lesson.id or digest(by.run, str(by.began), by.place, family, lesson.text)
        await self.store.carry_out(
            [
                {**put_op(namespace, key, value, ["situation", "text"]), "new": True},
                {"op": "trim", "namespace": list(namespace), "keep": self.limit, "spare": key},
            ]
        )
        found = {"id": key, "run": by.run, "scope": by.place, "origin": str(by)}
        return kept.model_copy(update=found)

    async def credit(self, lesson_ids: Sequence[str], helped: bool) -> None:
        """Counts one use of these lessons, and whether what used them came out right."""
        keys = [id for id in lesson_ids if id]
        if keys:
            await self.store.carry_out([count_op((LESSONS,), keys, helped)])


def revived(cls: type[T], data: dict[str, Any]) -> T | None:
    """The lesson, rule or demonstration in an entry as JSON; None when somebody has made it something else."""
    entry = Entry.of_json(data)
    try:
        return model_of(cls, entry)
    except ValidationError:
        note("memory_unreadable", {"id": entry.id, "namespace": list(entry.namespace)})
        return None


def model_of(cls: type[T], entry: Entry) -> T:
    """The lesson, rule or demonstration in an entry. Raises pydantic's `ValidationError`."""
    first = next((source for source in entry.sources if source.run), Origin())
    about = {
        "id": entry.key, "created": entry.created, "run": first.run, "runs": entry.runs, "scope": first.place,
        "origin": str(first),
    }  # fmt: skip
    return cls.model_validate(
        {name: value for name, value in {**entry.value, **about}.items() if name in cls.model_fields}
    )


def label(family: str) -> str:
    """`family` as one part of a namespace, which LangGraph allows no period in."""
    return re.sub(r"[.\s]+", "_", family.strip()) or "_"


def digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def search_op(kind: str, family: str, query: str | None, k: int, own: bool = True) -> dict[str, Any]:
    """The operation that finds `k` entries of a family, the nearest to `query`; without `own` those of others."""
    return {
        "op": "search", "prefix": [kind, label(family)], "query": query, "filter": {"family": family}, "limit": k,
        "offset": 0, **({} if own else {"others": True}),
    }  # fmt: skip


def put_op(namespace: tuple[str, ...], key: str, value: dict[str, Any], index: list[str]) -> dict[str, Any]:
    """The operation that writes a value, searched by the fields `index`."""
    return {"op": "put", "namespace": list(namespace), "key": key, "value": value, "index": index}


def count_op(prefix: tuple[str, ...], keys: Sequence[str], helped: bool) -> dict[str, Any]:
    """The operation that counts one use of the entries with these keys."""
    return {"op": "count", "prefix": list(prefix), "keys": list(keys), "add": {"used": 1, "helped": int(helped)}}
