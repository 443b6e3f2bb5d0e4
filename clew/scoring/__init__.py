"""Verdicts on answers: finding the answer in what a model wrote, scoring it, choosing between candidates."""

from typing import TYPE_CHECKING, Any

from clew.scoring.abstention import abstains
from clew.scoring.extract import boxed, extract_answer
from clew.scoring.numbers import parse_number
from clew.scoring.scorers import F1, Abstention, Choice, Contains, ExactMatch, Number, Pointwise, scorer_for
from clew.scoring.selection import Selection, best, by_equality, by_key, vote
from clew.scoring.text import contains, exact_match, f1, normalise
from clew.scoring.verdict import Scorer, Verdict

if TYPE_CHECKING:
    from clew.scoring.judge import ModelJudge
    from clew.scoring.mathematics import Mathematics

__all__ = [
    "F1", "Abstention", "Choice", "Contains", "ExactMatch", "Mathematics", "ModelJudge", "Number", "Pointwise",
    "Scorer", "Selection", "Verdict", "abstains", "best", "boxed", "by_equality", "by_key", "contains", "exact_match",
    "extract_answer", "f1", "normalise", "parse_number", "scorer_for", "vote",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # The worker process imports this package too, and needs neither models nor a journal.
    if name == "ModelJudge":
        from clew.scoring.judge import ModelJudge

        return ModelJudge
    if name == "Mathematics":
        from clew.scoring.mathematics import Mathematics

        return Mathematics
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
