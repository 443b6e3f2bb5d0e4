"""Which recorded events lie before another one: what a fork keeps."""

from __future__ import annotations

from collections.abc import Sequence

from clew.journal.store import IndexRow


def causal_prefix(rows: Sequence[IndexRow], at: int) -> list[int]:
    """The seqs of all events with an outcome that lie before event `at` and could have led to it.

    Order alone is not cause: a sibling branch that ran beside `at` is left out even where it was faster, so that in a
    fork it runs again as a whole, with the new settings, and never half with the old ones.
    """
    target = next(row for row in rows if row.seq == at)
    path = _parts(target)
    spans = _spans(rows)
    return [
        row.seq
        for row in rows
        if row.seq != at and row.ended is not None and row.ended < target.begun and _before(_parts(row), path, spans)
    ]


def _parts(row: IndexRow) -> tuple[str, ...]:
    return tuple(row.place.split("/")) if row.place else ()


def _spans(rows: Sequence[IndexRow]) -> dict[tuple[str, ...], tuple[int, int]]:
    """For every branch, when its first event began and its last one ended."""
    spans: dict[tuple[str, ...], tuple[int, int]] = {}
    for row in rows:
        parts = _parts(row)
        end = row.ended if row.ended is not None else 1 << 60
        for depth in range(1, len(parts) + 1):
            first, last = spans.get(parts[:depth], (row.begun, end))
            spans[parts[:depth]] = min(first, row.begun), max(last, end)
    return spans


def _before(path: tuple[str, ...], target: tuple[str, ...], spans: dict[tuple[str, ...], tuple[int, int]]) -> bool:
    for depth, (mine, its) in enumerate(zip(path, target, strict=False), 1):
        if mine != its:
            branch, other = path[:depth], target[:depth]
            my_step, its_step = _step(mine), _step(its)
            if my_step is not None and its_step is not None:
                return my_step < its_step  # LangGraph ends a step before the next one begins
            return spans[branch][1] < spans[other][0]
    return True  # one path leads through the other: order is cause


def _step(part: str) -> int | None:
    step = part.rpartition("@")[2].partition(".")[0] if "@" in part else ""
    return int(step) if step.isdigit() else None
