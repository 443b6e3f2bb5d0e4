"""The plot of an evaluation. Importing this module needs matplotlib, from the extra `evals`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def accuracy_against_tokens(figures: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes a PNG: the share of right answers with its interval over the mean tokens of a run, a point per graph."""
    figure = Figure(figsize=(7.5, 5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    # A name may hold a dollar sign, which would begin a formula.
    for each in figures:
        if not each["n"]:
            continue
        right, low, high = (100 * each[key] for key in ("right", "right_low", "right_high"))
        label = f"{each['graph']} (n = {each['n']})".replace("$", r"\$")
        axes.errorbar(
            each["tokens"], right, yerr=[[right - low], [high - right]], fmt="o", markersize=7, capsize=4, label=label
        )
    axes.set_xlabel("tokens per run, prompt and completion")
    axes.set_ylabel("right answers, % (95% interval)")
    axes.set_ylim(-3, 103)
    left, end = axes.get_xlim()
    axes.set_xlim(min(0.0, left), end)
    axes.grid(alpha=0.3)
    # Below the axes it hides no point, however long the names are.
    figure.legend(loc="outside lower center", ncols=1, fontsize=9)
    figure.savefig(path, format="png", metadata={"Software": "Clew"})
