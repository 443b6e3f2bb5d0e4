"""What can be wrong with a journal file: versions, foreign files, places that cannot be written, a full disk."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import ConfigError, JournalError, SchemaTooNew
from clew.journal import Journal, effect, replay, schema
from tests.journal.graphs import single

pytestmark = pytest.mark.anyio


def chain(n: int, size: int = 10, count: list[int] | None = None) -> Any:
    async def node(state: dict[str, Any]) -> dict[str, Any]:
        for i in range(n):

            async def perform() -> dict[str, Any]:
                if count is not None:
                    count.append(i)  # noqa: B023 - performed at once
                return {"text": os.urandom(size // 2).hex()}

            await effect("act", {"i": i}, perform)
        return {"text": "end"}

    return single(node)


async def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with Journal(path) as journal:
        await clew.run(chain(1), "t", journal=journal)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
        db.execute("PRAGMA journal_mode = DELETE")
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew, match=f"schema version {len(schema.MIGRATIONS) + 1}, .*upgrade Clew"):
        Journal(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["j.db"]


async def test_an_older_file_is_migrated_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "j.db"
    with Journal(path) as journal:
        await clew.run(chain(3), "t", journal=journal, run_id="r")
    step = "ALTER TABLE runs ADD COLUMN colour TEXT;\nUPDATE runs SET colour = 'red; or blue';"
    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, step])
    with Journal(path) as journal:
        assert (await replay("r", journal=journal, graph=chain(3))).same
        await clew.run(chain(1), "t", journal=journal, run_id="s")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT colour FROM runs ORDER BY id").fetchall() == [("red; or blue",), (None,)]
        assert db.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)


async def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "j.db"
    with Journal(path) as journal:
        await clew.run(chain(1), "t", journal=journal, run_id="r")
    broken = "ALTER TABLE runs ADD COLUMN colour TEXT;\nINSERT INTO nowhere VALUES (1);"
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, broken])
        with pytest.raises(JournalError, match="no such table: nowhere"):
            Journal(path)
    with Journal(path) as journal:
        assert (await replay("r", journal=journal, graph=chain(1))).same


def test_a_file_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    text, other = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("These are my notes, not a database. " * 50)
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE mine (x)")
    for path, said in ((text, "not a database"), (other, "another program")):
        before = path.read_bytes()
        with pytest.raises(JournalError, match=rf"{path.name}.*{said}.*--journal"):
            Journal(path)
        assert path.read_bytes() == before


def test_a_place_that_cannot_hold_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "j.db", Path("/proc/j.db")):
        with pytest.raises(JournalError, match=rf"cannot open journal '{path}'.*--journal"):
            Journal(path)
    with pytest.raises(ConfigError, match="durability 'max'"):
        Journal(tmp_path / "j.db", durability="max")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError, match="cannot open journal"):
        Journal(tmp_path / "j.db")


async def test_full_durability_flushes_and_reads_back(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db", durability="full") as journal:
        await clew.run(chain(2), "t", journal=journal, run_id="r")
        assert (await replay("r", journal=journal, graph=chain(2))).same


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small file system")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


async def test_a_full_disk_loses_nothing_and_frees_the_run(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 11_500_000)
    first: list[int] = []
    with Journal(small_disk / "j.db") as journal:
        with pytest.raises(JournalError, match=r"cannot write journal.*full.*resume the run"):
            await clew.run(chain(60, 10_000, first), "t", journal=journal, run_id="r")
        recorded = sum(event.state == "finished" for event in journal.events("r"))
        assert 0 < recorded < 60 and len(first) - recorded in (0, 1)
        ballast.unlink()
        second: list[int] = []
        assert (await clew.run(chain(60, 1_000, second), "t", journal=journal, run_id="r")).text == "end"
        assert second == list(range(recorded, 60))
        assert (await replay("r", journal=journal, graph=chain(60))).same


def _limited(path: Path) -> None:
    """In a child: no file may grow beyond 300 kB."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    with Journal(path) as journal:
        try:
            asyncio.run(clew.run(chain(100, 10_000), "t", journal=journal, run_id="r"))
        except JournalError as error:
            assert "cannot write journal" in str(error)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            asyncio.run(clew.run(chain(100, 10), "t", journal=journal, run_id="r"))
            os._exit(0)
    os._exit(1)


def test_a_file_that_cannot_grow_loses_nothing(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            _limited(tmp_path / "j.db")
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with Journal(tmp_path / "j.db") as journal:
        assert asyncio.run(replay("r", journal=journal, graph=chain(100))).same
