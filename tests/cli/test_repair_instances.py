"""`clew repair --instances`: predictions, a report, and an answer that nothing of a run has seen."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from clew.agents.instances import read_predictions, read_rows, write_rows
from clew.testing import Reply, Rule, ScriptedServer, Template, vllm
from tests.graphs.agentless.repositories import git

from .conftest import Clew, at, events, process
from .repairing import CHECK, FEW, ISSUE, RIGHT, edit, mender, shop, words

GOLD = {
    "patch": "GOLD-PATCH", "test_patch": "GOLD-TEST-PATCH", "FAIL_TO_PASS": '["GOLD-FAIL"]',
    "PASS_TO_PASS": '["GOLD-PASS"]', "hints_text": "GOLD-HINT",
}  # fmt: skip


@pytest.fixture
def repos(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(here.parent / "cache"))
    shop(here / "repos" / "shop__shop")
    return here / "repos"


def row(number: int, **more: Any) -> dict[str, Any]:
    issue = f"{ISSUE}\nSeen by customer {number}."
    return {
        "instance_id": f"shop__shop-{number}", "repo": "shop/shop", "base_commit": "HEAD", "problem_statement": issue,
        **GOLD, **more,
    }  # fmt: skip


def asked(here: Path, rows: list[dict[str, Any]], *more: object) -> list[object]:
    write_rows(here / "bugs.jsonl", rows)
    own = ["--instances", "bugs.jsonl", "--repos", "repos", "--out", "preds.jsonl"]
    return ["repair", *own, *CHECK, *FEW, *more]


def held(journal: Path) -> bytes:
    """Every byte that a journal holds."""
    with sqlite3.connect(journal) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return journal.read_bytes()


def test_every_instance_gets_a_prediction_and_none_sees_the_answer(clew: Clew, here: Path, repos: Path) -> None:
    broken = row(3, repo="shop/elsewhere", test_cmd=None) | {"repo": "./nowhere at all"}
    rows = [row(1), row(2, test_cmd="python3 -c 'import sys; sys.exit(1)'"), broken]
    with mender() as server:
        result = clew(*asked(here, rows, *at(server), "--parallel", 2))
        prompts = " ".join(request.prompt for request in server.requests)
    assert result.code == 5, result.err
    found = read_predictions(here / "preds.jsonl")
    assert list(found) == ["shop__shop-1", "shop__shop-2"] and all(RIGHT in patch for patch in found.values())
    assert {each["model_name_or_path"] for each in read_rows(here / "preds.jsonl")} == {"clew-scripted"}
    fine, failing, none = read_rows(here / "preds.report.jsonl")
    assert fine["status"] == "ok" and failing["status"] == "partial" and failing["stop_reason"] == "targets_failing"
    assert none["status"] == "error" and "below 'repos', beside the instances or here" in none["verdict"]
    assert "3 instances: 2 with a patch, 1 with one that its tests speak for" in result.out
    # Nothing of what grades is anywhere but in the file that it came in.
    assert "Seen by customer 1" in prompts and "GOLD" not in prompts
    kept = [path for path in (here / ".clew").rglob("*") if path.is_file()]
    assert b"Seen by customer 1" in held(here / ".clew" / "journal.db")
    assert [path for path in kept if b"GOLD" in path.read_bytes()] == []
    # The same command does nothing twice.
    before = (here / "preds.jsonl").read_text()
    with mender("never") as server:
        again = clew(*asked(here, rows, *at(server)[:2], "--api-base", server.url))
        assert server.requests == []
    assert again.code == 5 and (here / "preds.jsonl").read_text() == before


def test_the_patch_applies_to_the_commit(clew: Clew, here: Path, repos: Path) -> None:
    repo = repos / "shop__shop"
    commit = git(repo, "rev-parse", "HEAD")
    git(repo, "rm", "--quiet", "src/shop/price.py")
    git(repo, "commit", "--quiet", "--message", "later")
    with mender() as server:
        result = clew(*asked(here, [row(1, base_commit=commit)], *at(server), "--json"))
    assert result.code == 0 and result.objects[0]["patch"] is True
    git(repo, "checkout", "--quiet", commit)
    git(repo, "apply", "--check", "-", stdin=read_predictions(here / "preds.jsonl")["shop__shop-1"].encode())


def test_a_kill_loses_nothing(clew: Clew, here: Path, repos: Path) -> None:
    slow = Rule("Seen by customer 2[^§]*fix the issue in the code above", Reply(text="too late", delay=60))
    command = asked(here, [row(1), row(2)])
    with ScriptedServer([slow, *words()], features=vllm) as server:
        child = process(*command, *at(server), cwd=here)
        deadline = time.monotonic() + 90
        while not any(slow.accepts(request) for request in server.requests):
            assert child.poll() is None and time.monotonic() < deadline, child.communicate()
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert list(read_predictions(here / "preds.jsonl")) == ["shop__shop-1"]
    programs = sum(kind == "program" for kind, _ in events(here / ".clew/journal.db"))
    with mender() as server:
        result = clew(*command, *at(server))
        prompts = [request.prompt for request in server.requests if "quick brown fox" not in request.prompt]
    assert result.code == 0, result.err
    assert list(read_predictions(here / "preds.jsonl")) == ["shop__shop-1", "shop__shop-2"]
    assert prompts and all("customer 2" in prompt and "fix the issue in the code" in prompt for prompt in prompts)
    after = [state for kind, state in events(here / ".clew/journal.db") if kind == "program"]
    assert set(after) == {"finished"} and len(after) == programs + 1, "no test that is recorded ran again"


def test_another_configuration_makes_other_runs_and_keeps_rows_of_others(clew: Clew, here: Path, repos: Path) -> None:
    write_rows(here / "preds.jsonl", [{"instance_id": "other", "model_name_or_path": "x", "model_patch": "d"}])
    with mender(Template(edit("discount / 50\n"))) as server:
        first = clew(*asked(here, [row(1)], *at(server), "--json"))
    with mender() as server:
        second = clew(*asked(here, [row(1)], *at(server), "--window", 5, "--json"))
    assert (first.code, second.code) == (0, 0) and first.objects[0]["run"] != second.objects[0]["run"]
    assert list(read_predictions(here / "preds.jsonl")) == ["other", "shop__shop-1"]
    assert RIGHT in read_predictions(here / "preds.jsonl")["shop__shop-1"]


def test_bad_input(clew: Clew, here: Path, repos: Path) -> None:
    (here / "bad.jsonl").write_text(json.dumps({"instance_id": "x"}))
    (here / "preds.jsonl").write_text("no JSON")
    for more, said in [
        (["--instances", "bad.jsonl", "--out", "p.jsonl"], "bad.jsonl, row 1"),
        (["--instances", "none.jsonl", "--out", "p.jsonl"], "cannot be read"),
        (["--instances", "bad.jsonl", "--out", "p.json"], "call it .jsonl"),
        (["--instances", "bad.jsonl", "--out", "no/p.jsonl"], "is no place for a file"),
        (["--instances", "bad.jsonl", "--out", "p.jsonl", "--repos", "nowhere"], "--repos 'nowhere' is no folder"),
        (["--instances", "bad.jsonl", "--out", "p.jsonl", "--apply"], "--apply is for one issue"),
    ]:
        result = clew("repair", *more)
        assert result.code == 2 and said in result.err, (more, result.err)
    result = clew(*asked(here, [row(1)])[:-6], "--proposer", "mutate", "--out", "preds.jsonl")
    assert result.code == 2 and "preds.jsonl" in result.err and (here / "preds.jsonl").read_text() == "no JSON"
