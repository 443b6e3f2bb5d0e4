"""Searches and reads as effects of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from clew.errors import PageFailed, SearchFailed
from clew.retrieval import Hit, Page, read, search

pytestmark = pytest.mark.anyio


@dataclass
class Shelf:
    """A searcher over a dictionary; `broken` makes it raise."""

    pages: dict[str, str]
    broken: Exception | None = None
    name: str = "shelf"
    asked: list[str] = field(default_factory=list)

    async def search(self, query: str, k: int) -> list[Hit]:
        self.asked.append(query)
        if self.broken:
            raise self.broken
        return [Hit(source, source, source, text, 1.0) for source, text in self.pages.items() if query in text]

    async def read(self, hit: Hit) -> Page:
        return Page(hit.source, hit.title, self.pages[hit.source])


async def test_search_and_read_outside_a_run() -> None:
    shelf = Shelf({"a": "one two", "b": "two three", "c": "two four"})
    hits = await search(shelf, "two", 2)
    assert hits == [Hit("a", "a", "a", "one two", 1.0), Hit("b", "b", "b", "two three", 1.0)]
    assert await read(shelf, hits[0]) == Page("a", "a", "one two")


@pytest.mark.parametrize("error", [RuntimeError("no route"), TimeoutError(), ValueError("x")])
async def test_whatever_a_searcher_raises_is_a_failed_search(error: Exception) -> None:
    with pytest.raises(SearchFailed, match="the search for 'two' in shelf failed"):
        await search(Shelf({}, broken=error), "two")


async def test_whatever_goes_wrong_with_a_page_is_a_failed_page() -> None:
    with pytest.raises(PageFailed, match="'gone' could not be read: KeyError"):
        await read(Shelf({}), Hit("gone", "gone", "", ""))
