"""How long a hybrid query takes at 1,000, 20,000 and 100,000 passages, without embedding the query.

    python benchmarks/retrieval.py [--sizes 1000 20000 100000] [--queries 200]

One query is everything behind `Corpus.find` except the embedding model: dense, sparse and page search in the embedded
engine, fusion, and fetching ten passages from the catalogue. The floor, measured right after it in the same run, is
the plainest exact dense search there is: one matrix-vector product in numpy and the best hundred of it.

Passages are synthetic: 384-dimensional unit vectors around 500 centres, 60 words each from a Zipf vocabulary, ten to
a page.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from clew.retrieval import ChunkSettings, Corpus
from clew.retrieval.catalog import page_point_id
from clew.retrieval.chunking import Chunk, passage_id
from clew.retrieval.opened import open_for_writing
from clew.retrieval.sparse import passage_vector
from clew.retrieval.store import Point

SIZE = 384
PER_PAGE = 10


class Ready:
    """An embedder whose query vectors are drawn, so that only the search is measured."""

    name = "drawn"
    size = SIZE
    max_tokens = 254

    def __init__(self, centres: np.ndarray, rng: np.random.Generator) -> None:
        self.centres, self.rng = centres, rng

    def near(self, count: int) -> np.ndarray:
        picked = self.centres[self.rng.integers(len(self.centres), size=count)]
        vectors = picked + 0.08 * self.rng.standard_normal((count, SIZE))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def cut(self, text: str) -> list[int]:
        return [0]

    def passages(self, texts: Sequence[str], done: Callable[[int], None] | None = None) -> np.ndarray:
        return self.near(len(texts))

    def query(self, text: str) -> np.ndarray:
        return self.near(1)[0]


def words(rng: np.random.Generator, count: int) -> str:
    return " ".join(f"w{number}" for number in np.minimum(rng.zipf(1.2, count), 200_000))


def fill(folder: Path, passages: int, embedder: Ready, rng: np.random.Generator) -> np.ndarray:
    """Writes a store of `passages` synthetic passages; returns their dense vectors."""
    opened = open_for_writing(folder, embedder, ChunkSettings(), None, 0)
    vectors = embedder.near(passages)
    root = opened.catalog.add_folder("/synthetic", "")
    for first in range(0, passages, 1000):
        points = []
        with opened.catalog.transaction():
            for start in range(first, min(first + 1000, passages), PER_PAGE):
                source = f"{start}.txt"
                texts = [words(rng, 60) for _ in range(PER_PAGE)]
                page = opened.catalog.put_page(root, source, source, source, source, "\n".join(texts))
                rows, at = [], 0
                for place, text in enumerate(texts):
                    id = passage_id(source, source, text, 0)
                    rows.append((id, Chunk(at, at + len(text), source), False))
                    sparse = passage_vector(text, source, (), ())
                    points.append(Point(id, page, dense=vectors[start + place], sparse=sparse))
                    at += len(text) + 1
                opened.catalog.put_passages(page, rows)
                opened.catalog.finish_pages([page])
                points.append(Point(page_point_id(source), page, whole=vectors[start]))
        opened.store.upsert(points)
    opened.store.optimize()
    opened.store.flush()
    opened.close()
    return vectors


def milliseconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1e3


def measure(passages: int, queries: int) -> str:
    rng = np.random.default_rng(7)
    centres = rng.standard_normal((500, SIZE))
    embedder = Ready(centres / np.linalg.norm(centres, axis=1, keepdims=True), rng)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        vectors = fill(Path(folder), passages, embedder, rng)
        filled = time.perf_counter() - start
        with Corpus.open(folder, embedder=embedder) as corpus:
            drawn = embedder.near(queries)
            texts = [words(rng, 6) for _ in range(queries)]
            hybrid, floor = [], []
            for place in range(-20, queries):
                embedder.query = lambda text, place=place: drawn[place]  # type: ignore[method-assign]
                hybrid.append(milliseconds(lambda place=place: corpus.find(texts[place], 10)))
            # Not in turn with the search: the whole matrix would drive everything else out of the processor's caches.
            for place in range(-20, queries):
                floor.append(milliseconds(lambda place=place: np.argpartition(vectors @ drawn[place], -100)[-100:]))
    hybrid, floor = hybrid[20:], floor[20:]
    ours, exact = median(hybrid), median(floor)
    slow = sorted(hybrid)[int(len(hybrid) * 0.95)]
    return f"| {passages:,} | {ours:.2f} | {slow:.2f} | {exact:.2f} | {ours / exact:.2f} | {filled:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 20_000, 100_000])
    parser.add_argument("--queries", type=int, default=200)
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}, {given.queries} queries, milliseconds\n")
    print("| passages | hybrid p50 | hybrid p95 | numpy dot p50 | ratio | filled in s |\n|---|---|---|---|---|---|")
    for size in given.sizes:
        print(measure(size, given.queries), flush=True)


if __name__ == "__main__":
    main()
