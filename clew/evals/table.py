"""Figures of an evaluation: a line per graph, with intervals and differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from clew.evals import compute
from clew.evals.choices import EXCHANGEABLE, confusion
from clew.evals.plan import Plan
from clew.evals.rows import Row
from clew.evals.statistics import difference, estimate

SCORES = ("em", "f1", "right")


def figures(plan: Plan, rows: Sequence[Row], why: str = "") -> list[dict[str, Any]]:
    """One JSON object per graph, in the plan's order; `why` says why runs are missing. See docs/eval.md."""
    expected = len(plan.tasks.items) * plan.repeats
    by_graph = {label: [row for row in rows if row.graph == label] for label in plan.graphs}
    curves = {label: compute.curve(mine, _method(plan, label) in EXCHANGEABLE) for label, mine in by_graph.items()}
    found = []
    for label, mine in by_graph.items():
        missing = expected - len(mine)
        status = {"status": "incomplete" if missing else "complete", "missing": missing}
        found.append(
            {
                "graph": label, "model": plan.model, **status, **({"why": why} if missing and why else {}),
                **line(mine),
                "per_hop": _groups(mine, lambda row: "unknown" if row.hops is None else str(row.hops)),
                "per_type": _groups(mine, lambda row: row.type or "none"),
                "differences": differences(label, [other for other in plan.graphs if other != label], rows),
                "pass_at": compute.pass_at(mine, plan.repeats),
                "curve": [point.to_json() for point in curves[label]] if len(curves[label]) > 1 else [],
                "evaluator": confusion((each.accepted, each.right) for row in mine for each in row.candidates),
            }
        )  # fmt: skip
    fronts = {axis: compute.front(found, axis) for axis in compute.AXES}
    tables = {axis: {row["graph"]: row["at"] for row in compute.matched(curves, axis)} for axis in compute.MATCHED}
    apart = {axis: compute.equal_differences(curves, axis) for axis in compute.MATCHED}
    for each in found:
        label = each["graph"]
        each["front"] = [axis for axis, kept in fronts.items() if label in kept]
        each["equal_compute"] = {
            axis: {"at": tables[axis][label], "differences": [one for one in apart[axis] if one["graph"] == label]}
            for axis in compute.MATCHED
        }
    return found


def _method(plan: Plan, label: str) -> str:
    return str((getattr(plan.graphs[label], "fingerprint", None) or {}).get("method", ""))


def line(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures of some runs of one graph: means per run with intervals over items, None where there is nothing."""
    data: dict[str, Any] = {"n": len(rows), "items": len({row.task for row in rows})}
    clusters = [row.task for row in rows]
    for name in SCORES:
        found = estimate([float(getattr(row, name)) for row in rows], clusters)
        data[name] = None if found is None else round(found.mean, 6)
        data[f"{name}_low"] = None if found is None else round(found.low, 6)
        data[f"{name}_high"] = None if found is None else round(found.high, 6)
    return {
        **data,
        "recall": _mean([row.recall for row in rows if row.recall is not None]),
        "searches": _mean([row.searches for row in rows]),
        "model_calls": _mean([row.model_calls for row in rows]),
        "tokens": _mean([row.tokens for row in rows]),
        "usd": None if None in [row.usd for row in rows] else _mean([row.usd or 0.0 for row in rows]),
        "seconds": _mean([row.seconds for row in rows]),
        "errors": sum(row.error for row in rows),
    }


def differences(label: str, others: Iterable[str], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The paired differences of `label` to `others` in exact match and in the share of right answers, on the items that
    both have."""
    found = []
    for other in others:
        data: dict[str, Any] = {"to": other}
        for name in ("em", "right"):
            apart = difference(_by_item(rows, label, name), _by_item(rows, other, name))
            values = asdict(apart) if apart else {}
            data["n"] = values.get("n", 0)
            for key, field in (("", "mean"), ("_low", "low"), ("_high", "high"), ("_share", "share")):
                data[name + key] = round(values[field], 6) if apart else None
        found.append(data)
    return found


def telling(figures: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The scores that a table must show: `right` only where it says something else than exact match, and it alone where
    no text matches at all, as of programs."""
    if all(each["right"] == each["em"] for each in figures):
        return ("em", "f1")
    return SCORES if any(each["f1"] for each in figures) else ("right",)


def pairs(figures: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Each pair of graphs once: the label of the first, and its difference to the second."""
    found = []
    for first, second in combinations(figures, 2):
        apart = next(each for each in first["differences"] if each["to"] == second["graph"])
        found.append((str(first["graph"]), apart))
    return found


def _by_item(rows: Sequence[Row], label: str, name: str) -> dict[Any, list[float]]:
    found: dict[Any, list[float]] = {}
    for row in rows:
        if row.graph == label:
            found.setdefault(row.task, []).append(float(getattr(row, name)))
    return found


def _groups(rows: Sequence[Row], name: Callable[[Row], str]) -> dict[str, dict[str, Any]]:
    names = sorted({name(row) for row in rows}, key=lambda text: text.zfill(9) if text.isdigit() else text)
    return {each: line([row for row in rows if name(row) == each]) for each in names}


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 9) if values else None
