"""The commands over real parts: a real index, a real journal, a real HTTP server with scripted words."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clew.cli import main
from clew.models import forget_probes
from clew.testing import Reply, Rule, ScriptedServer, Template, vllm

ROOT = Path(__file__).parents[2]
QUESTION = "Who repairs the sluice of Ardenne?"
PAGES = {
    "sluice.md": "# Sluice\n\nThe sluice of Ardenne is repaired by Berta Quill every spring.\n",
    "bridge.md": "# Bridge\n\nThe Ariel bridge was designed by Tom Ander in 1931.\n",
    "mill.html": "<html><head><title>Mill</title></head><body><p>The mill grinds barley.</p></body></html>",
}


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Clew = Callable[..., Result]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own as the current one, with documents in `docs`."""
    folder = tmp_path / "work"
    (folder / "docs").mkdir(parents=True)
    for name, text in PAGES.items():
        (folder / "docs" / name).write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("CLEW_JOURNAL")
    return folder


@pytest.fixture
def clew(here: Path, capsys: pytest.CaptureFixture[str]) -> Clew:
    """`clew(*arguments)` runs the program in this process, as its entry point does."""

    def run(*arguments: object) -> Result:
        forget_probes()
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        seen = capsys.readouterr()
        return Result(code, seen.out, seen.err)

    return run


@pytest.fixture
def indexed(clew: Clew) -> Clew:
    """The same, with the documents in the default store."""
    assert clew("index", "docs").code == 0
    return clew


def process(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """`clew` as a process of its own, as from a shell."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    command = [sys.executable, "-m", "clew.cli", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env, **options)


PROBE = Rule("quick brown fox", "mps over the lazy dog.")
# The reader's words are taken from the page that it was shown: without the search there would be none.
READER = Rule(
    "You help someone who is solving a problem",
    Template("**Final Information**\n{{ last | find('repaired by [A-Z][a-z]+ [A-Z][a-z]+') }}.\nPages: 1"),
)
SEARCHING = "I need the repairer. <|begin_search_query|> who repairs the sluice <|end_search_query|>"
ANSWER = Template("So it is \\boxed{{ '{' }}{{ prompt | find('(?<=repaired by )Berta Quill') }}{{ '}' }}.")


def script(*own: Any) -> list[Any]:
    """Replies of a server that takes the capability probe and reads pages besides."""
    return [PROBE, READER, *own]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that answers `QUESTION` after one search."""
    with ScriptedServer(script(SEARCHING, ANSWER), features=vllm) as running:
        yield running


def at(server: ScriptedServer) -> list[str]:
    """Options that name the model on `server`."""
    return ["--model", "openai/scripted", "--api-base", server.url]


def run_id(result: Result) -> str:
    """The id that a command said on stderr."""
    return next(line for line in result.err.splitlines() if line.startswith("run ")).split()[1]


def events(journal: Path) -> list[tuple[str, str]]:
    """(kind, state) of every event of a journal file, read without Clew."""
    with sqlite3.connect(journal) as db:
        return list(db.execute("SELECT kind, state FROM events ORDER BY seq"))


__all__ = ["Reply"]
