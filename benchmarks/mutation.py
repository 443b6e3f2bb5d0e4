"""How many bugs template repair fixes, from the files of `clew bugs` and `clew repair`, as the table of docs/repair.md.

    clew bugs make --repo REPOS/NAME -n 14 --kinds known --out NAME.jsonl             # for each repository
    clew bugs make --repo REPOS/NAME -n 24 --kinds other,history --out NAME.jsonl
    cat *.jsonl > all.jsonl                                                           # in that folder
    clew repair --instances all.jsonl --proposer mutate --out preds.jsonl --parallel 2
    clew bugs grade --instances all.jsonl --preds preds.jsonl --out grades.jsonl
    python benchmarks/mutation.py all.jsonl grades.jsonl preds.report.jsonl

Families: `known` (kinds that templates undo), `other` (kinds that they do not know), `history` (real lines of earlier
commits). `fixed`: all tests pass, as `clew bugs grade` says. `gold patch`: the same lines as the real fix. Seconds are
those of one repair, as its journal has them.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clew.agents.instances import read_predictions, read_rows

Row = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("instances", type=Path)
    parser.add_argument("grades", type=Path)
    parser.add_argument("report", type=Path)
    given = parser.parse_args()
    patches = given.report.with_name(given.report.name.replace(".report", ""))
    rows = {row["instance_id"]: row for row in read_rows(given.instances)}
    grades = {row["instance_id"]: row for row in read_rows(given.grades)}
    runs = {row["instance_id"]: row for row in read_rows(given.report)}
    made = read_predictions(patches) if patches.exists() else {}
    print("| bugs | of | repositories | fixed | gold patch | no patch | median s | s in all |")
    print("|---|---|---|---|---|---|---|---|")
    for family in ("known", "other", "history"):
        mine = [row for id, row in rows.items() if row.get("family") == family and id in runs]
        if mine:
            print(line(family, mine, grades, runs, made))
    print()
    print("| repository | known | other | history |")
    print("|---|---|---|---|")
    for repo in sorted({row["repo"] for row in rows.values()}):
        cells = []
        for family in ("known", "other", "history"):
            ids = [id for id, row in rows.items() if (row["repo"], row["family"]) == (repo, family) and id in runs]
            fixed = sum(grades.get(id, {}).get("status") == "resolved" for id in ids)
            cells.append(f"{fixed} of {len(ids)}" if ids else "-")
        print(f"| {Path(repo).stem} | {' | '.join(cells)} |")


def line(
    family: str,
    rows: Sequence[Row],
    grades: Mapping[str, Row],
    runs: Mapping[str, Row],
    made: Mapping[str, str],
) -> str:
    ids = [row["instance_id"] for row in rows]
    fixed = sum(grades.get(id, {}).get("status") == "resolved" for id in ids)
    same = sum(changed(made.get(row["instance_id"], "")) == changed(row["patch"]) for row in rows)
    none = sum(not made.get(id, "").strip() for id in ids)
    seconds = [float((runs[id].get("cost") or {}).get("seconds") or 0) for id in ids]
    repositories = len({row["repo"] for row in rows})
    return (
        f"| {family} | {len(ids)} | {repositories} | {fixed} ({fixed / len(ids):.0%}) | {same} | {none} "
        f"| {statistics.median(seconds):.0f} | {sum(seconds):.0f} |"
    )


def changed(patch: str) -> list[str]:
    """The lines that a patch takes and gives."""
    return [each for each in patch.splitlines() if each.startswith(("-", "+")) and not each.startswith(("---", "+++"))]


if __name__ == "__main__":
    main()
