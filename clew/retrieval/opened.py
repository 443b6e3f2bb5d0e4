"""An open store folder: lock, catalogue, vectors and the embedding model that belongs to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from clew.errors import ConfigError, RetrievalError, StoreMismatch

from .catalog import SCHEMA, Catalog
from .chunking import ChunkSettings
from .edge import EdgeStore, shard_folder
from .embedding import Embedder, SentenceEmbedder
from .lock import FolderLock
from .sparse import VERSION as SPARSE_VERSION
from .store import Store

CATALOG_FILE = "catalog.sqlite"


@dataclass
class OpenStore:
    """Everything behind a store's folder; the lock is held until `close`."""

    folder: Path
    lock: FolderLock
    catalog: Catalog
    store: Store
    embedder: Embedder

    @classmethod
    def for_writing(cls, folder: Path, embedder: Embedder, chunking: ChunkSettings, wait: float) -> OpenStore:
        """Opens or creates a store. Raises `StoreBusy`, `StoreMismatch`, `RetrievalError`, `ConfigError`."""
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"the store {str(folder)!r} is a file; name a folder")
        if folder.exists() and not (folder / CATALOG_FILE).exists() and _foreign_files(folder):
            raise ConfigError(f"{str(folder)!r} holds other files and is no store; name an empty or a new folder")
        if chunking.limit > embedder.max_tokens:
            raise ConfigError(
                f"passages of {chunking.limit} tokens do not fit {embedder.name}, which sees {embedder.max_tokens};"
                f" use ChunkSettings(limit={embedder.max_tokens})"
            )
        settings = {
            "schema": str(SCHEMA),
            "embedding": embedder.name,
            "chunking": f"{chunking.name} sparse={SPARSE_VERSION}",
        }
        return cls._open(folder, embedder, settings, wait)

    @classmethod
    def for_reading(cls, folder: Path, embedder: Embedder | None, wait: float) -> OpenStore:
        """Opens a store that exists; without `embedder` the model that it was built with is used."""
        if not (folder / CATALOG_FILE).is_file():
            raise ConfigError(f"there is no store in {str(folder)!r}; make one with: clew index DIR --store {folder}")
        settings = {"schema": str(SCHEMA)} | ({"embedding": embedder.name} if embedder else {})
        return cls._open(folder, embedder, settings, wait)

    @classmethod
    def _open(cls, folder: Path, embedder: Embedder | None, settings: dict[str, str], wait: float) -> OpenStore:
        lock = FolderLock(folder, wait)
        try:
            catalog = Catalog(folder / CATALOG_FILE)
            try:
                _agree(folder, catalog, settings)
                embedder = embedder or _recorded_embedder(catalog)
                if catalog.get("model") is None and isinstance(embedder, SentenceEmbedder):
                    catalog.set("model", json.dumps(embedder.recipe()))
                store = EdgeStore(shard_folder(folder), embedder.size)
            except BaseException:
                catalog.close()
                raise
        except BaseException:
            lock.release()
            raise
        opened = cls(folder, lock, catalog, store, embedder)
        if store.count() < sum(catalog.counts()):
            opened.close()
            raise RetrievalError(
                f"the vectors in {str(folder)!r} are incomplete; delete that folder and index the documents again"
            )
        return opened

    def sweep(self) -> None:
        """Deletes the vectors of passages that are gone, and writes everything to disk."""
        gone = self.catalog.removed()
        self.store.delete(gone)
        self.store.flush()
        if gone:
            with self.catalog.transaction():
                self.catalog.forget_removed(gone)

    def size_on_disk(self) -> int:
        """Bytes of all files of the store, as far as they are allocated."""
        return sum(file.stat().st_blocks * 512 for file in self.folder.rglob("*") if file.is_file())

    def close(self) -> None:
        self.store.close()
        self.catalog.close()
        self.lock.release()


def _agree(folder: Path, catalog: Catalog, settings: dict[str, str]) -> None:
    """Records `settings` in a new store; raises `StoreMismatch` if an old one has others."""
    new = catalog.get("schema") is None
    for key, value in settings.items():
        recorded = catalog.get(key)
        if recorded is None and new:
            catalog.set(key, value)
        elif recorded != value:
            raise StoreMismatch(
                f"the store {str(folder)!r} was built with {key} {recorded!r}, not {value!r};"
                f" use the one it was built with, name another store, or delete the folder and index again"
            )


def _recorded_embedder(catalog: Catalog) -> Embedder:
    recipe = catalog.get("model")
    if recipe is None:
        raise ConfigError("the store was built with an embedder of your own; pass the same one to open it")
    return SentenceEmbedder(**json.loads(recipe))


def _foreign_files(folder: Path) -> bool:
    own = ("lock", shard_folder(folder).name)
    return any(file.name not in own and not file.name.startswith(CATALOG_FILE) for file in folder.iterdir())
