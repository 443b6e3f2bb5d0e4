"""Bad input: one clear sentence, an exit code, nothing lost. (Bad folders and files: test_corpus.)"""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from clew.cli import main
from clew.testing import ScriptedServer

from .conftest import ROOT, Clew, at, run_id

COT = ["ask", "6 x 7?", "--method", "cot"]


def one_sentence(err: str) -> str:
    """The last line of stderr, which must be the error."""
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("clew: ")
    return last


def test_an_empty_corpus(clew: Clew, here: Path) -> None:
    (here / "empty").mkdir()
    result = clew("index", "empty")
    assert result.code == 5 and "'" in one_sentence(result.err) and "empty" in result.err


def test_a_corpus_of_binary_files(clew: Clew, here: Path) -> None:
    (here / "binary").mkdir()
    (here / "binary" / "a.bin").write_bytes(bytes(range(256)))
    (here / "binary" / "b.txt").write_bytes(b"\0" * 500)
    result = clew("index", "binary")
    assert result.code == 5 and "nothing that can be indexed" in one_sentence(result.err)


def test_a_wrong_key(clew: Clew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEW_API_KEY", "a-wrong-key")
    with ScriptedServer("\\boxed{42}", api_key="right") as server:
        result = clew(*COT, *at(server))
    assert result.code == 5 and "key" in one_sentence(result.err) and "a-wrong-key" not in result.err


def test_an_unreachable_server(clew: Clew) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        result = clew(*COT, "--model", "openai/scripted", "--api-base", url)
    assert result.code == 5 and url in one_sentence(result.err) and "cannot be reached" in result.err


def test_a_journal_of_a_newer_schema_is_left_alone(clew: Clew, here: Path) -> None:
    with ScriptedServer("\\boxed{42}") as server:
        id = run_id(clew(*COT, *at(server)))
        journal = here / ".clew" / "journal.db"
        with sqlite3.connect(journal) as db:
            db.execute("PRAGMA user_version = 999")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = journal.read_bytes()
        for command in (["runs"], ["show", id], ["replay", id], ["resume", id], [*COT, *at(server)]):
            result = clew(*command)
            assert result.code == 3 and "schema version 999" in one_sentence(result.err) and result.out == ""
        assert server.count == 1 and journal.read_bytes() == before


@pytest.mark.parametrize("command", [["runs"], ["show", "x"], ["resume", "x"]])
def test_a_file_that_is_no_journal(clew: Clew, here: Path, command: list[str]) -> None:
    (here / "notes.txt").write_text("these are notes, not a journal\n" * 50)
    result = clew(*command, "--journal", "notes.txt")
    assert result.code == 3 and "notes.txt" in one_sentence(result.err)
    assert (here / "notes.txt").read_text() == "these are notes, not a journal\n" * 50


def test_a_journal_that_cannot_be_made(clew: Clew, here: Path) -> None:
    with ScriptedServer("\\boxed{42}") as server:
        result = clew(*COT, *at(server), "--journal", "docs/sluice.md/journal.db")
        assert result.code == 3 and "sluice.md" in one_sentence(result.err) and server.count == 0


@pytest.mark.parametrize("command", ["show", "replay", "resume"])
def test_looking_at_a_missing_journal_makes_none(clew: Clew, here: Path, command: str) -> None:
    result = clew(command, "abc", "--journal", "typo.db")
    assert result.code == 3 and "typo.db" in one_sentence(result.err) and not (here / "typo.db").exists()
    assert clew("runs", "--journal", "typo.db").code == 0 and not (here / "typo.db").exists()


def test_an_unknown_and_an_ambiguous_run(clew: Clew) -> None:
    with ScriptedServer("\\boxed{42}") as server:
        id = run_id(clew(*COT, *at(server)))
        while not any(run["run"][0] == id[0] for run in clew("runs", "--json").objects[:-1]):
            assert clew(*COT, *at(server)).code == 0
    for prefix, word in (("zz", "no run 'zz'"), (id[0], "ambiguous")):
        result = clew("show", prefix)
        assert result.code == 3 and word in one_sentence(result.err)


def small_disk(here: Path) -> None:
    """Skips where no small file system can be mounted at `small`."""
    mount = here / "small"
    mount.mkdir()
    probe = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "t", str(mount)], capture_output=True)
    if probe.returncode:
        pytest.skip(f"no small file system can be mounted here: {probe.stderr.decode().strip()}")


def on_a_small_disk(here: Path, steps: str) -> subprocess.CompletedProcess[str]:
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(here)}
    return subprocess.run(["unshare", "-rm", "sh", "-c", steps], capture_output=True, text=True, cwd=here, env=env)


def test_an_index_on_a_full_disk_is_finished_when_there_is_room(here: Path) -> None:
    small_disk(here)
    index = f"{sys.executable} -m clew.cli index docs --store small/store"
    done = on_a_small_disk(
        here,
        f"""
            mount -t tmpfs -o size=1500k t small || exit 99
            {index}; echo first $?
            mount -o remount,size=400m small
            {index}; echo second $?
        """,
    )
    assert "first 5" in done.stdout and "nearly full" in one_sentence(done.stderr.partition("\n")[0] + "\n"), done
    assert "second 0" in done.stdout and "Traceback" not in done.stderr, done


def test_a_full_disk_loses_nothing(here: Path) -> None:
    small_disk(here)
    clew = f"{sys.executable} -m clew.cli"
    with ScriptedServer(["\\boxed{42}", "\\boxed{" + "x" * 400_000 + "}", "\\boxed{44}"]) as server:
        ask = f"{clew} ask QUESTION --method cot {' '.join(at(server))} --journal small/journal.db"
        steps = f"""
            mount -t tmpfs -o size=400k t small || exit 99
            {ask}; echo first $?
            {ask}; echo second $?
            {clew} runs --journal small/journal.db --json
            mount -o remount,size=4m small
            last=$({clew} runs --journal small/journal.db --json | head -1 | cut -d'"' -f4)
            {clew} resume $last --journal small/journal.db
            echo third $?
        """
        done = on_a_small_disk(here, steps)
    assert "first 0" in done.stdout and "second 3" in done.stdout, done
    assert "is full" in done.stderr and "Traceback" not in done.stderr
    assert '"status": "ok"' in done.stdout and '"answer": "42"' in done.stdout
    assert "third 0" in done.stdout and "44" in done.stdout, done


def test_an_export_that_cannot_be_written(clew: Clew, here: Path) -> None:
    with ScriptedServer("\\boxed{42}") as server:
        id = run_id(clew(*COT, *at(server)))
    result = clew("show", id, "--export", "no/such/folder/run.jsonl")
    assert result.code == 2 and "no/such/folder" in one_sentence(result.err)
    result = clew("show", id, "--export", "docs")
    assert result.code == 2 and (here / "docs").is_dir() and not (here / "docs.part").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"not json\n", "line 1"), (b"\xff\xfe", "not text"), (b"", "hold no run")],
)
def test_a_file_that_is_no_export(clew: Clew, here: Path, content: bytes, message: str) -> None:
    (here / "bad.jsonl").write_bytes(content)
    result = clew("import", "bad.jsonl")
    assert result.code in (2, 3) and message in one_sentence(result.err)
    assert clew("runs").out == ""


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["ask", "q", "--method", "magic"], "--method = 'magic' is unknown"),
        (["ask", "q", "--kind", "magic"], "--kind = 'magic' is unknown"),
        (["ask", "q", "--budget-usd", "-1"], "--budget-usd = -1.0 is out of range"),
        (["ask", "q", "--top-k", "0"], "--top-k = 0 is out of range"),
        (["resume", "x", "--retry", "all"], "--retry 'all' is unknown"),
    ],
)
def test_an_option_with_a_wrong_value(clew: Clew, command: list[str], message: str) -> None:
    result = clew(*command)
    assert result.code == 2 and message in one_sentence(result.err)


def test_a_settings_file_with_a_mistake(clew: Clew, here: Path) -> None:
    (here / "clew.toml").write_text('modle = "x"\n')
    result = clew("runs")
    assert result.code == 2 and "clew.toml: unknown setting 'modle'" in one_sentence(result.err)


def test_debugging_shows_the_traceback(clew: Clew, monkeypatch: pytest.MonkeyPatch) -> None:
    from clew.errors import ConfigError

    monkeypatch.setenv("CLEW_DEBUG", "1")
    with pytest.raises(ConfigError):
        main(["index", "nowhere"])


def test_the_reader_of_a_pipe_may_go_away(clew: Clew, here: Path) -> None:
    script = f"{sys.executable} -m clew.cli --help | head -c 0; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        cwd=here,
        env={"PYTHONPATH": str(ROOT), "PATH": "/bin:/usr/bin"},
    )
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_a_reader_that_goes_away_ends_the_command_as_a_shell_expects(here: Path) -> None:
    command = [sys.executable, "-m", "clew.cli", "doctor", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=here) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_command_that_was_started_without_streams_works(here: Path) -> None:
    shell = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", sys.executable, "-m", "clew.cli"]
    command = [*shell, "labyrinth", "make", "maze", "--entities", "50", "--questions", "5"]
    assert subprocess.run(command, cwd=here, check=False).returncode == 0
    assert (here / "maze" / "tasks.jsonl").exists()
