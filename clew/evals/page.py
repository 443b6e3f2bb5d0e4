"""The page of an evaluation: one HTML file that needs nothing else, no script and no network.

Questions, answers and names come from files and models. Every one of them is escaped (Jinja's autoescape), and the
page's own policy forbids scripts and requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clew.evals.compute import AXES, front
from clew.evals.markdown import incomplete, made_by
from clew.evals.page_template import TEMPLATE
from clew.evals.rows import Row
from clew.evals.running import Evaluation
from clew.evals.svg import Series, Spot, plot
from clew.evals.tables import shown_axes, tables

LONGEST = 2_000

# Not allowed in HTML, or able to reorder what stands around them.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def page(evaluation: Evaluation, figures: Sequence[Mapping[str, Any]]) -> str:
    """The page as HTML."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["plain"] = _plain
    whole, *rest = tables(figures)
    return environment.from_string(TEMPLATE).render(
        plan=evaluation.plan,
        made_by=made_by(evaluation.plan),
        incomplete=" ".join(incomplete(evaluation) or ()),
        whole=whole,
        tables=rest,
        plots=list(_plots(figures)),
        labels=list(evaluation.plan.graphs),
        questions=list(_questions(evaluation)),
    )


def _plain(text: object) -> str:
    """`text` without characters that HTML has no place for, and not longer than anyone reads."""
    said = _CONTROL.sub("\ufffd", str(text))
    return said if len(said) <= LONGEST else f"{said[:LONGEST]} … ({len(said):,} characters)"


def _plots(figures: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for axis in shown_axes(figures, tuple(AXES)):
        kept = front(figures, axis)
        series = []
        for i, each in enumerate(figures, 1):
            if each["n"] and each[axis] is not None:
                series.append(Series(i, [_spot(each, each[axis], "right")], kept=each["graph"] in kept))
                curve = [at for at in each["curve"] if at["right"] is not None and at.get(axis) is not None]
                series.append(Series(i, [_spot(at, at[axis], "right") for at in curve], line=True))
        yield {
            "title": f"Accuracy against {AXES[axis][0]}",
            "svg": plot(series, f"{AXES[axis][0]} per run", "right, %"),
            "front": kept,
        }
    coverage = [
        Series(i, [_spot(at, at["k"], "coverage") for at in each["curve"]], line=True)
        for i, each in enumerate(figures, 1)
    ]
    if drawn := plot(coverage, "candidates", "coverage, %"):
        yield {"title": "Coverage: some candidate is right (pass@k)", "svg": drawn, "front": []}


def _spot(line: Mapping[str, Any], x: float, name: str) -> Spot:
    value, low, high = (100 * line[key] for key in (name, f"{name}_low", f"{name}_high"))
    return Spot(x, value, low, high)


def _questions(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Each task with what every graph answered, run by run."""
    rows: dict[tuple[str, str], list[Row]] = {}
    for row in evaluation.rows:
        rows.setdefault((row.task, row.graph), []).append(row)
    for item in evaluation.plan.tasks.items:
        cells = [rows.get((item.task.id, label), []) for label in evaluation.plan.graphs]
        yield {
            "id": item.task.id, "prompt": item.task.question, "gold": item.gold.answers, "cells": cells,
            "gold_note": "judged by tests" if item.task.kind in ("code", "repair") else "no answer is right",
        }  # fmt: skip
