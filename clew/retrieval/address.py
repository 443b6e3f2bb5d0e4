"""Where a store is: a folder of this machine, or a collection on a Qdrant server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from clew.errors import ConfigError

from .embedding import model_name

_COLLECTION = re.compile(r"[\w.-]{1,200}\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """A collection of a server: `url` without the collection's name, which is the last part of the path."""

    url: str
    collection: str

    @classmethod
    def of(cls, store: str) -> Address:
        """`http(s)://HOST[:PORT][/PREFIX]/COLLECTION`; raises `ConfigError` for any other text."""
        try:
            parts = urlsplit(store)
            port = f":{parts.port}" if parts.port else ""
        except ValueError as error:
            raise ConfigError(f"the store {store!r} is no address ({error}); {_FORM}") from None
        if "@" in parts.netloc:
            raise ConfigError(
                f"the address of the store on {parts.hostname!r} holds a password; set CLEW_STORE_KEY instead"
            )
        prefix, _, collection = parts.path.rstrip("/").rpartition("/")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ConfigError(f"the store {store!r} is no address of a collection; {_FORM}")
        if not _COLLECTION.match(collection):
            raise ConfigError(f"the address {store!r} names no collection; {_FORM}")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(f"{parts.scheme}://{host}{port}{prefix}", collection)

    def __str__(self) -> str:
        return f"{self.url}/{self.collection}"


_FORM = "give http://HOST:6333/COLLECTION, or the folder of an embedded store"


def is_server(store: str | Path) -> bool:
    """Whether `store` is an address rather than a folder."""
    return isinstance(store, str) and "://" in store


def corpus_name(store: str | Path, rerank: str | None = None) -> str:
    """The name that a corpus has in fingerprints and recorded searches: it does not say where the store is."""
    name = Address.of(store).collection if isinstance(store, str) and is_server(store) else _folder(store).name
    return f"corpus:{name}" + (f" rerank={model_name(rerank)}" if rerank else "")


def _folder(store: str | Path) -> Path:
    return Path(store).expanduser().resolve()
