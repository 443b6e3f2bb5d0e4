"""An open store: its vectors, its pages and the embedding model that belongs to them, in a folder or on a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clew.errors import ConfigError, RetrievalError, StoreMismatch

from .address import Address, is_server
from .catalog import SCHEMA, Catalog, Contents, clear_errors
from .chunking import ChunkSettings
from .edge import EdgeStore, has_shard, shard_folder
from .embedding import Embedder, SentenceEmbedder
from .lock import FolderLock
from .sparse import VERSION as SPARSE_VERSION
from .store import Store

if TYPE_CHECKING:
    from .server import ServerStore

CATALOG_FILE = "catalog.sqlite"


@dataclass
class OpenStore:
    """A store that is open for readers. `place` is its folder or its address, `folder` None on a server.

    `given` is the embedding model that the caller named, `recorded` the settings that the store was built with.
    """

    place: str
    folder: Path | None
    given: Embedder | None
    recorded: Mapping[str, str]
    store: Store
    contents: Contents
    closing: ExitStack

    @cached_property
    def embedder(self) -> Embedder:
        """The store's embedding model. Raises `ConfigError` if it was none that can be loaded by name."""
        return self.given or _recorded_embedder(self.recorded)

    def close(self) -> None:
        """Closes everything and frees the store for others."""
        self.closing.close()


@dataclass
class WritableStore(OpenStore):
    """A store that is open for one writer. `save` writes settings and folders where the catalogue does not."""

    catalog: Catalog
    save: Callable[[], None]

    def sweep(self) -> None:
        """Deletes the vectors of passages that are gone, and makes everything outlive the machine."""
        self.save()
        gone = self.catalog.removed()
        self.store.delete(gone)
        self.store.flush()
        if gone:
            with self.catalog.transaction():
                self.catalog.forget_removed(gone)

    def size_on_disk(self) -> int:
        """Bytes of all files of the store, as far as they are allocated; 0 for one on a server."""
        files = self.folder.rglob("*") if self.folder else ()
        return sum(file.stat().st_blocks * 512 for file in files if file.is_file())


def open_for_reading(store: str | Path, embedder: Embedder | None, key: str | None, wait: float) -> OpenStore:
    """Opens a store that exists; without `embedder` the model that it was built with is used.

    Raises `ConfigError` (no store there), `StoreBusy`, `StoreMismatch`, `RetrievalError`.
    """
    if not is_server(store):
        return _open_folder(_existing(Path(store)), embedder, None, wait)
    from .remote import ServerContents
    from .server import ServerStore

    with ExitStack() as stack:
        server = ServerStore(Address.of(str(store)), key)
        stack.callback(server.close)
        recorded = _recorded_on(server) if server.exists() else {}
        if not recorded:
            raise ConfigError(f"there is no store at '{store}'; make one with: clew index DIR --store {store}")
        _agree(str(store), recorded, _settings(embedder, None))
        return OpenStore(str(store), None, embedder, recorded, server, ServerContents(server), stack.pop_all())


def open_for_writing(
    store: str | Path, embedder: Embedder | None, chunking: ChunkSettings | None, key: str | None, wait: float
) -> WritableStore:
    """Opens a store, or creates it if `embedder` and `chunking` are given. Raises what `open_for_reading` does."""
    if not is_server(store):
        _check_place(Path(store), chunking)
    if embedder and chunking and chunking.limit > embedder.max_tokens:
        raise ConfigError(
            f"passages of {chunking.limit} tokens do not fit {embedder.name}, which sees {embedder.max_tokens};"
            f" use ChunkSettings(limit={embedder.max_tokens})"
        )
    if is_server(store):
        return _open_server(Address.of(str(store)), embedder, chunking, key, wait)
    return _open_folder(Path(store), embedder, chunking, wait)


def _check_place(folder: Path, chunking: ChunkSettings | None) -> None:
    """What can be told before an embedding model is loaded: whether a store is, or may be made, in `folder`."""
    if chunking is None:
        _existing(folder)
    elif folder.exists() and not folder.is_dir():
        raise ConfigError(f"the store {str(folder)!r} is a file; name a folder")
    elif folder.exists() and not (folder / CATALOG_FILE).exists() and _foreign_files(folder):
        raise ConfigError(f"{str(folder)!r} holds other files and is no store; name an empty or a new folder")


class StoreContents(NamedTuple):
    """What a store holds: a digest of every page's content by its source, and the settings that it was built with
    (`schema`, `embedding`, `chunking`). Two stores with equal ones answer a search alike."""

    pages: dict[str, str]
    built: dict[str, str]


def contents_of(store: str | Path, *, key: str | None = None) -> StoreContents:
    """What the store holds; empty where no store is. No lock is taken: an index at work may show. Raises
    `RetrievalError`."""
    if is_server(store):
        from .server import ServerStore

        with closing(ServerStore(Address.of(str(store)), key)) as server:
            if not server.exists():
                return StoreContents({}, {})
            pages = {page["source"]: page["digest"] for _, page in server.all_payloads("page", ["source", "digest"])}
            return StoreContents(pages, _built(server.settings()))
    import sqlite3

    file = Path(store).expanduser().resolve() / CATALOG_FILE
    if not file.is_file():
        return StoreContents({}, {})
    with clear_errors(store), closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as db:
        pages = dict(db.execute("SELECT source, digest FROM pages ORDER BY source"))
        return StoreContents(pages, _built(dict(db.execute("SELECT key, value FROM meta"))))


def _built(settings: Mapping[str, object]) -> dict[str, str]:
    return {name: str(settings[name]) for name in ("schema", "embedding", "chunking") if name in settings}


def _open_folder(folder: Path, embedder: Embedder | None, chunking: ChunkSettings | None, wait: float) -> WritableStore:
    with ExitStack() as stack:
        lock = FolderLock(folder, wait)
        stack.callback(lock.release)
        catalog = Catalog(folder / CATALOG_FILE)
        stack.callback(catalog.close)
        recorded = _claim(str(folder), catalog, embedder, chunking)
        shard = shard_folder(folder)
        store = EdgeStore(shard, 0 if has_shard(shard) else (embedder or _recorded_embedder(recorded)).size)
        stack.callback(store.close)
        if store.count() < sum(catalog.counts()):
            raise RetrievalError(
                f"the vectors in {str(folder)!r} are incomplete; delete that folder and index the documents again"
            )
        whole = stack.pop_all()
        return WritableStore(str(folder), folder, embedder, recorded, store, catalog, whole, catalog, lambda: None)


def _open_server(
    address: Address, embedder: Embedder | None, chunking: ChunkSettings | None, key: str | None, wait: float
) -> WritableStore:
    from .remote import ServerContents, WorkingCatalog, Writer
    from .server import ServerStore

    with ExitStack() as stack:
        server = ServerStore(address, key)
        stack.callback(server.close)
        new = not server.exists()
        recorded: Mapping[str, str] = {} if new else _recorded_on(server)
        if not recorded and chunking is None:
            raise ConfigError(f"there is no store at '{address}'; make one with: clew index DIR --store {address}")
        if not new and not recorded and server.count():
            raise ConfigError(f"the collection '{address}' holds other data and is no store; name another one")
        _agree(str(address), recorded, _settings(embedder, chunking))
        if new:
            server.create((embedder or _recorded_embedder(recorded)).size)
        writer = Writer(server, wait)
        writer.begin()
        stack.callback(writer.end)
        catalog = WorkingCatalog(server, server.settings())
        stack.callback(catalog.close)
        recorded = _claim(str(address), catalog, embedder, chunking)

        def save() -> None:
            writer.save({**catalog.settings(), "folders": catalog.folders()})

        contents, whole = ServerContents(server), stack.pop_all()
        return WritableStore(str(address), None, embedder, recorded, server, contents, whole, catalog, save)


def _existing(folder: Path) -> Path:
    if not (folder / CATALOG_FILE).is_file():
        raise ConfigError(f"there is no store in {str(folder)!r}; make one with: clew index DIR --store {folder}")
    return folder


def _settings(embedder: Embedder | None, chunking: ChunkSettings | None) -> dict[str, str]:
    """What a store must have been built with to be used with these."""
    settings = {"schema": str(SCHEMA)}
    if embedder:
        settings["embedding"] = embedder.name
    if chunking:
        settings["chunking"] = f"{chunking.name} sparse={SPARSE_VERSION}"
    return settings


def _claim(
    place: str, catalog: Catalog, embedder: Embedder | None, chunking: ChunkSettings | None
) -> Mapping[str, str]:
    """The store's settings, after they were recorded in a new store or compared in an old one."""
    settings = _settings(embedder, chunking)
    recorded = catalog.settings()
    _agree(place, recorded, settings)
    for key in settings.keys() - recorded.keys():
        catalog.set(key, settings[key])
    if "model" not in recorded and isinstance(embedder, SentenceEmbedder):
        catalog.set("model", json.dumps(embedder.recipe()))
    return catalog.settings()


def _agree(place: str, recorded: Mapping[str, str], settings: Mapping[str, str]) -> None:
    """Raises `StoreMismatch` if an old store was built with other settings."""
    whole = "collection" if is_server(place) else "folder"
    for key, value in settings.items():
        if recorded and recorded.get(key) != value:
            raise StoreMismatch(
                f"the store {place!r} was built with {key} {recorded.get(key)!r}, not {value!r};"
                f" use the one it was built with, name another store, or delete the {whole} and index again"
            )


def _recorded_on(server: ServerStore) -> dict[str, str]:
    """The settings of a store on a server; empty if it is none, or one that was killed before it had any."""
    return {
        key: value for key, value in server.settings().items() if key in ("schema", "embedding", "chunking", "model")
    }


def _recorded_embedder(recorded: Mapping[str, str]) -> Embedder:
    if "model" not in recorded:
        raise ConfigError("the store was built with an embedder of your own; pass the same one to open it")
    return SentenceEmbedder(**json.loads(recorded["model"]))


def _foreign_files(folder: Path) -> bool:
    own = ("lock", shard_folder(folder).name)
    return any(file.name not in own and not file.name.startswith(CATALOG_FILE) for file in folder.iterdir())
