"""Hybrid search over a store of documents."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import TracebackType

from clew.errors import ConfigError, PageFailed

from .catalog import Passage, clear_errors
from .documents import clean
from .embedding import Embedder
from .lock import WAIT_SECONDS
from .opened import OpenStore
from .ranking import DEFAULT, RankedPage, Ranking, rank
from .sparse import query_vector
from .types import Hit, Page


class Corpus:
    """A store that `clew.retrieval.index_folders` made, open for search. A `Searcher`, and a context manager.

    While it is open the store's folder is locked against other processes. Searches of several tasks at once are safe.
    """

    def __init__(self, opened: OpenStore, ranking: Ranking = DEFAULT) -> None:
        self._opened, self._ranking = opened, ranking
        self._busy = threading.Lock()
        self.name = f"corpus:{opened.folder.resolve().name}"

    @classmethod
    def open(
        cls,
        store: str | Path,
        *,
        embedder: Embedder | None = None,
        ranking: Ranking = DEFAULT,
        wait: float = WAIT_SECONDS,
    ) -> Corpus:
        """Opens the store in the folder `store` with the embedding model that it was built with.

        Raises `ConfigError` (no store there), `StoreBusy` after `wait` seconds, `StoreMismatch` (`embedder` is
        another model than the store's), `RetrievalError`.
        """
        folder = Path(store).expanduser()
        with clear_errors(folder):
            return cls(OpenStore.for_reading(folder, embedder, wait), ranking)

    async def search(self, query: str, k: int = 10) -> list[Hit]:
        """The best `k` passages, best first, one per page as long as there are pages. Scores are sums of fused scores.

        Raises `ConfigError` for an empty query or `k` below 1.
        """
        return await asyncio.to_thread(self.find, query, k)

    async def read(self, hit: Hit) -> Page:
        """The whole page of `hit`. Raises `PageFailed` if the store has no page of that source."""
        return await asyncio.to_thread(self.page, hit.source)

    def find(self, query: str, k: int = 10) -> list[Hit]:
        """`search` for callers without an event loop."""
        query = clean(query)
        if not query.strip():
            raise ConfigError("the query is empty; say what to search for")
        if k < 1:
            raise ConfigError(f"k={k!r} hits cannot be found; give 1 or more")
        dense = self._opened.embedder.query(query)
        with self._busy, clear_errors(self._opened.folder):
            found = self._opened.store.search(dense, query_vector(query), max(self._ranking.depth, 4 * k))
            chosen = _choose(rank(query, found, self._ranking), k)
            passages = self._opened.catalog.passages([id for id, _ in chosen])
        return [_hit(passages[id], score) for id, score in chosen if id in passages][:k]

    def page(self, source: str) -> Page:
        """`read` for callers without an event loop."""
        with self._busy, clear_errors(self._opened.folder):
            found = self._opened.catalog.page(source)
        if found is None:
            raise PageFailed(f"the store {str(self._opened.folder)!r} has no page {source!r}; search again")
        return Page(source, *found)

    def counts(self) -> tuple[int, int]:
        """Pages and passages in the store."""
        with self._busy:
            return self._opened.catalog.counts()

    def close(self) -> None:
        """Frees the folder for other processes."""
        with self._busy:
            self._opened.close()

    def __enter__(self) -> Corpus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _choose(pages: list[RankedPage], k: int) -> list[tuple[int, float]]:
    """Passage ids with scores: the best passage of every page, then second passages, to a little more than `k`.

    A page's best passage carries the page's score; further ones follow behind all pages.
    """
    spare = k + 8
    chosen = [(page.passages[0][0], page.score) for page in pages if page.passages][:spare]
    if len(chosen) < spare:
        lowest = chosen[-1][1] if chosen else 0.0
        rest = sorted(((score, id) for page in pages for id, score in page.passages[1:]), key=lambda each: -each[0])
        chosen += [(id, min(score, lowest)) for score, id in rest[: spare - len(chosen)]]
    return chosen


def _hit(passage: Passage, score: float) -> Hit:
    return Hit(f"{passage.id:016x}", passage.source, passage.title, passage.text, round(score, 6))
