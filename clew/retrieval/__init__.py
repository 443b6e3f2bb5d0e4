"""Retrieval: folders of documents become a store, a store answers questions with passages and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .address import corpus_name as corpus_name
    from .address import is_server as is_server
    from .chunking import ChunkSettings as ChunkSettings
    from .corpus import Corpus as Corpus
    from .door import read as read
    from .door import search as search
    from .embedding import Embedder as Embedder
    from .embedding import SentenceEmbedder as SentenceEmbedder
    from .excerpt import excerpts as excerpts
    from .index import IndexProgress as IndexProgress
    from .index import IndexReport as IndexReport
    from .index import forget_folder as forget_folder
    from .index import index_folders as index_folders
    from .opened import StoreContents as StoreContents
    from .opened import contents_of as contents_of
    from .queries import near_duplicate as near_duplicate
    from .queries import normalise_query as normalise_query
    from .ranking import Ranking as Ranking
    from .store import Store as Store
    from .types import Hit as Hit
    from .types import Page as Page
    from .types import Searcher as Searcher
    from .windows import Window as Window
    from .windows import best_windows as best_windows

_HOMES = {
    "ChunkSettings": "chunking",
    "Corpus": "corpus",
    "Embedder": "embedding",
    "Hit": "types",
    "IndexProgress": "index",
    "IndexReport": "index",
    "Page": "types",
    "Ranking": "ranking",
    "Searcher": "types",
    "SentenceEmbedder": "embedding",
    "Store": "store",
    "Window": "windows",
    "best_windows": "windows",
    "corpus_name": "address",
    "excerpts": "excerpt",
    "forget_folder": "index",
    "index_folders": "index",
    "is_server": "address",
    "near_duplicate": "queries",
    "normalise_query": "queries",
    "StoreContents": "opened",
    "contents_of": "opened",
    "read": "door",
    "search": "door",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
