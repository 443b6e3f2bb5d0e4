"""Hybrid search over a store of documents."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import TracebackType

from clew.errors import ConfigError, PageFailed

from .address import corpus_name, is_server
from .catalog import Passage, clear_errors
from .documents import clean
from .embedding import Embedder
from .lock import WAIT_SECONDS
from .opened import OpenStore, open_for_reading
from .ranking import DEFAULT, RankedPage, Ranking, rank
from .rerank import DEPTH, CrossEncoder
from .sparse import query_vector
from .types import Hit, Page


class Corpus:
    """A store that `clew.retrieval.index_folders` made, open for search. A `Searcher`, and a context manager.

    While one in a folder is open, the folder is locked against other processes; one on a server has any number of
    readers. Searches of several tasks at once are safe.
    """

    def __init__(self, opened: OpenStore, ranking: Ranking = DEFAULT, rerank: str | None = None) -> None:
        self._opened, self._ranking = opened, ranking
        self._encoder = CrossEncoder(rerank) if rerank else None
        self._busy = threading.Lock()
        self.name = corpus_name(opened.place, rerank)

    @classmethod
    def open(
        cls,
        store: str | Path,
        *,
        embedder: Embedder | None = None,
        key: str | None = None,
        rerank: str | None = None,
        ranking: Ranking = DEFAULT,
        wait: float = WAIT_SECONDS,
    ) -> Corpus:
        """Opens a store with the embedding model that it was built with.

        `store` is a folder, or the address `http(s)://HOST[:PORT]/COLLECTION` of a collection on a Qdrant server, whose
        key is `key`.

        `rerank` is a cross-encoder, a folder or a name on the Hugging Face hub, that orders the 50 best passages; the
        corpus's `name` shows it, so that searches with and without it are recorded as different ones.

        Raises `ConfigError` (no store there), `StoreBusy` after `wait` seconds, `StoreMismatch` (`embedder` is
        another model than the store's), `RetrievalError`.
        """
        place = store if is_server(store) else Path(store).expanduser()
        with clear_errors(place):
            opened = open_for_reading(place, embedder, key, wait)
            try:
                # Not at the first search: whoever cannot load the model learns it here.
                _ = opened.embedder
                return cls(opened, ranking, rerank)
            except BaseException:
                opened.close()
                raise

    async def search(self, query: str, k: int = 10) -> list[Hit]:
        """The best `k` passages, best first, one per page as long as there are pages.

        Scores are sums of fused scores, or the logits of the cross-encoder.

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
        most = max(k, DEPTH) if self._encoder else k
        with self._busy, clear_errors(self._opened.place):
            found = self._opened.store.search(dense, query_vector(query), max(self._ranking.depth, 4 * most))
            chosen = _choose(rank(query, found, self._ranking), most)
            passages = self._opened.contents.passages([id for id, _ in chosen])
        kept = [(passages[id], score) for id, score in chosen if id in passages][:most]
        if self._encoder:
            kept = _reordered(kept, self._encoder.scores(query, [_shown(passage) for passage, _ in kept]))
        return [_hit(passage, score) for passage, score in kept[:k]]

    def page(self, source: str) -> Page:
        """`read` for callers without an event loop."""
        with self._busy, clear_errors(self._opened.place):
            found = self._opened.contents.page(source)
        if found is None:
            raise PageFailed(f"the store {self._opened.place!r} has no page {source!r}; search again")
        return Page(source, *found)

    def warm(self) -> None:
        """Loads the models that a search needs, which takes seconds. Raises `ConfigError` for one that cannot be."""
        self._opened.embedder.query("clew")
        if self._encoder:
            self._encoder.scores("clew", ["a ball of thread"])

    def counts(self) -> tuple[int, int]:
        """Pages and passages in the store."""
        with self._busy:
            return self._opened.contents.counts()

    def close(self) -> None:
        """Frees a folder for other processes."""
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
    chosen = [(page.passages[0][1], page.score) for page in pages if page.passages][:spare]
    if len(chosen) < spare:
        lowest = chosen[-1][1] if chosen else 0.0
        rest = sorted((each for page in pages for each in page.passages[1:]), reverse=True)
        chosen += [(id, min(score, lowest)) for score, id in rest[: spare - len(chosen)]]
    return chosen


def _reordered(found: list[tuple[Passage, float]], scores: list[float]) -> list[tuple[Passage, float]]:
    """The passages by `scores`, one per page first; further ones of a page follow behind all pages."""
    order = sorted(range(len(found)), key=lambda place: (-scores[place], place))
    firsts: dict[int, int] = {}
    for place in order:
        firsts.setdefault(found[place][0].page, place)
    lowest = min((scores[place] for place in firsts.values()), default=0.0)
    rest = [place for place in order if firsts[found[place][0].page] != place]
    return [(found[place][0], scores[place]) for place in firsts.values()] + [
        (found[place][0], min(scores[place], lowest)) for place in rest
    ]


def _shown(passage: Passage) -> str:
    return f"{passage.heading}\n{passage.text}"


def _hit(passage: Passage, score: float) -> Hit:
    return Hit(f"{passage.id:016x}", passage.source, passage.title, passage.text, round(score, 6))
