"""The files of an evaluation: rows as JSONL, tables as Markdown, plots, a page. They are written from the journal, and
replace what an earlier pass wrote, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clew.errors import ConfigError
from clew.evals.markdown import markdown
from clew.evals.page import page
from clew.evals.plan import Plan
from clew.evals.running import Evaluation
from clew.evals.tables import shown_axes

CONFIG, ROWS, REPORT, PAGE = "evaluation.json", "results.jsonl", "report.md", "report.html"
PLOTTED = ("tokens", "usd", "seconds")


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
    """Writes rows, report, plots and page into `folder`. Returns why there are no plots, empty if there are."""
    figures = evaluation.figures()
    lines = (json.dumps(row.to_json(), ensure_ascii=False) + "\n" for row in evaluation.rows)
    _write(folder / ROWS, "".join(lines))
    plots, missing = _plots(folder, figures)
    _write(folder / REPORT, markdown(evaluation, figures, plots))
    _write(folder / PAGE, page(evaluation, figures))
    return missing


def _plots(folder: Path, figures: Sequence[Mapping[str, Any]]) -> tuple[list[str], str]:
    """The names of the plots that were drawn, and why there are none."""
    if not any(each["n"] for each in figures):
        return [], "no run is finished"
    try:
        from clew.evals.plot import accuracy_against
    except ImportError as error:
        return [], f"{error.name or 'matplotlib'} is not installed: pip install 'clew[evals]'"
    names = []
    for axis in shown_axes(figures, PLOTTED):
        path = folder / f"accuracy_{axis}.png"
        part = path.with_name(path.name + ".part")
        accuracy_against(axis, figures, part)
        part.replace(path)
        names.append(path.name)
    return names, ""


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    part.replace(path)
