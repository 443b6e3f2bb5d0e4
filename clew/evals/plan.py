"""What is evaluated: tasks, graphs and repeats, and the run of the journal that each combination is.

A run's id follows from what decides the run, and from nothing else. So the same evaluation finds its runs again after
a kill, and two evaluations that ask the same thing of the same graph share the run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

from clew.errors import ConfigError
from clew.evals.tasks import Item, TaskSet
from clew.task import Task


@dataclass(frozen=True)
class Cell:
    """One run of an evaluation: a graph on an item, for the n-th time (from 1). `task` is what the graph is asked."""

    graph: str
    item: Item
    repeat: int
    run: str
    task: Task


@dataclass(frozen=True)
class Plan:
    """An evaluation.

    `graphs` are compiled graphs by label, the label standing in tables. `seed` makes other runs of the same tasks:
    seeds of model calls follow from run ids. `decides` says, by label, what else decides a graph's runs and is not in
    its fingerprint (where the model is served, what the store and the memory hold). `fresh` is a salt for runs that
    are shared with no other evaluation. `model` and `command` stand in every row: the model's name, and what repeats
    the evaluation. Every task says in which set it is evaluated, so that no memory answers it by what that set taught.

    Raises `ConfigError` without tasks or graphs, and for `repeats` below 1.
    """

    tasks: TaskSet
    graphs: Mapping[str, Any]
    repeats: int = 1
    seed: int = 0
    decides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fresh: str = ""
    model: str = ""
    command: str = ""

    def __post_init__(self) -> None:
        if not self.tasks.items:
            raise ConfigError(f"the task set {self.tasks.name!r} has no tasks: nothing can be evaluated")
        if not self.graphs:
            raise ConfigError("there is no graph to evaluate: name one, as in --graph rag")
        if self.repeats < 1:
            raise ConfigError(f"repeats={self.repeats!r} evaluates nothing: give 1 or more")

    @cached_property
    def config(self) -> dict[str, Any]:
        """All that decides the rows, as JSON: tasks, graphs, repeats, seed and version."""
        from clew import __version__

        return {
            "tasks": self.tasks.name,
            "task_set": self.tasks.identity,
            "tasks_digest": self.tasks.digest(),
            "n_tasks": len(self.tasks.items),
            "graphs": {label: self._identity(label) for label in self.graphs},
            "model": self.model,
            "repeats": self.repeats,
            "seed": self.seed,
            "fresh": self.fresh,
            "clew": __version__,
        }

    @cached_property
    def digest(self) -> str:
        """The config hash."""
        return _hash(self.config)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every run, graph by graph, in the order of items and repeats."""
        from clew.memory import evaluated

        found = []
        for label in self.graphs:
            for item in self.tasks.items:
                task = evaluated(item.task, self.tasks.identity)
                found += [
                    Cell(label, item, repeat, self._run(label, task, repeat), task)
                    for repeat in range(1, self.repeats + 1)
                ]
        return tuple(found)

    def in_turn(self) -> Iterator[Cell]:
        """One cell for each run, item by item, so that all graphs come equally far."""
        size = len(self.tasks.items) * self.repeats
        seen: set[str] = set()
        for index in range(size):
            for cell in self.cells[index::size]:
                if cell.run not in seen:  # two labels may mean one graph
                    seen.add(cell.run)
                    yield cell

    def _identity(self, label: str) -> dict[str, Any]:
        from clew.journal.identity import fingerprint

        graph = self.graphs[label]
        identity: dict[str, Any] = {"decides": dict(self.decides.get(label, {})), **fingerprint(graph)}
        if not getattr(graph, "fingerprint", None):
            identity["label"] = label  # nothing else tells two graphs apart that were built by hand
        return identity

    def _run(self, label: str, task: Task, repeat: int) -> str:
        return _hash([self._hashes[label], task.model_dump(mode="json"), repeat, self.seed, self.fresh])

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return {label: _hash(self._identity(label)) for label in self.graphs}


def _hash(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=6).hexdigest()
