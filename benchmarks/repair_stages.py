"""What every stage of repairs found, against the patches that are known to be right, as the table of docs/repair.md.

    clew repair --instances bugs.jsonl --out preds.jsonl --journal journal.db
    python benchmarks/repair_stages.py --instances bugs.jsonl --report preds.report.jsonl --journal journal.db \
        --grades candidates.jsonl

Every change that a repair could have chosen is graded, not only the one that it chose; what is in --grades is not run
again. Instances hold what grades them: FAIL_TO_PASS, PASS_TO_PASS, test_patch, and patch, without which there is no
recall. A column for each proposer, and for each family of bugs where there are several.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

from clew.agents.bug_grades import Benches
from clew.agents.candidate_grades import Kept, Repair, repairs, staged
from clew.config import load
from clew.evals.repair_stages import Stages, table
from clew.graphs.base import side_by_side
from clew.journal import Journal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=Path, nargs="+", required=True)
    parser.add_argument("--report", type=Path, nargs="+", required=True, help="PREDS.report.jsonl of clew repair")
    parser.add_argument("--journal", type=Path, nargs="+", required=True)
    parser.add_argument("--grades", type=Path, help="keep grades in this file")
    parser.add_argument("--repos", type=Path, help="folder with the repositories")
    parser.add_argument("--image", help="where the tests run, for instances that do not say it")
    parser.add_argument("--sandbox", help="docker or process")
    parser.add_argument("-j", "--parallel", type=int, default=1)
    given = parser.parse_args()
    found = list(repairs(given.instances, given.report, [Journal(each) for each in given.journal]))
    kept = Kept(given.grades)
    done = asyncio.run(all_staged(found, given, kept))
    columns: dict[str, list[Stages]] = {}
    several = len({family(each) for each in found}) > 1
    for repair, row in zip(found, done, strict=True):
        name = repair.proposer or "not begun"
        columns.setdefault(f"{name}, {family(repair)}" if several else name, []).append(row)
    print(table(columns))
    mine = Counter((key[0], row["status"]) for key, row in kept.rows.items())
    print("\n" + ", ".join(f"{what} {status}: {count}" for (what, status), count in sorted(mine.items())))


def family(repair: Repair) -> str:
    return str(repair.row.get("family") or "issues")


async def all_staged(found: list[Repair], given: argparse.Namespace, kept: Kept) -> list[Stages]:
    benches = Benches(load({"sandbox": given.sandbox, "image": given.image}))

    async def one(number: int, repair: Repair) -> Stages:
        row = await staged(repair, benches, kept, repos=given.repos)
        how = "resolved" if row.resolved else "another candidate resolves it" if row.any else "not resolved"
        print(f"{number:>4} of {len(found)}  {repair.id}: {how}", file=sys.stderr)
        return row

    try:
        return await side_by_side([partial(one, n, each) for n, each in enumerate(found, 1)], given.parallel)
    finally:
        await benches.close()


if __name__ == "__main__":
    warnings.simplefilter("ignore", ResourceWarning)
    main()
