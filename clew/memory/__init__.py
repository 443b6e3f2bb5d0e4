"""Memory: what outlives a run. A LangGraph store on Qdrant, and on it lessons, insights and demonstrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .demonstrations import Demonstration as Demonstration
    from .demonstrations import Demonstrations as Demonstrations
    from .entry import Entry as Entry
    from .entry import Origin as Origin
    from .entry import evaluated as evaluated
    from .insights import Insight as Insight
    from .insights import Insights as Insights
    from .insights import draw_insights as draw_insights
    from .lessons import Episodes as Episodes
    from .lessons import Lesson as Lesson
    from .lessons import Recalled as Recalled
    from .lessons import family_of as family_of
    from .store import MemoryStore as MemoryStore
    from .trajectories import Attempt as Attempt
    from .trajectories import attempts_in as attempts_in

_HOMES = {
    "Attempt": "trajectories",
    "Demonstration": "demonstrations",
    "Demonstrations": "demonstrations",
    "Entry": "entry",
    "Episodes": "lessons",
    "Insight": "insights",
    "Insights": "insights",
    "Lesson": "lessons",
    "MemoryStore": "store",
    "Origin": "entry",
    "Recalled": "lessons",
    "attempts_in": "trajectories",
    "draw_insights": "insights",
    "evaluated": "entry",
    "family_of": "lessons",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
