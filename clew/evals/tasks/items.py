"""Items of a task set: a task, and beside it, out of reach of every graph, its gold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clew.errors import ConfigError
from clew.scoring.cases import Case
from clew.task import Task, TaskKind


class Link(BaseModel):
    """One step of a gold chain: a question, its answer, and the document that says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    answer: str
    document: str = ""


class Gold(BaseModel):
    """What decides whether an answer is right. `answers`: any of them is right; none means that the question has no
    answer and saying so is right. `documents`: sources that hold the answer, as paths below the indexed folder.
    `chain`: the links that lead to it. `tests`: what a program must pass; without any, nobody can judge it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    chain: tuple[Link, ...] = ()
    tests: tuple[Case, ...] = ()


class Item(BaseModel):
    """One question of a task set. `hops` counts the links that it needs (None: not known), `type` is the set's own name
    for its kind of question (`bridge`, `comparison`, `count`, ...)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    gold: Gold = Gold()
    hops: int | None = None
    type: str = ""


class _Line(BaseModel):
    """An item as one line of JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    prompt: str
    kind: TaskKind = "qa"
    inputs: dict[str, Any] = Field(default_factory=dict)
    answers: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    chain: tuple[Link, ...] = ()
    tests: tuple[Case, ...] = ()
    hops: int | None = None
    type: str = ""


def to_line(item: Item) -> str:
    """`item` as one line of JSON: `id, prompt, kind, inputs, answers, documents, chain, tests, hops, type`, defaults
    left out (but `answers`, because an empty list says something)."""
    task, gold = item.task, item.gold
    line = _Line(
        id=task.id, prompt=task.prompt, kind=task.kind, inputs=task.inputs, answers=gold.answers,
        documents=gold.documents, chain=gold.chain, tests=gold.tests, hops=item.hops, type=item.type,
    )  # fmt: skip
    data = {"id": line.id, "prompt": line.prompt, **line.model_dump(mode="json", exclude_defaults=True)}
    if gold.tests:
        data["tests"] = [
            test.model_dump(mode="json") for test in gold.tests
        ]  # `kind` is a default that tells them apart
    return json.dumps({**data, "answers": list(gold.answers)}, ensure_ascii=False)


def from_line(text: str, where: str) -> Item:
    """The item of one line; raises `ConfigError`, which names the line as `where`."""
    try:
        line = _Line.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the line"
        raise ConfigError(
            f"{where}: {field}: {first['msg']}: give one JSON object per line with id, prompt and answers"
        ) from None
    task = Task(id=line.id, prompt=line.prompt, kind=line.kind, inputs=line.inputs)
    gold = Gold(answers=line.answers, documents=line.documents, chain=line.chain, tests=line.tests)
    return Item(task=task, gold=gold, hops=line.hops, type=line.type)


def read_items(path: str | Path) -> Iterator[Item]:
    """The items of a JSONL file, in order. Raises `ConfigError` for a missing file, a malformed line or an id that
    occurs twice."""
    path, seen = Path(path), set()
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, text in enumerate(file, 1):
                if not text.strip():
                    continue
                item = from_line(text, f"{path}:{number}")
                if item.task.id in seen:
                    raise ConfigError(f"{path}:{number}: the id {item.task.id!r} occurs twice: give each task its own")
                seen.add(item.task.id)
                yield item
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the task file {str(path)!r} cannot be read: {error}") from error


def write_items(path: str | Path, items: Iterable[Item]) -> int:
    """Writes `items` as JSONL and returns their number."""
    count = 0
    with Path(path).open("w", encoding="utf-8") as file:
        for item in items:
            file.write(to_line(item) + "\n")
            count += 1
    return count


@dataclass(frozen=True)
class TaskSet:
    """Items under a name. `documents` is the folder that their gold documents belong to, where there is one. `identity`
    is the set that they are chosen from, by limit, split or seed (default: the name): memory hides from an evaluation
    what was learned from it."""

    name: str
    items: tuple[Item, ...]
    documents: Path | None = None
    identity: str = ""

    def __post_init__(self) -> None:
        if not self.identity:
            object.__setattr__(self, "identity", self.name or "tasks")

    def digest(self) -> str:
        """A hash of all items, gold included: two equal digests are the same task set."""
        hasher = blake2b(digest_size=8)
        for item in self.items:
            hasher.update(to_line(item).encode() + b"\n")
        return hasher.hexdigest()
