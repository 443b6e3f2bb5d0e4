"""The tables of an evaluation in words, for the report, the page and the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clew.evals.compute import AXES
from clew.evals.table import pairs, telling

Figures = Sequence[Mapping[str, Any]]

TITLES = {"em": "EM", "f1": "F1", "right": "right"}
_COSTS = ("recall", "searches", "tokens", "$", "seconds", "errors")


@dataclass(frozen=True)
class Table:
    """`lines` are cells as they are shown, as many as `head` has; `note` says what the table shows."""

    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    note: str = ""


def tables(figures: Figures) -> Iterator[Table]:
    """Every table that says something about these figures, all tasks first."""
    scores = telling(figures)
    head = ["n", *(TITLES[name] for name in scores), *_COSTS]
    yield Table("All tasks", ["graph", *head], [[each["graph"], *_measured(each, scores)] for each in figures])
    for title, name in (("hops", "per_hop"), ("type", "per_type")):
        groups = list(dict.fromkeys(group for each in figures for group in each[name]))
        if len(groups) > 1:
            lines = [
                [group, each["graph"], *_measured(each[name][group], scores)]
                for group in groups
                for each in figures
                if group in each[name]
            ]
            yield Table(f"By {title}", [title, "graph", *head], lines)
    if len(figures) > 1:
        yield _paired(figures, [name for name in scores if name != "f1"])
    if len(figures) > 1 and any(each["curve"] for each in figures):
        for axis in shown_axes(figures, ("tokens", "usd")):
            yield _at_equal(figures, axis)
            if (apart := _apart(figures, axis)).lines:
                yield apart
    yield from _of_candidates(figures)


def _paired(figures: Figures, scores: Sequence[str]) -> Table:
    lines = []
    for first, apart in pairs(figures):
        cells = [first, str(apart["to"]), str(apart["n"])]
        for name in scores:
            cells += [spread(apart, name, signed=True), number(apart[f"{name}_share"], 3)]
        lines.append(cells)
    titles = [word for name in scores for word in (TITLES[name], "share")]
    return Table(
        "Paired differences",
        ["graph", "minus", "n", *titles],
        lines,
        "Percentage points on the tasks that both graphs finished; share: the part of the resamples in which the "
        "difference vanishes or has the other sign, both tails together.",
    )


def _at_equal(figures: Figures, axis: str) -> Table:
    word, digits = AXES[axis]
    budgets = figures[0]["equal_compute"][axis]["at"]
    lines = [
        [each["graph"], *("–" if at["cell"] is None else spread(at["cell"], "right") for at in cells)]
        for each in figures
        if (cells := each["equal_compute"][axis]["at"])
    ]
    return Table(
        f"At equal {word}",
        ["graph", *(f"{number(at['budget'], digits)} ({at['of']})" for at in budgets)],
        lines,
        f"Right answers, %, with as many {word} per run as each graph takes. A strategy has fewer candidates then, "
        "and chooses among the first ones in index order; between two numbers of candidates it takes one more in a "
        "share of its runs. A dash: its first candidate costs more. What is cheaper stands as it is.",
    )


def _apart(figures: Figures, axis: str) -> Table:
    word, digits = AXES[axis]
    lines = [
        [
            one["graph"], one["to"], number(one["budget"], digits), number(one["k"], 1), str(one["n"]),
            spread(one, "right", signed=True), number(one["right_share"], 3),
        ]
        for each in figures
        for one in each["equal_compute"][axis]["differences"]
        if one["n"]
    ]  # fmt: skip
    return Table(
        f"Paired differences at equal {word}",
        ["graph", "minus", f"{word} of both", "candidates", "n", "right", "share"],
        lines,
        f"The dearer graph with as many {word} as the cheaper one takes.",
    )


def _of_candidates(figures: Figures) -> Iterator[Table]:
    curves = [(each["graph"], at) for each in figures for at in each["curve"]]
    if curves:
        lines = [
            [
                label, str(at["k"]), number(at["tokens"], 0), number(at["usd"], 5), spread(at, "right"),
                spread(at, "coverage"),
            ]
            for label, at in curves
        ]  # fmt: skip
        note = "right: the strategy's own choice among the first k candidates; coverage: one of k is right (pass@k)."
        yield Table("By number of candidates", ["graph", "k", "tokens", "$", "right", "coverage"], lines, note)
    repeated = [[each["graph"], str(at["k"]), spread(at, "right")] for each in figures for at in each["pass_at"]]
    if repeated:
        note = "One of k runs of a task is right, estimated from its repeats."
        yield Table("pass@k of whole runs", ["graph", "k", "pass@k"], repeated, note)
    judged = [_evaluator(each["graph"], each["evaluator"]) for each in figures if each["evaluator"]]
    if judged:
        head = ["accepted, right", "accepted, wrong", "rejected, right", "rejected, wrong", "FP, %", "FN, %"]
        note = (
            "Candidates that a strategy's own evaluator took for right or wrong, against the gold answers. FP: wrong "
            "among the accepted; FN: right among the rejected."
        )
        yield Table("Evaluators", ["graph", *head], judged, note)


def _evaluator(label: str, found: Mapping[str, Any]) -> list[str]:
    counts = [str(found[name]) for name in ("accepted_right", "accepted_wrong", "rejected_right", "rejected_wrong")]
    return [label, *counts, _percent(found["false_positive"]), _percent(found["false_negative"])]


def _measured(line: Mapping[str, Any], scores: Sequence[str]) -> list[str]:
    return [
        str(line["n"]),
        *(spread(line, name) for name in scores),
        _percent(line["recall"]),
        number(line["searches"], 1),
        number(line["tokens"], 0),
        number(line["usd"], 5),
        number(line["seconds"], 1),
        str(line["errors"]),
    ]


def shown_axes(figures: Figures, axes: Sequence[str]) -> list[str]:
    """Those of `axes` over which these graphs can be compared: some cost is known and not zero."""
    return [axis for axis in axes if any(each[axis] for each in figures)]


def spread(line: Mapping[str, Any], name: str, signed: bool = False) -> str:
    """`54.0 [47.1, 60.9]` in percent; a dash where there is nothing."""
    values = [line[key] for key in (name, f"{name}_low", f"{name}_high")]
    if values[0] is None:
        return "–"
    mean, low, high = (f"{100 * value:{'+' if signed else ''}.1f}" for value in values)
    return f"{mean} [{low}, {high}]"


def number(value: float | None, digits: int) -> str:
    """`1,234.5`; a dash where there is nothing."""
    return "–" if value is None else f"{value:,.{digits}f}"


def _percent(share: float | None) -> str:
    return number(None if share is None else 100 * share, 1)
