"""Methods by name and option, and the one way from settings to a graph."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.agents import arguments, ask, methods
from clew.agents.methods import METHODS, STRATEGIES, parse
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
        ("vote", ["vote goes around one graph, and 0 stand in it", "vote(cot)"]),
        ("vote(cot, rag)", ["and 2 stand in it"]),
        ("mixture_of_agents(layers=2)", ["goes around several graphs"]),
        ("cot(rag)", ["(character 5)", "cot goes around no graph", "'rag'"]),
        ("best_of(vote(cotton, n=2), n=4)", ["(character 14)", "'cotton' is unknown", "did you mean 'cot'?"]),
        ("vote(corag:length=x, n=2)", ["(character 12)", "length = 'x' does not fit", "a whole number"]),
        (
            "vote(corag:length=3,strategy=tree_search)",
            ["(character 21)", "vote has no option 'strategy'", "a colon takes one option: corag(key=value, ...)"],
        ),
        ("best_of(cot, scorer=judg)", ["(character 14)", "give judge, pairwise, tests, samples", "mean 'judge'?"]),
        ("best_of(cot, scorer=reward)", ["give reward:MODEL"]),
        ("best_of(cot, scorer=samples:m)", ["give samples"]),
        ("best_of(cot, oracle=true)", ["no option 'oracle'"]),
        ("react(find)", ["(character 7)", "'find' is no tool of react: give python or search"]),
        ("start(tools=search)", ["no option 'tools'"]),
        ("", ["'' is unknown", "search_o1, cot, corag, rag, closed_book, start"]),
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
        ("rag:searcher=x", ["no option 'searcher'"]),
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


_WORDS = ["vote", "cot", "rag", "(", "(", ")", ")", ",", ":", "=", " ", "n", "top_k", "3"]


@given(st.lists(st.sampled_from(_WORDS), max_size=12).map("".join))
def test_words_of_specs_in_any_order_are_a_spec_or_a_clear_error(text: str) -> None:
    try:
        spec = parse(text)
    except ConfigError as error:
        assert "the graph" in str(error)
    else:
        assert parse(spec.canonical).canonical == spec.canonical


@pytest.mark.parametrize(
    ("text", "searches", "computes", "continues", "remembers", "models"),
    [
        ("cot", False, False, False, False, []),
        ("vote(corag:length=3, n=8)", True, False, False, False, []),
        ("best_of(vote(start, n=3), n=4)", False, True, True, False, []),
        ("best_of(cot, scorer=samples)", False, True, False, False, []),
        ("best_of(cot, scorer=tests:openai/t)", False, True, False, False, ["openai/t"]),
        ("best_of(cot, scorer=reward:local/r)", False, False, False, False, []),
        ("mixture_of_agents(cot:model=openai/a, rag(model=openai/b, top_k=2), model=openai/a)", True, False, False,
         False, ["openai/a", "openai/b"]),
        ("vote(search_o1:reader=openai/r, n=2)", True, False, True, False, ["openai/r"]),
        ("reflexion(cot)", False, False, False, False, []),
        ("reflexion(cot, memory=true, cross_task=2)", False, False, False, True, []),
        ("vote(remembering(cot))", False, False, False, True, []),
        ("react", False, True, False, False, []),
        ("react(search)", True, False, False, False, []),
    ],
)  # fmt: skip
def test_a_spec_says_what_any_of_its_parts_needs(
    text: str, searches: bool, computes: bool, continues: bool, remembers: bool, models: list[str]
) -> None:
    spec = parse(text)
    assert (spec.searches, spec.computes, spec.continues, spec.remembers) == (searches, computes, continues, remembers)
    assert spec.models() == models


@pytest.mark.parametrize("name", METHODS)
def test_every_method_builds_and_has_its_own_recipe(name: str, tmp_path: Path) -> None:
    own = {"top_k": 3} if parse(name).searches else {}
    given = {"model": "openai/m", "method": name, "store": str(tmp_path / "s"), "sandbox": "process", **own}
    settings = load({**given, **({"top_k": None} if "top_k" not in arguments.parameters(name) else {})})
    graph = ask.graph_of(settings, None)
    assert graph.fingerprint["method"] == name and graph.recipe is not None
    again = graph.recipe.build()
    assert again.fingerprint == graph.fingerprint and again.recipe == graph.recipe
    assert parse(name).searches == ("store" in graph.recipe.args) == ("searcher" in graph.fingerprint)
    assert parse(name).computes == ("sandbox" in graph.recipe.args)


@pytest.mark.parametrize("inner", ["cot", "search_o1:top_k=2", "vote(start, n=2)"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_goes_around_anything_and_is_rebuilt_from_its_recipe(
    name: str, inner: str, tmp_path: Path
) -> None:
    where = {"store": str(tmp_path / "s"), "memory": str(tmp_path / "m"), "sandbox": "process"}
    graph = ask.graph_of(load({"model": "openai/m", "method": f"{name}({inner})", **where}))
    assert graph.fingerprint["method"] == name and graph.recipe is not None
    again = graph.recipe.build()
    assert again.fingerprint == graph.fingerprint and again.recipe == graph.recipe
    assert not (tmp_path / "s").exists() and not (tmp_path / "m").exists()


def test_parts_get_what_the_spec_says_of_them() -> None:
    text = "best_of(vote(cot:model=openai/small, n=3), n=2, scorer=judge:openai/large, threshold=0.9)"
    graph = ask.graph_of(load({"model": "openai/m", "method": text}))
    shape = graph.fingerprint
    assert (shape["n"], shape["threshold"], shape["scorer"]["model"]["name"]) == (2, 0.9, "openai/large")
    assert (shape["inner"]["n"], shape["inner"]["inner"]["model"]["name"]) == (3, "openai/small")


def test_options_of_a_command_reach_every_graph_that_knows_them() -> None:
    spec = methods.with_options(parse("vote(start, n=2)"), {"max_programs": 3})
    assert spec.text == "vote(start(max_programs=3), n=2)"
    assert methods.with_options(parse("start:max_programs=1"), {"max_programs": 3}).options == {"max_programs": 1}
    assert methods.with_options(parse("corag:length=2,n=3"), {}).text == "corag:length=2,n=3"
    with pytest.raises(ConfigError, match="--max-programs means nothing to vote"):
        methods.with_options(parse("vote(cot)"), {"max_programs": 3})


def test_a_method_without_tools_gets_those_that_are_there(tmp_path: Path) -> None:
    settings = load({"model": "openai/m", "store": str(tmp_path / "s")})
    assert methods.equipped(parse("vote(react, n=2)"), settings).text == "vote(react(python), n=2)"
    (tmp_path / "s").mkdir()
    assert methods.equipped(parse("react:max_calls=3"), settings).text == "react(python, search, max_calls=3)"
    assert methods.equipped(parse("react(search)"), settings).text == "react(search)"
    assert methods.equipped(parse("corag:length=2,n=3"), settings).text == "corag:length=2,n=3"


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
        assert "forms" in inspect.signature(arguments.builder(name)).parameters


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
