"""Windows of long pages."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from clew.retrieval import best_windows

FILLER = "Nothing of note happens in this sentence about gardens. "


def page_with(sentence: str, at: int, size: int) -> str:
    text = FILLER * (size // len(FILLER) + 1)
    return text[:at] + sentence + text[at : size - len(sentence)]


def test_case_12_a_match_in_the_middle_of_a_long_page_is_in_the_window() -> None:
    sentence = " The zeppelin Hindenburg burned in Lakehurst in 1937. "
    page = page_with(sentence, 30_000, 60_000)
    (window,) = best_windows(page, "where did the Hindenburg burn", n=1, max_chars=2000)
    assert sentence.strip() in window.text
    assert abs(window.start - 30_000) < 2000
    assert len(window.text) <= 2000


def test_the_snippet_alone_finds_its_place() -> None:
    snippet = "gardens of Lakehurst."
    page = page_with(f" {snippet} ", 45_000, 60_000)
    (window,) = best_windows(page, "", snippet, n=1, max_chars=500)
    assert snippet in window.text


def test_several_windows_are_ranked_and_do_not_overlap() -> None:
    page = page_with(" Alpha beta gamma delta. ", 40_000, 60_000)
    page = page[:10_000] + " Alpha beta only. " + page[10_000:]
    windows = best_windows(page, "alpha beta gamma delta", n=2, max_chars=1000)
    assert "gamma" in windows[0].text and "only" in windows[1].text
    assert windows[0].score > windows[1].score
    assert windows[0].start >= windows[1].end


def test_short_pages_and_pages_without_a_match() -> None:
    assert [window.text for window in best_windows("short", "x")] == ["short"]
    (window,) = best_windows(FILLER * 100, "zeppelin", max_chars=300)
    assert window.start == 0 and window.score == 0
    assert best_windows("  ", "x") == []


def test_words_are_matched_in_their_forms_and_symbols_whole() -> None:
    page = page_with(" It caches results with functools.lru_cache there. ", 20_000, 30_000)
    for query in ("caching", "functools.lru_cache", "lru_cache"):
        assert "It caches" in best_windows(page, query, n=1, max_chars=400)[0].text


@given(
    st.lists(st.sampled_from(["alpha ", "beta. ", "gamma\n", "漢字 ", "x" * 50, "\n\n", "<|end|> "]), max_size=200),
    st.text(max_size=20),
    st.integers(1, 200),
    st.integers(1, 4),
)
def test_laws(parts: list[str], query: str, max_chars: int, n: int) -> None:
    text = "".join(parts)
    windows = best_windows(text, query + " alpha", "beta", n=n, max_chars=max_chars)
    assert len(windows) <= n and bool(windows) == bool(text.strip())
    for window in windows:
        assert 0 < len(window.text) <= max_chars and window.text == text[window.start : window.end]
    spans = sorted((window.start, window.end) for window in windows)
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    assert [window.score for window in windows] == sorted((window.score for window in windows), reverse=True)
