"""The report of an evaluation as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clew.evals.compute import AXES, MATCHED, front
from clew.evals.plan import Plan
from clew.evals.running import Evaluation
from clew.evals.tables import Table, shown_axes, tables


def markdown(evaluation: Evaluation, figures: Sequence[Mapping[str, Any]], plots: Sequence[str] = ()) -> str:
    """The report; `plots` are names of pictures beside it."""
    return "\n".join(_parts(evaluation, figures, plots)) + "\n"


def _parts(evaluation: Evaluation, figures: Sequence[Mapping[str, Any]], plots: Sequence[str]) -> Iterator[str]:
    plan = evaluation.plan
    yield f"# {_cell(plan.tasks.name)}\n"
    if said := incomplete(evaluation):
        yield f"**{said[0]}** {_cell(said[1])}".strip() + "\n"
    yield f"{_cell(made_by(plan))}\n"
    whole, *rest = tables(figures)
    yield from _table(whole)
    yield from _fronts(figures)
    for table in rest:
        yield f"## {table.title}\n"
        if table.note:
            yield f"{table.note}\n"
        yield from _table(table)
    for name in plots:
        yield f"![{name.removesuffix('.png').replace('_', ' against ')}]({name})\n"
    yield from _repeat(plan)


def incomplete(evaluation: Evaluation) -> tuple[str, str] | None:
    """That runs are missing, and why (it may be empty); None if none is."""
    missing = sum(each["missing"] for each in evaluation.figures())
    if not missing:
        return None
    why = f"{evaluation.why[:1].upper()}{evaluation.why[1:]}." if evaluation.why else ""
    return f"Incomplete: {missing} of {len(evaluation.plan.cells)} runs are missing.", why


def made_by(plan: Plan) -> str:
    """What was evaluated, and how the figures are meant."""
    runs = "one run" if plan.repeats == 1 else f"{plan.repeats} runs"
    model = f"Model {plan.model}. " if plan.model else ""
    return (
        f"{model}{len(plan.tasks.items)} tasks, {runs} of each by each graph, seed {plan.seed}, Clew "
        f"{plan.config['clew']}, config {plan.digest}. Brackets are 95% bootstrap intervals over tasks; EM, F1, "
        "right and recall are percentages, the rest are means per run. Errors count as wrong."
    )


def _fronts(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if len(figures) < 2:
        return
    # Seconds stay out: a report should be the same when all is run again.
    for axis in shown_axes(figures, MATCHED):
        kept = ", ".join(_cell(f"`{each}`") for each in front(figures, axis))
        yield f"- by {AXES[axis][0]}, no other graph beats {kept or 'any'}"
    yield ""


def _repeat(plan: Plan) -> Iterator[str]:
    yield "## How to repeat it\n"
    if plan.command:
        yield f"    {plan.command}\n"
    yield (
        "With the same journal this costs nothing and writes the same files. Without it every run is made again, with "
        "the same seeds. Each line of results.jsonl names its run: `clew show RUN` shows it, `clew replay RUN` checks "
        "it.\n"
    )


def _table(table: Table) -> Iterator[str]:
    yield "| " + " | ".join(map(_cell, table.head)) + " |"
    yield "|" + "---|" * len(table.head)
    for line in table.lines:
        yield "| " + " | ".join(map(_cell, line)) + " |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
