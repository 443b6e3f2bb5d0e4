"""Folders of documents become a searchable store, a batch at a time, and only what changed is embedded."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from clew.errors import ConfigError, EmptyCorpus

from .catalog import clear_errors, page_point_id
from .chunking import DEFAULT, ChunkSettings, chunk, passage_id
from .documents import Document, Unreadable, read_document
from .drafts import Draft, page_vector
from .embedding import Embedder, SentenceEmbedder
from .folders import walk
from .lock import WAIT_SECONDS
from .opened import WritableStore, open_for_writing
from .store import Point

if TYPE_CHECKING:
    pass

BATCH_PASSAGES = 512
LINK_LIST = 0.8


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """Where an index stands. `eta` is in seconds, `None` until there is something to go by."""

    files: int
    files_total: int
    passages: int
    seconds: float
    eta: float | None
    source: str = ""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an index did. `pages` and `passages` are what the store now holds, `bytes` its size on disk (0 on a server).

    `skipped` maps each reason to the files left out for it, `embedded` counts passages that went through the model.
    """

    pages: int
    passages: int
    added: int
    changed: int
    unchanged: int
    removed: int
    embedded: int
    skipped: dict[str, list[str]]
    seconds: float
    bytes: int
    store: str
    embedding: str


Progress = Callable[[IndexProgress], None]


async def index_folders(
    dirs: Sequence[str | Path],
    store: str | Path,
    *,
    embedder: Embedder | None = None,
    key: str | None = None,
    chunking: ChunkSettings = DEFAULT,
    progress: Progress | None = None,
    wait: float = WAIT_SECONDS,
) -> IndexReport:
    """Brings the store in the folder `store` up to date with the documents in `dirs`.

    `store` may be the address of a collection on a Qdrant server, `http(s)://HOST[:PORT]/COLLECTION`; `key` is the
    server's.

    Files whose content did not change are not embedded again, files that are gone disappear from the store, and an
    index that was interrupted is finished by running it again. A folder that was indexed before and is not named now
    stays. The work is done in a thread; `progress` is called from it. Cancelling waits for the batch in hand.

    Sources are paths inside the folder; they start with the folder's name when several folders are given or when one
    is added to a store later.

    Raises `ConfigError` (no such folder), `EmptyCorpus`, `StoreBusy` after `wait` seconds, `StoreMismatch` (the store
    was built with another embedding model or chunking), `RetrievalError` (disk full, broken store).
    """
    folders = _folders(dirs)
    stop = threading.Event()

    def work() -> IndexReport:
        with clear_errors(store):
            opened = open_for_writing(store, embedder or SentenceEmbedder(), chunking, key, wait)
            try:
                return _Indexing(opened, chunking, progress, stop).run(folders)
            finally:
                opened.close()

    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([task])
        raise


async def forget_folder(
    folder: str | Path, store: str | Path, *, key: str | None = None, wait: float = WAIT_SECONDS
) -> int:
    """Removes every page of `folder` from the store; returns their number. Raises `ConfigError` for an unknown one."""

    def work() -> int:
        opened = open_for_writing(store, None, None, key, wait)
        try:
            path = str(Path(folder).resolve())
            known = {path: id for id, path, _ in opened.catalog.folders()}
            if path not in known:
                raise ConfigError(f"{path!r} is not in the store {str(store)!r}; it holds {sorted(known)}")
            pages = opened.catalog.digests(known[path])
            with opened.catalog.transaction():
                for page, _ in pages.values():
                    opened.catalog.remove_page(page)
                opened.catalog.drop_folder(known[path])
            opened.sweep()
            return len(pages)
        finally:
            opened.close()

    return await asyncio.to_thread(work)


def _folders(dirs: Sequence[str | Path]) -> list[Path]:
    if not dirs:
        raise ConfigError("no folder was given; name at least one folder of documents")
    found = []
    for given in dirs:
        path = Path(given).expanduser()
        if not path.exists():
            raise ConfigError(f"the folder {str(given)!r} does not exist; check the path")
        if not path.is_dir():
            raise ConfigError(f"{str(given)!r} is not a folder; name the folder that it lies in")
        if path.resolve() not in found:
            found.append(path.resolve())
    return found


@dataclass
class _Indexing:
    """One run of the indexer over an open store."""

    opened: WritableStore
    chunking: ChunkSettings
    progress: Progress | None
    stop: threading.Event
    counts: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    embedded: int = 0
    files: int = 0
    files_total: int = 0
    weight: int = 0
    weight_done: int = 0
    source: str = ""

    def run(self, folders: Sequence[Path]) -> IndexReport:
        catalog = self.opened.catalog
        labels = [(folder, *self._label(folder, len(folders))) for folder in folders]
        own = self.opened.folder.resolve() if self.opened.folder else None
        listed = [list(walk(folder, own)) for folder in folders]
        self.files_total = sum(len(files) for files in listed)
        self.weight = sum(_size(file) for files in listed for _, file in files)
        if not any(isinstance(file, Path) for files in listed for _, file in files):
            raise EmptyCorpus(f"no file was found in {_named(folders)}; name a folder that holds documents")
        self.opened.sweep()
        seen: list[tuple[int, set[str]]] = []
        for (_, folder, label), files in zip(labels, listed, strict=True):
            paths: set[str] = set()
            for batch in self._batches(self._drafts(folder, label, files, paths)):
                self._write(batch)
                if self.stop.is_set():
                    raise asyncio.CancelledError
            seen.append((folder, paths))
        if not any(paths for _, paths in seen):
            raise EmptyCorpus(f"nothing that can be indexed is in {_named(folders)}: {_reasons(self.skipped)}")
        for folder, paths in seen:
            self._remove_missing(folder, paths)
        self.opened.store.optimize()
        self.opened.store.flush()
        pages, passages = catalog.counts()
        return IndexReport(
            pages,
            passages,
            self.counts["added"],
            self.counts["changed"],
            self.counts["unchanged"],
            self.counts["removed"],
            self.embedded,
            self.skipped,
            time.monotonic() - self.started,
            self.opened.size_on_disk(),
            self.opened.place,
            self.opened.embedder.name,
        )

    def _label(self, folder: Path, given: int) -> tuple[int, str]:
        """The id and label of `folder`; a folder that has moved is known by its name if the old place is empty."""
        catalog, path = self.opened.catalog, str(folder)
        known = catalog.folders()
        for id, old, label in known:
            if old == path:
                return id, label
        for id, old, label in known:
            if Path(old).name == folder.name and not Path(old).exists():
                catalog.move_folder(id, path)
                return id, label
        taken = {label for _, _, label in known}
        label, number = ("" if given == 1 and not known else folder.name), 2
        while label in taken or (label and catalog.has_sources_in(label)):
            label, number = f"{folder.name}-{number}", number + 1
        return catalog.add_folder(path, label), label

    def _drafts(self, folder: int, label: str, files: list[tuple[str, Path | str]], paths: set[str]) -> Iterator[Draft]:
        """What is new or changed among `files`. Fills `paths` with those that can be read."""
        known = self.opened.catalog.digests(folder)
        for path, file in files:
            self.files += 1
            self.source = f"{label}/{path}" if label else path
            if isinstance(file, str):
                self._skip(file, self.source)
                continue
            try:
                data = file.read_bytes()
                digest = blake2b(data, digest_size=16).hexdigest()
                if known.get(path, (0, ""))[1] == digest:
                    paths.add(path)
                    self.counts["unchanged"] += 1
                    self.weight -= len(data)
                    continue
                document = read_document(file, data)
            except Unreadable as reason:
                self.weight -= len(data)
                self._skip(str(reason), self.source)
                continue
            except OSError as error:
                self._skip(error.strerror or "cannot be read", self.source)
                continue
            paths.add(path)
            self.counts["changed" if path in known else "added"] += 1
            yield self._draft(folder, path, digest, document, len(data))

    def _draft(self, folder: int, path: str, digest: str, document: Document, size: int) -> Draft:
        catalog, embedder = self.opened.catalog, self.opened.embedder
        found = chunk(document, embedder.count, embedder.cut, self.chunking)
        if document.links > LINK_LIST:
            # A table of contents repeats the titles of the pages that it leads to; its own start says what it is.
            found = found[:1]
        seen: Counter[tuple[str, str]] = Counter()
        chunks = {}
        for each in found:
            key = (each.heading, document.text[each.start : each.end])
            chunks[passage_id(self.source, *key, seen[key])] = each
            seen[key] += 1
        with catalog.transaction():
            page = catalog.put_page(folder, path, digest, self.source, document.title, document.text)
            known = catalog.passages_of(page)
            new = [id for id in chunks if known.get(id, True)]
            catalog.put_passages(page, ((id, each, id in set(new)) for id, each in chunks.items()))
        return Draft(self.source, folder, path, digest, page, document, chunks, new, size)

    def _batches(self, drafts: Iterable[Draft]) -> Iterator[list[Draft]]:
        batch: list[Draft] = []
        for draft in drafts:
            batch.append(draft)
            if sum(len(each.new) for each in batch) >= BATCH_PASSAGES:
                yield batch
                batch = []
            self._tell()
        if batch:
            yield batch

    def _write(self, batch: list[Draft]) -> None:
        """Embeds and stores a batch of pages; they count as done only when their vectors are on disk."""
        store, catalog = self.opened.store, self.opened.catalog
        texts = [draft.embedded_text(id) for draft in batch for id in draft.new]
        texts += [draft.summary() for draft in batch]
        size = sum(draft.size for draft in batch)
        vectors = self.opened.embedder.passages(texts, lambda done: self._tell(done, size * done / len(texts)))
        at = iter(vectors)
        fresh = {id: next(at) for draft in batch for id in draft.new}
        reused = store.dense([id for draft in batch for id in draft.chunks if id not in fresh])
        points = []
        for draft in batch:
            for id in draft.new:
                sparse = draft.sparse(id)
                points.append(Point(id, draft.page, fresh[id], sparse, data=draft.passage_data(id)))
            own = [fresh[id] if id in fresh else reused[id] for id in draft.chunks if id in fresh or id in reused]
            whole = page_vector(own, next(at))
            points.append(Point(page_point_id(draft.source), draft.page, whole=whole, data=draft.page_data()))
        store.upsert(points)
        self.opened.sweep()
        with catalog.transaction():
            catalog.finish_pages([draft.page for draft in batch])
        self.embedded += len(fresh)
        self.weight_done += size
        self._tell()

    def _remove_missing(self, folder: int, paths: set[str]) -> None:
        catalog = self.opened.catalog
        gone = [page for path, (page, _) in catalog.digests(folder).items() if path not in paths]
        with catalog.transaction():
            for page in gone:
                catalog.remove_page(page)
        self.counts["removed"] += len(gone)
        self.opened.sweep()

    def _skip(self, reason: str, source: str) -> None:
        self.skipped.setdefault(reason, []).append(source)

    def _tell(self, in_batch: int = 0, weight: float = 0.0) -> None:
        if self.progress is None:
            return
        seconds = time.monotonic() - self.started
        share = (self.weight_done + weight) / self.weight if self.weight > 0 else 0.0
        eta = seconds * (1 - share) / share if share > 0.01 else None
        self.progress(IndexProgress(self.files, self.files_total, self.embedded + in_batch, seconds, eta, self.source))


def _size(file: Path | str) -> int:
    try:
        return file.stat().st_size if isinstance(file, Path) else 0
    except OSError:
        return 0


def _named(folders: Iterable[Path]) -> str:
    return ", ".join(repr(str(folder)) for folder in folders)


def _reasons(skipped: dict[str, list[str]]) -> str:
    return ", ".join(f"{len(files)} × {reason}" for reason, files in skipped.items()) or "no files"
