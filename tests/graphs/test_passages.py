"""Passages on their way into a prompt."""

from __future__ import annotations

import pytest

from clew.errors import SearchFailed
from clew.graphs.passages import Patient, clip, cut_middle, fused, shortened, shown
from clew.models.tokens import estimate
from clew.retrieval import Hit, search
from tests.graphs.corag_words import QUESTION, searcher


def hit(name: str, text: str = "") -> Hit:
    return Hit(id=name, source=name, title=name, text=text or f"text of {name}")


def test_passages_that_do_not_fit_are_cut_and_the_worst_left_out() -> None:
    hits = [hit(f"p{i}", "word " * 300) for i in range(20)]
    text = shown(hits, 1_000)
    assert estimate(text) <= 1_200 and "p0" in text and "p19" not in text
    assert text.rindex("--- Passage") < text.index("p0\n")
    assert shown([], 100) == ""


def test_cuts() -> None:
    text = "".join(f"{i} " for i in range(1_000))
    short = cut_middle(text, 100)
    assert short.startswith("0 1 2") and short.endswith("998 999 ") and "[...]" in short and estimate(short) <= 101
    assert cut_middle("short", 100) == "short" and clip("short", 0) == "" and cut_middle(text, 0).strip() == "[...]"


def test_ranked_lists_are_fused_each_passage_once() -> None:
    a, b, c = hit("a"), hit("b"), hit("c")
    assert [one.id for one in fused([[a, b], [b, c], []])] == ["b", "a", "c"]


@pytest.mark.anyio
async def test_a_search_that_hangs_is_given_up() -> None:
    engine = searcher(faults={QUESTION: 3_600.0})
    patient = Patient(engine, tries=2, timeout=0.01, wait=0.0)
    with pytest.raises(SearchFailed, match="TimeoutError"):
        await search(patient, QUESTION, 3)
    assert engine.searches == [QUESTION] * 2


def test_a_passage_that_is_cut_ends_with_a_sentence_and_says_so() -> None:
    text = "He was born in Ghent. He wrote 14 books about bridges. He entered the world in 1931 and left it in 1999."
    for tokens in range(12, 40):
        cut = shortened(text, tokens)
        kept = cut.removesuffix(" [...]")
        assert cut == text or (cut != kept and text.startswith(kept))
        assert text[len(kept) : len(kept) + 1] in (" ", "")
    assert shortened(text, 26).endswith("bridges. [...]")
