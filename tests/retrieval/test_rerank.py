"""A cross-encoder puts the best passages in its own order, and its name into the corpus's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.errors import ConfigError
from clew.retrieval import Corpus, corpus_name, index_folders
from clew.retrieval.rerank import CrossEncoder
from tests.retrieval.conftest import real_documents
from tests.retrieval.words_embedder import WordsEmbedder

pytestmark = pytest.mark.anyio
WORDS = WordsEmbedder()


def tiny_model(folder: Path, labels: int = 1) -> str:
    """A BERT cross-encoder of two small layers with random weights."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    letters = [chr(code) for code in range(33, 127)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    folder.mkdir(parents=True)
    backend = BertWordPieceTokenizer(vocab={word: place for place, word in enumerate(words)})
    tokenizer = BertTokenizerFast(tokenizer_object=backend._tokenizer, model_max_length=64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, num_labels=labels, initializer_range=0.5,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("rerank") / "tiny")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("reranked")
    asyncio.run(index_folders([real_documents(folder / "documents")], folder / "store", embedder=WORDS))
    yield folder / "store"


async def test_hits_come_in_the_order_of_the_cross_encoder(store: Path, model: str) -> None:
    query = "insert into a sorted list"
    with Corpus.open(store, embedder=WORDS) as plain:
        candidates = plain.find(query, 50)
        before = [hit.id for hit in candidates]
        assert plain.name == "corpus:store" == corpus_name(store)
    with Corpus.open(store, embedder=WORDS, rerank=model) as corpus:
        assert corpus.name == corpus_name(store, model) != plain.name
        assert corpus.name.startswith("corpus:store rerank=tiny@")
        hits = await corpus.search(query, 50)
        assert await corpus.search(query, 3) == hits[:3]
        headings = {id: passage.heading for id, passage in corpus._opened.contents.passages(_numbers(before)).items()}
    assert {hit.id for hit in hits} == set(before) and [hit.id for hit in hits] != before

    texts = [f"{headings[int(hit.id, 16)]}\n{hit.text}" for hit in hits]
    scores = CrossEncoder(model).scores(query, texts)
    pages = len({hit.source for hit in hits})
    assert len({hit.source for hit in hits[:pages]}) == pages
    assert [hit.score for hit in hits[:pages]] == pytest.approx(scores[:pages], abs=1e-4)
    for part in (scores[:pages], scores[pages:]):
        assert part == sorted(part, reverse=True)
    best = {
        hit.source: max(s for s, other in zip(scores, hits, strict=True) if other.source == hit.source) for hit in hits
    }
    assert [hit.score for hit in hits[:pages]] == pytest.approx(sorted(best.values(), reverse=True), abs=1e-4)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def _numbers(ids: list[str]) -> list[int]:
    return [int(id, 16) for id in ids]


async def test_searches_side_by_side_are_scored_alike(store: Path, model: str) -> None:
    with Corpus.open(store, embedder=WORDS, rerank=model) as corpus:
        queries = ["shelf", "bisect", "wrap a line"] * 2
        together = await asyncio.gather(*(corpus.search(query, 3) for query in queries))
        assert together[:3] == together[3:]


async def test_what_is_no_reranking_model(store: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for rerank, said in (
        (str(tmp_path / "empty"), "could not be loaded"),
        (tiny_model(tmp_path / "two", 2), "2 scores"),
    ):
        with Corpus.open(store, embedder=WORDS, rerank=rerank) as corpus, pytest.raises(ConfigError, match=said):
            corpus.find("shelf")


def test_no_texts_no_scores(model: str) -> None:
    assert CrossEncoder(model).scores("x", []) == []
