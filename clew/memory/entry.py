"""What memory holds: entries, each with the runs that it came from, and which entries an evaluation may not see."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any, Literal
from uuid import UUID

from clew.journal import Run
from clew.journal.address import here
from clew.task import Task

# Under this name a task's `inputs` carry the name of the task set that it is evaluated in.
TASK_SET = "task_set"
# An entry that run after run rewrites names so many of them, the latest ones.
MOST_SOURCES = 200
# LangGraph refuses empty labels: namespaces that begin with one are free for what a single run sees.
COPIES = ""


def evaluated(task: Task, task_set: str) -> Task:
    """`task` as an evaluation asks it: a run of it sees nothing that was learned from the task set of that name, or
    elsewhere from the same question, and changes nothing that others wrote."""
    return task.model_copy(update={"inputs": {**task.inputs, TASK_SET: task_set}})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an entry comes from, or who reads: a run (`began` tells two of one id apart), the place in it, its task,
    the name of the task set that is evaluated (empty outside of evaluations), and a hash of the question."""

    run: str = ""
    began: float = 0.0
    place: str = ""
    task: str = ""
    task_set: str = ""
    question: str = ""

    @classmethod
    def of_task(cls, task: Mapping[str, Any], *, run: str = "", began: float = 0.0, place: str = "") -> Origin:
        """The origin of what is learned from `task`, a task as JSON."""
        task_set = str((task.get("inputs") or {}).get(TASK_SET) or "")
        return cls(run, began, place, str(task.get("id", "")), task_set, question_hash(str(task.get("prompt", ""))))

    @property
    def copies(self) -> tuple[str, ...]:
        """The namespace below which an evaluated run keeps its copies of what others wrote; empty for other runs."""
        return (COPIES, f"{self.run} {self.began}") if self.task_set and self.run else ()

    def same_run(self, other: Origin) -> bool:
        return bool(self.run) and (self.run, self.began) == (other.run, other.began)

    def __str__(self) -> str:
        """The task set and the task, as far as they are known."""
        return "/".join(part for part in (self.task_set, self.task) if part)


def origin_of(run: Run) -> Origin:
    """The origin of what code of `run` writes right now."""
    row = run.journal.get_run(run.id)
    if row is None or not row.task:
        return Origin()
    return Origin.of_task(row.task, run=run.id, began=row.created, place=here(run.nodes).place)


def latest(sources: Sequence[Origin]) -> tuple[Origin, ...]:
    """The last `MOST_SOURCES` of `sources`; of earlier ones the task sets and questions, each once, so that an entry
    stays hidden from all that it was learned from."""
    kept = sources[-MOST_SOURCES:]
    known = {(source.task_set, source.question) for source in kept} | {("", "")}
    earlier = dict.fromkeys((source.task_set, source.question) for source in sources[:-MOST_SOURCES])
    return (
        *(Origin(task_set=name, question=question) for name, question in earlier if (name, question) not in known),
        *kept,
    )


def question_hash(prompt: str) -> str:
    """Equal for questions of the same words; empty for none."""
    words = " ".join(prompt.split()).casefold()
    return blake2b(words.encode("utf-8", "replace"), digest_size=8).hexdigest() if words else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value under a key of a namespace. `created` and `updated` are UTC times as ISO 8601, `sources` the runs that
    wrote it, the latest last. `index` names the fields that it is searched by (None: the store's, False: none).
    `credited` are effects that have changed its counters, so that each counts once. `deleted` is a copy that hides what
    it stands for."""

    namespace: tuple[str, ...]
    key: str
    value: dict[str, Any]
    created: str = ""
    updated: str = ""
    sources: tuple[Origin, ...] = ()
    index: Sequence[str] | Literal[False] | None = None
    credited: tuple[str, ...] = field(default=(), repr=False)
    deleted: bool = False

    @property
    def id(self) -> str:
        """A UUID that follows from namespace and key."""
        return entry_id(self.namespace, self.key)

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that it came from, each once."""
        return tuple(dict.fromkeys(source.run for source in self.sources if source.run))

    @property
    def is_copy(self) -> bool:
        """Whether it is an evaluated run's copy of what others wrote."""
        return self.namespace[:1] == (COPIES,)

    def barred(self, reader: Origin) -> bool:
        """Whether `reader` may not see it here: evaluated runs see nothing that another run learned from the same task
        set, or from the same question anywhere; and a copy is seen only in the place that it stands for."""
        return self.is_copy or (
            bool(reader.task_set)
            and any(
                not source.same_run(reader)
                and (source.task_set == reader.task_set or (source.question and source.question == reader.question))
                for source in self.sources
            )
        )

    def written_by(self, run: Origin) -> bool:
        """Whether the run of `run` has a part in it."""
        return any(source.same_run(run) for source in self.sources)

    def written_by_others(self, run: Origin) -> bool:
        """Whether anybody else has a part in it: another run, or a person."""
        return not self.sources or not all(source.same_run(run) for source in self.sources)

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        return {**data, "namespace": list(self.namespace), "sources": [_known(each) for each in data["sources"]]}

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Entry:
        return cls(
            tuple(data["namespace"]), data["key"], data["value"], data["created"], data["updated"],
            sources=tuple(Origin(**source) for source in data["sources"]),
            index=data["index"],
            credited=tuple(data.get("credited", ())),
            deleted=data.get("deleted", False),
        )  # fmt: skip


def _known(source: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in source.items() if value}


def entry_id(namespace: tuple[str, ...], key: str) -> str:
    text = json.dumps([*namespace, key])
    return str(UUID(bytes=blake2b(text.encode(), digest_size=16).digest()))


def prefixes(namespace: tuple[str, ...]) -> Iterator[str]:
    """Every prefix of a namespace, the empty one included, as one word each."""
    return (json.dumps(namespace[:depth]) for depth in range(len(namespace) + 1))
