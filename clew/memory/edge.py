"""Memory in a folder: the embedded Qdrant engine, which admits one process at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clew.errors import ConfigError, RetrievalError
from clew.retrieval.edge import has_shard, shard_folder
from clew.retrieval.lock import FolderLock

from .entry import Entry, prefixes
from .points import PAGE, PREFIXES, SETTINGS_ID, VECTOR, entry_of, payload

if TYPE_CHECKING:
    from qdrant_edge import EdgeShard, Filter

    from clew.retrieval.embedding import Vectors

_T = TypeVar("_T")
# The engine's log of writes, which outlives a killed process, is kept short; and replaced points stay in the files
# until a segment is rewritten.
_CHANGES_TO_FLUSH, _CHANGES_TO_OPTIMIZE = 200, 2_000
# The engine maps its files into memory: a disk that fills up under it would end the process by a signal.
_ROOM = 48 << 20
_RESTORE = "restore the folder from a copy, or move it away to begin anew"


class EdgePoints:
    """The store in `folder`, locked from now to `close`. Raises `StoreBusy` when another process has held it for
    `wait` seconds."""

    def __init__(self, folder: Path, wait: float) -> None:
        self._folder, self._changes = folder, 0
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"the memory {str(folder)!r} is a file: name a folder, or the URL of a collection")
        self._lock = FolderLock(folder, wait)
        try:
            self._shard = self._load()
        except BaseException:
            self._lock.release()
            raise

    def settings(self) -> dict[str, Any]:
        rows = self._retrieve([SETTINGS_ID])
        return dict(rows[0]) if rows else {}

    def create(self, size: int, settings: Mapping[str, Any]) -> None:
        import qdrant_edge as engine

        if self._shard is None:
            self._need_room()
            # A folder that is only half made must not look like one that was damaged.
            new = self._folder / "qdrant.new"
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            vectors = engine.EdgeVectorParams(
                size=size,
                distance=engine.Distance.Dot,
                multivector_config=engine.MultiVectorConfig(engine.MultiVectorComparator.MaxSim),
            )
            config = engine.EdgeConfig(
                vectors={VECTOR: vectors},
                optimizers=engine.EdgeOptimizersConfig(
                    deleted_threshold=0.2, vacuum_min_vector_number=100, default_segment_number=1
                ),
                payload_memory=engine.Memory.Cached,
            )
            self._call(lambda: engine.EdgeShard.create(str(new), config).close())
            new.replace(shard_folder(self._folder))
            self._shard = self._load()
        self._update(engine.UpdateOperation.create_field_index(PREFIXES, engine.PayloadSchemaType.Keyword))
        point = engine.Point(SETTINGS_ID, {}, dict(settings))
        self._update(engine.UpdateOperation.upsert_points([point]))

    def write(self, rows: Sequence[tuple[Entry, Vectors]]) -> None:
        import qdrant_edge as engine

        points = []
        for entry, vectors in rows:
            named: dict[str, Any] = {VECTOR: vectors.tolist()} if len(vectors) else {}
            points.append(engine.Point(entry.id, named, payload(entry)))
        if points:
            self._update(engine.UpdateOperation.upsert_points(points))

    def change(self, entries: Sequence[Entry]) -> None:
        import qdrant_edge as engine

        for entry in entries:
            self._update(engine.UpdateOperation.overwrite_payload([entry.id], payload(entry)))

    def remove(self, ids: Sequence[str]) -> None:
        import qdrant_edge as engine

        if ids and self._shard is not None:
            self._update(engine.UpdateOperation.delete_points(list(ids)))

    def read(self, ids: Sequence[str]) -> list[Entry]:
        return [entry_of(found) for found in self._retrieve(ids)]

    def scan(self, prefix: tuple[str, ...]) -> Iterator[Entry]:
        import qdrant_edge as engine

        at: Any = None
        while (shard := self._shard) is not None:
            asked = engine.ScrollRequest(offset=at, limit=PAGE, filter=_below(prefix), with_payload=True)
            rows, at = self._call(partial(shard.scroll, asked))
            yield from (entry_of(row.payload) for row in rows)
            if at is None:
                return

    def nearest(self, vector: Vectors, prefix: tuple[str, ...], limit: int) -> list[tuple[float, Entry]]:
        import qdrant_edge as engine

        shard = self._shard
        if shard is None:
            return []
        asked = engine.QueryRequest(
            limit=limit,
            query=engine.Query.Nearest(vector.tolist(), using=VECTOR),
            filter=_below(prefix),
            with_payload=True,
            params=engine.SearchParams(exact=True),
        )
        return [(row.score, entry_of(row.payload)) for row in self._call(lambda: shard.query(asked))]

    def close(self) -> None:
        try:
            if self._shard is not None:
                self._call(self._shard.flush)
                self._call(self._shard.close)
                self._shard = None
        finally:
            self._lock.release()

    def _retrieve(self, ids: Sequence[str]) -> list[Mapping[str, Any]]:
        shard = self._shard
        if shard is None or not ids:
            return []
        rows = self._call(lambda: shard.retrieve(list(ids), with_payload=True, with_vector=False))
        return [row.payload or {} for row in rows]

    def _update(self, operation: Any) -> None:
        assert self._shard is not None, "the store is created before it is written"
        shard, self._changes = self._shard, self._changes + 1
        self._need_room()
        self._call(lambda: shard.update(operation))
        if self._changes % _CHANGES_TO_FLUSH == 0:
            self._call(shard.flush)
        if self._changes % _CHANGES_TO_OPTIMIZE == 0:
            self._call(shard.optimize)

    def _load(self) -> EdgeShard | None:
        """The engine's files; None where there are none yet."""
        import qdrant_edge as engine

        shard = shard_folder(self._folder)
        if has_shard(shard):
            return self._call(lambda: engine.EdgeShard.load(str(shard)))
        if shard.exists() and (not shard.is_dir() or any(shard.iterdir())):
            raise RetrievalError(
                f"the memory {str(self._folder)!r} is damaged (edge_config.json is missing); {_RESTORE}"
            )
        return None

    def _need_room(self) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < _ROOM:
            raise RetrievalError(
                f"the disk of the memory {str(self._folder)!r} is nearly full ({free / 1e6:.0f} of {_ROOM / 1e6:.0f} MB"
                " needed): free some space; what was remembered before is kept"
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
            full = shutil.disk_usage(self._folder).free < _ROOM
            hint = "its disk is nearly full: free some space" if full else f"its files may be damaged: {_RESTORE}"
            raise RetrievalError(
                f"the embedded engine failed in the memory {str(self._folder)!r} ({error}); {hint}"
            ) from error


def _below(prefix: tuple[str, ...]) -> Filter:
    import qdrant_edge as engine

    *_, word = prefixes(prefix)
    return engine.Filter(must=[engine.FieldCondition(PREFIXES, engine.MatchValue(word))])
