"""Ctrl-C, kill -9 and a second owner, against the program in a process of its own."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.testing import Reply, ScriptedServer, vllm

from .conftest import ANSWER, QUESTION, SEARCHING, Clew, at, events, process, script

# The probe, a query and what the reader says of its pages; the next request gets no answer.
BEFORE_THE_HANG = 3


def _default_sigint() -> None:
    # A shell starts background jobs with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def hanging() -> Iterator[ScriptedServer]:
    """Searches once, hangs on the next request, and answers the one after it."""
    with ScriptedServer(script(SEARCHING, Reply(fault="hang"), ANSWER), features=vllm) as server:
        yield server


@pytest.fixture
def asking(indexed: Clew, here: Path, hanging: ScriptedServer) -> Iterator[subprocess.Popen[str]]:
    """`clew ask` in another process, whose last model call hangs."""
    running = process("ask", QUESTION, *at(hanging), cwd=here, preexec_fn=_default_sigint)
    try:
        hanging.wait_for(BEFORE_THE_HANG + 1)
        yield running
    finally:
        running.kill()
        running.communicate()


def test_ctrl_c_says_how_to_go_on(
    indexed: Clew, here: Path, hanging: ScriptedServer, asking: subprocess.Popen[str]
) -> None:
    asking.send_signal(signal.SIGINT)
    out, err = asking.communicate(timeout=60)
    assert asking.returncode == 130 and out == "" and "Traceback" not in err
    (run,) = indexed("runs", "--json").objects
    assert run["status"] == "stopped" and f"clew resume {run['run']}" in err.splitlines()[-1]
    result = indexed("resume", run["run"])
    assert result.code == 0 and result.out.startswith("Berta Quill")
    assert hanging.count == BEFORE_THE_HANG + 2
    assert indexed("replay", run["run"]).code == 0


def test_a_second_owner_is_told_who_holds_the_run_and_kill_9_costs_nothing_twice(
    indexed: Clew, here: Path, hanging: ScriptedServer, asking: subprocess.Popen[str]
) -> None:
    (run,) = indexed("runs", "--json").objects
    assert run["status"] == "running"
    second = indexed("resume", run["run"])
    assert second.code == 3 and f"process {asking.pid}" in second.err and "Traceback" not in second.err
    busy = indexed("search", "barley")
    assert busy.code == 5 and f"process {asking.pid}" in busy.err
    assert indexed("show", run["run"]).code == 0 and hanging.count == BEFORE_THE_HANG + 1

    asking.kill()
    asking.communicate()
    (run,) = indexed("runs", "--json").objects
    assert run["status"] == "stopped" and run["possibly"]["tokens"] > 0
    assert "clew resume" in indexed("runs").err
    before = hanging.count
    result = indexed("resume", run["run"])
    assert result.code == 0 and result.out.startswith("Berta Quill")
    assert "taken from the journal at no cost" in result.err
    assert hanging.count == before + 1
    recorded = events(here / ".clew" / "journal.db")
    assert {state for kind, state in recorded if kind in ("model", "search", "read", "probe")} == {"finished"}
    assert sum(kind in ("model", "probe") for kind, _ in recorded) == hanging.count - 1
    assert "possibly up to" in result.out.splitlines()[-1]
    assert indexed("replay", run["run"]).code == 0


def test_an_interrupted_index_is_finished_by_the_same_command(clew: Clew, here: Path) -> None:
    for page in range(15):
        sections = "\n".join(f"## Part {part}\n\n{'word ' * 40}{page} {part}\n" for part in range(10))
        (here / "docs" / f"long{page}.md").write_text(f"# Page {page}\n\n{sections}")
    running = process("index", "docs", cwd=here, preexec_fn=_default_sigint)
    try:
        catalog = here / ".clew" / "store" / "catalog.sqlite"
        while not catalog.exists():
            assert running.poll() is None, running.communicate()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=120)
    finally:
        running.kill()
    assert running.returncode == 130 and out == "" and "run the same command again" in err and "Traceback" not in err
    (report,) = clew("index", "docs", "--json").objects
    assert report["pages"] == 18
    assert clew("search", "barley", "--json").objects[0]["source"] == "mill.html"
