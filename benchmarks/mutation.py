"""How many bugs template repair fixes, from the files of `clew bugs` and `clew repair`, as the table of docs/repair.md.

    clew bugs make --repo REPOS/NAME -n 14 --kinds known --out NAME.jsonl             # for each repository
    clew bugs make --repo REPOS/NAME -n 24 --kinds other,history --out NAME.jsonl
    cat *.jsonl > all.jsonl                                                           # in that folder
    clew repair --instances all.jsonl --proposer mutate --out preds.jsonl --parallel 2
    clew bugs grade --instances all.jsonl --preds preds.jsonl --out grades.jsonl
    python benchmarks/mutation.py --instances all.jsonl --preds preds.jsonl --grades grades.jsonl

Families: `known` (kinds that templates undo), `other` (kinds that they do not know), `history` (real lines of earlier
commits). `fixed`: all tests pass, as `clew bugs grade` says (or `repair_stages.py`, whose --grades do as well). `gold
patch`: the same lines as the real fix. Seconds are those of one repair, as its journal has them; a report stands beside
its predictions.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clew.agents.bug_grades import hash_of
from clew.agents.instances import read_predictions, read_rows

FAMILIES = ("known", "other", "history")

Row = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("instances", "preds", "grades"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True)
    given = parser.parse_args()
    made = {id: patch for file in given.preds for id, patch in read_predictions(file).items()}
    runs = {row["instance_id"]: row for file in given.preds for row in read_rows(report_of(file))}
    statuses = {
        (row["instance_id"], row.get("hash") or row["patch"]): row["status"]
        for file in given.grades
        for row in read_rows(file)
    }
    rows = [
        {**row, "run": runs[id]}
        for file in given.instances
        for row in read_rows(file)
        if (id := row["instance_id"]) in runs
    ]
    for row in rows:
        patch = made.get(row["instance_id"], "")
        status = statuses.get((row["instance_id"], hash_of(patch))) if patch.strip() else "none"
        row |= {"made": patch, "status": status or "not graded"}
    print(table(rows))
    print()
    print(by_repository(rows))


def report_of(preds: Path) -> Path:
    return preds.with_name(f"{preds.name.removesuffix('.jsonl')}.report.jsonl")


def table(rows: Sequence[Row]) -> str:
    lines = [
        "| bugs | of | repositories | fixed | gold patch | wrong patch | no patch | not graded | median s | s in all |"
    ]
    lines.append("|---" * 10 + "|")
    return "\n".join([*lines, *(line(family, mine) for family in FAMILIES if (mine := of(rows, family)))])


def line(family: str, rows: Sequence[Row]) -> str:
    count = {status: sum(row["status"] == status for row in rows) for status in ("resolved", "none", "not graded")}
    wrong = len(rows) - sum(count.values())
    same = sum(changed(row["made"]) == changed(row["patch"]) for row in rows)
    seconds = [float((row["run"].get("cost") or {}).get("seconds") or 0) for row in rows]
    repositories = len({row["repo"] for row in rows})
    fixed = f"{count['resolved']} ({count['resolved'] / len(rows):.0%})"
    times = f"{statistics.median(seconds):.0f} | {sum(seconds):.0f}"
    cells = [family, len(rows), repositories, fixed, same, wrong, count["none"], count["not graded"], times]
    return f"| {' | '.join(map(str, cells))} |"


def by_repository(rows: Sequence[Row]) -> str:
    lines = ["| repository | " + " | ".join(FAMILIES) + " |", "|---|---|---|---|"]
    for repo in sorted({row["repo"] for row in rows}):
        cells = []
        for family in FAMILIES:
            mine = [row["status"] == "resolved" for row in of(rows, family) if row["repo"] == repo]
            cells.append(f"{sum(mine)} of {len(mine)}" if mine else "-")
        lines.append(f"| {Path(repo).stem} | {' | '.join(cells)} |")
    return "\n".join(lines)


def of(rows: Sequence[Row], family: str) -> list[Row]:
    return [row for row in rows if row["family"] == family]


def changed(patch: str) -> list[str]:
    """The lines that a patch takes and gives."""
    return [each for each in patch.splitlines() if each.startswith(("-", "+")) and not each.startswith(("---", "+++"))]


if __name__ == "__main__":
    main()
