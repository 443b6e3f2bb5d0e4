"""The embedded Qdrant engine (`qdrant-edge-py`) as a `Store`: a folder on disk, no server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clew.errors import RetrievalError

from .sparse import Sparse
from .store import Candidates, Found, Point

if TYPE_CHECKING:
    from .embedding import Vectors

_T = TypeVar("_T")
# The engine maps sparse files into memory: a disk that fills up under it ends the process by a signal, so there must be
# room before it writes. A new segment alone takes several files of some megabytes.
_ROOM = 48 << 20
DENSE, SPARSE, WHOLE = "dense", "sparse", "page"


class EdgeStore:
    """A Qdrant shard in `folder`, created with vectors of `size` if there is none.

    The engine admits one process at a time: hold the folder's `FolderLock` while this is open.
    """

    def __init__(self, folder: Path, size: int) -> None:
        import qdrant_edge as engine

        self._engine, self._folder = engine, folder
        if has_shard(folder):
            self._shard = self._call(lambda: engine.EdgeShard.load(str(folder)))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self._need_room(_ROOM)
            dense = engine.EdgeVectorParams(size=size, distance=engine.Distance.Dot)
            config = engine.EdgeConfig(
                vectors={DENSE: dense, WHOLE: dense},
                sparse_vectors={SPARSE: engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf)},
                # Sizes in KB: by default the vectors of thousands of pages would be searched without an index.
                hnsw_config=engine.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=1000),
                # The engine counts deleted points in document frequencies until a segment is rewritten.
                optimizers=engine.EdgeOptimizersConfig(
                    deleted_threshold=0.05,
                    vacuum_min_vector_number=1,
                    indexing_threshold=1000,
                    default_segment_number=1,
                ),
                payload_memory=engine.Memory.Cached,
            )
            self._shard = self._call(lambda: engine.EdgeShard.create(str(folder), config))

    def upsert(self, points: Sequence[Point]) -> None:
        if not points:
            return
        engine = self._engine
        rows = []
        for point in points:
            vectors: dict[str, Any] = {}
            if point.dense is not None:
                vectors[DENSE] = point.dense.tolist()
            if point.whole is not None:
                vectors[WHOLE] = point.whole.tolist()
            if point.sparse is not None:
                vectors[SPARSE] = self._sparse(point.sparse)
            rows.append(engine.Point(point.id, vectors, {"page": point.page}))
        self._need_room(_ROOM)
        self._call(lambda: self._shard.update(engine.UpdateOperation.upsert_points(rows)))

    def delete(self, ids: Sequence[int]) -> None:
        if ids:
            self._call(lambda: self._shard.update(self._engine.UpdateOperation.delete_points(list(ids))))

    def dense(self, ids: Sequence[int]) -> dict[int, Vectors]:
        import numpy as np

        rows = (
            self._call(lambda: self._shard.retrieve(list(ids), with_payload=False, with_vector=[DENSE])) if ids else []
        )
        return {_int(row.id): np.asarray(_named(row.vector, DENSE), dtype=np.float32) for row in rows}

    def flush(self) -> None:
        self._call(self._shard.flush)

    def optimize(self) -> None:
        # A segment is rewritten beside the old one.
        used = sum(file.stat().st_blocks * 512 for file in self._folder.rglob("*") if file.is_file())
        self._need_room(_ROOM + used)
        self._call(self._shard.optimize)

    def search(self, dense: Vectors | None, sparse: Sparse | None, limit: int) -> Candidates:
        engine = self._engine
        queries: dict[str, Any] = {}
        if dense is not None:
            queries[DENSE] = queries[WHOLE] = dense.tolist()
        if sparse is not None and sparse.indices:
            queries[SPARSE] = self._sparse(sparse)
        if not queries:
            return Candidates()
        requests = [
            engine.QueryRequest(
                query=engine.Query.Nearest(vector, using=using),
                limit=(limit + 1) // 2 if using == WHOLE else limit,
                with_payload=True,
            )
            for using, vector in queries.items()
        ]
        rows = self._call(lambda: self._shard.query_batch(engine.QueryBatchRequest(requests)))
        found = {
            using: [Found(_int(row.id), (row.payload or {})["page"], row.score) for row in each]
            for using, each in zip(queries, rows, strict=True)
        }
        return Candidates(found.get(DENSE, []), found.get(SPARSE, []), found.get(WHOLE, []))

    def _sparse(self, vector: Sparse) -> Any:
        return self._engine.SparseVector(indices=list(vector.indices), values=list(vector.weights))

    def count(self) -> int:
        return int(self._call(lambda: self._shard.count(self._engine.CountRequest())))

    def close(self) -> None:
        self._call(self._shard.close)

    def _need_room(self, size: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < size:
            raise RetrievalError(
                f"the disk of {str(self._folder)!r} is nearly full ({free / 1e6:.0f} of {size / 1e6:.0f} MB needed):"
                " free some space and run the same command again; what is indexed is kept"
            )

    def _call(self, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except (TypeError, AttributeError):
            raise
        except BaseException as error:
            # A panic of the engine is no Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise RetrievalError(
                f"the embedded engine failed in {str(self._folder)!r} ({error});"
                " free disk space if it is full, or delete the store's folder and index again"
            ) from error


def _int(id: object) -> int:
    """The engine's stubs allow ids of other kinds; ours are numbers."""
    return id if isinstance(id, int) else int(str(id))


def _named(vectors: object, name: str) -> Any:
    return vectors[name] if isinstance(vectors, dict) else vectors


def has_shard(folder: Path) -> bool:
    """Whether the engine has files in `folder` that it can open."""
    return (folder / "edge_config.json").exists()


def shard_folder(store: Path) -> Path:
    """Where the engine's files lie inside a store's folder."""
    return store / "qdrant"
