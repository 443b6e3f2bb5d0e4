"""Source files as chunks in a vector store: a definition is a chunk, or a window of what stands between definitions.

As in the released code (specification, stage 1c), chunks have a header with the names of classes and functions around
them, and do not overlap. Differs: a chunk follows the definitions of the outline, where the released code cuts every
512 tokens; and neither path nor file name is in a chunk. So what is stored depends on a file's bytes and suffix alone:
it is kept by git's blob id, another commit reads only blobs that are new, and a rename reads nothing. Paths are matched
with the query when a search is made (`code_search`).

Tokens are estimated from characters: to count those of 3,000 files took longer than all the rest, and the estimate errs
to the short side for code. The words of all chunks are stored at once, which needs no model; the dense vector of a
chunk is made when a search first wants it, and kept by the chunk's own text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from clew.retrieval.catalog import Passage, page_point_id
from clew.retrieval.chunking import Chunk, ChunkSettings, chunk, passage_id
from clew.retrieval.documents import MINIFIED_LINE, Document, Section
from clew.retrieval.drafts import Draft
from clew.retrieval.opened import WritableStore
from clew.retrieval.store import Point

from .languages import suffix_of
from .repository import Workspace
from .structure import MAX_SOURCE
from .types import Outline

if TYPE_CHECKING:
    from clew.retrieval.embedding import Vectors

BATCH_CHUNKS = 1000
BATCH_TEXTS = 64
# Of MiniLM in Python code it is 3.5.
_CHARACTERS_A_TOKEN = 3.2
_FOLDER = "blobs"


@dataclass(frozen=True, slots=True)
class CodeProgress:
    """Where a search is: files read of those that the store did not know, and chunks embedded of those it lacked."""

    files: int = 0
    files_total: int = 0
    chunks: int = 0
    chunks_total: int = 0


Told = Callable[[CodeProgress], None]


def sources(workspace: Workspace, paths: Iterable[str]) -> dict[str, str]:
    """What each of those `paths` that can be searched is called in a store: blob id and suffix."""
    entries = {path: workspace.entries[path] for path in paths if path in workspace.entries}
    return {
        path: f"{entry.blob}{suffix_of(path)}"
        for path, entry in entries.items()
        if entry.regular and 0 < entry.size <= MAX_SOURCE
    }


def document(data: bytes, outline: Outline | None) -> Document | None:
    """A file with a section for each class, function and method. None for a binary, minified or blank one."""
    text = data.decode("utf-8", "replace")
    longest = max(map(len, text.split("\n")))
    if "\0" in text or not text.strip() or (longest > MINIFIED_LINE and longest > len(text) / 20):
        return None
    return Document("", text, _sections(text, outline))


def chunks_of(document: Document, chunking: ChunkSettings) -> list[Chunk]:
    """The chunks of a file, in order."""
    return chunk(document, _estimates, _offsets, chunking)


def _estimates(texts: Sequence[str]) -> list[int]:
    return [math.ceil(len(text) / _CHARACTERS_A_TOKEN) for text in texts]


def _offsets(text: str) -> list[int]:
    return [int(number * _CHARACTERS_A_TOKEN) for number in range(_estimates([text])[0])]


def _sections(text: str, outline: Outline | None) -> tuple[Section, ...]:
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    by_start = {0: Section(0)}
    above: list[tuple[int, tuple[str, ...]]] = []

    def close(line: int) -> None:
        while above and above[-1][0] < line:
            end, _ = above.pop()
            at = min(starts[min(end, len(starts) - 1)], len(text))
            by_start[at] = Section(at, above[-1][1] if above else ())

    for symbol in outline.symbols if outline else ():
        if symbol.kind == "variable" or symbol.start > len(starts) - 1:
            continue
        close(symbol.start)
        path = tuple(symbol.qualname.split("."))
        names = tuple(dict.fromkeys((symbol.qualname, symbol.name)))
        by_start[starts[symbol.start - 1]] = Section(starts[symbol.start - 1], path, names)
        above.append((symbol.end, path))
    close(len(starts) + 1)
    return tuple(by_start[start] for start in sorted(by_start))


# Words -----------------------------------------------------------------------------------------------------------


def bring(
    opened: WritableStore,
    chunking: ChunkSettings,
    workspace: Workspace,
    wanted: Mapping[str, str],
    outlines: Mapping[str, Outline],
    told: Told,
) -> dict[str, int]:
    """Stores the chunks of those files that the store does not know. `wanted` are sources by path; returns the numbers
    of their pages by source.

    `told` stops the work by raising; what is stored by then stays. Some thousand chunks are held at once.
    """
    opened.sweep()
    catalog = opened.catalog
    folder = next((id for id, path, _ in catalog.folders() if path == _FOLDER), None) or catalog.add_folder(_FOLDER, "")
    known = _pages(opened, folder)
    first = {source: path for path, source in reversed(list(wanted.items()))}
    missing = {path: source for path, source in wanted.items() if first[source] == path and source not in known}
    drafts = _drafts(opened, chunking, folder, missing, workspace.contents(missing), outlines)
    done = 0
    told(CodeProgress(0, len(missing)))
    for batch in _batches(drafts, lambda files: told(CodeProgress(files, len(missing)))):
        _write(opened, batch)
        done += len(batch)
    if done:
        opened.store.optimize()
        opened.store.flush()
        known = _pages(opened, folder)
    return {source: known[source] for source in first if source in known}


def _pages(opened: WritableStore, folder: int) -> dict[str, int]:
    return {source: page for source, (page, digest) in opened.catalog.digests(folder).items() if digest}


def _drafts(
    opened: WritableStore,
    chunking: ChunkSettings,
    folder: int,
    missing: Mapping[str, str],
    contents: Iterable[tuple[str, bytes]],
    outlines: Mapping[str, Outline],
) -> Iterator[Draft | None]:
    """A file each; None for one that has no chunks."""
    catalog = opened.catalog
    for path, data in contents:
        found, source = document(data, outlines.get(path)), missing[path]
        if found is None:
            yield None
            continue
        chunks = {}
        for number, each in enumerate(chunks_of(found, chunking)):
            chunks[passage_id(source, each.heading, found.text[each.start : each.end], number)] = each
        with catalog.transaction():
            page = catalog.put_page(folder, source, source, source, "", found.text)
            catalog.put_passages(page, ((id, each, True) for id, each in chunks.items()))
        yield Draft(source, folder, source, source, page, found, chunks, list(chunks), len(data))


def _batches(drafts: Iterable[Draft | None], told: Callable[[int], None]) -> Iterator[list[Draft]]:
    batch: list[Draft] = []
    for files, draft in enumerate(drafts, 1):
        if draft is not None:
            batch.append(draft)
        if sum(len(each.new) for each in batch) >= BATCH_CHUNKS:
            yield batch
            batch = []
        told(files)
    if batch:
        yield batch


def _write(opened: WritableStore, batch: Sequence[Draft]) -> None:
    """Stores a batch of files; they count as done only when their words are on disk."""
    points = []
    for draft in batch:
        for id in draft.new:
            points.append(Point(id, draft.page, sparse=draft.sparse(id), data=draft.passage_data(id)))
        points.append(Point(page_point_id(draft.source), draft.page, data=draft.page_data()))
    opened.store.upsert(points)
    opened.sweep()
    with opened.catalog.transaction():
        opened.catalog.finish_pages([draft.page for draft in batch])


# Vectors ---------------------------------------------------------------------------------------------------------


def vectors(opened: WritableStore, passages: Sequence[Passage], told: Told) -> tuple[list[Vectors], int]:
    """The dense vector of each passage, made and stored where it is missing, and how many were made."""
    texts = {_vector_id(text): text for each in passages for text in [_embedded(each)]}
    stored = opened.store.dense(list(texts))
    missing = [id for id in texts if id not in stored]
    for start in range(0, len(missing), BATCH_TEXTS):
        some = missing[start : start + BATCH_TEXTS]
        made = opened.embedder.passages(
            [texts[id] for id in some],
            lambda done, start=start: told(CodeProgress(chunks=start + done, chunks_total=len(missing))),  # type: ignore[misc]
        )
        fresh = dict(zip(some, made, strict=True))
        opened.store.upsert([Point(id, 0, dense=vector, data={"kind": "vector"}) for id, vector in fresh.items()])
        opened.store.flush()
        stored.update(fresh)
    return [stored[_vector_id(_embedded(each))] for each in passages], len(missing)


def _embedded(passage: Passage) -> str:
    """What the embedding model sees of a chunk: the names around it, then its text."""
    return f"{passage.heading}\n{passage.text}"


def _vector_id(text: str) -> int:
    digest = blake2b(b"vector\0" + text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
