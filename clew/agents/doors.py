"""Settings become the doors that graphs take: models, a searcher, a sandbox and a memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from clew.config import Settings
from clew.errors import ConfigError

if TYPE_CHECKING:
    from clew.memory import Episodes
    from clew.models import Model
    from clew.retrieval import Corpus, Embedder, Hit, Page, StoreContents
    from clew.sandbox import Box

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


def place(settings: Settings) -> str | Path:
    """Where the store is: an absolute folder, or the address of a collection on a Qdrant server."""
    return settings.store if "://" in settings.store else Path(settings.store).expanduser().resolve()


def has_store(settings: Settings) -> bool:
    """Whether there is something to search; a server is taken at its word."""
    where = place(settings)
    return isinstance(where, str) or where.exists()


def memory_place(settings: Settings) -> str | Path:
    """Where the memory is: an absolute folder, or the address of a collection on a Qdrant server."""
    return settings.memory if "://" in settings.memory else Path(settings.memory).expanduser().resolve()


def sandbox(settings: Settings) -> Box:
    """Where programs of a model run; `auto` without an Engine warns that there is no boundary."""
    from clew.sandbox import DEFAULT_IMAGE
    from clew.sandbox import sandbox as choose

    kind: Any = settings.sandbox  # checked there
    return choose(kind, image=settings.image or DEFAULT_IMAGE)


def embedder(settings: Settings) -> Embedder:
    """The configured embedding model."""
    from clew.retrieval import SentenceEmbedder

    return SentenceEmbedder(settings.embedder)


class Library:
    """The corpus in a store as a `Searcher` that opens itself when it is first needed: a replay never does.

    `place` is a folder, which is locked against other processes while the library is open, or the address of a
    collection, whose server takes `key`. `rerank` is a cross-encoder. `name` is part of every recorded search: a store
    that has moved keeps the name that it was recorded with.
    """

    def __init__(
        self,
        place: str | Path,
        embedder: Embedder | None = None,
        name: str = "",
        *,
        key: str | None = None,
        rerank: str | None = None,
    ) -> None:
        from clew.retrieval import corpus_name

        self.place = place
        self.name = name or corpus_name(place, rerank)
        self._embedder, self._key, self._rerank = embedder, key, rerank
        self._corpus: Corpus | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> Corpus:
        """Opens the store now. Raises `ConfigError` (no store), `StoreBusy`, `StoreMismatch`, `RetrievalError`."""
        from clew.retrieval import Corpus

        async with self._opening:
            if self._corpus is None:
                self._corpus = await asyncio.to_thread(
                    Corpus.open, self.place, embedder=self._embedder, key=self._key, rerank=self._rerank
                )
        return self._corpus

    async def warm(self) -> None:
        """Opens the store and loads what a search needs, before the clock of a run starts."""
        await asyncio.to_thread((await self.open()).warm)

    async def search(self, query: str, k: int) -> list[Hit]:
        return await (await self.open()).search(query, k)

    async def read(self, hit: Hit) -> Page:
        return await (await self.open()).read(hit)

    def contents(self) -> StoreContents:
        """What the store holds, without opening it."""
        from clew.retrieval import contents_of

        return contents_of(self.place, key=self._key)

    def close(self) -> None:
        if self._corpus is not None:
            self._corpus.close()
            self._corpus = None


def library(settings: Settings, name: str = "") -> Library:
    """The corpus of the settings. An embedding model that was named is checked against the store's; the default is not,
    because a store knows which one it was built with."""
    own = embedder(settings) if settings.origin("embedder") != "default" else None
    return Library(place(settings), own, name, key=settings.store_key, rerank=settings.rerank)


class Doors:
    """What the graphs of one command share: each door is made when a graph first takes it, opens when it is first used,
    and closes with the others. `name` is the recorded name of a store that has moved, see `Library`."""

    def __init__(self, settings: Settings, name: str = "") -> None:
        self.settings, self._name = settings, name

    @cached_property
    def searcher(self) -> Library:
        return library(self.settings, self._name)

    @cached_property
    def sandbox(self) -> Box:
        """Made of `auto`, it is decided here which one it is, with a warning when there is no boundary."""
        return sandbox(self.settings)

    @property
    def sandbox_kind(self) -> str:
        """`docker` or `process`."""
        return "docker" if self.sandbox.boundary else "process"

    @cached_property
    def memory(self) -> Episodes:
        from clew.memory import Episodes, MemoryStore

        own = embedder(self.settings)
        return Episodes(MemoryStore.open(memory_place(self.settings), embedder=own, key=self.settings.store_key))

    def tools(self, names: Sequence[str]) -> list[Any]:
        """LangChain tools: `python` in the sandbox, `search` with a tool that reads pages."""
        from clew.tools import python_tool, read_page_tool, search_tool

        found: list[Any] = []
        if "python" in names:
            found.append(python_tool(self.sandbox))
        if "search" in names:
            found += [search_tool(self.searcher), read_page_tool(self.searcher)]
        return found

    async def ready(self) -> None:
        """Does what is slow before a run's clock starts: a limit on seconds is about the run, not about imports. A
        store or a memory that cannot be opened shows here, not as a failed effect."""
        from clew.models.engine import load as load_litellm

        if "memory" in vars(self):
            await asyncio.to_thread(self.memory.store.acquire)
        if "searcher" in vars(self):
            await self.searcher.warm()
        await load_litellm()

    async def close(self) -> None:
        """Closes what is open; nothing runs in the sandbox any more when it returns."""
        try:
            if "searcher" in vars(self):
                self.searcher.close()
            if "memory" in vars(self):
                self.memory.store.close()
        finally:
            if "sandbox" in vars(self):
                await self.sandbox.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()
