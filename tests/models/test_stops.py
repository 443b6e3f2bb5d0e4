"""Stop strings in text that comes in pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clew.models import StopScanner
from clew.models.streaming import Inline

LETTERS = st.text("ab<|>", max_size=40)
STOPS = st.lists(st.text("ab<|>", min_size=1, max_size=5), max_size=4)


@st.composite
def chunkings(draw: st.DrawFn) -> tuple[str, list[str]]:
    text = draw(LETTERS)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=20)))
    return text, [text[i:j] for i, j in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def expected(text: str, stops: list[str]) -> tuple[str, str | None]:
    """The text up to the end of the first stop string that is complete, by trying every end."""
    for end in range(1, len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            return text[:end], max(complete, key=len)
    return text, None


@given(chunkings(), STOPS)
def test_the_same_stop_is_found_however_the_text_is_cut(chunked: tuple[str, list[str]], stops: list[str]) -> None:
    text, pieces = chunked
    scanner = StopScanner(stops)
    taken = [scanner.feed(piece) for piece in pieces]
    assert (scanner.text, scanner.stop) == expected(text, stops)
    assert "".join(taken) == scanner.text


@given(chunkings())
def test_without_stop_strings_nothing_is_lost(chunked: tuple[str, list[str]]) -> None:
    text, pieces = chunked
    scanner = StopScanner()
    for piece in pieces:
        scanner.feed(piece)
    assert (scanner.text, scanner.stop) == (text, None)


def test_a_stop_string_split_over_many_pieces() -> None:
    scanner = StopScanner(["<|end|>"])
    for piece in "a <|end and <", "|en", "d", "|", "> b", "never":
        scanner.feed(piece)
    assert scanner.text == "a <|end and <|end|>"
    assert scanner.stop == "<|end|>"


def test_split_off_reasoning_is_written_back_as_one_block() -> None:
    merge = Inline()
    pieces = [merge("let", ""), merge(" me see", ""), merge("", "so"), merge("", " it is")]
    assert "".join(pieces) == "<think>let me see</think>so it is"
