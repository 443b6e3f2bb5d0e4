"""Which candidate becomes the patch."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from clew.graphs.agentless.rank import decided, rank
from clew.graphs.agentless.types import Candidate, TestCounts


def candidate(
    number: int,
    key: str = "k",
    failed: int | None = None,
    reproduction: str | None = None,
    *,
    error: int = 0,
    syntax_ok: bool = True,
) -> Candidate:
    counts = None if failed is None else TestCounts(passed=9, failed=failed, error=error)
    return Candidate(
        id=f"c{number}",
        set=number % 4,
        sample=number // 4,
        key=key,
        syntax_ok=syntax_ok,
        regression=counts,
        reproduction=reproduction,
    )


# Acceptance cases ------------------------------------------------------------------------------------------------


def test_case_14_no_change_and_wrong_syntax_are_not_eligible() -> None:
    ranking = rank([candidate(0, "", 0), candidate(1, "a", 0, syntax_ok=False), candidate(2, "b", 3)])
    assert ranking.chosen == "c2"
    assert ranking.reasons["c0"] == "it changes nothing that runs"
    assert ranking.flags == ("regression_failures", "repro_skipped")
    assert rank([candidate(0, "", 0)]).chosen is None
    assert rank([candidate(0, "", 0)]).flags == ("no_candidate",)
    assert rank([]).chosen is None


def test_case_15_equal_keys_are_votes() -> None:
    ranking = rank([candidate(0, "a", 0), candidate(1, "b", 0), candidate(2, "b", 0)])
    assert ranking.chosen == "c1"
    assert ranking.votes == {"c0": 1, "c1": 2, "c2": 2}
    assert ranking.groups == (("c1", "c2"), ("c0",))
    assert ranking.margin == 1


def test_case_16_a_crash_is_never_preferred_and_never_sets_the_minimum() -> None:
    four = [
        candidate(1, "a", 0, "failed"),
        candidate(2, "b", 0, "passed"),
        candidate(3, "c", 3, "passed"),
        candidate(4, "d", None, None),
    ]
    ranking = rank(four)
    assert ranking.chosen == "c2"
    assert ranking.flags == ()
    assert ranking.reasons == {
        "c1": "its reproduction test ended with failed",
        "c2": "its change has 1 of 1 votes",
        "c3": "3 regression tests fail, 0 at best",
        "c4": "its regression tests left no report",
    }
    # Three crashes of one key do not outvote it; neither does a run that found no test, nor an error.
    crashed = [candidate(number, "d", None, "passed") for number in (5, 6, 7)]
    empty = candidate(8, "e", None, "passed").model_copy(update={"regression": TestCounts()})
    assert rank([*crashed, empty, candidate(9, "f", 0, "passed", error=1), *four]).chosen == "c2"
    assert rank([candidate(0, "a", 3, "passed"), candidate(1, "b", None, "passed")]).chosen == "c0"


def test_case_17_when_all_fail_reproduction_it_is_ignored() -> None:
    ranking = rank([candidate(0, "a", 0, "failed"), candidate(1, "b", 0, "error"), candidate(2, "b", 0, "failed")])
    assert ranking.chosen == "c1"
    assert ranking.flags == ("repro_ignored",)
    # Regression tests come first: passing the reproduction does not make up for a broken test.
    ranking = rank([candidate(0, "a", 0, "failed"), candidate(1, "b", 1, "passed")])
    assert (ranking.chosen, ranking.flags) == ("c0", ("repro_ignored",))


def test_case_18_without_a_reproduction_test_nobody_failed_it() -> None:
    ranking = rank([candidate(0, "a", 0), candidate(1, "b", 0)])
    assert ranking.chosen == "c0"
    assert ranking.flags == ("repro_skipped",)
    assert "reproduction" not in " ".join(ranking.reasons.values())


# More ------------------------------------------------------------------------------------------------------------


def test_greedy_samples_come_first_then_sets_by_number() -> None:
    late = candidate(0, "a", 0).model_copy(update={"id": "late", "set": 0, "sample": 3})
    greedy = candidate(0, "b", 0).model_copy(update={"id": "greedy", "set": 3, "sample": 0})
    assert rank([late, greedy]).chosen == "greedy"


def test_without_any_report_votes_decide() -> None:
    ranking = rank([candidate(0, "a"), candidate(1, "b"), candidate(2, "b")])
    assert ranking.chosen == "c1"
    assert ranking.flags == ("regression_ignored", "repro_skipped")


def test_a_regression_test_that_is_skipped_now_is_lost() -> None:
    skipping = candidate(0, "a", 0).model_copy(update={"regression": TestCounts(passed=3, skipped=2)})
    ranking = rank([skipping, skipping.model_copy(update={"id": "again"}), candidate(1, "b", 0)])
    assert (ranking.chosen, ranking.reasons["c0"]) == ("c1", "2 regression tests fail, 0 at best")
    assert not decided([skipping], 0, reproduction=False)


def test_every_candidate_has_a_reason() -> None:
    many = [candidate(number, "abc"[number % 3], number % 2) for number in range(9)]
    assert set(rank(many).reasons) == {each.id for each in many}


def test_an_early_stop_needs_an_unbeatable_lead_and_passed_tests() -> None:
    three = [candidate(number, "a", 0, "passed") for number in range(3)]
    assert decided(three, 2, reproduction=True)
    assert not decided(three, 3, reproduction=True)
    assert not decided([*three, candidate(3, "b", 0, "passed")], 2, reproduction=True)
    assert decided([*three, candidate(3, "b", 0, "failed")], 2, reproduction=True)
    assert not decided([candidate(number, "a", 1, "passed") for number in range(3)], 0, reproduction=True)
    assert not decided([candidate(number, "a", None, "passed") for number in range(3)], 0, reproduction=True)
    assert not decided([candidate(number, "a", 0, "failed") for number in range(3)], 0, reproduction=True)
    assert not decided([candidate(number, "a", 0) for number in range(3)], 0, reproduction=True)
    assert decided([candidate(number, "a", 0) for number in range(3)], 0, reproduction=False)
    assert not decided([], 0, reproduction=False)


OUTCOMES = st.tuples(
    st.sampled_from(["", "a", "b"]),
    st.sampled_from([0, 0, 0, 1, None]),
    st.sampled_from(["passed", "passed", "failed"]),
)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 5), st.lists(OUTCOMES, max_size=5), st.lists(OUTCOMES, max_size=5), st.booleans())
def test_what_is_decided_stays(
    leading: int, done: list[tuple[str, int | None, str]], more: list[tuple[str, int | None, str]], reproduction: bool
) -> None:
    everyone = [
        candidate(number, key, failed, outcome if reproduction else None)
        for number, (key, failed, outcome) in enumerate([*[("a", 0, "passed")] * leading, *done, *more])
    ]
    first = everyone[: leading + len(done)]
    keys = {each.id: each.key for each in everyone}
    last = rank(everyone).chosen
    assert last is not None
    # Without others the leader needs one vote more than are pending; with them, it may never lose what was decided.
    assert done or decided(first, len(more), reproduction=reproduction) == (not more or leading > len(more))
    if decided(first, len(more), reproduction=reproduction):
        assert keys[last] == keys[rank(first).chosen or ""]
