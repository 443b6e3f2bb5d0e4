"""Methods by name and option, and the one way from settings to a graph."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.agents import ask, methods
from clew.agents.methods import METHODS, parse
from clew.config import load
from clew.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("cot", {}),
        (" rag ", {}),
        ("corag:strategy=best_of_n,n=4,length=6", {"strategy": "best_of_n", "n": 4, "length": 6}),
        ("corag: early_stop = true , temperature=0.5", {"early_stop": True, "temperature": 0.5}),
        ("corag:temperature=none", {"temperature": None}),
        ("search_o1:reader=ollama_chat/qwen3:8b,max_searches=0", {"reader": "ollama_chat/qwen3:8b", "max_searches": 0}),
        ("closed_book:bare=True", {"bare": True}),
    ],
)
def test_a_spec_is_read(text: str, options: dict[str, Any]) -> None:
    spec = parse(text)
    assert dict(spec.options) == options and spec.text == text.strip() and spec.name == spec.text.partition(":")[0]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["'' is unknown", "search_o1, cot, corag, rag or closed_book"]),
        ("search_01", ["'search_01' is unknown", "did you mean 'search_o1'?"]),
        ("rag:", ["ends in a colon"]),
        ("rag:top_k", ["'top_k' is no option", "key=value"]),
        ("rag:top_k=", ["is no option"]),
        ("rag:topk=5", ["no option 'topk'", "did you mean 'top_k'?", "its options are bare, "]),
        ("rag:top_k=5,top_k=6", ["'top_k' is given twice"]),
        ("rag:top_k=2.5", ["top_k = '2.5' does not fit", "a whole number"]),
        ("rag:top_k=none", ["does not fit"]),
        ("rag:bare=yes", ["bare = 'yes' does not fit", "true or false"]),
        ("corag:temperature=nan", ["does not fit", "a number or none"]),
        ("corag:strategy=beam", ["does not fit", "greedy, best_of_n or tree_search"]),
        # Prompts, doors and lists are for Python.
        ("rag:instruction=x", ["no option 'instruction'"]),
        ("rag:model=x", ["no option 'model'"]),
        ("corag:fallback=votes", ["no option 'fallback'"]),
    ],
)
def test_a_mistake_is_named(text: str, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "--graph")
    for part in ["--graph", *parts]:
        assert part in str(caught.value)


@given(
    st.text(max_size=40)
    | st.sampled_from(sorted(METHODS)).flatmap(lambda name: st.text(max_size=30).map(f"{name}:{{}}".format))
)
def test_any_text_is_a_spec_or_a_clear_error(text: str) -> None:
    try:
        spec = parse(text)
    except ConfigError as error:
        assert "the graph" in str(error)
    else:
        assert spec.name in METHODS


@given(st.integers(0, 10**6), st.floats(0, 2, allow_nan=False), st.booleans())
def test_values_come_back_as_they_were_given(length: int, temperature: float, early_stop: bool) -> None:
    spec = parse(f"corag:length={length},temperature={temperature!r},early_stop={str(early_stop).lower()}")
    assert dict(spec.options) == {"length": length, "temperature": temperature, "early_stop": early_stop}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_builds_and_has_its_own_recipe(name: str, tmp_path: Path) -> None:
    own = {"top_k": 3} if parse(name).searches else {}
    settings = load({"model": "openai/m", "method": name, "store": str(tmp_path / "s"), **own})
    graph = ask.graph_of(settings, None)
    assert graph.fingerprint["method"] == name and graph.recipe is not None
    again = graph.recipe.build()
    assert again.fingerprint == graph.fingerprint and again.recipe == graph.recipe
    assert parse(name).searches == ("store" in graph.recipe.args) == ("searcher" in graph.fingerprint)


def test_a_spec_wins_over_the_settings(tmp_path: Path) -> None:
    given = {"model": "openai/m", "store": str(tmp_path), "top_k": 3, "max_searches": 2, "reader_model": "openai/small"}
    limits = ask.graph_of(load({**given, "method": "search_o1:top_k=7"}), None).fingerprint
    assert limits["limits"]["top_k"] == 7 and limits["limits"]["max_searches"] == 2
    assert limits["reader"]["name"] == "openai/small"
    other = ask.graph_of(load({**given, "method": "search_o1:reader=openai/other"}), None)
    assert other.fingerprint["reader"]["name"] == "openai/other"


def test_the_form_of_the_answer_is_part_of_the_recipe(tmp_path: Path) -> None:
    settings = load({"model": "openai/m", "method": "cot"})
    full, short = ask.graph_of(settings, None), ask.graph_of(settings, None, "short")
    assert full.fingerprint != short.fingerprint
    assert short.recipe is not None and short.recipe.build().fingerprint == short.fingerprint
    with pytest.raises(ConfigError, match="form='verse'"):
        ask.build(model="openai/m", method="cot", form="verse")


def test_every_method_can_be_told_that_unknown_is_an_answer() -> None:
    assert "unknown" in methods.FORMS["short"]["qa"]
    for name in METHODS:
        assert "forms" in inspect.signature(methods._builder(name)).parameters


def test_a_method_of_the_settings_says_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "clew.toml").write_text('method = "search_01"')
    for settings, where in [
        (load(env={}, folder=tmp_path), f"{tmp_path / 'clew.toml'}: method = 'search_01' is unknown"),
        (load({"method": "cotton"}), "--method = 'cotton' is unknown; did you mean 'cot'?"),
        (load(env={"CLEW_METHOD": "cotton"}), "CLEW_METHOD = 'cotton'"),
    ]:
        with pytest.raises(ConfigError) as caught:
            methods.of(settings)
        assert where in str(caught.value)
