"""An open memory: what every operation means, in plain calls that block. No LangGraph, no journal.

Operations and results are JSON, since they are what the journal records of an effect:

    {"op": "get", "namespace": [..], "key": ..}                             an entry or null
    {"op": "put", "namespace", "key", "value", "index", "new", "sources"}   null; `new`: an entry that exists stays
    {"op": "delete", "namespace", "key"}                                    null
    {"op": "search", "prefix": [..], "query", "filter", "limit", "offset", "others"}  [{"entry": .., "score": number or
                                                        null}]; `others`: without what the run that asks wrote
    {"op": "namespaces", "match": [[type, [..]]], "depth", "limit", "offset"}  [[..]]
    {"op": "count", "prefix": [..], "keys": [..], "add": {field: number}}   null; adds to numbers of the values
    {"op": "trim", "namespace", "keep": n, "spare": key}                    [ids that went], the least useful ones

A run that is evaluated changes nothing that others wrote: it writes and deletes copies, which it alone sees in place of
the originals, and it neither counts nor trims what is not its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from threading import RLock
from typing import TYPE_CHECKING, Any

from clew.errors import StoreMismatch

from .entry import COPIES, Entry, Origin, entry_id, latest
from .filters import matches
from .points import Points

if TYPE_CHECKING:
    from clew.retrieval.embedding import Embedder, Vectors

SCHEMA = 1
Operation = dict[str, Any]
# Texts of one value that are embedded, and how many effects an entry knows that have changed its counters.
_MOST_TEXTS, _MOST_CREDITED = 64, 64
_FIRST_LOOK = 32


class Shelf:
    """`points` with the embedder that belongs to them. `fields` are the paths of a value that are embedded unless an
    operation names others; `$` is the whole value as JSON."""

    def __init__(self, place: str, points: Points, embedder: Embedder, fields: Sequence[str]) -> None:
        self.place, self.points, self.embedder, self.fields = place, points, embedder, fields
        self._lock = RLock()
        self._built = points.settings()

    def perform(self, ops: Sequence[Operation], by: Origin, effect: str = "") -> list[Any]:
        """The results of `ops`: reads first, all of the state before; then writes, in order, of which the last to a key
        counts. `by` is who reads and writes, `effect` names this batch, so that it counts once. Raises
        `RetrievalError`."""
        if any(op["op"] in ("put", "count") or op.get("query") for op in ops):
            self._check_embedder()
        texts = [_texts(op, self.fields) if op["op"] == "put" else [] for op in ops]
        vectors = self._embedded(texts)
        queries = {op["query"]: self.embedder.query(_clean(op["query"])) for op in ops if op.get("query")}
        with self._lock:
            results = [self._read(op, by, queries) for op in ops]
            last = {(tuple(op["namespace"]), op["key"]): i for i, op in enumerate(ops) if op["op"] in ("put", "delete")}
            rows = [(ops[i], vectors[i]) for i in sorted(last.values())]
            self._put([(op, found) for op, found in rows if op["op"] == "put"], by)
            self._delete([op for op, _ in rows if op["op"] == "delete"], by)
            for i, op in enumerate(ops):
                if op["op"] == "count":
                    self._count(op, by, f"{effect} {i}" if effect else "")
                elif op["op"] == "trim":
                    results[i] = self._trim(op, by)
        return results

    def entries(self, prefix: tuple[str, ...] = ()) -> list[Entry]:
        """All entries below `prefix`, the last changed first; copies only below `("",)`."""
        with self._lock:
            found = self.points.scan(prefix)
            return _last_changed_first(entry for entry in found if not entry.is_copy or prefix[:1] == (COPIES,))

    def write(self, entry: Entry) -> None:
        """Writes an entry as it is given, sources included; `updated` becomes now."""
        self._check_embedder()
        vectors = self._embedded([_texts({"value": entry.value, "index": entry.index}, self.fields)])[0]
        with self._lock:
            self._open_for_writing()
            now = _now()
            self.points.write([(replace(entry, created=entry.created or now, updated=now), vectors)])

    def remove(self, ids: Sequence[str]) -> None:
        with self._lock:
            self.points.remove(ids)

    def close(self) -> None:
        with self._lock:
            self.points.close()

    # Reads ---------------------------------------------------------------------------------------------------

    def _read(self, op: Operation, by: Origin, queries: Mapping[str, Vectors]) -> Any:
        if op["op"] == "get":
            copy, original = self._versions(op, by)
            if copy is not None:
                return None if copy.deleted else _shown(replace(copy, namespace=tuple(op["namespace"])))
            return None if original is None or original.barred(by) else _shown(original)
        if op["op"] == "search":
            return self._search(op, by, queries)
        if op["op"] == "namespaces":
            return self._namespaces(op, by)
        return None

    def _versions(self, op: Operation, by: Origin) -> tuple[Entry | None, Entry | None]:
        """The copy that the run of `by` has of an entry, and the entry."""
        namespace = tuple(op["namespace"])
        places = [*([(*by.copies, *namespace)] if by.copies else []), namespace]
        found = {entry.namespace: entry for entry in self.points.read([entry_id(each, op["key"]) for each in places])}
        return found.get((*by.copies, *namespace)) if by.copies else None, found.get(namespace)

    def _copies(self, prefix: tuple[str, ...], by: Origin) -> dict[str, Entry]:
        """The copies that the run of `by` has of entries below `prefix`, as these, by their ids."""
        if not by.copies:
            return {}
        copies = [_original(entry, by) for entry in self.points.scan((*by.copies, *prefix))]
        return {entry.id: entry for entry in copies}

    def _seen(self, prefix: tuple[str, ...], by: Origin, copies: Mapping[str, Entry]) -> list[Entry]:
        """What `by` sees below `prefix`, the last changed first."""
        originals = [entry for entry in self.points.scan(prefix) if entry.id not in copies and not entry.barred(by)]
        return _last_changed_first([*originals, *(copy for copy in copies.values() if not copy.deleted)])

    def _search(self, op: Operation, by: Origin, queries: Mapping[str, Vectors]) -> list[dict[str, Any]]:
        prefix, stop = tuple(op["prefix"]), op["offset"] + op["limit"]
        copies = {} if op.get("others") else self._copies(prefix, by)

        def fits(entry: Entry) -> bool:
            return matches(entry.value, op["filter"]) and not (op.get("others") and entry.written_by(by))

        found: list[tuple[float | None, Entry]] = []
        whole = True
        if op["query"]:
            query = queries[op["query"]]
            near, whole = self._nearest(
                query, prefix, stop, lambda entry: entry.id not in copies and not entry.barred(by) and fits(entry)
            )
            if copies:
                of_copies = self.points.nearest(query, (*by.copies, *prefix), len(copies))
                own = [(score, _original(entry, by)) for score, entry in of_copies if not entry.deleted and fits(entry)]
                near = sorted([*near, *own], key=_nearest_first)
            found += near
        if whole and len(found) < stop:  # entries without vectors come last
            scored = {entry.id for _, entry in found}
            rest = self._seen(prefix, by, copies)
            found += [(None, entry) for entry in rest if entry.id not in scored and fits(entry)]
        return [{"entry": _shown(entry), "score": score} for score, entry in found[op["offset"] : stop]]

    def _nearest(
        self, query: Vectors, prefix: tuple[str, ...], wanted: int, fits: Callable[[Entry], bool]
    ) -> tuple[list[tuple[float, Entry]], bool]:
        """The nearest entries that fit, `wanted` or more, and whether these are all. Equal ones go by id."""
        limit = max(2 * wanted, _FIRST_LOOK)
        while True:
            near = self.points.nearest(query, prefix, limit)
            found = [row for row in near if fits(row[1])]
            if len(near) < limit or len(found) >= wanted:
                return sorted(found, key=_nearest_first), len(near) < limit
            limit *= 4

    def _namespaces(self, op: Operation, by: Origin) -> list[list[str]]:
        found = {entry.namespace for entry in self._seen((), by, self._copies((), by))}
        kept = {ns[: op["depth"]] for ns in found if all(_below(ns, kind, path) for kind, path in op["match"])}
        return [list(ns) for ns in sorted(kept)[op["offset"] : op["offset"] + op["limit"]]]

    # Writes --------------------------------------------------------------------------------------------------

    def _put(self, rows: Sequence[tuple[Operation, Vectors]], by: Origin) -> None:
        now, written = _now(), []
        for op, vectors in rows:
            place, before = self._target(op, by)
            if before is not None and op.get("new"):
                continue
            given = tuple(Origin(**source) for source in op.get("sources", ()))
            sources = (*given, by) if by.run and by not in given else given
            fresh = Entry(place, op["key"], op["value"], now, now, sources, op["index"])
            if before is not None:
                earlier = tuple(source for source in before.sources if source not in sources)
                sources = latest((*earlier, *sources))
                fresh = replace(fresh, created=before.created, sources=sources, credited=before.credited)
            written.append((fresh, vectors))
        if written:
            self._open_for_writing()
            self.points.write(written)

    def _delete(self, ops: Sequence[Operation], by: Origin) -> None:
        now, gone, hidden = _now(), [], []
        for op in ops:
            place, _ = self._target(op, by)
            entry = Entry(place, op["key"], {}, now, now, (by,), False, deleted=True)
            if entry.is_copy:
                hidden.append((entry, self._embedded([[]])[0]))
            else:
                gone.append(entry.id)
        self.points.remove(gone)
        self.points.write(hidden)

    def _target(self, op: Operation, by: Origin) -> tuple[tuple[str, ...], Entry | None]:
        """The namespace that a write of `by` goes to, and what is there."""
        copy, original = self._versions(op, by)
        others = original is not None and original.written_by_others(by)
        if by.copies and not op.get("new") and (copy is not None or others):
            return (*by.copies, *op["namespace"]), copy
        return tuple(op["namespace"]), original

    def _count(self, op: Operation, by: Origin, effect: str) -> None:
        changed = []
        for entry in list(self.points.scan(tuple(op["prefix"]))):
            if entry.key not in op["keys"] or (effect and effect in entry.credited):
                continue
            if by.task_set and entry.written_by_others(by):
                continue
            value = {**entry.value, **{name: _number(entry.value, name) + more for name, more in op["add"].items()}}
            credited = (*entry.credited, effect)[-_MOST_CREDITED:] if effect else entry.credited
            changed.append(replace(entry, value=value, updated=_now(), credited=credited))
        self.points.change(changed)

    def _trim(self, op: Operation, by: Origin) -> list[str]:
        namespace = tuple(op["namespace"])
        entries = [e for e in self.points.scan(namespace) if e.namespace == namespace and not e.barred(by)]
        surplus = len(entries) - op["keep"]
        mine = [e for e in entries if e.key != op.get("spare") and not (by.task_set and e.written_by_others(by))]
        worst = sorted(mine, key=lambda e: (usefulness(e.value), e.created, e.id))
        gone = [entry.id for entry in worst[: max(surplus, 0)]]
        self.points.remove(gone)
        return gone

    def _open_for_writing(self) -> None:
        if not self._built:
            self._built = {"schema": SCHEMA, "embedding": self.embedder.name}
            self.points.create(self.embedder.size, self._built)

    def _check_embedder(self) -> None:
        if self._built and self._built.get("embedding") != self.embedder.name:
            raise StoreMismatch(
                f"the memory {self.place!r} was made with the embedder {self._built.get('embedding')!r}, not "
                f"{self.embedder.name!r}: use the one that it was made with, or another place"
            )

    def _embedded(self, texts: Sequence[Sequence[str]]) -> list[Vectors]:
        """The vectors of each of `texts`, embedded together."""
        import numpy as np

        flat = [_clean(text) for some in texts for text in some]
        if not flat:
            return [np.zeros((0, 1), dtype=np.float32) for _ in texts]
        vectors, found, at = self.embedder.passages(flat), [], 0
        for some in texts:
            found.append(vectors[at : at + len(some)])
            at += len(some)
        return found


def usefulness(value: Mapping[str, Any]) -> float:
    """The share of its uses in which an entry helped, begun at one of two, so that a new one stands in the middle."""
    return (_number(value, "helped") + 1) / (max(_number(value, "used"), 0) + 2)


def _number(value: Mapping[str, Any], name: str) -> float:
    """A counter of a value that people may have edited."""
    found = value.get(name)
    return found if isinstance(found, int | float) else 0


def _texts(op: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    from langgraph.store.base import get_text_at_path

    if op["index"] is False:
        return []
    paths = fields if op["index"] is None else op["index"]
    found = [text for path in paths for text in get_text_at_path(op["value"], path) if text.strip()]
    return list(dict.fromkeys(found))[:_MOST_TEXTS]


def _original(copy: Entry, by: Origin) -> Entry:
    """A copy in the place that it stands for."""
    return replace(copy, namespace=copy.namespace[len(by.copies) :])


def _last_changed_first(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (entry.updated, entry.namespace, entry.key), reverse=True)


def _nearest_first(row: tuple[float, Entry]) -> tuple[float, str]:
    return -row[0], row[1].id


def _shown(entry: Entry) -> dict[str, Any]:
    data = entry.to_json()
    del data["credited"], data["deleted"]
    return data


def _below(namespace: tuple[str, ...], kind: str, path: Sequence[str]) -> bool:
    """Whether `namespace` begins (kind `prefix`) or ends (`suffix`) with `path`, in which `*` is any one label."""
    if kind not in ("prefix", "suffix"):
        raise ValueError(f"the match type {kind!r} is unknown: give 'prefix' or 'suffix'")
    labels = namespace[: len(path)] if kind == "prefix" else namespace[max(len(namespace) - len(path), 0) :]
    return len(labels) == len(path) and all(want in ("*", label) for want, label in zip(path, labels, strict=True))


def _clean(text: str) -> str:
    """Tokenizers refuse lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def _now() -> str:
    return datetime.now(UTC).isoformat()
