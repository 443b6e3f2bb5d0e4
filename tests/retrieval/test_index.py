"""Building a store: incremental, safe to kill, plain about what is wrong."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clew.errors import ConfigError, EmptyCorpus, RetrievalError, StoreBusy, StoreMismatch
from clew.retrieval import (
    ChunkSettings,
    Corpus,
    IndexProgress,
    IndexReport,
    SentenceEmbedder,
    forget_folder,
    index_folders,
)
from tests.retrieval.conftest import real_documents

pytestmark = pytest.mark.anyio


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def sources(store: Path, embedder: SentenceEmbedder, query: str, k: int = 20) -> set[str]:
    with Corpus.open(store, embedder=embedder) as corpus:
        return {hit.source for hit in corpus.find(query, k)}


async def test_report_of_real_documents(library: tuple[Path, Path, IndexReport]) -> None:
    _, _, report = library
    assert (report.pages, report.added, report.changed, report.unchanged, report.removed) == (5, 5, 0, 0, 0)
    assert report.passages == report.embedded > 30
    assert report.skipped == {}
    assert report.bytes > 100_000 and report.seconds > 0


async def test_only_what_changed_is_embedded_again(tmp_path: Path, embedder: SentenceEmbedder) -> None:
    docs, store = real_documents(tmp_path / "docs"), tmp_path / "store"
    first = await index_folders([docs], store, embedder=embedder)
    again = await index_folders([docs], store, embedder=embedder)
    assert (again.unchanged, again.embedded, again.passages) == (5, 0, first.passages)

    readme = docs / "minilm.md"
    readme.write_text(readme.read_text() + "\n## Zeppelins\n\nA paragraph about airships over Lakehurst.\n")
    (docs / "masked.rst").unlink()
    write(docs, new_txt="Notes on volcanoes in Iceland.")
    third = await index_folders([docs], store, embedder=embedder)
    assert (third.added, third.changed, third.unchanged, third.removed) == (1, 1, 3, 1)
    assert 0 < third.embedded < 6
    assert "minilm.md" in sources(store, embedder, "airships over Lakehurst")
    assert "new.txt" in sources(store, embedder, "volcanoes")
    assert "masked.rst" not in sources(store, embedder, "masked arrays")


async def test_a_store_grown_step_by_step_equals_one_built_at_once(tmp_path: Path, embedder: SentenceEmbedder) -> None:
    docs, grown, fresh = real_documents(tmp_path / "docs"), tmp_path / "grown", tmp_path / "fresh"
    text = (docs / "minilm.md").read_text()
    (docs / "minilm.md").write_text(text[:3000])
    (docs / "old.md").write_text("# Old\n\ngone later")
    await index_folders([docs], grown, embedder=embedder)
    (docs / "minilm.md").write_text(text)
    (docs / "old.md").unlink()
    await index_folders([docs], grown, embedder=embedder)
    await index_folders([docs], fresh, embedder=embedder)
    with Corpus.open(grown, embedder=embedder) as one, Corpus.open(fresh, embedder=embedder) as other:
        for query in ("mean pooling of token embeddings", "insort_left", "wrap a paragraph", "old"):
            left, right = one.find(query, 5), other.find(query, 5)
            assert [hit.id for hit in left] == [hit.id for hit in right]
            assert [hit.score for hit in left] == pytest.approx([hit.score for hit in right], abs=0.02)


async def test_ids_and_sources_do_not_depend_on_where_the_folder_lies(
    tmp_path: Path, library: tuple[Path, Path, IndexReport], corpus: Corpus, embedder: SentenceEmbedder
) -> None:
    elsewhere = tmp_path / "else" / "where"
    shutil.copytree(library[0], elsewhere)
    await index_folders([elsewhere], tmp_path / "store", embedder=embedder)
    with Corpus.open(tmp_path / "store", embedder=embedder) as other:
        query = "keep a list sorted"
        assert [(hit.id, hit.source) for hit in other.find(query)] == [
            (hit.id, hit.source) for hit in corpus.find(query)
        ]


async def test_several_folders_and_one_that_moved(tmp_path: Path, embedder: SentenceEmbedder) -> None:
    store = tmp_path / "store"
    one = write(tmp_path / "a" / "docs", readme_md="# Volcanoes\n\nIceland has many.")
    two = write(tmp_path / "b" / "docs", readme_md="# Glaciers\n\nIceland has many.")
    await index_folders([one], store, embedder=embedder)
    await index_folders([two], store, embedder=embedder)
    assert sources(store, embedder, "Iceland") == {"readme.md", "docs/readme.md"}

    (tmp_path / "c").mkdir()
    one.rename(tmp_path / "c" / "docs")
    moved = await index_folders([tmp_path / "c" / "docs"], store, embedder=embedder)
    assert (moved.pages, moved.unchanged, moved.embedded) == (2, 1, 0)

    assert await forget_folder(two, store) == 1
    assert sources(store, embedder, "Iceland") == {"readme.md"}
    with pytest.raises(ConfigError, match="is not in the store"):
        await forget_folder(two, store)


async def test_what_is_left_out_is_counted_with_its_reason(tmp_path: Path, embedder: SentenceEmbedder) -> None:
    docs = write(tmp_path / "docs", good_md="# Good\n\ntext", empty_md="", photo_jpg="x")
    (docs / "binary.txt").write_bytes(b"\0\1\2")
    (docs / "latin.txt").write_bytes("Käse und Brötchen".encode("latin-1"))
    secret = write(tmp_path / "outside", secret_md="# Secret\n\npassword")
    (docs / "link.md").symlink_to(secret / "secret.md")
    (docs / "linked").symlink_to(secret, target_is_directory=True)
    for hidden in (".git", "node_modules", "store"):
        write(docs / hidden, x_md="# Hidden\n\ntext")
    shutil.rmtree(docs / "store")
    report = await index_folders([docs], docs / "store", embedder=embedder)
    assert report.skipped == {
        "binary data": ["binary.txt"],
        "no visible text": ["empty.md"],
        "symbolic link": ["link.md"],
        "unknown file type .jpg": ["photo.jpg"],
    }
    assert sources(docs / "store", embedder, "text") == {"good.md", "latin.txt"}


async def test_a_table_of_contents_does_not_crowd_out_its_pages(tmp_path: Path, embedder: SentenceEmbedder) -> None:
    links = "".join(f"<li><a href='{n}.html'>Chapter {n} on volcanoes and glaciers</a></li>" for n in range(400))
    docs = write(tmp_path / "docs", toc_html=f"<h1>Contents</h1><ul>{links}</ul>", a_html="<h1>Volcanoes</h1><p>Hot.")
    report = await index_folders([docs], tmp_path / "store", embedder=embedder)
    assert report.passages == 2
    with Corpus.open(tmp_path / "store", embedder=embedder) as corpus:
        assert len(corpus.page("toc.html").text) > 10_000


async def test_clear_errors(tmp_path: Path, embedder: SentenceEmbedder) -> None:
    store = tmp_path / "store"
    with pytest.raises(ConfigError, match="'/no/such' does not exist"):
        await index_folders(["/no/such"], store)
    with pytest.raises(ConfigError, match="no folder was given"):
        await index_folders([], store)
    with pytest.raises(ConfigError, match="is not a folder"):
        await index_folders([write(tmp_path / "docs", a_md="x") / "a.md"], store)
    with pytest.raises(EmptyCorpus, match="no file was found"):
        await index_folders([write(tmp_path / "empty")], store, embedder=embedder)
    (tmp_path / "empty" / "a.bin").write_bytes(b"\0")
    with pytest.raises(EmptyCorpus, match=r"1 × unknown file type \.bin"):
        await index_folders([tmp_path / "empty"], store, embedder=embedder)
    with pytest.raises(ConfigError, match="there is no store"):
        Corpus.open(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="holds other files"):
        await index_folders([tmp_path / "docs"], tmp_path / "docs", embedder=embedder)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file"):
        await index_folders([tmp_path / "docs"], tmp_path / "file", embedder=embedder)


async def test_nothing_is_lost_when_the_folder_turns_out_empty(tmp_path: Path, embedder: SentenceEmbedder) -> None:
    docs, store = write(tmp_path / "docs", a_md="# A\n\nvolcano"), tmp_path / "store"
    await index_folders([docs], store, embedder=embedder)
    (docs / "a.md").unlink()
    with pytest.raises(EmptyCorpus):
        await index_folders([docs], store, embedder=embedder)
    assert sources(store, embedder, "volcano") == {"a.md"}


async def test_another_model_or_chunking_is_refused_with_the_way_out(
    tmp_path: Path, embedder: SentenceEmbedder
) -> None:
    docs, store = write(tmp_path / "docs", a_md="# A\n\nvolcano"), tmp_path / "store"
    await index_folders([docs], store, embedder=embedder)
    prefixed = SentenceEmbedder(query_prefix="query: ")
    with pytest.raises(StoreMismatch, match="delete the folder and index again"):
        await index_folders([docs], store, embedder=prefixed)
    with pytest.raises(StoreMismatch, match="embedding"):
        Corpus.open(store, embedder=prefixed)
    with pytest.raises(StoreMismatch, match="chunking"):
        await index_folders([docs], store, embedder=embedder, chunking=ChunkSettings(limit=100))
    with pytest.raises(ConfigError, match="do not fit"):
        await index_folders([docs], store, embedder=embedder, chunking=ChunkSettings(limit=1000))
    assert sources(store, embedder, "volcano") == {"a.md"}


async def test_lost_vectors_are_noticed(tmp_path: Path, embedder: SentenceEmbedder) -> None:
    docs, store = write(tmp_path / "docs", a_md="# A\n\nvolcano"), tmp_path / "store"
    await index_folders([docs], store, embedder=embedder)
    shutil.rmtree(store / "qdrant")
    with pytest.raises(RetrievalError, match="incomplete"):
        Corpus.open(store, embedder=embedder)


async def test_progress_reaches_the_end(tmp_path: Path, embedder: SentenceEmbedder) -> None:
    docs = write(tmp_path / "docs", a_md="# A\n\nvolcano", b_md="# B\n\nglacier")
    seen: list[IndexProgress] = []
    await index_folders([docs], tmp_path / "store", embedder=embedder, progress=seen.append)
    assert seen[-1].files == seen[-1].files_total == 2
    assert seen[-1].passages == 2


async def test_a_cancelled_index_is_finished_by_running_it_again(
    tmp_path: Path, embedder: SentenceEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.retrieval.index.BATCH_PASSAGES", 10)
    docs, store = real_documents(tmp_path / "docs"), tmp_path / "store"
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    def progress(at: IndexProgress) -> None:
        if at.passages > 0:
            loop.call_soon_threadsafe(reached.set)

    task = asyncio.create_task(index_folders([docs], store, embedder=embedder, progress=progress))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    report = await index_folders([docs], store, embedder=embedder)
    assert report.pages == 5 and report.unchanged >= 1 and report.added + report.changed >= 1


INDEXER = """
import asyncio, sys
import clew.retrieval.index as index
index.BATCH_PASSAGES = 10
def progress(at):
    print(at.passages, flush=True)
asyncio.run(index.index_folders([sys.argv[1]], sys.argv[2], progress=progress))
print("done", flush=True)
"""


def kill_when(stop_at: int, docs: Path, store: Path) -> bool:
    """Indexes in another process and kills it after `stop_at` passages; whether it was still running."""
    process = subprocess.Popen([sys.executable, "-c", INDEXER, str(docs), str(store)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().isdigit() and int(line) >= stop_at:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    return process.wait() == -signal.SIGKILL


async def test_kill_9_in_the_middle_loses_nothing(
    tmp_path: Path, library: tuple[Path, Path, IndexReport], corpus: Corpus, embedder: SentenceEmbedder
) -> None:
    docs, store = library[0], tmp_path / "store"
    assert any([kill_when(stop_at, docs, store) for stop_at in (1, 30)])
    report = await index_folders([docs], store, embedder=embedder)
    assert report.pages == 5 and report.passages == library[2].passages
    with Corpus.open(store, embedder=embedder) as again:
        for query in ("insort_left", "wrap text to a width", "a shelf on disk"):
            expected, found = corpus.find(query, 5), again.find(query, 5)
            assert [hit.id for hit in found] == [hit.id for hit in expected]


HOLDER = """
import sys, time
from pathlib import Path
from clew.retrieval.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def holding(store: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(store)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    return process


async def test_a_second_process_is_told_who_holds_the_store(tmp_path: Path, embedder: SentenceEmbedder) -> None:
    docs, store = write(tmp_path / "docs", a_md="# A\n\nvolcano"), tmp_path / "store"
    await index_folders([docs], store, embedder=embedder)
    holder = holding(store)
    try:
        with pytest.raises(StoreBusy, match=f"process {holder.pid} on "):
            Corpus.open(store, embedder=embedder, wait=0.1)
        with pytest.raises(StoreBusy, match="try again later"):
            await index_folders([docs], store, embedder=embedder, wait=0.1)
    finally:
        holder.kill()
        holder.communicate()
    assert sources(store, embedder, "volcano") == {"a.md"}


CRAMPED = """
import asyncio, resource, sys
from clew.errors import RetrievalError
from clew.retrieval import index_folders
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    asyncio.run(index_folders([sys.argv[1]], sys.argv[2]))
except RetrievalError as error:
    print(error)
"""


@pytest.mark.parametrize("room", [1_000, 100_000])
async def test_a_disk_without_room_is_said_plainly_and_nothing_is_lost(
    tmp_path: Path, library: tuple[Path, Path, IndexReport], embedder: SentenceEmbedder, room: int
) -> None:
    store = tmp_path / "store"
    command = [sys.executable, "-c", CRAMPED, str(library[0]), str(store), str(room)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "free disk space" in done.stdout
    report = await index_folders([library[0]], store, embedder=embedder)
    assert report.passages == library[2].passages
