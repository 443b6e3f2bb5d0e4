"""What every LangGraph store does alike: LangGraph's own, and ours in a folder and on a server."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)

from tests.memory.conftest import langgraph_store

pytestmark = pytest.mark.anyio


def keys(items: list[Any]) -> list[str]:
    return [item.key for item in items]


def test_put_get_replace_delete(store: BaseStore) -> None:
    assert store.get(("users", "ann"), "prefs") is None
    store.put(("users", "ann"), "prefs", {"theme": "dark", "n": 1, "deep": {"list": [1, 2.5, None, True, "x"]}})
    item = store.get(("users", "ann"), "prefs")
    assert item is not None and (item.key, item.namespace) == ("prefs", ("users", "ann"))
    assert item.value == {"theme": "dark", "n": 1, "deep": {"list": [1, 2.5, None, True, "x"]}}
    assert isinstance(item.created_at, datetime) and item.created_at.tzinfo is not None
    assert store.get(("users",), "prefs") is None and store.get(("users", "ann"), "other") is None
    store.put(("users", "ann"), "prefs", {"theme": "light"})
    again = store.get(("users", "ann"), "prefs")
    assert again is not None and again.value == {"theme": "light"} and again.updated_at >= item.updated_at
    store.delete(("users", "ann"), "prefs")
    store.delete(("users", "ann"), "never there")
    assert store.get(("users", "ann"), "prefs") is None
    assert store.search(("users",)) == []


async def test_the_async_methods(store: BaseStore) -> None:
    await store.aput(("a", "b"), "k", {"text": "volcano"})
    item = await store.aget(("a", "b"), "k")
    assert item is not None and item.value == {"text": "volcano"}
    assert keys(await store.asearch(("a",), query="volcano")) == ["k"]
    assert await store.alist_namespaces() == [("a", "b")]
    await store.adelete(("a", "b"), "k")
    assert await store.aget(("a", "b"), "k") is None


@pytest.mark.parametrize(
    "text", ["", "a\nb\x01c", "日本語 🌋 e\u0301", "'; DROP TABLE x; --", '{"op": "put"}', "*", "%_\\"]
)
def test_any_text_comes_back(store: BaseStore, text: str) -> None:
    store.put(("a", text or "empty"), text, {"text": text, text: [text]})
    item = store.get(("a", text or "empty"), text)
    assert item is not None and item.value == {"text": text, text: [text]} and item.key == text
    assert keys(store.search(("a", text or "empty"))) == [text]


def test_numbers_come_back_exactly(store: BaseStore) -> None:
    value = {"big": 2**70, "small": 5e-324, "third": 1 / 3, "negative": -(2**63), "zero": 0.0, "true": True}
    store.put(("n",), "k", value)
    item = store.get(("n",), "k")
    assert item is not None and item.value == value and item.value["true"] is True


def test_search_below_a_prefix(store: BaseStore) -> None:
    for namespace in [("a",), ("a", "b"), ("a", "b", "c"), ("ab",), ("b", "a")]:
        store.put(namespace, "/".join(namespace), {"x": 1})
    assert set(keys(store.search(("a",)))) == {"a", "a/b", "a/b/c"}
    assert set(keys(store.search(("a", "b")))) == {"a/b", "a/b/c"}
    assert keys(store.search(("ab",))) == ["ab"] and store.search(("b", "b")) == []
    assert len(store.search(())) == 5
    assert [item.score for item in store.search(("a",))] == [None] * 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "asked, found",
    [
        ({"color": "red"}, "ac"),
        ({"color": {"$eq": "red"}}, "ac"),
        ({"color": {"$ne": "red"}}, "b"),
        ({"size": {"$gt": 1}}, "bc"),
        ({"size": {"$gte": 1, "$lt": 3}}, "ab"),
        ({"size": {"$lte": 1.0}}, "a"),
        ({"color": "red", "size": {"$gt": 1}}, "c"),
        ({"deep": {"x": 1}}, "a"),
        ({"deep": {"x": {"$gte": 1}, "y": 2}}, "a"),
        ({"tags": ["p", "q"]}, "a"),
        ({"tags": ["p"]}, ""),
        ({"missing": None}, "abc"),
        ({"missing": {"$ne": 1}}, "abc"),
        ({"flag": True}, "a"),
        ({}, "abc"),
    ],
)
def test_filters(store: BaseStore, asked: dict[str, Any], found: str) -> None:
    store.put(("f",), "a", {"color": "red", "size": 1, "deep": {"x": 1, "y": 2}, "tags": ["p", "q"], "flag": True})
    store.put(("f",), "b", {"color": "blue", "size": 2, "deep": {"x": 5}, "tags": ["q", "p"], "flag": False})
    store.put(("f",), "c", {"color": "red", "size": 3, "deep": 7, "tags": "p"})
    assert sorted(keys(store.search(("f",), filter=asked))) == list(found)


def test_an_unknown_operator_is_refused(store: BaseStore) -> None:
    store.put(("f",), "a", {"x": 1})
    with pytest.raises(ValueError, match=r"(?i)operator"):
        store.search(("f",), filter={"x": {"$regex": "."}})


def test_limit_and_offset(store: BaseStore) -> None:
    for i in range(25):
        store.put(("p",), str(i), {"i": i})
    assert len(store.search(("p",))) == 10
    pages = [keys(store.search(("p",), limit=10, offset=offset)) for offset in (0, 10, 20)]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert {key for page in pages for key in page} == {str(i) for i in range(25)}
    assert store.search(("p",), limit=5, offset=100) == [] and store.search(("p",), limit=0) == []


def test_search_by_meaning(store: BaseStore) -> None:
    texts = {"lava": "volcano lava fire", "ice": "glacier ice cold", "sand": "dune sand hot fire"}
    for key, text in texts.items():
        store.put(("m",), key, {"text": text, "long": len(text)})
    found: list[Any] = store.search(("m",), query="glacier ice", limit=2)
    assert keys(found)[0] == "ice" and len(found) == 2
    assert found[0].score > found[1].score and -1 <= found[1].score <= 1.01
    every: list[Any] = store.search(("m",), query="fire")
    assert [one.score for one in every] == sorted((one.score for one in every), reverse=True) and len(every) == 3
    assert keys(store.search(("m",), query="glacier ice", filter={"long": {"$gt": 16}})) == keys(
        [one for one in store.search(("m",), query="glacier ice") if one.value["long"] > 16]
    )
    assert keys(store.search(("m",), query="fire", limit=1, offset=1)) == keys(every)[1:2]


def test_which_fields_are_searched(store: BaseStore) -> None:
    value = {"title": "volcano", "parts": [{"text": "glacier"}, {"text": "dune"}], "secret": "meadow"}
    store.put(("i",), "title", value, index=["title"])
    store.put(("i",), "parts", value, index=["parts[*].text"])
    store.put(("i",), "none", value, index=False)
    assert keys(store.search(("i",), query="volcano"))[0] == "title"
    assert keys(store.search(("i",), query="dune"))[0] == "parts"
    found: list[Any] = store.search(("i",), query="meadow")
    assert keys(found)[2] == "none" and found[2].score is None
    assert store.get(("i",), "none") is not None


def test_a_replaced_value_is_found_by_its_new_text(store: BaseStore) -> None:
    store.put(("r",), "one", {"text": "volcano"})
    store.put(("r",), "two", {"text": "meadow"})
    store.put(("r",), "one", {"text": "glacier"})
    assert keys(store.search(("r",), query="glacier"))[0] == "one"
    store.delete(("r",), "one")
    assert keys(store.search(("r",), query="glacier")) == ["two"]


def test_namespaces(store: BaseStore) -> None:
    for namespace in [("a", "b", "c"), ("a", "b", "d", "e"), ("a", "x"), ("f", "c")]:
        store.put(namespace, "k", {})
    assert store.list_namespaces() == [("a", "b", "c"), ("a", "b", "d", "e"), ("a", "x"), ("f", "c")]
    assert store.list_namespaces(prefix=("a", "b")) == [("a", "b", "c"), ("a", "b", "d", "e")]
    assert store.list_namespaces(suffix=("c",)) == [("a", "b", "c"), ("f", "c")]
    assert store.list_namespaces(prefix=("a", "*", "c")) == [("a", "b", "c")]
    assert store.list_namespaces(prefix=("a",), suffix=("e",)) == [("a", "b", "d", "e")]
    assert store.list_namespaces(max_depth=2) == [("a", "b"), ("a", "x"), ("f", "c")]
    assert store.list_namespaces(limit=2, offset=1) == [("a", "b", "d", "e"), ("a", "x")]
    assert store.list_namespaces(prefix=("nowhere",)) == []


def test_a_batch_reads_before_it_writes_and_the_last_write_counts(store: BaseStore) -> None:
    store.put(("b",), "k", {"v": 0})
    results = store.batch(
        [
            PutOp(("b",), "k", {"v": 1}),
            GetOp(("b",), "k"),
            PutOp(("b",), "new", {"v": 1}),
            SearchOp(("b",)),
            PutOp(("b",), "k", {"v": 2}),
            PutOp(("b",), "new", None),
            ListNamespacesOp(match_conditions=(MatchCondition("prefix", ("b",)),)),
        ]
    )
    assert results[1].value == {"v": 0} and keys(results[3]) == ["k"] and results[6] == [("b",)]
    assert [results[i] for i in (0, 2, 4, 5)] == [None] * 4
    item = store.get(("b",), "k")
    assert item is not None and item.value == {"v": 2} and store.get(("b",), "new") is None


def test_namespaces_that_are_refused(store: BaseStore) -> None:
    for namespace in [(), ("",), ("a.b",), ("langgraph", "x")]:
        with pytest.raises(InvalidNamespaceError):
            store.put(namespace, "k", {})
    with pytest.raises(NotImplementedError, match="TTL"):
        store.put(("a",), "k", {}, ttl=5)


def test_a_result_is_a_copy(store: BaseStore) -> None:
    given: dict[str, Any] = {"x": 1}
    store.put(("c",), "k", given)
    given["x"] = 2
    item = store.get(("c",), "k")
    assert item is not None and item.value == {"x": 1}


class State(TypedDict):
    said: str


async def test_inside_a_plain_langgraph_graph(store: BaseStore) -> None:
    def remember(state: State, runtime: Runtime[Any]) -> State:
        assert runtime.store is not None
        runtime.store.put(("notes",), "last", {"text": state["said"]})
        return state

    async def recall(state: State, runtime: Runtime[Any]) -> State:
        assert runtime.store is not None
        (item,) = await runtime.store.asearch(("notes",), query=state["said"])
        return {"said": f"remembered {item.value['text']}"}

    builder = StateGraph(State)
    builder.add_node("remember", remember)
    builder.add_node("recall", recall)
    builder.add_edge(START, "remember")
    builder.add_edge("remember", "recall")
    builder.add_edge("recall", END)
    graph = builder.compile(store=store)
    assert (await graph.ainvoke({"said": "tea"}))["said"] == "remembered tea"


# Any sequence of calls, compared with LangGraph's store ------------------------------------------------------------

LABELS = st.sampled_from(["a", "b", "ü", "langchain"])
NAMESPACES = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
KEYS = st.sampled_from(["k", "l", "m n", "🔑"])
WORDS = st.sampled_from(["volcano", "glacier ice", "meadow", "sand dune wind"])
VALUES = st.fixed_dictionaries({"text": WORDS, "n": st.integers(-2, 2)})
FILTERS = st.none() | st.fixed_dictionaries(
    {"n": st.integers(-2, 2) | st.builds(lambda n: {"$gt": n}, st.integers(-2, 2))}
)
PATHS = st.lists(LABELS | st.just("*"), min_size=1, max_size=2).map(tuple)
CONDITIONS = st.lists(st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), PATHS), max_size=2).map(tuple)
OPS = (
    st.builds(PutOp, NAMESPACES, KEYS, VALUES, st.sampled_from([None, False, ["text"]]))
    | st.builds(PutOp, NAMESPACES, KEYS, st.none())
    | st.builds(GetOp, NAMESPACES, KEYS)
    | st.builds(SearchOp, st.lists(LABELS, max_size=2).map(tuple), FILTERS, st.just(50), st.just(0), st.none() | WORDS)
    | st.builds(ListNamespacesOp, CONDITIONS, st.none() | st.integers(1, 3), st.just(100), st.just(0))
)


def shown(op: Any, result: Any) -> Any:
    """A result without times; what has no order, and what is equally near, as a set."""
    if isinstance(op, GetOp):
        return result and (result.namespace, result.key, result.value)
    if isinstance(op, SearchOp):
        return sorted(
            (item.namespace, item.key, str(item.value), item.score is None or round(item.score, 3)) for item in result
        )
    return result


def by_the_book(model: BaseStore, live: set[tuple[Any, str]], ops: list[Any]) -> list[Any]:
    """`model.batch(ops)`, but for three faults of the store in memory: equal texts in one batch raise, the vectors of a
    value that was replaced are still found, and namespaces stay that are empty. `live` are its (namespace, key)s."""
    nothing = ListNamespacesOp(limit=0)
    asked = [op._replace(max_depth=None) if isinstance(op, ListNamespacesOp) else op for op in ops]
    results = model.batch([nothing if isinstance(op, PutOp) else op for op in asked])
    found: list[Any] = []
    for op, result in zip(ops, results, strict=True):
        if isinstance(op, ListNamespacesOp):
            names = {namespace for namespace, _ in live}
            found.append(sorted({namespace[: op.max_depth] for namespace in result if namespace in names}))
        else:
            found.append(None if isinstance(op, PutOp) else result)
    for op in {(op.namespace, op.key): op for op in ops if isinstance(op, PutOp)}.values():
        live.discard((op.namespace, op.key))
        model.batch([PutOp(op.namespace, op.key, None)])
        if op.value is not None:
            live.add((op.namespace, op.key))
            model.batch([op])
    return found


def check_alike(store: BaseStore, batches: list[list[Any]]) -> None:
    for namespace in store.list_namespaces():
        for item in store.search(namespace, limit=1_000):
            store.delete(item.namespace, item.key)
    model, live = langgraph_store(), set[tuple[Any, str]]()
    for ops in batches:
        for op, one, other in zip(ops, store.batch(ops), by_the_book(model, live, ops), strict=True):
            assert shown(op, one) == shown(op, other), op
            if isinstance(op, SearchOp):
                scores = [item.score for item in one if item.score is not None]
                assert scores == sorted(scores, reverse=True)


# Without shrinking, which takes minutes over HTTP.
UNSHRUNK = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.explicit, Phase.reuse, Phase.generate),
}
OURS = pytest.mark.parametrize("store", ["folder", "server"], indirect=True)


@OURS
@given(st.lists(st.lists(OPS, min_size=1, max_size=5), min_size=1, max_size=12))
@settings(max_examples=20, **UNSHRUNK)
def test_any_calls_are_answered_alike(store: BaseStore, batches: list[list[Any]]) -> None:
    check_alike(store, batches)


@OURS
@pytest.mark.long
@given(st.lists(st.lists(OPS, min_size=1, max_size=8), min_size=1, max_size=30))
@settings(max_examples=80, **UNSHRUNK)
def test_many_calls_are_answered_alike(store: BaseStore, batches: list[list[Any]]) -> None:
    check_alike(store, batches)
