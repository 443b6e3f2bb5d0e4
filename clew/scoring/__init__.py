"""Verdicts on answers: finding the answer in what a model wrote, scoring it, choosing between candidates."""

from typing import TYPE_CHECKING, Any

from clew.scoring.abstention import abstains
from clew.scoring.extract import boxed, code_in, extract_answer
from clew.scoring.numbers import parse_number
from clew.scoring.scorers import F1, Abstention, Choice, Contains, ExactMatch, Number, Pointwise, scorer_for
from clew.scoring.selection import Selection, best, by_equality, by_key, vote
from clew.scoring.text import contains, exact_match, f1, normalise
from clew.scoring.verdict import Scorer, Verdict, fingerprint_of, knows_gold

if TYPE_CHECKING:
    from clew.scoring.cases import Assertion, Call, Case, CaseResult, Sample, SuiteReport
    from clew.scoring.generated_tests import GeneratedTests
    from clew.scoring.judge import ModelJudge
    from clew.scoring.mathematics import Mathematics
    from clew.scoring.patch_reward import GoldPatch, PatchReward
    from clew.scoring.preference import Preference
    from clew.scoring.rating import Rating
    from clew.scoring.reward import ProcessReward, RewardModel
    from clew.scoring.unit_tests import Samples, UnitTests, run_tests

# The worker process of `Mathematics` imports this package too, and needs neither models nor a journal.
_HOMES = {
    "clew.scoring.cases": ("Assertion", "Call", "Case", "CaseResult", "Sample", "SuiteReport"),
    "clew.scoring.generated_tests": ("GeneratedTests",),
    "clew.scoring.judge": ("ModelJudge",),
    "clew.scoring.mathematics": ("Mathematics",),
    "clew.scoring.patch_reward": ("GoldPatch", "PatchReward"),
    "clew.scoring.preference": ("Preference",),
    "clew.scoring.rating": ("Rating",),
    "clew.scoring.reward": ("ProcessReward", "RewardModel"),
    "clew.scoring.unit_tests": ("Samples", "UnitTests", "run_tests"),
}

__all__ = [
    "F1", "Abstention", "Assertion", "Call", "Case", "CaseResult", "Choice", "Contains", "ExactMatch",
    "GeneratedTests", "GoldPatch", "Mathematics", "ModelJudge", "Number", "PatchReward", "Pointwise", "Preference",
    "ProcessReward", "Rating", "RewardModel", "Sample", "Samples",
    "Scorer", "Selection", "SuiteReport", "UnitTests", "Verdict", "abstains", "best", "boxed", "by_equality", "by_key",
    "code_in", "contains", "exact_match", "extract_answer", "f1", "fingerprint_of", "knows_gold", "normalise",
    "parse_number", "run_tests", "scorer_for", "vote",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    import importlib

    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
