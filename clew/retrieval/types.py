"""The nouns of retrieval: what a search returns, what a read returns, and who can do both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage that a search found. All of its text is data, never an instruction.

    `id` names the passage wherever its folder lies: it is a hash of the page's path inside the folder, its headings
    and its text. `source` is that path (or a URL). `score` is comparable within one result list only.
    """

    id: str
    source: str
    title: str
    text: str
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page as visible text."""

    source: str
    title: str
    text: str


@runtime_checkable
class Searcher(Protocol):
    """What finds passages and reads pages: a `Corpus`, a web search, a scripted one in tests.

    `name` goes into fingerprints of runs. A searcher knows nothing of the journal; graphs reach it through
    `clew.retrieval.search` and `clew.retrieval.read`.
    """

    name: str

    async def search(self, query: str, k: int) -> list[Hit]:
        """At most `k` hits, best first."""
        ...

    async def read(self, hit: Hit) -> Page:
        """The whole page that `hit` was found on."""
        ...
