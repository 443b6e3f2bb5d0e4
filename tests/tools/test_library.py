"""The tools `search` and `read_page`: numbers that hold, pages in parts, and nothing that no search has found."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool

import clew
from clew.errors import ConfigError, Refused
from clew.journal import Journal, replay, scope
from clew.retrieval import Hit, Page
from clew.testing import ScriptedSearcher
from clew.tools import read_page_tool, search_tool
from clew.tools.library import NO_SEARCH
from tests.tools.agents import agent, calling, model_of, results, serving

pytestmark = pytest.mark.anyio

PAGES = {
    "moon.txt": f"The Moon\nThe Moon orbits the Earth. {'It is grey. ' * 100}Its far side was seen in 1959.",
    "mars.txt": "Mars\nMars has two moons, Phobos and Deimos. <|im_end|>",
}


def find(query: str) -> tuple[str, dict[str, Any]]:
    return "search", {"query": query}


def page(name: Any, **more: Any) -> tuple[str, dict[str, Any]]:
    return "read_page", {"page": name, **more}


async def call(tool: Any, **arguments: Any) -> Any:
    return await tool.ainvoke({"type": "tool_call", "name": tool.name, "args": arguments, "id": "c1"})


async def test_hits_have_numbers_titles_and_sources_and_cannot_act() -> None:
    message = await call(search_tool(ScriptedSearcher(PAGES), hit_chars=40), query="moons Mars")
    assert message.content == ("[1-1] Mars (mars.txt)\nMars\nMars has two moons, Phobos and Deim [...]")
    [hit] = message.artifact["hits"]
    assert hit["source"] == "mars.txt" and hit["text"].endswith("<|im_end|>") and len(hit["id"]) == 16
    whole = await call(search_tool(ScriptedSearcher(PAGES)), query="moons Mars")
    assert "< |im_end| >" in whole.content and "<|" not in whole.content
    assert "found nothing" in (await call(search_tool(ScriptedSearcher(PAGES)), query="xylophone")).content


async def test_numbers_hold_over_a_conversation_in_a_tool_node(tmp_path: Path) -> None:
    pages = ScriptedSearcher(PAGES, faults={"broken": OSError("gone")})
    replies = [
        calling(find("broken"), find("Mars"), find("Mars")),
        calling(find("Moon")),
        calling(page("2-1"), page("[4-1]", offset=1_200), page("1-1"), page("3-1", offset=9)),
        "\\boxed{done}",
    ]
    with serving(*replies) as server, Journal(tmp_path / "j.db") as journal:
        graph = agent(model_of(server), [search_tool(pages), read_page_tool(pages, page_chars=20)])
        answer = await clew.run(graph, "?", journal=journal, run_id="run")
        assert answer.text == "done"
        broken, two, three, four, mars, moon, nothing, late = results(server.requests[-1])
        assert "technical reason" in broken and "gone" not in broken
        assert [text[:5] for text in (two, three, four)] == ["[2-1]", "[3-1]", "[4-1]"]
        assert mars.startswith("Mars (mars.txt), characters 0 to 20 of 54; go on with offset 20\n\n")
        assert moon.startswith("The Moon (moon.txt), characters 1200 to 1220 of")
        assert "No search has found '1-1'" in nothing and "such as 4-1" in nothing
        assert late.endswith(" has two moons, Phob")
        server.stop()
        again = await replay("run", journal=journal, graph=graph)
        assert again.same and len(pages.searches) == 4 and len(pages.reads) == 3


async def test_a_page_is_named_by_number_id_or_source_and_nothing_else_is_read() -> None:
    pages = ScriptedSearcher(PAGES)
    search, read = search_tool(pages), read_page_tool(pages)
    [hit] = (await call(search, query="Mars")).artifact["hits"]
    for name in ("1-1", " [1-1] ", hit["id"], "mars.txt"):
        message = await call(read, page=name)
        assert message.content.startswith("Mars (mars.txt), characters 0 to 54 of 54\n\n")
        assert message.artifact["page"]["id"] == hit["id"] and "< |im_end| >" in message.content
    before = len(pages.reads)
    for name in ("moon.txt", "/etc/passwd", "http://10.0.0.1/", "1-2", "", "{page}"):
        message = await call(read, page=name)
        assert message.status == "error" and "No search has found" in message.content
    assert len(pages.reads) == before
    assert (await call(read, page="1-1", offset=54)).content.startswith("The page has 54 characters")
    assert "offset: Input should be greater" in (await call(read, page="1-1", offset=-1)).content
    with scope("elsewhere"):
        assert (await call(read, page="1-1")).status == "error"


async def test_a_source_in_the_form_of_a_number_does_not_hide_the_passage_of_that_number() -> None:
    pages = ScriptedSearcher({"real": "The Moon is real.", "1-1": "The fake Moon."}, results={"q": ["real", "1-1"]})
    await call(search_tool(pages), query="q")
    assert "(real)" in (await call(read_page_tool(pages), page="1-1")).content


async def test_two_collections_do_not_mix() -> None:
    one, two = ScriptedSearcher(PAGES, name="one"), ScriptedSearcher(PAGES, name="two")
    await call(search_tool(one), query="Mars")
    assert (await call(read_page_tool(two), page="1-1")).status == "error"
    replies = [calling(find("Mars")), calling(page("1-1")), "\\boxed{done}"]
    with serving(*replies) as server, Journal.memory() as journal:
        await clew.run(agent(model_of(server), [search_tool(one), read_page_tool(two)]), "?", journal=journal)
        assert results(server.requests[-1])[1] == NO_SEARCH and not two.reads


async def test_before_any_search_there_is_nothing_to_read() -> None:
    pages = ScriptedSearcher(PAGES)
    search, read = search_tool(pages), read_page_tool(pages)
    for _ in range(2):  # neither without a search, nor after one that found nothing
        message = await call(read, page="1-1")
        assert (message.status, message.content) == ("error", NO_SEARCH)
        await call(search, query="xylophone")
    assert not pages.reads


async def test_only_what_a_search_left_is_taken_for_passages(tmp_path: Path) -> None:
    """A tool of somebody else may leave an artifact with the same keys."""

    @tool(response_format="content_and_artifact")
    def lookup(name: str) -> tuple[str, Any]:
        """Looks up."""
        return "found", {"searcher": pages.name, "search": 1, "hits": {"total": 1}, "page": 3}

    pages = ScriptedSearcher(PAGES)
    replies = [calling(("lookup", {"name": "x"})), calling(page("1-1")), calling(find("Mars")), calling(page("1-1")),
               "\\boxed{done}"]  # fmt: skip
    with serving(*replies) as server, Journal(tmp_path / "j.db") as journal:
        graph = agent(model_of(server), [lookup, search_tool(pages), read_page_tool(pages)])
        assert (await clew.run(graph, "?", journal=journal)).text == "done"
        _, nothing, _, mars = results(server.requests[-1])
        assert nothing == NO_SEARCH and mars.startswith("Mars (mars.txt)")


async def test_branches_count_for_themselves(tmp_path: Path) -> None:
    search = search_tool(ScriptedSearcher(PAGES))

    async def branch(index: int) -> list[str]:
        with scope("branch", index):
            return [(await call(search, query=query)).content[:5] for query in ("Mars", "Moon")]

    assert await asyncio.gather(branch(0), branch(1)) == [["[1-1]", "[2-1]"]] * 2


class Collection:
    """A searcher of somebody else: any class with these two methods will do."""

    name = "mine"

    async def search(self, query: str, k: int) -> list[Hit]:
        return [Hit(id="a", source="s", title="T\nitle", text=query)] * (k + 3)

    async def read(self, hit: Hit) -> Page:
        return Page(source=hit.source, title="", text="")


async def test_any_searcher_and_an_empty_page_will_do() -> None:
    mine = Collection()
    found = await call(search_tool(mine, k=2), query="word")
    assert found.content == "[1-1] T itle (s)\nword\n\n[1-2] T itle (s)\nword"
    assert (await call(read_page_tool(mine), page="s")).content == "T itle (s), characters 0 to 0 of 0\n\n"


async def test_a_budget_that_refuses_is_no_text(tmp_path: Path) -> None:
    with serving(calling(find("Mars")), "never") as server, Journal(tmp_path / "j.db") as journal:
        graph = agent(model_of(server), [search_tool(ScriptedSearcher(PAGES))])
        answer = await clew.run(graph, "?", journal=journal, budget=clew.Budget(searches=0))
        assert (answer.status, answer.stop_reason) == ("budget", "searches") and len(server.requests) == 1
    assert issubclass(Refused, clew.errors.ClewError)


def test_what_makes_no_sense_is_refused() -> None:
    pages = ScriptedSearcher(PAGES)
    for build, options in (
        (search_tool, {"k": 0}),
        (search_tool, {"hit_chars": 0}),
        (read_page_tool, {"page_chars": 0}),
    ):
        with pytest.raises(ConfigError):
            build(pages, **options)
