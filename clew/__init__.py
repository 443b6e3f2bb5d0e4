"""Clew: reasoning agents as LangGraph graphs, with one journal for resume, replay, budgets and training data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from clew.journal import (
        Budget,
        Cost,
        Journal,
        Recipe,
        effect,
        fork,
        note,
        replay,
        resume,
        run,
        run_sync,
        scope,
    )
    from clew.models import Model
    from clew.task import Answer, Note, Task

_HOMES = {
    "clew.journal": (
        "Budget",
        "Cost",
        "Journal",
        "Recipe",
        "effect",
        "fork",
        "note",
        "replay",
        "resume",
        "run",
        "run_sync",
        "scope",
    ),
    "clew.models": ("Model",),
    "clew.task": ("Answer", "Note", "Task"),
}

__all__ = [
    "Answer",
    "Budget",
    "Cost",
    "Journal",
    "Model",
    "Note",
    "Recipe",
    "Task",
    "effect",
    "fork",
    "note",
    "replay",
    "resume",
    "run",
    "run_sync",
    "scope",
]


def __getattr__(name: str) -> Any:
    # Even pydantic takes 40 ms to import, and `clew --help` must not wait for it.
    import importlib

    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'clew' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
