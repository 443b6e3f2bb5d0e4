"""What a reader is shown: windows joined where they touch, nothing twice."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from clew.retrieval import Hit, Page, excerpts
from clew.retrieval.excerpt import joined
from clew.retrieval.windows import Window

SECTION = "The flood gate is opened by two people. Each of them turns a wheel for a minute. "


def pair(source: str, text: str) -> tuple[Hit, Page]:
    return Hit(source, source, source, text[:100]), Page(source, source, text)


def test_a_section_that_a_chapter_showed_already_is_left_out() -> None:
    chapter = "An introduction that nobody reads. " + SECTION
    found = excerpts(
        [pair("chapter", chapter), pair("section", SECTION), pair("other", "Boats wait at the gate.")], "gate"
    )
    assert [page.source for _, page, _ in found] == ["chapter", "other"]


def test_the_same_words_in_another_statement_are_kept() -> None:
    found = excerpts(
        [pair("a", SECTION), pair("b", "The flood gate is closed by one person, who pulls a lever.")], "gate"
    )
    assert len(found) == 2


@given(st.text(alphabet="ab. \n", max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_a_gap_is_marked_where_text_was_left_out_and_only_there(text: str, cuts: list[int]) -> None:
    edges = sorted({min(cut, len(text)) for cut in cuts})
    windows = [Window(a, b, text[a:b], 0.0) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    left_out = [text[a.end : b.start] for a, b in pairwise(windows)]
    assert joined(text, windows).count("[...]") == sum(bool(between.strip()) for between in left_out)
