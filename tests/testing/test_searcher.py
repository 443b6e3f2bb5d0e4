"""The scripted searcher."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clew.errors import PageFailed, SearchFailed
from clew.retrieval import Searcher
from clew.testing import ScriptedSearcher

pytestmark = pytest.mark.anyio

PAGES = {
    "moon.txt": "# The Moon\nThe Moon orbits the Earth every 27.3 days.",
    "earth.txt": "Earth\nThe Earth orbits the Sun.",
    "gone.txt": PageFailed("404 for gone.txt"),
}


def test_it_is_a_searcher():
    assert isinstance(ScriptedSearcher({}), Searcher)


async def test_pages_are_ranked_by_words_of_the_query():
    searcher = ScriptedSearcher(PAGES)
    hits = await searcher.search("which moon orbits the earth?", 5)
    assert [hit.source for hit in hits] == ["moon.txt", "earth.txt"]
    assert hits[0].title == "The Moon" and "27.3" in hits[0].text
    assert hits[0].score > hits[1].score
    assert [h.source for h in await searcher.search("moon orbits", 1)] == ["moon.txt"]
    assert await searcher.search("volcano", 5) == []
    assert searcher.searches == ["which moon orbits the earth?", "moon orbits", "volcano"]


async def test_given_results_pages_and_their_failures():
    searcher = ScriptedSearcher(PAGES, results={"q": ["gone.txt", "earth.txt", "missing.txt"]})
    gone, earth, missing = await searcher.search(" q ", 10)
    page = await searcher.read(earth)
    assert (page.source, page.title, page.text) == ("earth.txt", "Earth", PAGES["earth.txt"])
    with pytest.raises(PageFailed, match="404"):
        await searcher.read(gone)
    with pytest.raises(PageFailed, match=r"missing\.txt"):
        await searcher.read(missing)
    assert searcher.reads == ["earth.txt", "gone.txt", "missing.txt"]
    assert len({gone.id, earth.id, missing.id}) == 3


async def test_ids_are_stable():
    first, second = [(await ScriptedSearcher(PAGES).search("moon", 1))[0] for _ in range(2)]
    assert first == second


async def test_faults_and_delays_of_a_query():
    searcher = ScriptedSearcher(PAGES, faults={"bad": SearchFailed("engine down"), "slow moon": 0.001})
    with pytest.raises(SearchFailed, match="engine down"):
        await searcher.search("bad", 3)
    assert len(await searcher.search("slow moon", 3)) == 1
    assert searcher.searches == ["bad", "slow moon"]


async def test_the_ledger(tmp_path: Path):
    searcher = ScriptedSearcher(PAGES, ledger=tmp_path / "ledger")
    (hit,) = await searcher.search("27.3 days", 3)
    await searcher.read(hit)
    lines = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert lines == [{"search": "27.3 days", "k": 3}, {"read": "moon.txt"}]
