"""The files of an evaluation: rows as JSONL, tables as Markdown, a plot. They are written from the journal, and replace
what an earlier pass wrote, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clew.errors import ConfigError
from clew.evals.plan import Plan
from clew.evals.running import Evaluation
from clew.evals.table import pairs, telling

CONFIG, ROWS, REPORT, PLOT = "evaluation.json", "results.jsonl", "report.md", "accuracy_tokens.png"


def claim(folder: Path, plan: Plan) -> None:
    """Makes `folder` the one of this evaluation. Raises `ConfigError` when it is another's, or cannot be made."""
    known = folder / CONFIG
    try:
        if known.exists():
            other = json.loads(known.read_text(encoding="utf-8")).get("config_hash")
            if other != plan.digest:
                raise ConfigError(
                    f"{str(folder)!r} holds another evaluation (config {other}, this one is {plan.digest}): "
                    "give another folder with --out, or delete this one"
                )
        folder.mkdir(parents=True, exist_ok=True)
        whole = {"config_hash": plan.digest, "command": plan.command, **plan.config}
        _write(known, json.dumps(whole, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"results cannot be kept in {str(folder)!r} ({error}): give another folder with --out"
        ) from error


def write(folder: Path, evaluation: Evaluation) -> str:
    """Writes rows, report and plot into `folder`. Returns why there is no plot, empty if there is one."""
    figures = evaluation.figures()
    lines = (json.dumps(row.to_json(), ensure_ascii=False) + "\n" for row in evaluation.rows)
    _write(folder / ROWS, "".join(lines))
    missing = _plot(folder / PLOT, figures)
    _write(folder / REPORT, markdown(evaluation, figures, with_plot=not missing))
    return missing


def _plot(path: Path, figures: Sequence[Mapping[str, Any]]) -> str:
    if not any(each["n"] for each in figures):
        return "no run is finished"
    try:
        from clew.evals.plot import accuracy_against_tokens
    except ImportError as error:
        return f"{error.name or 'matplotlib'} is not installed: pip install 'clew[evals]'"
    part = path.with_name(path.name + ".part")
    accuracy_against_tokens(figures, part)
    part.replace(path)
    return ""


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


# The report --------------------------------------------------------------------------------------------------------

_REST = ("recall", "searches", "tokens", "$", "seconds", "errors")
TITLES = {"em": "EM", "f1": "F1", "right": "right"}


def markdown(evaluation: Evaluation, figures: Sequence[Mapping[str, Any]], with_plot: bool) -> str:
    """The report as Markdown."""
    return "\n".join(_parts(evaluation, figures, with_plot)) + "\n"


def _parts(evaluation: Evaluation, figures: Sequence[Mapping[str, Any]], with_plot: bool) -> Iterator[str]:
    plan = evaluation.plan
    yield f"# {_cell(plan.tasks.name)}\n"
    missing = sum(each["missing"] for each in figures)
    if missing:
        why = f" {evaluation.why}." if evaluation.why else ""
        yield f"**Incomplete: {missing} of {len(plan.cells)} runs are missing.**{why}\n"
    runs = "one run" if plan.repeats == 1 else f"{plan.repeats} runs"
    model = f"Model {_cell(plan.model)}. " if plan.model else ""
    yield (
        f"{model}{len(plan.tasks.items)} tasks, {runs} of each by each graph, seed {plan.seed}, Clew "
        f"{plan.config['clew']}, config {plan.digest}. Brackets are 95% bootstrap intervals over tasks; EM, F1, "
        "right and recall are percentages, the rest are means per run. Errors count as wrong.\n"
    )
    scores = telling(figures)
    head = ["n", *(TITLES[name] for name in scores), *_REST]
    yield from _table(["graph", *head], [[each["graph"], *_measured(each, scores)] for each in figures])
    for title, name in (("hops", "per_hop"), ("type", "per_type")):
        groups = list(dict.fromkeys(group for each in figures for group in each[name]))
        if len(groups) > 1:
            yield f"## By {title}\n"
            rows = [
                [group, each["graph"], *_measured(each[name][group], scores)]
                for group in groups
                for each in figures
                if group in each[name]
            ]
            yield from _table([title, "graph", *head], rows)
    if len(figures) > 1:
        yield "## Paired differences\n"
        yield (
            "Percentage points on the tasks that both graphs finished; share: the part of the resamples in which the "
            "difference vanishes or has the other sign, both tails together.\n"
        )
        compared = [name for name in scores if name != "f1"]
        titles = [word for name in compared for word in (TITLES[name], "share")]
        yield from _table(["graph", "minus", "n", *titles], _differences(figures, compared))
    if with_plot:
        yield f"![accuracy against tokens]({PLOT})\n"
    yield from _repeat(plan)


def _repeat(plan: Plan) -> Iterator[str]:
    yield "## How to repeat it\n"
    if plan.command:
        yield f"    {plan.command}\n"
    yield (
        "With the same journal this costs nothing and writes the same files. Without it every run is made again, with "
        f"the same seeds. Each line of {ROWS} names its run: `clew show RUN` shows it, `clew replay RUN` checks it.\n"
    )


def _differences(figures: Sequence[Mapping[str, Any]], scores: Sequence[str]) -> list[list[str]]:
    rows = []
    for first, apart in pairs(figures):
        cells = [first, str(apart["to"]), str(apart["n"])]
        for name in scores:
            cells += [spread(apart, name, signed=True), _number(apart[f"{name}_share"], 3)]
        rows.append(cells)
    return rows


def _measured(line: Mapping[str, Any], scores: Sequence[str]) -> list[str]:
    return [
        str(line["n"]),
        *(spread(line, name) for name in scores),
        _number(None if line["recall"] is None else 100 * line["recall"], 1),
        _number(line["searches"], 1),
        _number(line["tokens"], 0),
        _number(line["usd"], 5),
        _number(line["seconds"], 1),
        str(line["errors"]),
    ]


def spread(line: Mapping[str, Any], name: str, signed: bool = False) -> str:
    """`54.0 [47.1, 60.9]` in percent; a dash where there is nothing."""
    values = [line[key] for key in (name, f"{name}_low", f"{name}_high")]
    if values[0] is None:
        return "–"
    mean, low, high = (f"{100 * value:{'+' if signed else ''}.1f}" for value in values)
    return f"{mean} [{low}, {high}]"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(map(_cell, row)) + " |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
