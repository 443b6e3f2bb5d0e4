"""What every store does alike: the embedded engine, and a collection on a server over HTTP.

`QDRANT_URL=http://HOST:6333` (and `QDRANT_KEY`) runs the second half against a real server.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from clew.errors import ConfigError, PageFailed, RetrievalError, StoreMismatch
from clew.retrieval import (
    Corpus,
    Hit,
    SentenceEmbedder,
    Store,
    contents_of,
    forget_folder,
    index_folders,
)
from clew.retrieval.address import Address
from clew.retrieval.edge import EdgeStore
from clew.retrieval.server import ServerStore
from clew.retrieval.sparse import Sparse
from clew.retrieval.store import Point
from tests.retrieval.conftest import real_documents
from tests.retrieval.qdrant_server import QdrantServer
from tests.retrieval.words_embedder import WordsEmbedder

pytestmark = pytest.mark.anyio
SIZE = 8
WORDS = WordsEmbedder()
KEY = os.environ.get("QDRANT_KEY")
EVERYWHERE = pytest.mark.parametrize("place", ["folder", "server"], indirect=True)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return real_documents(tmp_path_factory.mktemp("contract") / "documents")


@pytest.fixture(scope="module")
def corpus(documents: Path) -> Iterator[Corpus]:
    """The documents as they were indexed without an interruption, in a folder."""
    store = documents.parent / "store"
    asyncio.run(index_folders([documents], store, embedder=WORDS))
    with Corpus.open(store, embedder=WORDS) as opened:
        yield opened


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    real = os.environ.get("QDRANT_URL")
    if real:
        yield real.rstrip("/")
        return
    with QdrantServer(tmp_path_factory.mktemp("qdrant")) as server:
        yield server.url


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store can be made: a new folder, or the address of a new collection."""
    if request.param == "folder":
        yield str(tmp_path / "store")
        return
    address = f"{request.getfixturevalue('server_url')}/test-{uuid4().hex}"
    yield address
    drop(address)


def drop(address: str) -> None:
    from qdrant_client import QdrantClient

    at = Address.of(address)
    client = QdrantClient(url=at.url, api_key=KEY, check_compatibility=False)
    client.delete_collection(at.collection)
    client.close()


@pytest.fixture
def reopen(place: str) -> Iterator[Callable[[], Store]]:
    """Opens the store anew each time it is called; the one before is closed."""
    with ExitStack() as stack:

        def opened() -> Store:
            stack.close()
            if "://" not in place:
                store: Store = EdgeStore(Path(place), SIZE)
            else:
                server = store = ServerStore(Address.of(place), KEY)
                if not server.exists():
                    server.create(SIZE)
            stack.callback(store.close)
            return store

        yield opened


def unit(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(SIZE)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def passage(id: int, page: int, **weights: float) -> Point:
    """A passage whose vector is drawn from its id, with weights of the terms t1, t2, ..."""
    found = {int(term[1:]): weight for term, weight in weights.items()}
    return Point(id, page, unit(id), Sparse(tuple(found), tuple(found.values())), data={"kind": "passage"})


def ids(rows: list) -> list[int]:  # type: ignore[type-arg]
    return [row.id for row in rows]


@EVERYWHERE
def test_points_are_written_found_replaced_and_removed(reopen: Callable[[], Store]) -> None:
    store = reopen()
    assert store.count() == 0
    large = 2**63 - 1
    store.upsert([passage(1, 10, t1=1.0), passage(2, 10, t2=2.0), passage(large, 11, t1=0.5, t4294967295=1.0)])
    store.upsert([Point(77, 10, whole=unit(1)), Point(78, 11, whole=unit(large))])
    store.upsert([])
    store.flush()
    store.optimize()
    assert store.count() == 5

    found = store.search(unit(1), Sparse((1,), (1.0,)), 10)
    assert ids(found.dense)[0] == 1 and set(ids(found.dense)) == {1, 2, large}
    assert found.dense[0].page == 10 and found.dense[0].score == pytest.approx(1.0, abs=1e-4)
    assert ids(found.sparse) == [1, large] and [row.page for row in found.sparse] == [10, 11]
    assert ids(found.whole)[0] == 77 and set(ids(found.whole)) == {77, 78}

    store.upsert([passage(1, 12, t9=1.0)])
    found = store.search(unit(1), Sparse((9,), (1.0,)), 10)
    assert store.count() == 5 and ids(found.sparse) == [1] and found.sparse[0].page == 12

    store.delete([2, 12345])
    store.delete([])
    store.flush()
    assert store.count() == 4
    assert ids(store.search(None, Sparse((2,), (1.0,)), 10).sparse) == []


@EVERYWHERE
def test_each_search_alone_and_none(reopen: Callable[[], Store]) -> None:
    store = reopen()
    store.upsert([passage(id, id % 3, t1=float(id)) for id in range(1, 30)])
    dense, sparse = unit(5), Sparse((1,), (1.0,))
    assert [len(rows) for rows in vars_of(store, dense, None, 4)] == [4, 0, 0]
    assert [len(rows) for rows in vars_of(store, None, sparse, 4)] == [0, 4, 0]
    assert [len(rows) for rows in vars_of(store, dense, sparse, 100)] == [29, 29, 0]
    assert [len(rows) for rows in vars_of(store, None, None, 4)] == [0, 0, 0]
    assert [len(rows) for rows in vars_of(store, None, Sparse((), ()), 4)] == [0, 0, 0]
    assert ids(store.search(None, sparse, 3).sparse) == [29, 28, 27]


def vars_of(store: Store, dense: np.ndarray | None, sparse: Sparse | None, limit: int) -> list[list]:  # type: ignore[type-arg]
    found = store.search(dense, sparse, limit)
    return [found.dense, found.sparse, found.whole]


@EVERYWHERE
def test_a_rare_term_weighs_more_than_a_common_one(reopen: Callable[[], Store]) -> None:
    store = reopen()
    store.upsert([passage(id, id, t1=1.0) for id in range(1, 40)])
    store.upsert([passage(50, 50, t2=1.0)])
    found = store.search(None, Sparse((1, 2), (1.0, 1.0)), 3).sparse
    assert found[0].id == 50 and found[0].score > 2 * found[1].score


@EVERYWHERE
def test_a_reopened_store_holds_the_same(reopen: Callable[[], Store]) -> None:
    store = reopen()
    store.upsert([passage(id, 1, t1=1.0) for id in range(1, 701)])
    store.flush()
    before = store.search(unit(7), Sparse((1,), (1.0,)), 5)
    store = reopen()
    assert store.count() == 700
    assert store.search(unit(7), Sparse((1,), (1.0,)), 5).dense == before.dense
    vectors = store.dense([7, 9, 9999])
    assert set(vectors) == {7, 9} and np.allclose(vectors[7], unit(7), atol=1e-6) and vectors[7].dtype == np.float32
    assert store.dense([]) == {}


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


@EVERYWHERE
async def test_index_search_read_change_and_forget(place: str, tmp_path: Path) -> None:
    embedder = WORDS
    assert contents_of(place, key=KEY).pages == {}
    docs = write(tmp_path / "docs", a_md="# Vulkane\n\nIsland hat viele 火山 🌋.", b_md="# Glaciers\n\nIce moves.")
    first = await index_folders([docs], place, embedder=embedder, key=KEY)
    assert (first.pages, first.passages, first.added, first.embedded) == (2, 2, 2, 2) and first.store == place
    with Corpus.open(place, embedder=embedder, key=KEY) as corpus:
        hit = corpus.find("火山 auf Island", 1)[0]
        assert (hit.source, hit.title, hit.text) == ("a.md", "Vulkane", "Vulkane\n\nIsland hat viele 火山 🌋.")
        assert corpus.page("a.md").text == hit.text and corpus.counts() == (2, 2)
        with pytest.raises(PageFailed, match=r"gone\.md"):
            await corpus.read(Hit("0", "gone.md", "", ""))
        with pytest.raises(ConfigError, match="empty"):
            corpus.find("  ")
    again = await index_folders([docs], place, embedder=embedder, key=KEY)
    assert (again.unchanged, again.embedded, again.removed) == (2, 0, 0)

    (docs / "a.md").unlink()
    write(docs, b_md="# Glaciers\n\nIce moves slowly.", c_md="# Dunes\n\nSand moves.")
    third = await index_folders([docs], place, embedder=embedder, key=KEY)
    assert (third.pages, third.added, third.changed, third.removed, third.passages) == (2, 1, 1, 1, 2)
    more = write(tmp_path / "more", b_md="# Rivers\n\nWater moves.")
    await index_folders([more], place, embedder=embedder, key=KEY)
    with Corpus.open(place, embedder=embedder, key=KEY) as corpus:
        assert {hit.source for hit in corpus.find("what moves", 9)} == {"b.md", "c.md", "more/b.md"}
        assert corpus.page("b.md").text.endswith("slowly.")
    digests = contents_of(place, key=KEY).pages
    assert set(digests) == {"b.md", "c.md", "more/b.md"} and len(set(digests.values())) == 3
    assert await forget_folder(docs, place, key=KEY) == 2
    assert set(contents_of(place, key=KEY).pages) == {"more/b.md"}


@EVERYWHERE
async def test_a_store_of_another_model_is_refused(place: str, tmp_path: Path, embedder: SentenceEmbedder) -> None:
    with pytest.raises(ConfigError, match="there is no store"):
        Corpus.open(place, embedder=embedder, key=KEY)
    docs = write(tmp_path / "docs", a_md="# A\n\nvolcano")
    await index_folders([docs], place, embedder=embedder, key=KEY)
    other = SentenceEmbedder(query_prefix="query: ")
    with pytest.raises(StoreMismatch, match="was built with embedding 'all-MiniLM-L6-v2'"):
        Corpus.open(place, embedder=other, key=KEY)
    with pytest.raises(StoreMismatch, match="index again"):
        await index_folders([docs], place, embedder=other, key=KEY)
    with Corpus.open(place, key=KEY) as corpus:
        assert corpus.find("volcano")[0].source == "a.md"


QUERIES = ("insort_left", "wrap text to a width", "a shelf on disk", "mean pooling", "arrays with missing values")


@EVERYWHERE
async def test_both_stores_answer_alike(place: str, documents: Path, corpus: Corpus) -> None:
    report = await index_folders([documents], place, embedder=WORDS, key=KEY)
    assert (report.pages, report.passages) == corpus.counts()
    with Corpus.open(place, embedder=WORDS, key=KEY) as other:
        assert_equal(other, corpus)


def assert_equal(corpus: Corpus, expected: Corpus) -> None:
    assert corpus.counts() == expected.counts()
    for query in QUERIES:
        found, wanted = corpus.find(query, 5), expected.find(query, 5)
        assert [(hit.id, hit.source, hit.text) for hit in found] == [(hit.id, hit.source, hit.text) for hit in wanted]
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in wanted], abs=0.02)
        assert corpus.page(found[0].source) == expected.page(wanted[0].source)


# The indexer's process dies when half of the points of an upsert are written.
INDEXER = """
import asyncio, os, signal, sys
from tests.retrieval.words_embedder import WordsEmbedder
import clew.retrieval.index as index
from clew.retrieval.edge import EdgeStore
from clew.retrieval.server import ServerStore
index.BATCH_PASSAGES = 10
for cls in (EdgeStore, ServerStore):
    def upsert(self, points, real=cls.upsert, left=[int(sys.argv[3])]):
        left[0] -= 1
        if left[0]:
            return real(self, points)
        real(self, points[:len(points) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    cls.upsert = upsert
key = os.environ.get("QDRANT_KEY")
asyncio.run(index.index_folders([sys.argv[1]], sys.argv[2], embedder=WordsEmbedder(), key=key))
"""


@EVERYWHERE
@pytest.mark.parametrize("upsert", [1, 3])
async def test_an_indexer_killed_in_the_middle_of_an_upsert(
    place: str, upsert: int, documents: Path, corpus: Corpus
) -> None:
    command = [sys.executable, "-c", INDEXER, str(documents), place, str(upsert)]
    done = await asyncio.to_thread(subprocess.run, command, cwd=Path(__file__).parents[2])
    assert done.returncode == -9
    report = await index_folders([documents], place, embedder=WORDS, key=KEY)
    assert report.unchanged == 0 if upsert == 1 else report.unchanged > 0
    with Corpus.open(place, embedder=WORDS, key=KEY) as again:
        assert_equal(again, corpus)


@pytest.mark.skipif("QDRANT_URL" in os.environ, reason="a server that is not ours is not killed")
@pytest.mark.parametrize("upsert", [3, 9])
async def test_a_server_killed_in_the_middle_of_an_upsert(
    tmp_path: Path, upsert: int, documents: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.retrieval.index.BATCH_PASSAGES", 10)
    monkeypatch.setattr("clew.retrieval.server._WAIT_SECONDS", (0.1,))
    with QdrantServer(tmp_path / "qdrant", die_in_upsert=str(upsert)) as server:
        place = f"{server.url}/docs"
        with pytest.raises(RetrievalError, match=r"does not answer .*run the same command again"):
            await index_folders([documents], place, embedder=WORDS)
        assert server.process is not None and server.process.wait() == -9
    with QdrantServer(tmp_path / "qdrant", port=str(server.port)):
        report = await index_folders([documents], place, embedder=WORDS)
        assert report.pages == 5
        with Corpus.open(place, embedder=WORDS) as again:
            assert_equal(again, corpus)
