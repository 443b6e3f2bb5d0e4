"""A collection on a Qdrant server or cluster as a `Store`, with the texts beside the vectors.

Every point says in its payload what it is: a passage with its text, a whole page with its text and the ids of its
passages, or the store itself with its settings. So whoever has the address can search and read.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from clew.errors import RetrievalError

from .address import Address
from .edge import DENSE, SPARSE, WHOLE
from .sparse import Sparse
from .store import Candidates, Found, Point

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

    from .embedding import Vectors

_T = TypeVar("_T")
OLDEST = (1, 10)
# Passages have ids of 63 bits: this one is free.
STORE_POINT = 2**63
_BATCH, _BATCH_CHARS = 256, 4_000_000
_SCROLL = 1_000
_WAIT_SECONDS = (0.1, 0.3, 1.0, 2.0, 4.0)


class ServerStore:
    """The collection at `address`; nothing is asked of the server before the first call.

    Each request may take `timeout` seconds. One that is not answered, and an answer 429 or 5xx, is asked again five
    times within about seven seconds; writing a point twice is the same as writing it once. Errors are
    `RetrievalError`s that never show `key`.
    """

    def __init__(self, address: Address, key: str | None = None, *, timeout: int = 30) -> None:
        self.address, self._key, self._timeout = address, key, timeout
        self._opened: QdrantClient | None = None

    def exists(self) -> bool:
        """Whether the server has the collection. Raises `RetrievalError` for a server that is too old or not Qdrant."""
        self._check_version()
        return self._call(lambda client: client.collection_exists(self.address.collection))

    def create(self, size: int) -> None:
        """Makes the collection for vectors of `size`."""
        from qdrant_client import models

        dense = models.VectorParams(size=size, distance=models.Distance.DOT)
        try:
            self._call(
                lambda client: client.create_collection(
                    self.address.collection,
                    vectors_config={DENSE: dense, WHOLE: dense},
                    sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                    on_disk_payload=True,
                )
            )
        except RetrievalError:
            # Asked twice, because the first answer was lost.
            if not self.exists():
                raise
        self._call(
            lambda client: client.create_payload_index(
                self.address.collection, "kind", models.PayloadSchemaType.KEYWORD, wait=True
            )
        )

    def upsert(self, points: Sequence[Point]) -> None:
        from qdrant_client import models

        rows: list[models.PointStruct] = []
        room = _BATCH_CHARS
        for point in points:
            payload = {**point.data, "page": point.page}
            rows.append(models.PointStruct(id=point.id, vector=_vectors(point), payload=payload))
            room -= sum(len(value) for value in payload.values() if isinstance(value, str))
            if len(rows) == _BATCH or room <= 0:
                self._upsert(rows)
                rows, room = [], _BATCH_CHARS
        if rows:
            self._upsert(rows)

    def delete(self, ids: Sequence[int]) -> None:
        from qdrant_client import models

        def delete(some: Sequence[int]) -> None:
            self._call(lambda client: client.delete(self.address.collection, models.PointIdsList(points=list(some))))

        for some in _runs(ids, _SCROLL):
            delete(some)

    def dense(self, ids: Sequence[int]) -> dict[int, Vectors]:
        import numpy as np

        found: dict[int, Vectors] = {}
        for row in self._rows(ids, with_payload=False, with_vectors=[DENSE]):
            if isinstance(row.vector, dict) and DENSE in row.vector:
                found[int(row.id)] = np.asarray(row.vector[DENSE], dtype=np.float32)
        return found

    def flush(self) -> None:
        """Every write is answered only when the server has it in its log."""

    def optimize(self) -> None:
        """The server builds its indexes by itself."""

    def search(self, dense: Vectors | None, sparse: Sparse | None, limit: int) -> Candidates:
        from qdrant_client import models

        queries: dict[str, Any] = {}
        if dense is not None:
            queries[DENSE] = queries[WHOLE] = dense.tolist()
        if sparse is not None and sparse.indices:
            queries[SPARSE] = _sparse(sparse)
        if not queries:
            return Candidates()
        requests = [
            models.QueryRequest(
                query=models.NearestQuery(nearest=vector),
                using=using,
                limit=(limit + 1) // 2 if using == WHOLE else limit,
                with_payload=["page"],
            )
            for using, vector in queries.items()
        ]
        answers = self._call(lambda client: client.query_batch_points(self.address.collection, requests))
        found = {
            using: [Found(int(row.id), int((row.payload or {})["page"]), row.score) for row in answer.points]
            for using, answer in zip(queries, answers, strict=True)
        }
        return Candidates(found.get(DENSE, []), found.get(SPARSE, []), found.get(WHOLE, []))

    def count(self, kind: str | None = None) -> int:
        from qdrant_client import models

        points = models.Filter(must_not=[models.HasIdCondition(has_id=[STORE_POINT])])
        wanted = _of_kind(kind) if kind else points
        return self._call(lambda client: client.count(self.address.collection, wanted, exact=True)).count

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    # Payloads ------------------------------------------------------------------------------------------------

    def payloads(self, ids: Sequence[int], keys: Sequence[str]) -> dict[int, dict[str, Any]]:
        """Those `keys` of the payloads of the points that exist."""
        return {int(row.id): row.payload or {} for row in self._rows(ids, with_payload=list(keys), with_vectors=False)}

    def all_payloads(self, kind: str, keys: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Id and those `keys` of the payload of every point of `kind`, by id."""
        at: Any = None

        def scroll(client: QdrantClient) -> tuple[list[models.Record], Any]:
            return client.scroll(
                self.address.collection, _of_kind(kind), _SCROLL, offset=at, with_payload=list(keys), with_vectors=False
            )

        while True:
            rows, at = self._call(scroll)
            for row in rows:
                yield int(row.id), row.payload or {}
            if at is None:
                return

    def settings(self) -> dict[str, Any]:
        """What the store knows about itself; empty in a collection that is not Clew's, or new."""
        rows = self._rows([STORE_POINT], with_payload=True, with_vectors=False)
        return dict(rows[0].payload or {}) if rows else {}

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        from qdrant_client import models

        self._upsert([models.PointStruct(id=STORE_POINT, vector={}, payload={**settings, "kind": "store"})])

    # Requests ------------------------------------------------------------------------------------------------

    def _upsert(self, rows: list[models.PointStruct]) -> None:
        self._call(lambda client: client.upsert(self.address.collection, rows, wait=True))

    def _rows(self, ids: Sequence[int], **wanted: Any) -> list[models.Record]:
        def retrieve(some: Sequence[int]) -> list[models.Record]:
            return self._call(lambda client: client.retrieve(self.address.collection, list(some), **wanted))

        return [row for some in _runs(ids, _SCROLL) for row in retrieve(some)]

    def _client(self) -> QdrantClient:
        if self._opened is None:
            from qdrant_client import QdrantClient

            with warnings.catch_warnings():
                # A key over plain HTTP is right inside one machine; docs/retrieval.md warns of the rest.
                warnings.simplefilter("ignore")
                self._opened = QdrantClient(
                    url=self.address.url, api_key=self._key, timeout=self._timeout, check_compatibility=False
                )
        return self._opened

    def _check_version(self) -> None:
        shown = str(self._call(lambda client: client.info(), home=True).version)
        numbers = shown.removeprefix("v").split(".")[:2]
        try:
            version = tuple(int(number) for number in numbers)
        except ValueError:
            return
        if version < OLDEST:
            raise RetrievalError(
                f"the Qdrant server at {self.address.url!r} has version {shown}; update it to"
                f" {OLDEST[0]}.{OLDEST[1]} or newer, which is the oldest with batches of queries and IDF"
            )

    def _call(self, action: Callable[[QdrantClient], _T], home: bool = False) -> _T:
        """What `action` returns; `home`: it asks for the page that every Qdrant server has."""
        for pause in (*_WAIT_SECONDS, None):
            try:
                return action(self._client())
            except Exception as error:
                if isinstance(error, TypeError | AttributeError | RetrievalError):
                    raise
                if pause is None or not _passing(error):
                    raise self._explained(error, home) from None
                time.sleep(pause)
        raise AssertionError

    def _explained(self, error: Exception, home: bool) -> RetrievalError:
        at, status = f"the Qdrant server at {self.address.url!r}", getattr(error, "status_code", None)
        source = getattr(error, "source", error)
        said = self._without_key(_message(error))
        if status in (401, 403):
            what = "refused the request without a key" if self._key is None else "refused the key"
            return RetrievalError(f"{at} {what} ({said}); set CLEW_STORE_KEY, or pass key=, to one that may use it")
        if status == 404 and not home:
            return RetrievalError(
                f"{at} has no collection {self.address.collection!r} ({said}); check the address, or make it with"
                f" clew index DIR --store {self.address}"
            )
        if status is not None and status != 404:
            return RetrievalError(f"{at} answered {status} ({said}); nothing that was finished is lost")
        if _passing(error):
            return RetrievalError(
                f"{at} does not answer ({type(source).__name__}: {said}; tried {len(_WAIT_SECONDS) + 1} times);"
                " check the address, start it, then run the same command again: nothing that was finished is lost"
            )
        return RetrievalError(
            f"what answers at {self.address.url!r} does not speak Qdrant's REST ({said}); check the address"
        )

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


def _vectors(point: Point) -> dict[str, Any]:
    vectors: dict[str, Any] = {}
    if point.dense is not None:
        vectors[DENSE] = point.dense.tolist()
    if point.whole is not None:
        vectors[WHOLE] = point.whole.tolist()
    if point.sparse is not None:
        vectors[SPARSE] = _sparse(point.sparse)
    return vectors


def _sparse(vector: Sparse) -> models.SparseVector:
    from qdrant_client import models

    return models.SparseVector(indices=list(vector.indices), values=list(vector.weights))


def _of_kind(kind: str) -> models.Filter:
    from qdrant_client import models

    return models.Filter(must=[models.FieldCondition(key="kind", match=models.MatchValue(value=kind))])


def _runs(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _passing(error: Exception) -> bool:
    """Whether the same request may work a moment later."""
    import httpx

    source = getattr(error, "source", error)
    status = getattr(error, "status_code", None)
    busy = type(error).__name__ == "ResourceExhaustedResponse"
    return busy or isinstance(source, httpx.TransportError) or (status is not None and (status == 429 or status >= 500))


def _message(error: Exception) -> str:
    """What the server or the connection said, in one short line."""
    content = getattr(error, "content", None)
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(getattr(error, "source", error))
    try:
        import json

        status = json.loads(text)["status"]
        text = status["error"] if isinstance(status, dict) else text
    except (ValueError, KeyError, TypeError):
        pass
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:199] + "…"
