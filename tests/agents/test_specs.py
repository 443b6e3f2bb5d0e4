"""The grammar of specs: any text is a call or a mistake with its place, and a call's own text is read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.agents.specs import DEEPEST, Call, Mistake, Option, parse


def call(name: str, *inner: Call, **options: object) -> Call:
    return Call(name, inner, tuple(Option(key, str(value)) for key, value in options.items()))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("cot", call("cot")),
        (" cot ( ) ", call("cot")),
        ("corag:length=3,n=4", call("corag", length=3, n=4)),
        ("corag(length=3, n=4)", call("corag", length=3, n=4)),
        ("rag:reader=ollama_chat/qwen3:8b, k=2", call("rag", reader="ollama_chat/qwen3:8b", k=2)),
        ("vote(corag:length=3, n=8)", call("vote", call("corag", length=3), n=8)),
        ("vote(corag(length=3,strategy=greedy),n=8)", call("vote", call("corag", length=3, strategy="greedy"), n=8)),
        ("moa(cot, rag:top_k=1, layers=2)", call("moa", call("cot"), call("rag", top_k=1), layers=2)),
        ("moa(layers=2, cot)", call("moa", call("cot"), layers=2)),
        ("a(b(c(d, x=1), x=2), x=3)", call("a", call("b", call("c", call("d"), x=1), x=2), x=3)),
        ("best_of(cot, scorer=reward:a/b=c)", call("best_of", call("cot"), scorer="reward:a/b=c")),
    ],
)
def test_a_spec_is_read(text: str, read: Call) -> None:
    assert parse(text) == read


def test_a_colon_takes_one_option_inside_parentheses() -> None:
    inside = parse("vote(corag:length=3,strategy=greedy, n=8)")
    assert [str(option) for option in inside.options] == ["strategy=greedy", "n=8"]
    assert [str(option) for option in inside.inner[0].options] == ["length=3"]


@pytest.mark.parametrize(
    ("text", "at", "sentence"),
    [
        ("vote(cot", 8, "it ends where a comma or a closing parenthesis of 'vote' belongs"),
        ("vote(cot(a)b)", 11, "'b' stands where a comma"),
        ("vote(cot,,n=3)", 9, "a comma of 'vote' stands alone"),
        ("vote(cot, n=3,)", 14, "a comma of 'vote' stands alone"),
        ("vote(cot))", 9, "')' is left over"),
        ("cot=3", 3, "'=3' is left over"),
        ("a, b", 1, "', b' is left over"),
        ("vote(rag:)", 5, "'rag' ends in a colon"),
        ("vote(rag:top_k, n=2)", 9, "'top_k' is no option"),
        ("vote(cot, n=)", 10, "'n=' is no option"),
        ("vote(cot, =3)", 10, "'=3' is no option"),
        ("best_of(cot, scorer=judge(x))", 25, "'(' stands where a comma"),
        ("a(" * (DEEPEST + 2), 2 * (DEEPEST + 1), "too deep"),
    ],
)
def test_a_mistake_has_its_place(text: str, at: int, sentence: str) -> None:
    with pytest.raises(Mistake) as caught:
        parse(text)
    assert caught.value.at == at and sentence in str(caught.value)
    assert f"(character {at + 1})" in caught.value.told("--method", text)


_WORDS = st.text(st.characters(exclude_characters="(),:=", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda word: word == word.strip()
)
_OPTIONS = st.lists(st.builds(Option, _WORDS, _WORDS), max_size=3).map(tuple)
_CALLS = st.recursive(
    st.builds(Call, _WORDS, st.just(()), _OPTIONS),
    lambda inner: st.builds(Call, _WORDS, st.lists(inner, max_size=3).map(tuple), _OPTIONS),
    max_leaves=6,
)


@given(_CALLS)
def test_the_text_of_a_call_is_that_call(made: Call) -> None:
    assert parse(str(made)) == made


@given(st.text(st.sampled_from("ab=:,() 1"), max_size=30) | st.text(max_size=30))
def test_what_was_read_is_read_again_from_its_own_text(text: str) -> None:
    try:
        read = parse(text)
    except Mistake as mistake:
        assert 0 <= mistake.at <= len(text) and "the graph" in mistake.told("the graph", text)
    else:
        assert parse(str(read)) == read and parse(str(read)).walk()
