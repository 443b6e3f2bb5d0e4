"""Text from tokens: pieces together are the whole, however characters are cut."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from clew.models.local.rows import Writer
from tests.models.local.making import tokenizer

BPE = tokenizer().backend_tokenizer


def decode(ids: Sequence[int]) -> str:
    return str(BPE.decode(ids, skip_special_tokens=False)) if ids else ""


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, BPE.get_vocab_size() - 1), max_size=40))
def test_pieces_of_any_tokens(tokens: list[int]) -> None:
    before = BPE.encode("so:").ids
    writer = Writer(decode, before)
    pieces = [writer.add(token) for token in tokens]
    assert "".join(pieces) + writer.rest() == decode([*before, *tokens])[len("so:") :]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=30))
def test_valid_text_comes_whole_character_by_character(text: str) -> None:
    tokens = BPE.encode(text).ids
    writer, seen = Writer(decode, BPE.encode("so:").ids), ""
    for token in tokens:
        seen += writer.add(token)
        assert text.startswith(seen)
    assert seen + writer.rest() == text
