"""A page on its way into a store: what of it is embedded, indexed and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .chunking import Chunk
from .documents import Document
from .remote import page_data, passage_data
from .sparse import Sparse, passage_vector

if TYPE_CHECKING:
    from .embedding import Vectors

_TITLE_SHARE = 0.5


@dataclass(slots=True)
class Draft:
    """A page that is to be written: its text, its passages with their ids, and which of them are new."""

    source: str
    folder: int
    path: str
    digest: str
    page: int
    document: Document
    chunks: dict[int, Chunk]
    new: list[int]
    size: int

    def passage_data(self, id: int) -> dict[str, Any]:
        each, document = self.chunks[id], self.document
        return passage_data(self.source, document.title, each.heading, document.text[each.start : each.end])

    def page_data(self) -> dict[str, Any]:
        return page_data(
            self.source,
            self.document.title,
            self.document.text,
            folder=self.folder,
            path=self.path,
            digest=self.digest,
            passages=list(self.chunks),
        )

    def embedded_text(self, id: int) -> str:
        """What the embedding model sees of a passage."""
        each = self.chunks[id]
        return f"{each.heading}\n{self.document.text[each.start : each.end]}"

    def sparse(self, id: int) -> Sparse:
        """The words of a passage."""
        each = self.chunks[id]
        return passage_vector(self.document.text[each.start : each.end], self.document.title, each.path, each.names)

    def summary(self) -> str:
        """What the page is about in a few lines: its title and its main headings."""
        sections = self.document.sections
        tops = dict.fromkeys(path[min(1, len(path) - 1)] for section in sections if (path := section.path))
        return self.document.title + "\n" + "; ".join(list(tops)[:40])


def page_vector(passages: list[Vectors], summary: Vectors) -> Vectors:
    """The vector of a whole page: that of its summary, at half weight, and the mean of its passages'."""
    import numpy as np

    whole: Vectors = summary * _TITLE_SHARE
    if passages:
        mean = np.mean(passages, axis=0)
        whole = whole + mean / max(float(np.linalg.norm(mean)), 1e-9)
    unit: Vectors = (whole / max(float(np.linalg.norm(whole)), 1e-9)).astype(np.float32)
    return unit
