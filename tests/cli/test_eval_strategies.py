"""`clew eval` with strategies, and an evaluation that stops on the way."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from clew.testing import Reply, Request, ScriptedServer
from tests.evals import world

from .conftest import Clew, at, process

VOTE, BEST = "vote(closed_book, n=4, adaptive=false)", "best_of(vote(closed_book, n=2), n=2, scorer=judge)"
GRAPHS = ("closed_book", VOTE, BEST)


@pytest.fixture
def made(clew: Clew, here: Path) -> Clew:
    """The program in a folder with the tasks of a world."""
    world.make(here / "world")
    return clew


def say(request: Request) -> Reply:
    """What the model remembers, two times of three; as a judge it likes everything."""
    if "Rating: N" in request.prompt or "Verdict: NUMBER" in request.prompt:
        return Reply("It will do.\nRating: 9\nVerdict: 9")
    return world.model(request) if int(request.body["seed"]) % 3 else Reply("\\boxed{Nobody Else}")


def options(
    server: ScriptedServer, *more: object, graphs: tuple[str, ...] = ("closed_book", VOTE, BEST)
) -> list[object]:
    named = [word for graph in graphs for word in ("--graph", graph)]
    return ["eval", "--tasks", "world", *named, *at(server), "--out", "out", *more]


def rows(here: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (here / "out" / "results.jsonl").read_text().splitlines()]


def test_strategies_by_their_specs(made: Clew, here: Path) -> None:
    with ScriptedServer(say) as server:
        result = made(*options(server, "--json"))
        assert result.code == 0, result.err
        calls = server.count
        again = made(*options(server, "--json"))
        assert again.objects == result.objects and server.count == calls
    plain, vote, best = result.objects
    assert [each["graph"] for each in result.objects] == ["closed_book", VOTE, BEST]
    assert plain["model_calls"] == 1 and vote["model_calls"] == 4 and best["model_calls"] > 2
    assert [at["k"] for at in vote["curve"]] == [1, 2, 3, 4] and plain["curve"] == []
    assert vote["curve"][-1]["right"] == vote["right"] and vote["curve"][-1]["tokens"] == pytest.approx(vote["tokens"])
    coverage = [at["coverage"] for at in vote["curve"]]
    assert coverage == sorted(coverage) and vote["curve"][1]["tokens"] == pytest.approx(vote["tokens"] / 2, rel=0.05)
    # At what one answer costs a vote is one answer.
    cells = vote["equal_compute"]["tokens"]["at"]
    assert cells[0]["of"] == "closed_book" and 1 <= cells[0]["cell"]["k"] < 1.2
    (apart,) = vote["equal_compute"]["tokens"]["differences"]
    assert apart["to"] == "closed_book" and apart["n"] == 7
    assert "closed_book" in plain["graph"] and "tokens" in plain["front"]
    for row in rows(here):
        found = row["candidates"]
        assert len(found) == {"closed_book": 0, VOTE: 4, BEST: 2}[row["graph"]]
        # What is in no candidate is the judge.
        rest = row["tokens"] - sum(each["tokens"] for each in found)
        assert rest > 0 if row["graph"] == BEST else rest == 0 or not found
        assert all(each["tokens"] > 0 for each in found)
    report = (here / "out" / "report.md").read_text()
    for title in ("## At equal tokens", "## Paired differences at equal tokens", "## By number of candidates"):
        assert title in report
    assert f"| {VOTE} | 4 |" in report and "no other graph beats" in report
    assert "At equal tokens" in (here / "out" / "report.html").read_text()


def test_ctrl_c_leaves_files_of_what_is_finished(made: Clew, here: Path) -> None:
    hang = True

    def reply(request: Request) -> Reply:
        return Reply(fault="hang") if hang and server.count > 6 else say(request)

    with ScriptedServer(reply) as server:
        running = process(*options(server, "--concurrency", 1), cwd=here, preexec_fn=_default_sigint)
        try:
            server.wait_for(7)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
        assert running.returncode == 130 and out == "" and "Traceback" not in err, err
        found = rows(here)
        assert 0 < len(found) < 21
        assert f"results of the {len(found)} of 21 runs that are finished are in out" in err
        (line,) = [line.strip() for line in err.splitlines() if line.strip().startswith("clew eval --tasks world")]
        assert (
            f"Incomplete: {21 - len(found)} of 21 runs are missing.** It was interrupted."
            in (here / "out" / "report.md").read_text()
        )
        assert "It was interrupted." in (here / "out" / "report.html").read_text()
        hang = False
        assert made(*shlex.split(line)[1:]).code == 0 and len(rows(here)) == 21
    assert "Incomplete" not in (here / "out" / "report.md").read_text()


def _default_sigint() -> None:
    # A shell starts background jobs with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_server_that_dies_leaves_files_too(made: Clew, here: Path) -> None:
    broken = False

    def reply(request: Request) -> Reply:
        return Reply("gone", status=418) if broken or server.count > 9 else say(request)

    with ScriptedServer(reply) as server:
        result = made(*options(server, "--concurrency", 1, graphs=("closed_book",)), "--repeats", 3)
        assert result.code == 5 and "have all failed this way" in result.err and result.out == ""
        found = rows(here)
        assert [row["error"] for row in found].count(False) == 9
        report = (here / "out" / "report.md").read_text()
        assert f"Incomplete: {21 - len(found)} of 21 runs are missing." in report and "418" in report


def test_programs_are_judged_in_the_sandbox(made: Clew, here: Path) -> None:
    tests = [{"kind": "call", "entry": "double", "args": [4], "expected": 8}]
    line = {"id": "p", "kind": "code", "prompt": "Write double(x).", "answers": [], "tests": tests}
    (here / "programs.jsonl").write_text(json.dumps(line) + "\n")
    arguments = ["--tasks", "programs.jsonl", "--graph", "cot", "--sandbox", "process", "--json", "--repeats", 2]
    with ScriptedServer(["```python\ndef double(x):\n    return 2 * x\n```", "```python\n0\n```"]) as server:
        result = made("eval", *arguments, *at(server), "--out", "out")
        again = made("eval", *arguments, *at(server), "--out", "out")
        assert again.objects == result.objects and server.count == 2
    assert result.code == 0 and result.objects[0]["right"] == 0.5, result.err
    assert [row["right"] for row in rows(here)].count(True) == 1


def test_a_sandbox_that_does_not_work_is_said_before_anything_is_paid(made: Clew, here: Path) -> None:
    line = {"id": "p", "kind": "code", "prompt": "Write double(x).", "answers": [], "tests": []}
    (here / "programs.jsonl").write_text(json.dumps(line) + "\n")
    with ScriptedServer("no") as server:
        result = made(
            "eval", "--tasks", "programs.jsonl", "--graph", "cot", *at(server), "--sandbox", "docker", "--image",
            "no-such-image:ever",
        )  # fmt: skip
        assert server.count == 0
    assert result.code == 5 and "clew: " in result.err and result.out == ""
