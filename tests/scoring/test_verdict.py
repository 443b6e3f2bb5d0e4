"""What strategies ask of any scorer: whether it knows gold, and what decides its verdicts."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from clew.scoring import F1, ExactMatch, Mathematics, Number, Scorer, Verdict, fingerprint_of, knows_gold
from clew.task import Answer, Task


class Short:
    name = "short"

    async def score(self, task: Task, answers: Sequence[Answer]) -> list[Verdict]:
        return [Verdict(value=1 / (1 + len(answer.text))) for answer in answers]


@pytest.mark.parametrize("scorer", [ExactMatch, F1, Mathematics, Number])
def test_scorers_with_gold_say_so_and_keep_it(scorer: type[ExactMatch]) -> None:
    one, other = scorer({"q": ["Minotaur"]}), scorer({"q": ["Theseus"]})
    assert knows_gold(one)
    assert fingerprint_of(one) != fingerprint_of(other) and fingerprint_of(one) == fingerprint_of(
        scorer({"q": ["Minotaur"]})
    )
    assert "Minotaur" not in json.dumps(fingerprint_of(one))


def test_settings_are_in_the_fingerprint() -> None:
    assert fingerprint_of(Number({}, tolerance=0.1)) != fingerprint_of(Number({}))


def test_any_scorer_has_a_fingerprint() -> None:
    scorer: Scorer = Short()
    assert not knows_gold(scorer)
    assert fingerprint_of(scorer) == {"scorer": "short", "class": f"{__name__}.Short"}
