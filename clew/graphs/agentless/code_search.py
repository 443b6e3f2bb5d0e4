"""RETRIEVAL, stage 1c: the files whose chunks of code are nearest to an issue, BM25 and dense vectors together.

As in the released code the query is the text of the issue, and the best 100 chunks give an order of files. Differs:
an issue names symbols that no embedding knows, so BM25 searches too, and the scores of both are fused
(`clew.retrieval.ranking`); a path whose words stand in the query counts a little more. Only the 200 chunks that are
best by words are embedded, not all (`depth`), for that is what a search costs: of 173 questions about 300 files it
found the file among the first three for 94.8 % with 100 of them, 95.4 % with 200 and with 400, and 96.0 % when all
7,436 chunks were embedded (`benchmarks/code_search.py`). Chunks are those of `code_chunks`, read once for all commits.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any

from clew.errors import ClewError, SearchFailed, StoreBusy
from clew.journal import Cost, current, effect
from clew.retrieval import ChunkSettings, Embedder, SentenceEmbedder, is_server
from clew.retrieval.catalog import clear_errors
from clew.retrieval.documents import clean
from clew.retrieval.opened import WritableStore, open_for_writing
from clew.retrieval.ranking import rank as fused
from clew.retrieval.sparse import query_vector
from clew.retrieval.store import Candidates, Found, Store
from clew.retrieval.tokens import terms

from .code_chunks import CodeProgress, Told, bring, sources, vectors
from .job import Job

CHUNK_TOKENS = 512
DEPTH = 200
PATH_SHARE = 0.1
_POLL_SECONDS = 0.1
# Of this process, by place: a store admits one at a time, and its lock would call a sibling another process.
_IN_USE: dict[str, threading.Lock] = {}


class CodeSearch:
    """Search by code chunk in the store at `place`, a folder (made when absent, good for any number of repositories
    and commits) or the address of a collection on a Qdrant server (`http(s)://HOST[:PORT]/COLLECTION`, with its `key`).

    Args:
        embedder: by default the packaged MiniLM, which needs no network. In a folder each has a store of its own.
        chunk_tokens: most tokens of a chunk, bounded by what the embedder sees (254 for MiniLM).
        depth: how many chunks, the best by words, are embedded and compared with the query.
        wait: seconds for which a store that another process holds is waited for.
    """

    def __init__(
        self,
        place: str | Path,
        embedder: Embedder | None = None,
        *,
        chunk_tokens: int = CHUNK_TOKENS,
        depth: int = DEPTH,
        wait: float = 30.0,
        key: str | None = None,
    ) -> None:
        self.place, self.embedder = place, embedder or SentenceEmbedder()
        self.chunk_tokens, self.depth, self.wait, self.key = chunk_tokens, depth, wait, key

    @property
    def name(self) -> str:
        """What decides a search besides the files: for fingerprints."""
        return f"{self._stored()} depth={self.depth}"

    async def rank(self, job: Job, paths: Sequence[str], query: str, top_chunks: int = 100) -> list[str]:
        """Those of `paths` on which the best `top_chunks` chunks lie, the best first, each once.

        Files that the store does not know are read first, which takes a minute for some thousand; `{"event": "index",
        "files", "files_total", "chunks", "chunks_total"}` tells watchers of the run how far it is, and what is stored
        stays when it is interrupted. All of it is one effect of kind `search` that costs one search of the budget: a
        replay needs no store. An empty query, or no paths, finds nothing.

        Raises `SearchFailed` for whatever went wrong, a store that stays busy included, and `Refused`.
        """
        query, wanted = clean(query), sources(job.workspace, dict.fromkeys(paths))
        if not wanted or not query.strip():
            return []

        async def perform() -> dict[str, Any]:
            try:
                return await self._found(job, wanted, query, top_chunks)
            except SearchFailed:
                raise
            except Exception as error:
                said = str(error) if isinstance(error, ClewError) else f"{type(error).__name__}: {error}"
                raise SearchFailed(f"the code could not be searched: {said}") from error

        request = {"searcher": self.name, "query": query, "k": top_chunks, "files": _digest(wanted)}
        done = await effect("search", request, perform, reserve=Cost(searches=1))
        return list(done.outcome["paths"])

    async def _found(self, job: Job, wanted: Mapping[str, str], query: str, k: int) -> dict[str, Any]:
        """In a thread, which is waited for when the search is cancelled: it stops within a batch of the embedder."""
        stop, run, loop = threading.Event(), current(), asyncio.get_running_loop()

        def told(progress: CodeProgress) -> None:
            if stop.is_set():
                raise asyncio.CancelledError
            loop.call_soon_threadsafe(run.emit, {"event": "index", **asdict(progress)})

        def work() -> dict[str, Any]:
            with clear_errors(self.place), self._opened(stop) as opened:
                outlines = job.structure.outlines
                pages = bring(opened, self._chunking(), job.workspace, wanted, outlines, told)
                return _ranked(opened, pages, wanted, query, k, self.depth, told)

        task = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([task])
            raise

    @contextmanager
    def _opened(self, stop: threading.Event) -> Iterator[WritableStore]:
        place = self._store()
        until = time.monotonic() + self.wait
        lock = _IN_USE.setdefault(str(place), threading.Lock())
        while not lock.acquire(timeout=_POLL_SECONDS):
            if stop.is_set():
                raise asyncio.CancelledError
        try:
            opened = self._open(place, stop, until)
            try:
                yield opened
            finally:
                opened.close()
        finally:
            lock.release()

    def _open(self, place: str | Path, stop: threading.Event, until: float) -> WritableStore:
        while True:
            try:
                return open_for_writing(place, self.embedder, self._chunking(), self.key, 0)
            except StoreBusy as busy:
                if time.monotonic() >= until:
                    held = str(busy).partition(";")[0]
                    raise StoreBusy(f"{held}, for more than {self.wait:g} s; try again later") from None
            if stop.wait(_POLL_SECONDS):
                raise asyncio.CancelledError

    def _store(self) -> str | Path:
        if is_server(self.place):
            return self.place
        return (
            Path(self.place).expanduser().resolve() / f"code-{blake2b(self.name.encode(), digest_size=6).hexdigest()}"
        )

    def _stored(self) -> str:
        """What decides a store."""
        return f"code chunks={self.chunk_tokens} {self.embedder.name}"

    def _chunking(self) -> ChunkSettings:
        return ChunkSettings(limit=min(self.chunk_tokens, self.embedder.max_tokens))


# Ranking ---------------------------------------------------------------------------------------------------------


def _ranked(
    opened: WritableStore,
    pages: Mapping[str, int],
    wanted: Mapping[str, str],
    query: str,
    k: int,
    depth: int,
    told: Told,
) -> dict[str, Any]:
    """The paths of the files that were found, best first; equal ones in the order of `wanted`."""
    ours = set(pages.values())
    lexical = _lexical(opened.store, ours, query, max(depth, k))
    ids = dict.fromkeys(each.id for each in lexical)
    for page in dict.fromkeys(pages[source] for source in wanted.values() if source in pages):
        if len(ids) >= depth:
            break
        ids.update(dict.fromkeys(sorted(opened.catalog.passages_of(page))))
    found = opened.contents.passages(list(ids)[:depth])
    passages = [found[id] for id in ids if id in found]
    made, fresh = vectors(opened, passages, told)
    asked = opened.embedder.query(query)
    dense = [Found(each.id, each.page, float(vector @ asked)) for each, vector in zip(passages, made, strict=True)]
    dense.sort(key=lambda each: -each.score)
    score = {each.page: each.score for each in fused(query, Candidates(dense[:k], lexical[:k]))}
    near = _path_scores(query, list(wanted))
    scores = {
        path: score[pages[source]] + PATH_SHARE * near[path]
        for path, source in wanted.items()
        if pages.get(source) in score
    }
    return {"paths": sorted(scores, key=lambda path: -scores[path]), "embedded": fresh}


def _lexical(store: Store, pages: Collection[int], query: str, k: int) -> list[Found]:
    """The best `k` chunks by words among `pages`; a store holds other commits and repositories too."""
    sparse, limit = query_vector(query), 2 * k
    while True:
        rows = store.search(None, sparse, limit).sparse
        ours = [row for row in rows if row.page in pages]
        if len(ours) >= k or len(rows) < limit:
            return ours[:k]
        limit *= 4


def _path_scores(query: str, paths: Sequence[str]) -> dict[str, float]:
    """How many rare words of the query each path holds, 0 to 1."""
    asked = terms(query).keys()
    held = {path: asked & terms(str(PurePosixPath(path).with_suffix("")).replace("/", " ")).keys() for path in paths}
    in_files = Counter(term for found in held.values() for term in found)
    weight = {term: math.log(1 + len(paths) / count) for term, count in in_files.items()}
    scores = {path: sum(weight[term] for term in found) for path, found in held.items()}
    most = max(scores.values(), default=0.0) or 1.0
    return {path: score / most for path, score in scores.items()}


def _digest(wanted: Mapping[str, str]) -> str:
    """Of all files that are searched, with their contents."""
    text = "".join(f"{path}\0{source}\0" for path, source in wanted.items())
    return blake2b(text.encode(), digest_size=16).hexdigest()
