"""A searcher over pages given as data, with faults on demand."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.retrieval import Hit, Page

_EXCERPT = 600


class ScriptedSearcher:
    """Searches and reads `pages` ({source: text}); a `clew.retrieval.Searcher`.

        searcher = ScriptedSearcher({"moon.txt": "The Moon orbits the Earth."})
        hits = await searcher.search("what orbits the Earth?", k=3)

    The first line of a page is its title. Pages are ranked by how many words of the query they hold (at least one);
    `score` is the share of the query's words. Every search and read is kept in `searches` and `reads` when it begins.

    Args:
        pages: text of each source, or the exception that reading it raises (its hits have an empty text).
        results: {query: sources} in place of ranking; a source may be missing from `pages`: reading it fails. For an
            exact query (stripped).
        faults: {query: exception} raised by the search, or {query: seconds} by which it is delayed.
        ledger: file to which each search and read is appended as one JSON line when it begins:
            `{"search": query, "k": k}` or `{"read": source}`.
    """

    def __init__(
        self,
        pages: Mapping[str, str | Exception],
        *,
        results: Mapping[str, Sequence[str]] | None = None,
        faults: Mapping[str, Exception | float] | None = None,
        ledger: str | Path | None = None,
        name: str = "scripted",
    ) -> None:
        self.name = name
        self.pages = dict(pages)
        self.results = dict(results or {})
        self.faults = dict(faults or {})
        self.searches: list[str] = []
        self.reads: list[str] = []
        self._ledger = ledger

    async def search(self, query: str, k: int) -> list[Hit]:
        """At most `k` hits, best first."""
        self.searches.append(query)
        self._write({"search": query, "k": k})
        fault = self.faults.get(query.strip())
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            await asyncio.sleep(fault)
        given = self.results.get(query.strip())
        if given is not None:
            return [self._hit(source, 1.0 / rank) for rank, source in enumerate(given[:k], 1)]
        words = _words(query)
        scored = [(len(words & _words(self._text(source))) / max(1, len(words)), source) for source in self.pages]
        best = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: -pair[0])
        return [self._hit(source, score) for score, source in best[:k]]

    async def read(self, hit: Hit) -> Page:
        """The whole page of `hit`; the page's own exception, or `PageFailed` for a source that is no page."""
        from clew.errors import PageFailed
        from clew.retrieval import Page

        self.reads.append(hit.source)
        self._write({"read": hit.source})
        page = self.pages.get(hit.source)
        if isinstance(page, Exception):
            raise page
        if page is None:
            raise PageFailed(f"no page {hit.source!r} among the {len(self.pages)} scripted ones; add it to `pages`")
        return Page(source=hit.source, title=_title(page, hit.source), text=page)

    def _text(self, source: str) -> str:
        page = self.pages.get(source, "")
        return page if isinstance(page, str) else ""

    def _hit(self, source: str, score: float) -> Hit:
        from clew.retrieval import Hit

        text = self._text(source)
        name = hashlib.sha256(f"{source}\n{text}".encode()).hexdigest()[:16]
        return Hit(id=name, source=source, title=_title(text, source), text=text[:_EXCERPT], score=score)

    def _write(self, line: dict[str, object]) -> None:
        if self._ledger is None:
            return
        file = os.open(self._ledger, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)
        try:
            os.write(file, (json.dumps(line) + "\n").encode())
        finally:
            os.close(file)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _title(text: str, source: str) -> str:
    first = text.lstrip().partition("\n")[0].strip().lstrip("# ")
    return first[:120] or source
