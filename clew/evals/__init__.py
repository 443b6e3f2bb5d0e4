"""Evaluation: task sets, graphs that are compared on them, and figures with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clew.evals.running import Evaluation as Evaluation
    from clew.evals.running import evaluate as evaluate

_HOMES = {"Evaluation": "running", "evaluate": "running"}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
