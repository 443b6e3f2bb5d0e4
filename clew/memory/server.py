"""Memory in a collection of a Qdrant server or cluster, which many processes may read and write at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clew.errors import ConfigError, RetrievalError
from clew.retrieval.server import ServerStore

from .entry import Entry, prefixes
from .points import PAGE, PREFIXES, SETTINGS_ID, VECTOR, entry_of, payload

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

    from clew.retrieval.embedding import Vectors


class ServerPoints:
    """The collection of `server`; its connection, retries and words for errors are those of documents on a server."""

    def __init__(self, server: ServerStore) -> None:
        self._server, self._call = server, server._call
        self._collection = server.address.collection
        self._exists = server.exists()

    def settings(self) -> dict[str, Any]:
        rows = self._retrieve([SETTINGS_ID])
        if not rows and self._exists and self._server.count():
            raise ConfigError(f"the collection '{self._server.address}' holds other data and no memory; name another")
        return dict(rows[0]) if rows else {}

    def create(self, size: int, settings: Mapping[str, Any]) -> None:
        from qdrant_client import models

        vectors = models.VectorParams(
            size=size,
            distance=models.Distance.DOT,
            multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
        )
        try:
            if not self._exists:
                self._call(lambda client: client.create_collection(self._collection, vectors_config={VECTOR: vectors}))
        except RetrievalError:
            # Asked twice because the first answer was lost, or made by another process meanwhile.
            if not self._server.exists():
                raise
        self._exists = True
        keyword = models.PayloadSchemaType.KEYWORD
        self._call(lambda client: client.create_payload_index(self._collection, PREFIXES, keyword, wait=True))
        self._upsert([models.PointStruct(id=SETTINGS_ID, vector={}, payload=dict(settings))])

    def write(self, rows: Sequence[tuple[Entry, Vectors]]) -> None:
        from qdrant_client import models

        points = [
            models.PointStruct(
                id=entry.id, vector={VECTOR: vectors.tolist()} if len(vectors) else {}, payload=payload(entry)
            )
            for entry, vectors in rows
        ]
        for start in range(0, len(points), PAGE):
            self._upsert(points[start : start + PAGE])

    def change(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._change(entry)

    def _change(self, entry: Entry) -> None:
        content = payload(entry)
        self._call(lambda client: client.overwrite_payload(self._collection, content, points=[entry.id], wait=True))

    def remove(self, ids: Sequence[str]) -> None:
        from qdrant_client import models

        if ids and self._exists:
            some = models.PointIdsList(points=list(ids))
            self._call(lambda client: client.delete(self._collection, some, wait=True))

    def read(self, ids: Sequence[str]) -> list[Entry]:
        return [entry_of(found) for found in self._retrieve(ids)]

    def scan(self, prefix: tuple[str, ...]) -> Iterator[Entry]:
        at: Any = None

        def scroll(client: QdrantClient) -> tuple[list[models.Record], Any]:
            return client.scroll(self._collection, _below(prefix), PAGE, offset=at, with_payload=True)

        while self._exists:
            rows, at = self._call(scroll)
            yield from (entry_of(row.payload) for row in rows)
            if at is None:
                return

    def nearest(self, vector: Vectors, prefix: tuple[str, ...], limit: int) -> list[tuple[float, Entry]]:
        from qdrant_client import models

        if not self._exists:
            return []
        asked = models.QueryRequest(
            query=models.NearestQuery(nearest=[vector.tolist()]),
            using=VECTOR,
            filter=_below(prefix),
            limit=limit,
            with_payload=True,
            params=models.SearchParams(exact=True),
        )
        answers = self._call(lambda client: client.query_batch_points(self._collection, [asked]))
        return [(row.score, entry_of(row.payload)) for row in answers[0].points]

    def close(self) -> None:
        self._server.close()

    def _retrieve(self, ids: Sequence[str]) -> list[Mapping[str, Any]]:
        if not ids or not self._exists:
            return []
        rows = self._call(lambda client: client.retrieve(self._collection, list(ids), with_payload=True))
        return [row.payload or {} for row in rows]

    def _upsert(self, points: list[models.PointStruct]) -> None:
        self._call(lambda client: client.upsert(self._collection, points, wait=True))


def _below(prefix: tuple[str, ...]) -> models.Filter:
    from qdrant_client import models

    *_, word = prefixes(prefix)
    return models.Filter(must=[models.FieldCondition(key=PREFIXES, match=models.MatchValue(value=word))])
