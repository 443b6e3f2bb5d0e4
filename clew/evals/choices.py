"""How strategies choose: what each would have answered after fewer candidates, and what it believed of its answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from clew.scoring.selection import best, by_key, vote
from clew.task import Answer

# Strategies whose candidates are drawn alike, so that any of them might have been the first.
EXCHANGEABLE = ("vote", "best_of", "sets")

# Strategies whose candidates come one after the other: what follows one, such as a critique, is on its account.
IN_TURN = ("self_refine", "reflexion")


def leaders(method: str, answer: Answer) -> list[int]:
    """For k = 1, 2, ...: the index of the candidate that strategy `method` chooses among the first k, by the record of
    its choice in `artifacts`. Empty for a method whose choice depends on more than that."""
    rule, report = RULES.get(method), answer.artifacts.get(method)
    if rule is None or not isinstance(report, Mapping) or not answer.candidates or not _counted(report):
        return []
    found = [rule(report, answer.candidates[:k]) for k in range(1, len(answer.candidates) + 1)]
    return found if found[-1] == report.get("chosen") else []


def _counted(report: Mapping[str, Any]) -> bool:
    """Whether the margin of a vote is that of its recorded weights, or of votes that count one each: otherwise nobody
    knows what fewer votes would have come to."""
    groups, weights = report.get("groups") or [], report.get("weights")
    held = [float(len(group)) if weights is None else math.fsum(weights[i] for i in group) for group in groups]
    return not held or math.isclose(report["margin"], held[0] - (held[1] if len(held) > 1 else 0.0), abs_tol=1e-9)


def _of_vote(report: Mapping[str, Any], candidates: Sequence[Answer]) -> int:
    """The heaviest of the recorded groups, as far as it has come."""
    classes = {index: number for number, group in enumerate(report["groups"]) for index in group}
    weights = report.get("weights") or [1.0] * (max(classes, default=0) + 1)
    groups = by_key(range(len(candidates)), classes.get)
    if not any(weights[index] for group in groups for index in group):
        weights = [1.0] * len(weights)
    return _or_first(vote(groups, weights=weights).index, candidates)


def _or_first(chosen: int | None, candidates: Sequence[Answer]) -> int:
    if chosen is None:
        chosen = next((index for index, candidate in enumerate(candidates) if candidate.text), 0)
    return chosen


def _of_best_of(report: Mapping[str, Any], candidates: Sequence[Answer]) -> int:
    """The candidate that was chosen, once it is there: it was enough, or none later was better. Before, the best."""
    if report.get("by") == "vote":
        return _of_vote(report, candidates)
    if report["chosen"] < len(candidates):
        return int(report["chosen"])
    return _or_first(best([candidate.score for candidate in candidates]).index, candidates)


def _of_drafts(report: Mapping[str, Any], candidates: Sequence[Answer]) -> int:
    """The last draft."""
    return min(len(candidates) - 1, int(report["chosen"]))


def accepted(method: str, answer: Answer) -> list[bool | None]:
    """Whether the evaluator of strategy `method` took each candidate for right; None where it did not decide.
    Reflexion goes on after a rejected attempt and ends with an accepted one, whatever its evaluator says in words."""
    report = answer.artifacts.get(method)
    labels = list(report.get("labels") or ()) if isinstance(report, Mapping) else []
    last = len(answer.candidates) - 1
    found: list[bool | None] = []
    for i, candidate in enumerate(answer.candidates):
        label = labels[i] if i < len(labels) else "unknown"
        if label in ("right", "wrong"):
            found.append(label == "right")
        elif method == "reflexion" and candidate.score is not None:
            found.append(i == last and answer.status in ("ok", "false_positive"))
        else:
            found.append(None)
    return found


RULES: Mapping[str, Callable[[Mapping[str, Any], Sequence[Answer]], int]] = {
    "vote": _of_vote,
    "best_of": _of_best_of,
    "reflexion": _of_best_of,
    "sets": _of_vote,
    "self_refine": _of_drafts,
}


def confusion(verdicts: Iterable[tuple[bool | None, bool]]) -> dict[str, Any] | None:
    """An evaluator against the gold answers, from pairs (accepted, right): None without a decision. `false_positive` is
    the share of wrong answers among those that it accepted, `false_negative` that of right ones among those that it
    rejected (as in table 2 of arXiv 2303.11366); null where there are none."""
    pairs = [(bool(accepted), right) for accepted, right in verdicts if accepted is not None]
    if not pairs:
        return None
    count = {
        f"{word}_{truth}": pairs.count((taken, right))
        for word, taken in (("accepted", True), ("rejected", False))
        for truth, right in (("right", True), ("wrong", False))
    }
    took, left = (sum(taken is side for taken, _ in pairs) for side in (True, False))
    return {
        "n": len(pairs),
        **count,
        "false_positive": round(count["accepted_wrong"] / took, 6) if took else None,
        "false_negative": round(count["rejected_right"] / left, 6) if left else None,
    }
