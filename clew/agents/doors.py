"""Settings become the doors that graphs take: models and a searcher."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.config import Settings
from clew.errors import ConfigError

if TYPE_CHECKING:
    from clew.models import Model
    from clew.retrieval import Corpus, Embedder, Hit, Page

NO_MODEL = (
    "no model is configured: give --model openai/gpt-5-mini, or --model openai/NAME --api-base http://HOST/v1 for a "
    "server of your own, or set CLEW_MODEL, or write model = ... into clew.toml"
)


def model(settings: Settings, name: str | None = None) -> Model:
    """The configured model, or another one (`name`) at the same server. Raises `ConfigError` without a model."""
    from clew.models import Model, Timeouts

    chosen = name or settings.model
    if chosen is None:
        raise ConfigError(NO_MODEL)
    if (settings.price_in is None) != (settings.price_out is None):
        raise ConfigError(
            "a price needs price_in and price_out (US dollars per million tokens): give the other one too"
        )
    price = None
    if chosen == settings.model and settings.price_in is not None and settings.price_out is not None:
        price = (settings.price_in / 1e6, settings.price_out / 1e6)
    silent = settings.timeout
    timeout = Timeouts() if silent is None else Timeouts(first_token=silent, idle=silent)
    options: dict[str, Any] = {} if settings.max_tokens is None else {"max_tokens": settings.max_tokens}
    return Model(
        chosen,
        api_base=settings.api_base,
        api_key=settings.api_key,
        temperature=settings.temperature,
        price=price,
        timeout=timeout,
        **options,
    )


def store_folder(settings: Settings) -> Path:
    """The folder of the index, absolute. Raises `ConfigError` for a URL."""
    if "://" in settings.store:
        raise ConfigError(
            f"the store {settings.store!r} is an address, and the embedded store takes a folder: give --store DIR"
        )
    return Path(settings.store).expanduser().resolve()


def embedder(settings: Settings) -> Embedder:
    """The configured embedding model."""
    from clew.retrieval import SentenceEmbedder

    return SentenceEmbedder(settings.embedder)


class Library:
    """The corpus in a store's folder as a `Searcher` that opens itself when it is first needed: a replay never does.

    While it is open the folder is locked against other processes; `close` frees it. `name` is part of every recorded
    search: a store that has moved keeps the name that it was recorded with.
    """

    def __init__(self, folder: str | Path, embedder: Embedder | None = None, name: str = "") -> None:
        self.folder = Path(folder)
        self.name = name or f"corpus:{self.folder.name}"
        self._embedder = embedder
        self._corpus: Corpus | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> Corpus:
        """Opens the store now. Raises `ConfigError` (no store), `StoreBusy`, `StoreMismatch`, `RetrievalError`."""
        from clew.retrieval import Corpus

        async with self._opening:
            if self._corpus is None:
                self._corpus = await asyncio.to_thread(Corpus.open, self.folder, embedder=self._embedder)
        return self._corpus

    async def search(self, query: str, k: int) -> list[Hit]:
        return await (await self.open()).search(query, k)

    async def read(self, hit: Hit) -> Page:
        return await (await self.open()).read(hit)

    def close(self) -> None:
        if self._corpus is not None:
            self._corpus.close()
            self._corpus = None


def library(settings: Settings, name: str = "") -> Library:
    """The corpus of the settings. An embedding model that was named is checked against the store's; the default is not,
    because a store knows which one it was built with."""
    named = settings.origin("embedder") != "default"
    return Library(store_folder(settings), embedder(settings) if named else None, name)
