"""Whether runs can read an entry that people have changed."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from .demonstrations import DEMOS, Demonstration
from .entry import Entry
from .insights import INSIGHTS, Insight
from .lessons import LESSONS, Lesson, model_of

_KINDS: dict[str, tuple[type[BaseModel], str]] = {
    LESSONS: (Lesson, "text"),
    INSIGHTS: (Insight, "text"),
    DEMOS: (Demonstration, "question"),
}


def fault(entry: Entry) -> str:
    """Why an entry is no lesson, rule or demonstration, by the namespace that it is in; empty when it is one, and in
    namespaces of other kinds."""
    if entry.namespace[0] not in _KINDS:
        return ""
    cls, needed = _KINDS[entry.namespace[0]]
    try:
        text = getattr(model_of(cls, entry), needed)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return "" if text.strip() else f"its {needed} is empty"
