"""Retrieved passages on their way into a prompt: searched for with patience, shown once, cut to size, unable to act."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from clew.errors import ClewError, RetrievalError, SearchFailed
from clew.graphs.markers import neutralise
from clew.journal import note
from clew.models.tokens import estimate
from clew.retrieval import Hit, Page, Searcher
from clew.scoring.text import contains
from clew.task import Evidence

CUT = "\n[...]\n"
_SENTENCE_END = re.compile(r"[.!?]['\")\]]*(?=\s)")


class Patient:
    """`searcher`, whose searches are tried up to `tries` times, `timeout` seconds each, with growing waits from `wait`
    seconds between. The tries are part of one search effect (its failed tries are notes `search.try`), so that a
    resume neither waits nor pays again. What no repetition cures (a wrong store, an empty corpus) fails at once."""

    def __init__(self, searcher: Searcher, *, tries: int = 3, timeout: float = 60.0, wait: float = 0.2) -> None:
        self.name = searcher.name
        self.searcher, self.tries, self.timeout, self.wait = searcher, tries, timeout, wait

    async def search(self, query: str, k: int) -> list[Hit]:
        for tried in range(1, self.tries + 1):
            try:
                async with asyncio.timeout(self.timeout):
                    return await self.searcher.search(query, k)
            except Exception as error:
                note("search.try", {"try": tried, "query": query, "error": f"{type(error).__name__}: {error}"})
                if tried == self.tries or not _passing(error):
                    raise
            await asyncio.sleep(self.wait * 2 ** (tried - 1))
        raise AssertionError("the last try returns or raises")

    async def read(self, hit: Hit) -> Page:
        return await self.searcher.read(hit)


def _passing(error: Exception) -> bool:
    return not isinstance(error, ClewError) or type(error) in (SearchFailed, RetrievalError)


def to_state(hits: Iterable[Hit]) -> list[dict[str, Any]]:
    """Hits as JSON, for a graph's state."""
    return [asdict(hit) for hit in hits]


def from_state(data: Iterable[dict[str, Any]]) -> list[Hit]:
    return [Hit(**hit) for hit in data]


def render(hit: Hit) -> str:
    """A passage as text: its title on a line of its own, then the content; a title that the content begins with is not
    repeated. Control markers in both are made harmless."""
    title = " ".join(hit.title.split())
    text = hit.text.strip()
    first, _, rest = text.partition("\n")
    if title and first.strip().lstrip("# ") == title:
        text = rest.strip()
    elif title and text.startswith(title + ". "):
        text = text[len(title) + 2 :].strip()
    return neutralise(f"{title}\n{text}".strip())


def shown(hits: Sequence[Hit], tokens: int) -> str:
    """`hits` (best first) as numbered passages within about `tokens` tokens, the best one last, next to the question
    that follows (CoRAG's released code: `backward`).

    Each is cut to 1.2 times its share (as in that code); when the room ends, the worst ones are left out.
    """
    share = int(tokens / max(len(hits), 1) * 1.2)
    kept: list[str] = []
    for hit in hits:
        text = shortened(render(hit), min(share, tokens))
        tokens -= estimate(text) + 8
        if tokens < 0 and kept:
            break
        kept.append(text)
    return "\n\n".join(f"--- Passage {number} ---\n{text}" for number, text in enumerate(reversed(kept), 1))


def shortened(text: str, tokens: int) -> str:
    """`text`, or its beginning up to the end of a sentence (of a word, where that would lose half) and `[...]`."""
    if estimate(text) <= tokens:
        return text
    text = clip(text, max(tokens - 2, 0))
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    words = text.rfind(" ")
    end = ends[-1] if ends and ends[-1] > len(text) / 2 else words if words > 0 else len(text)
    return f"{text[:end].rstrip()} [...]".lstrip()


def clip(text: str, tokens: int) -> str:
    """The beginning of `text`, about `tokens` tokens of it."""
    while (size := estimate(text)) > tokens:
        text = text[: min(len(text) - 1, int(len(text) * tokens / size))].rstrip()
    return text


def cut_middle(text: str, tokens: int) -> str:
    """`text`, or its two ends with `CUT` between them, within about `tokens` tokens."""
    if estimate(text) <= tokens:
        return text
    half = max(tokens - estimate(CUT), 0) // 2
    head = clip(text, half)
    return head + CUT + clip(text[: len(head) - 1 : -1], half)[::-1]


def fused(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    """The hits of several ranked lists as one, each passage once: by the sum of 1 / (60 + rank) (reciprocal rank
    fusion, Cormack et al., SIGIR 2009), ties in the order of appearance."""
    scores: dict[str, float] = {}
    first: dict[str, Hit] = {}
    for hits in lists:
        for rank, hit in enumerate(hits, 1):
            first.setdefault(hit.id, hit)
            scores[hit.id] = scores.get(hit.id, 0.0) + 1 / (60 + rank)
    return sorted(first.values(), key=lambda hit: -scores[hit.id])


def supporting(hits: Sequence[Hit], answer: str) -> list[Hit]:
    """The hits whose title or text holds `answer`, word for word after normalisation; all of them if none does, as
    for a yes or a no."""
    holding = [hit for hit in hits if contains(f"{hit.title}\n{hit.text}", [answer])]
    return holding or list(hits)


def as_evidence(hits: Iterable[Hit]) -> tuple[Evidence, ...]:
    """`hits`, each once, as evidence of an answer."""
    unique = {hit.id: hit for hit in hits}
    return tuple(Evidence(id=hit.id, source=hit.source, title=hit.title, text=hit.text) for hit in unique.values())
