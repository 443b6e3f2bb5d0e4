"""`MemoryStore`: a LangGraph `BaseStore` on Qdrant, whose reads and writes are effects of the run that asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

from langgraph.store.base import BaseStore, GetOp, Item, ListNamespacesOp, Op, PutOp, Result, SearchItem, SearchOp

from clew.config import without_login
from clew.errors import ConfigError
from clew.journal import current
from clew.journal.attempt import inside_of
from clew.journal.redact import recordable

from .entry import Entry, Origin, origin_of
from .shelf import Operation, Shelf

if TYPE_CHECKING:
    from clew.retrieval import Embedder

DEFAULT_PLACE = ".clew/memory"
WAIT_SECONDS = 5.0


class MemoryStore(BaseStore):
    """A store for `StateGraph.compile(store=...)` and for Clew's own memories; made with `open`.

    Values are JSON objects. An entry remembers the runs that wrote it. Inside a run every call is one effect of kind
    `memory`: a replay neither reads nor writes, a resume repeats no write, and a run that is evaluated (its task's
    `inputs["task_set"]` names the task set) sees nothing that other runs learned from that set or that question.
    Outside of runs calls go straight to the store.

    In an async node use the methods that begin with `a`; the others raise `ConfigError` there, because an effect cannot
    be awaited in them. In a plain `def` node, which LangGraph runs in a thread, they work and are recorded.

    Expiry (`ttl`) is not supported. Errors are `StoreBusy`, `StoreMismatch` and other `RetrievalError`s.
    """

    def __init__(self, place: str, *, embedder: Embedder, fields: Sequence[str], key: str | None, wait: float) -> None:
        self.place, self.name = place, f"memory:{_whole(place)}"
        self._embedder, self._fields, self._key, self._wait = embedder, tuple(fields), key, wait
        self._opened: Shelf | None = None
        self._opening = RLock()
        # A thread of its own: plain nodes may wait for it in all threads that the event loop has.
        self._worker = ThreadPoolExecutor(1, "clew-memory")

    @classmethod
    def open(
        cls,
        place: str | Path = DEFAULT_PLACE,
        *,
        embedder: Embedder | None = None,
        fields: Sequence[str] = ("$",),
        key: str | None = None,
        wait: float = WAIT_SECONDS,
    ) -> MemoryStore:
        """The memory at `place`: a folder, made when something is first written, or `http://HOST:6333/COLLECTION` of a
        Qdrant server, whose key is `key`.

        Nothing is touched before the first call that is performed, so that replays need no store; `acquire` does it
        now. `embedder` defaults to the packaged MiniLM, `fields` (paths into values that are searched by meaning) to
        the whole value. A folder admits one process at a time: another one gets `StoreBusy` after `wait` seconds.
        """
        from clew.retrieval import SentenceEmbedder

        return cls(str(place), embedder=embedder or SentenceEmbedder(), fields=fields, key=key, wait=wait)

    def acquire(self) -> Self:
        """Opens the store now. Raises `StoreBusy` while another process has the folder, and `ConfigError` for a place
        that cannot be a memory."""
        self._shelf()
        return self

    def close(self) -> None:
        """Frees the folder for others; the next call opens it again."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # LangGraph's two methods; all others of a store are made of them ------------------------------------------

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        results = await self.carry_out([_to_json(op) for op in ops])
        return [_result(op, result) for op, result in zip(ops, results, strict=True)]

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        run, ops = current(), list(ops)
        loop = run.root.get_loop() if run.root is not None else None
        if loop is None:  # outside of a run that is recorded
            asked = recordable("memory", {"ops": [_to_json(op) for op in ops]})["ops"]
            results = self._shelf().perform(asked, origin_of(run))
            return [_result(op, result) for op, result in zip(ops, results, strict=True)]
        if _running_loop() is not None:
            raise ConfigError(
                f"the memory {self.place!r} was called without await inside a run: in an async node use aget, aput, "
                "asearch, adelete and alist_namespaces, or make the node a plain function"
            )
        # LangGraph runs plain nodes in threads; the context that names their place goes along.
        return asyncio.run_coroutine_threadsafe(self.abatch(ops), loop).result()

    # What Clew's memories are made of -------------------------------------------------------------------------

    async def carry_out(self, ops: Sequence[Operation]) -> list[Any]:
        """The results of operations as `clew.memory.shelf` describes them, as one effect."""
        run = current()
        asked = recordable("memory", {"store": self.name, "text": _in_words(ops), "ops": list(ops)})
        by = origin_of(run)

        async def perform() -> dict[str, Any]:
            inside = inside_of.get()
            effect = f"{run.id} {inside[0]}" if inside else ""
            work = partial(self._perform, asked["ops"], by, effect)
            return {"results": await asyncio.get_running_loop().run_in_executor(self._worker, work)}

        done = await run.effect("memory", asked, perform)
        results: list[Any] = done.outcome["results"]
        return results

    # What people do, outside of runs --------------------------------------------------------------------------

    def entries(self, prefix: tuple[str, ...] = ()) -> list[Entry]:
        """All entries below `prefix`, with their runs, the last changed first. Below `("",)` are the copies that
        evaluated runs made of what others wrote; they are nowhere else."""
        return self._shelf().entries(prefix)

    def digest(self, task_set: str = "") -> str:
        """A hash of all that a run which is evaluated in the task set of that name could see, or any run without one.
        What runs of that set wrote does not change it, and no run of it changes what others wrote."""
        reader = Origin(task_set=task_set)
        seen = sorted((entry.to_json() for entry in self.entries() if not entry.barred(reader)), key=_place)
        return blake2b(json.dumps(seen, sort_keys=True).encode(), digest_size=8).hexdigest()

    def write(self, entry: Entry) -> None:
        """Writes an entry as it is given, with its sources; `updated` becomes now."""
        self._shelf().write(entry)

    def forget(self, ids: Sequence[str]) -> None:
        """Removes entries for good, by id."""
        self._shelf().remove(ids)

    def _perform(self, ops: Sequence[Operation], by: Origin, effect: str) -> list[Any]:
        return self._shelf().perform(ops, by, effect)

    def _shelf(self) -> Shelf:
        with self._opening:
            if self._opened is None:
                with ExitStack() as stack:
                    points = self._points()
                    stack.callback(points.close)
                    self._opened = Shelf(self.place, points, self._embedder, self._fields)
                    stack.pop_all()
            return self._opened

    def _points(self) -> Any:
        from clew.retrieval import is_server

        if is_server(self.place):
            from clew.retrieval.address import Address
            from clew.retrieval.server import ServerStore

            from .server import ServerPoints

            return ServerPoints(ServerStore(Address.of(self.place), self._key))
        from .edge import EdgePoints

        return EdgePoints(Path(self.place).expanduser(), self._wait)


def _place(entry: dict[str, Any]) -> tuple[list[str], str]:
    return entry["namespace"], entry["key"]


def _whole(place: str) -> str:
    """Tells a memory from every other one: the absolute folder, or the address without a login."""
    return without_login(place).rstrip("/") if "://" in place else str(Path(place).expanduser().resolve())


def _in_words(ops: Sequence[Operation]) -> str:
    """What `clew show` says of operations: `search lessons/math: What is 17 + 5?`."""
    said = []
    for op in ops:
        place = [*(op.get("namespace") or op.get("prefix") or ()), op.get("key", "")]
        said.append(
            f"{op['op']} {'/'.join(filter(None, place))}".strip() + (f": {op['query'][:80]}" if op.get("query") else "")
        )
    return ", ".join(said)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _to_json(op: Op) -> Operation:
    if isinstance(op, GetOp):
        return {"op": "get", "namespace": list(op.namespace), "key": op.key}
    if isinstance(op, PutOp):
        place = {"namespace": list(op.namespace), "key": op.key}
        if op.value is None:
            return {"op": "delete", **place}
        return {"op": "put", **place, "value": dict(op.value), "index": op.index}
    if isinstance(op, SearchOp):
        return {
            "op": "search", "prefix": list(op.namespace_prefix), "query": op.query, "filter": op.filter,
            "limit": op.limit, "offset": op.offset,
        }  # fmt: skip
    if isinstance(op, ListNamespacesOp):
        match = [[condition.match_type, list(condition.path)] for condition in op.match_conditions or ()]
        return {"op": "namespaces", "match": match, "depth": op.max_depth, "limit": op.limit, "offset": op.offset}
    raise ValueError(f"Unknown operation type: {type(op)}")


def _result(op: Op, result: Any) -> Result:
    if isinstance(op, GetOp):
        return None if result is None else Item(**_parts(result))
    if isinstance(op, SearchOp):
        return [SearchItem(**_parts(row["entry"]), score=row["score"]) for row in result]
    if isinstance(op, ListNamespacesOp):
        return [tuple(namespace) for namespace in result]
    return None


def _parts(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "namespace": tuple(entry["namespace"]), "key": entry["key"], "value": entry["value"],
        "created_at": entry["created"], "updated_at": entry["updated"],
    }  # fmt: skip
