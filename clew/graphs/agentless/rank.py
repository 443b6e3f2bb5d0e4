"""Which candidate becomes the patch: filtered by its tests, then by majority.

As in the released code (specification of Agentless, section 2.1, "Rerank"), with its flaw mended by which a candidate
without a test report has no failing test, and so is the best (section 6).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from clew.graphs.agentless.types import Candidate, TestCounts
from clew.scoring.selection import by_key, vote

Flag = Literal["no_candidate", "regression_ignored", "regression_failures", "repro_skipped", "repro_ignored"]

NO_CHANGE = "it changes nothing that runs"
NO_REPORT = "its regression tests left no report"


@dataclass(frozen=True)
class Ranking:
    """`chosen` is the id of the candidate, None when none is eligible. `reasons` tell of every candidate why it was
    chosen or not, `votes` how many eligible candidates have its key. `groups` are the ids that were voted on, by key,
    the largest first; `margin` is the lead of the first in votes, infinite without a second.

    Flags: `regression_ignored`, no candidate has a report; `regression_failures`, the chosen one has failing tests;
    `repro_skipped`, there was no reproduction test; `repro_ignored`, no candidate with the fewest failures passes it.
    """

    chosen: str | None
    reasons: Mapping[str, str]
    votes: Mapping[str, int]
    groups: tuple[tuple[str, ...], ...] = ()
    margin: float = 0.0
    flags: tuple[Flag, ...] = ()


def rank(candidates: Sequence[Candidate]) -> Ranking:
    """The patch among `candidates`.

    Eligible is what changes something that runs, has no syntax error, and was not refused. Of these are kept those with
    the fewest failing regression tests (an error, and a test that is skipped now, is a failure; one without a report is
    not kept while others have one), of these those that fix the most failing tests, then those that pass the
    reproduction test, if any does. The most frequent key among the kept wins; of equally frequent ones the first, where
    greedy samples come before others, and location sets go by number.

    Tests are run once per key: a candidate should hold the results of its key.
    """
    order = sorted(candidates, key=lambda candidate: (candidate.sample, candidate.set))
    eligible = [candidate for candidate in order if _eligible(candidate)]
    counts = Counter(candidate.key for candidate in eligible)
    reasons = {
        candidate.id: candidate.reason or (NO_CHANGE if not candidate.key else "its syntax is wrong")
        for candidate in order
        if not _eligible(candidate)
    }
    flags: list[Flag] = []
    kept = _fewest_failures(eligible, reasons, flags)
    kept = _fixing(kept, reasons)
    kept = _reproducing(kept, eligible, reasons, flags)
    chosen = vote(by_key(kept, lambda candidate: candidate.key))
    groups = tuple(tuple(kept[index].id for index in group) for group in chosen.groups)
    if chosen.index is None:
        return Ranking(None, reasons, _votes(order, counts), flags=("no_candidate",))
    best, won = kept[chosen.index], len(chosen.groups[0])
    for group in chosen.groups:
        same = kept[group[0]].key == best.key
        why = f"the same change as {best.id}" if same else f"its change has {len(group)} votes, that of {best.id} {won}"
        reasons |= {kept[index].id: why for index in group}
    reasons[best.id] = f"its change has {won} of {len(kept)} votes"
    return Ranking(best.id, reasons, _votes(order, counts), groups, chosen.margin, tuple(flags))


def decided(candidates: Sequence[Candidate], pending: int, *, reproduction: bool, targets: int = 0) -> bool:
    """Whether `pending` more candidates cannot change the key that is chosen: it has more votes than any other could
    get, no failing regression test, fixes all `targets` (a number of failing tests), and passes the reproduction test,
    if there is one (`reproduction`). `candidates` are all before the pending ones in the order of their numbers, not of
    their arrival."""
    ranking = rank(candidates)
    best = next((candidate for candidate in candidates if candidate.id == ranking.chosen), None)
    if best is None or best.regression is None or best.regression.lost or best.fixed < targets:
        return False
    if not (_ran(best.regression) or best.fixed):
        return False
    if best.reproduction != "passed" and (reproduction or best.reproduction is not None):
        return False
    return pending == 0 or (min(ranking.margin, len(ranking.groups[0])) > pending)


def _votes(candidates: Sequence[Candidate], counts: Counter[str]) -> dict[str, int]:
    return {candidate.id: counts[candidate.key] if _eligible(candidate) else 0 for candidate in candidates}


def _fewest_failures(eligible: Sequence[Candidate], reasons: dict[str, str], flags: list[Flag]) -> list[Candidate]:
    reports = {candidate.id: candidate.regression for candidate in eligible if candidate.regression is not None}
    # A run of no test is a report only when nobody has a test.
    some = {name for name, counts in reports.items() if _ran(counts)}
    failures = {name: counts.lost for name, counts in reports.items() if name in some or not some}
    if not failures:
        flags += ["regression_ignored"] if eligible else []
        return list(eligible)
    least = min(failures.values())
    flags += ["regression_failures"] if least else []
    for candidate in eligible:
        mine = failures.get(candidate.id)
        if mine is None:
            reasons[candidate.id] = candidate.untested or NO_REPORT
        elif mine > least:
            reasons[candidate.id] = f"{mine} regression tests fail, {least} at best"
    return [candidate for candidate in eligible if failures.get(candidate.id) == least]


def _fixing(kept: Sequence[Candidate], reasons: dict[str, str]) -> list[Candidate]:
    most = max((candidate.fixed for candidate in kept), default=0)
    for candidate in kept:
        if candidate.fixed < most:
            reasons[candidate.id] = f"it fixes {candidate.fixed} failing tests, {most} at best"
    return [candidate for candidate in kept if candidate.fixed == most]


def _reproducing(
    kept: Sequence[Candidate], eligible: Sequence[Candidate], reasons: dict[str, str], flags: list[Flag]
) -> list[Candidate]:
    passing = [candidate for candidate in kept if candidate.reproduction == "passed"]
    if all(candidate.reproduction is None for candidate in eligible):
        flags += ["repro_skipped"] if eligible else []
        return list(kept)
    if not passing:
        flags.append("repro_ignored")
        return list(kept)
    for candidate in kept:
        if candidate.reproduction != "passed":
            reasons[candidate.id] = f"its reproduction test ended with {candidate.reproduction or 'no report'}"
    return passing


def _eligible(candidate: Candidate) -> bool:
    return bool(candidate.key) and candidate.syntax_ok and not candidate.reason


def _ran(counts: TestCounts) -> bool:
    return counts.passed + counts.failed + counts.error > 0
