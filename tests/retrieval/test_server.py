"""A store on a server: addresses, keys, failures, and who may read and write."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import clew.retrieval.remote as remote
from clew.errors import ConfigError, RetrievalError, StoreBusy
from clew.retrieval import Corpus, contents_of, corpus_name, index_folders, is_server
from clew.retrieval.address import Address
from clew.retrieval.server import ServerStore
from clew.retrieval.store import Point
from tests.retrieval.qdrant_server import QdrantServer
from tests.retrieval.test_store_contract import passage, unit
from tests.retrieval.words_embedder import WordsEmbedder

pytestmark = pytest.mark.anyio
WORDS = WordsEmbedder()


def test_addresses() -> None:
    assert Address.of("http://localhost:6333/docs") == Address("http://localhost:6333", "docs")
    assert Address.of("https://q.example.org/a/b/docs/") == Address("https://q.example.org/a/b", "docs")
    assert str(Address.of("http://[::1]:6333/docs")) == "http://[::1]:6333/docs"
    assert is_server("http://h/c") and not is_server("folder") and not is_server(Path("http://h/c"))
    assert corpus_name("http://h:1/docs") == corpus_name("some/docs") == "corpus:docs"


@pytest.mark.parametrize(
    "given", ["http://h", "http://h/", "ftp://h/c", "http:///c", "http://h:x/c", "http://h/c?x=1", "http://h/a b"]
)
def test_what_is_no_address(given: str) -> None:
    with pytest.raises(ConfigError, match="give http://HOST:6333/COLLECTION"):
        Address.of(given)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        Corpus.open("http://me:hunter2@h/c")
    assert "hunter2" not in str(caught.value) and "CLEW_STORE_KEY" in str(caught.value)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantServer]:
    with QdrantServer(tmp_path_factory.mktemp("qdrant")) as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.retrieval.server._WAIT_SECONDS", (0.01, 0.01))


def docs(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.md").write_text("# A\n\nvolcano")
    return folder


async def test_keys(tmp_path: Path) -> None:
    with QdrantServer(tmp_path / "qdrant", key="the-right-key") as locked:
        place = f"{locked.url}/docs"
        await index_folders([docs(tmp_path / "docs")], place, embedder=WORDS, key="the-right-key")
        with Corpus.open(place, embedder=WORDS, key="the-right-key") as corpus:
            assert corpus.find("volcano")[0].source == "a.md"
            assert "the-right-key" not in repr(vars(corpus)) + corpus.name
        with pytest.raises(RetrievalError, match=r"refused the request without a key.*set CLEW_STORE_KEY"):
            Corpus.open(place, embedder=WORDS)
        with pytest.raises(RetrievalError, match="refused the key") as caught:
            Corpus.open(place, embedder=WORDS, key="a-wrong-key")
        assert "a-wrong-key" not in str(caught.value)


async def test_nobody_answers(quick: None, tmp_path: Path) -> None:
    with QdrantServer(tmp_path / "qdrant") as gone:
        place = f"{gone.url}/docs"
    with pytest.raises(RetrievalError, match=rf"at '{gone.url}' does not answer \(ConnectError.*start it"):
        Corpus.open(place, embedder=WORDS)


async def test_a_server_that_is_too_old_or_none(tmp_path: Path, quick: None) -> None:
    with (
        QdrantServer(tmp_path / "q", version="1.7.4") as old,
        pytest.raises(RetrievalError, match=r"version 1\.7\.4; update it to 1\.10"),
    ):
        Corpus.open(f"{old.url}/docs", embedder=WORDS)
    with (
        QdrantServer(tmp_path / "q2") as other,
        pytest.raises(RetrievalError, match=r"does not speak Qdrant.s REST \(no such page\)"),
    ):
        # Some other service: it knows none of the calls below its own prefix.
        Corpus.open(f"{other.url}/elsewhere/docs", embedder=WORDS)


async def test_a_collection_of_someone_else_is_left_alone(server: QdrantServer, tmp_path: Path) -> None:
    place = f"{server.url}/foreign"
    store = ServerStore(Address.of(place))
    store.create(64)
    store.upsert([Point(1, 1, data={"theirs": True})])
    store.close()
    with pytest.raises(ConfigError, match="holds other data"):
        await index_folders([docs(tmp_path / "docs")], place, embedder=WORDS)
    with pytest.raises(ConfigError, match="there is no store"):
        Corpus.open(place, embedder=WORDS)


def fail(server: QdrantServer, status: int, times: int) -> None:
    urllib.request.urlopen(f"{server.url}/fail?status={status}&times={times}").read()


def test_what_passes_is_asked_again_and_what_does_not_is_said(server: QdrantServer, quick: None) -> None:
    store = ServerStore(Address.of(f"{server.url}/flaky"))
    store.create(8)
    for status in (429, 500, 503):
        fail(server, status, 2)
        store.upsert([passage(1, 1, t1=1.0)])
    fail(server, 503, 3)
    with pytest.raises(RetrievalError, match=r"answered 503 \(failing as told\)"):
        store.search(unit(1), None, 3)
    fail(server, 400, 1)
    with pytest.raises(RetrievalError, match="answered 400"):
        store.count()
    assert store.count() == 1
    store.close()


async def test_many_read_while_one_writes(server: QdrantServer, tmp_path: Path) -> None:
    place = f"{server.url}/shared"
    await index_folders([docs(tmp_path / "docs")], place, embedder=WORDS)
    store = ServerStore(Address.of(place))
    writer = remote.Writer(store, 0)
    writer.begin()
    with Corpus.open(place, embedder=WORDS) as one, Corpus.open(place, embedder=WORDS) as other:
        assert one.find("volcano") == other.find("volcano") != []
    with pytest.raises(StoreBusy, match=r"is being written by process \d+ on .*Many may read, one may write"):
        await index_folders([docs(tmp_path / "docs")], place, embedder=WORDS, wait=0)
    writer.end()
    assert (await index_folders([docs(tmp_path / "docs")], place, embedder=WORDS)).unchanged == 1
    store.close()


@pytest.mark.parametrize("note", [{"pid": 2**22 + 1}, {"host": "another", "at": 0}])
async def test_a_writer_that_died_is_passed_over(server: QdrantServer, tmp_path: Path, note: dict[str, object]) -> None:
    place = f"{server.url}/dead-{len(note)}"
    await index_folders([docs(tmp_path / "docs")], place, embedder=WORDS)
    store = ServerStore(Address.of(place))
    import socket

    store.save_settings({**store.settings(), "writer": {"host": socket.gethostname(), "token": "x", **note}})
    assert (await index_folders([docs(tmp_path / "docs")], place, embedder=WORDS, wait=0)).unchanged == 1
    assert "writer" not in store.settings()
    store.close()


async def test_a_long_page_is_kept_whole(server: QdrantServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_LONG_TEXT", 1000)
    text = "# Long\n\n" + "\n\n".join(f"Paragraph {n} says ä 漢 {n * n}." for n in range(200))
    folder = docs(tmp_path / "docs")
    (folder / "long.md").write_text(text)
    place = f"{server.url}/long"
    await index_folders([folder], place, embedder=WORDS)
    with Corpus.open(place, embedder=WORDS) as corpus:
        assert corpus.page("long.md").text == text.removeprefix("# ")


async def test_what_an_interrupted_index_left_is_neither_shown_nor_kept(server: QdrantServer, tmp_path: Path) -> None:
    place = f"{server.url}/orphans"
    folder = docs(tmp_path / "docs")
    await index_folders([folder], place, embedder=WORDS)
    store = ServerStore(Address.of(place))
    data = remote.passage_data("b.md", "B", "B", "volcano volcano")
    store.upsert([Point(5, remote.page_point_id("b.md"), WORDS.query("volcano"), data=data)])
    with Corpus.open(place, embedder=WORDS) as corpus:
        assert [hit.source for hit in corpus.find("volcano")] == ["a.md"]
    await index_folders([folder], place, embedder=WORDS)
    assert store.count() == 2
    assert re.fullmatch("[0-9a-f]{32}", contents_of(place).pages["a.md"])
    store.close()


async def test_cancelling_frees_the_store(server: QdrantServer, tmp_path: Path) -> None:
    place = f"{server.url}/cancelled"
    folder = docs(tmp_path / "docs")
    task = asyncio.create_task(index_folders([folder], place, embedder=WORDS))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    report = await index_folders([folder], place, embedder=WORDS, wait=0)
    assert report.pages == 1


def test_the_command_line_takes_an_address(server: QdrantServer, tmp_path: Path) -> None:
    folder = docs(tmp_path / "docs")
    place = f"{server.url}/cli"
    environment = {**os.environ, "CLEW_STORE": place, "CLEW_JOURNAL": str(tmp_path / "journal.db")}

    command = [sys.executable, "-m", "clew.cli", "index", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"1 page, 1 passage in {place} (1 new; " in done.stdout
    assert set(contents_of(place).pages) == {"a.md"}
