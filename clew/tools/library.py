"""The tools `search` and `read_page`: passages by number, and the pages that they stand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from langchain_core.tools import ToolException
from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel, ConfigDict, Field

from clew.errors import ConfigError, PageFailed, SearchFailed
from clew.journal import note
from clew.retrieval import Hit, Searcher, read, search
from clew.tools.conversation import ByHand, calling
from clew.tools.output import neutralise
from clew.tools.recording import NO_RUNTIME, RecordedTool, recorded_tool

SEARCH_DESCRIPTION = "Searches a document collection. Returns numbered passages with their titles and sources."
READ_DESCRIPTION = (
    "Reads the page that a passage of an earlier search stands on. A long page comes in parts: give the offset that "
    "the part before names."
)
NOTHING_FOUND = "The search found nothing. Try other words, or go on without it."
SEARCH_FAILED = "The search failed for a technical reason. You may try the same query again, or go on without it."
PAGE_FAILED = "The page could not be read. Read another one, or go on without it."
UNKNOWN_PAGE = "No search has found {page!r}. Give the number of a passage as search shows it, such as {example}."
NO_SEARCH = "There was no search yet that found anything. Search first, then give the number of a passage."
PAST_THE_END = "The page has {length} characters: there is nothing at offset {offset}."


class Query(BaseModel):
    query: str = Field(description="What to look for, in plain words: one fact at a time.")


class Place(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    page: str = Field(description="The number of a passage as search shows it, such as 1-2, or its source.")
    offset: int = Field(default=0, ge=0, description="Where to begin, in characters.")


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the tools over one searcher share, where a page is read by another tool than the one that found it: the
    names of those that search, and what was called by code without messages."""

    searching: set[str] = field(default_factory=set)
    by_hand: ByHand = field(default_factory=ByHand)


_shared: WeakKeyDictionary[Searcher, _Shared] = WeakKeyDictionary()


def search_tool(
    searcher: Searcher,
    *,
    k: int = 5,
    hit_chars: int = 1_000,
    name: str = "search",
    description: str = SEARCH_DESCRIPTION,
) -> RecordedTool:
    """A LangChain tool that searches; each search is an effect of kind `search` and one search of the budget.

    The model reads at most `k` passages of at most `hit_chars` characters each, headed by a number (call and rank, as
    in `[2-1]`, the same on every resume), title and source. The artifact `{"hits": [...]}` holds them whole. A failed
    search is a text that tells the model. Raises `Refused` when the budget has no search left.
    """
    if min(k, hit_chars) < 1:
        raise ConfigError(f"k={k!r}, hit_chars={hit_chars!r}: a search shows at least 1 passage of 1 character")
    shared = _shared.setdefault(searcher, _Shared())
    shared.searching.add(name)

    async def look_up(query: str, runtime: ToolRuntime = NO_RUNTIME) -> tuple[str, dict[str, Any]]:
        with calling(name, runtime, shared.by_hand) as (before, leave):
            number = before.number(name)
            try:
                hits = await search(searcher, query, k)
            except SearchFailed as error:
                note("search_failed", {"query": query, "error": str(error)})
                raise ToolException(SEARCH_FAILED) from error
            artifact = {"searcher": searcher.name, "search": number, "hits": [asdict(hit) for hit in hits]}
            leave(artifact)
        listed = [_listed(f"{number}-{rank}", hit, hit_chars) for rank, hit in enumerate(hits, 1)]
        return "\n\n".join(listed) or NOTHING_FOUND, artifact

    return recorded_tool(name, description, Query, look_up, passages=_found)


def read_page_tool(
    searcher: Searcher, *, page_chars: int = 6_000, name: str = "read_page", description: str = READ_DESCRIPTION
) -> RecordedTool:
    """A LangChain tool that reads a page which a search of the same conversation found, by the passage's number, id or
    source; each read is an effect of kind `read`. Other addresses are not read, whatever the model asks for.

    The model reads `page_chars` characters at a time; the artifact `{"page": {...}}` holds them with id, source and
    title. A page that failed is a text that tells the model.
    """
    if page_chars < 1:
        raise ConfigError(f"page_chars={page_chars!r} shows nothing: give 1 or more")
    shared = _shared.setdefault(searcher, _Shared())

    async def read_page(page: str, offset: int = 0, runtime: ToolRuntime = NO_RUNTIME) -> tuple[str, dict[str, Any]]:
        with calling(name, runtime, shared.by_hand) as (before, leave):
            searches = [artifact for tool, artifact in before.made if tool in shared.searching and artifact]
            hit = _hit([one for one in searches if one.get("searcher") == searcher.name], page)
            try:
                whole = await read(searcher, hit)
            except PageFailed as error:
                raise ToolException(PAGE_FAILED) from error
            length = len(whole.text)
            if offset >= max(length, 1):
                raise ToolException(PAST_THE_END.format(length=length, offset=offset))
            piece = whole.text[offset : offset + page_chars]
            title = whole.title or hit.title
            artifact = {"page": {"id": hit.id, "source": whole.source, "title": title, "text": piece}}
            leave(artifact)
        end = offset + len(piece)
        more = f"; go on with offset {end}" if end < length else ""
        head = f"{_line(title)} ({_line(whole.source)}), characters {offset} to {end} of {length}{more}"
        return f"{head}\n\n{neutralise(piece)}", artifact

    return recorded_tool(name, description, Place, read_page, passages=lambda artifact: [Hit(**artifact["page"])])


def _listed(number: str, hit: Hit, chars: int) -> str:
    text = hit.text.strip()
    text = text if len(text) <= chars else f"{text[:chars].rstrip()} [...]"
    return f"[{number}] {_line(hit.title)} ({_line(hit.source)})\n{neutralise(text)}"


def _line(text: str) -> str:
    return neutralise(" ".join(text.split()))


def _found(searched: dict[str, Any]) -> list[Hit]:
    return [Hit(**hit) for hit in searched["hits"]]


def _hit(searches: Sequence[dict[str, Any]], page: str) -> Hit:
    """The hit that `page` names, of the last search that showed it. A number wins over a source of the same form, which
    somebody else has chosen."""
    wanted = page.strip().strip("[]").strip()
    numbers: dict[str, Hit] = {}
    names: dict[str, Hit] = {}
    for one in searches:
        for rank, hit in enumerate(_found(one), 1):
            numbers[f"{one['search']}-{rank}"] = hit
            names |= {hit.source: hit, hit.id: hit}
    if not numbers:
        raise ToolException(NO_SEARCH)
    found = numbers.get(wanted) or names.get(wanted)
    if found is None:
        raise ToolException(UNKNOWN_PAGE.format(page=neutralise(wanted[:200]), example=next(reversed(numbers))))
    return found
