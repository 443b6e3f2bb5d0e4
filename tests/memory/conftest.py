from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from clew.memory import MemoryStore
from tests.memory.qdrant_server import MemoryServer
from tests.retrieval.words_embedder import WordsEmbedder

WORDS = WordsEmbedder()


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with MemoryServer(tmp_path_factory.mktemp("qdrant")) as server:
        yield server.url


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[MemoryStore]:
    with MemoryStore.open(tmp_path / "memory", embedder=WORDS) as store:
        yield store


def langgraph_store() -> InMemoryStore:
    """LangGraph's own store with the same vectors, the model of how stores behave."""

    def embed(texts: Any) -> list[list[float]]:
        return [WORDS.query(text).tolist() for text in texts]

    return InMemoryStore(index={"dims": WORDS.size, "embed": embed})


@pytest.fixture(params=["langgraph", "folder", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    """A new empty store: LangGraph's own, ours in a folder, ours on a server."""
    if request.param == "langgraph":
        yield langgraph_store()
        return
    url = request.getfixturevalue("server_url") if request.param == "server" else ""
    place = f"{url}/{uuid4().hex}" if url else tmp_path / "memory"
    with MemoryStore.open(place, embedder=WORDS) as opened:
        yield opened
