"""The plots of an evaluation. Importing this module needs matplotlib, from the extra `evals`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from clew.evals.compute import AXES, front


def accuracy_against(axis: str, figures: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes a PNG: the share of right answers with its interval over the mean cost of a run, a point per graph, and
    for a strategy the curve over its first candidates. Ringed points are those that no other graph beats."""
    figure = Figure(figsize=(7.5, 5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    kept = front(figures, axis)
    # A name may hold a dollar sign, which would begin a formula.
    for each in figures:
        if not each["n"] or each[axis] is None:
            continue
        right, low, high = (100 * each[key] for key in ("right", "right_low", "right_high"))
        label = f"{each['graph']} (n = {each['n']})".replace("$", r"\$")
        bars = axes.errorbar(
            each[axis], right, yerr=[[right - low], [high - right]], fmt="o", markersize=7, capsize=4, label=label
        )
        colour = bars.lines[0].get_color()
        if each["graph"] in kept:
            axes.plot(each[axis], right, "o", markersize=14, fillstyle="none", color=colour)
        curve = [point for point in each["curve"] if point["right"] is not None and point.get(axis) is not None]
        axes.plot([at[axis] for at in curve], [100 * at["right"] for at in curve], ".-", color=colour, alpha=0.6)
    axes.set_xlabel(f"{AXES[axis][0]} per run")
    axes.set_ylabel("right answers, % (95% interval)")
    axes.set_ylim(-3, 103)
    left, end = axes.get_xlim()
    axes.set_xlim(min(0.0, left), end)
    axes.grid(alpha=0.3)
    # Below the axes it hides no point, however long the names are.
    figure.legend(loc="outside lower center", ncols=1, fontsize=9)
    figure.savefig(path, format="png", metadata={"Software": "Clew"})
