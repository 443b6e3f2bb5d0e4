"""Searches and page reads of graphs, recorded in the journal whatever searcher performs them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from clew.errors import ClewError, PageFailed, SearchFailed
from clew.journal import Cost, Hold, effect

from .types import Hit, Page, Searcher


async def search(searcher: Searcher, query: str, k: int = 10, *, hold: Hold | None = None) -> list[Hit]:
    """At most `k` hits for `query`, as an effect of kind `search` that costs one search of the budget.

    Raises `SearchFailed` for whatever the searcher raised (recorded, and raised again on replay), `Refused` when the
    budget has no search left. `hold` is a place in the budget that was set aside earlier.
    """

    async def perform() -> dict[str, Any]:
        try:
            hits = [asdict(hit) for hit in (await searcher.search(query, k))[:k]]
        except SearchFailed:
            raise
        except Exception as error:
            raise SearchFailed(f"the search for {query!r} in {searcher.name} failed: {_said(error)}") from error
        return {"hits": hits}

    request = {"searcher": searcher.name, "query": query, "k": k}
    done = await effect("search", request, perform, reserve=Cost(searches=1), hold=hold)
    return [Hit(**hit) for hit in done.outcome["hits"]]


async def read(searcher: Searcher, hit: Hit) -> Page:
    """The whole page that `hit` lies on, as an effect of kind `read`. Raises `PageFailed` for whatever went wrong."""

    async def perform() -> dict[str, Any]:
        try:
            page = asdict(await searcher.read(hit))
        except PageFailed:
            raise
        except Exception as error:
            raise PageFailed(f"the page {hit.source!r} could not be read: {_said(error)}") from error
        return page

    done = await effect("read", {"searcher": searcher.name, "id": hit.id, "source": hit.source}, perform)
    return Page(**done.outcome)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, ClewError) else f"{type(error).__name__}: {error}"
