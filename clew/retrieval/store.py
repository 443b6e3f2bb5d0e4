"""What a vector store must do for Clew: `clew.retrieval.edge` is one inside the process, `server` one over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .sparse import Sparse

if TYPE_CHECKING:
    from .embedding import Vectors


@dataclass(frozen=True, slots=True)
class Point:
    """One passage (`dense` and `sparse`) or one whole page (`whole`). `id` is 63 bits wide.

    `page` is the number of the page, so that its passages can be grouped. Dense vectors have unit length. `data` is
    what a server keeps beside the vectors, as JSON; a folder has a catalogue for it.
    """

    id: int
    page: int
    dense: Vectors | None = None
    sparse: Sparse | None = None
    whole: Vectors | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


class Found(NamedTuple):
    """A point that one of the searches found, with that search's own score."""

    id: int
    page: int
    score: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the three searches of one query found, each best first."""

    dense: list[Found] = field(default_factory=list)
    sparse: list[Found] = field(default_factory=list)
    whole: list[Found] = field(default_factory=list)


class Store(Protocol):
    """Points with two dense vectors (inner product) and a sparse one (inner product with IDF).

    Methods block and are called from one thread at a time. Every error is a `RetrievalError`.
    """

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points; a point of the same id is replaced."""
        ...

    def delete(self, ids: Sequence[int]) -> None:
        """Remove points; unknown ids are ignored."""
        ...

    def dense(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """The dense vectors of those passages that are stored."""
        ...

    def flush(self) -> None:
        """Return when all that was written survives the death of the machine."""
        ...

    def optimize(self) -> None:
        """Build the indexes that make searches fast; searches are right without them."""
        ...

    def search(self, dense: Vectors | None, sparse: Sparse | None, limit: int) -> Candidates:
        """At most `limit` passages by each vector, and half as many pages by `dense`; `None` finds nothing."""
        ...

    def count(self) -> int:
        """Number of points."""
        ...

    def close(self) -> None: ...
