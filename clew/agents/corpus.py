"""Indexing a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clew.agents import doors
from clew.config import Settings

if TYPE_CHECKING:
    from clew.retrieval import IndexProgress, IndexReport


async def index(
    dirs: Sequence[str | Path], settings: Settings, progress: Callable[[IndexProgress], None] | None = None
) -> IndexReport:
    """Brings the store of the settings up to date with `dirs`; see `clew.retrieval.index_folders`."""
    from clew.retrieval import index_folders

    return await index_folders(
        dirs, doors.place(settings), embedder=doors.embedder(settings), key=settings.store_key, progress=progress
    )
