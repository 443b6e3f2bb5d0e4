"""Solving in Python, and towers that are written as text: they run, replay exactly, and go on after a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.agents import ask, doors, solve
from clew.config import Settings, load
from clew.errors import ConfigError
from clew.journal import Journal
from clew.scoring.verdict import Tally
from clew.testing import Rule, ScriptedServer, Template, vllm
from clew.testing.replies import Scripted

pytestmark = pytest.mark.anyio

PROBE = Rule("quick brown fox", "mps over the lazy dog.")
# Closes with what the program printed, whatever the sample.
CLOSING = Rule("```output\n", Template("So it is \\boxed{ {{- prompt | after('```output\n') | find('-?\\d+') -}} }."))
COMPUTING = Rule("You can run Python while you think", "I compute.\n```python\nprint(6 * 7)\n```\n")
FINE = Rule("<answer>", "Nothing is weak.\nRating: 10")


def at(server: ScriptedServer, **given: str) -> Settings:
    return load({"model": "openai/m", "api_base": server.url, "sandbox": "process", **given})


def script(*own: Scripted | Rule) -> list[Scripted | Rule]:
    return [PROBE, FINE, CLOSING, COMPUTING, *own]


async def test_a_problem_is_solved_by_start_and_replayed_without_a_sandbox(tmp_path: Path) -> None:
    with ScriptedServer(script(), features=vllm) as server, Journal(tmp_path / "j.db") as journal:
        settings = solve.for_solving(at(server), {"hint_rounds": 0})
        answer = await solve.solve("What is 6 times 7?", settings, journal=journal, run_id="r")
        assert (answer.text, answer.status) == ("42", "ok")
        sent = server.count
        assert (await ask.replay("r", settings, journal=journal)).same and server.count == sent
        row = journal.find_run("r")
        assert row.recipe is not None and row.recipe["args"]["sandbox"] == "process"
        assert row.task["kind"] == "math" and row.task["inputs"] == {}


@pytest.mark.parametrize(
    "method",
    [
        "vote(start:hint_rounds=0, n=3)",
        "best_of(vote(start:hint_rounds=0, n=2), n=2, scorer=judge)",
        "reflexion(start(hint_rounds=0, max_programs=2), max_trials=3)",
    ],
)
async def test_towers_run_and_replay_exactly(method: str, tmp_path: Path) -> None:
    with ScriptedServer(script(), features=vllm) as server, Journal(tmp_path / "j.db") as journal:
        settings = at(server, method=method)
        answer = await solve.solve("What is 6 times 7?", settings, journal=journal, run_id="r")
        assert (answer.text, answer.status) == ("42", "ok") and answer.candidates
        sent = server.count
        assert (await ask.replay("r", settings, journal=journal)).same and server.count == sent


async def test_a_tower_whose_sandbox_was_gone_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(script(), features=vllm) as server, Journal(tmp_path / "j.db") as journal:
        settings = at(server, method="vote(start:hint_rounds=0, n=2, adaptive=false)")
        with monkeypatch.context() as patched:
            # The host's fork server does not start here.
            patched.setattr("sys.platform", "darwin")
            gone = await solve.solve("What is 6 times 7?", settings, journal=journal, run_id="r")
        assert gone.status == "error" and "the process sandbox needs Linux" in gone.stop_reason
        sent = server.count
        answer = await ask.resume("r", settings, journal=journal)
        assert (answer.text, answer.status) == ("42", "ok") and server.count == sent + 2
        assert (await ask.replay("r", settings, journal=journal)).same


async def test_samples_are_shown_and_tried() -> None:
    programs = ["print(input())", "print(2 * int(input()))"]
    samples = [{"input": "0\n", "output": "0\n"}, {"input": "3\n", "output": "6\n"}]
    for program, score in zip(programs, (0.5, 1.0), strict=True):
        replies = [f"```python\n{program}\n```\n", "That is it."]
        with ScriptedServer([PROBE, *replies], features=vllm) as server, Journal(":memory:") as journal:
            settings = solve.for_solving(at(server), {"hint_rounds": 0})
            answer = await solve.solve(
                "Double a number.", settings, journal=journal, kind="code", samples=samples, run_id="r"
            )
            assert (answer.text, answer.score, answer.status) == (program, score, "ok")
            counts = Tally(passed=round(2 * score), failed=2 - round(2 * score))
            assert solve.tried(journal.find_run("r"), answer) == (counts, 2)


async def test_samples_that_no_sandbox_ran_are_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    code = Rule("Double", "```python\nprint(2 * int(input()))\n```\n")
    with ScriptedServer([PROBE, code], features=vllm) as server, Journal(":memory:") as journal:
        settings = at(server, method="cot")
        samples = [{"input": "3\n", "output": "6\n"}]
        with monkeypatch.context() as patched:
            patched.setattr("sys.platform", "darwin")
            answer = await solve.solve("Double.", settings, journal=journal, kind="code", samples=samples, run_id="r")
        assert (answer.text, answer.score, answer.status) == ("print(2 * int(input()))", None, "partial")
        tally, of = solve.tried(journal.find_run("r"), answer) or (None, 0)
        assert tally is not None and (tally.errors, tally.status, of) == (1, "error", 1)
        assert "needs Linux" in tally.reason
        answer = await ask.resume("r", settings, journal=journal, retry=["failed"])
        assert (answer.score, answer.status) == (1.0, "ok")
        assert solve.tried(journal.find_run("r"), answer) == (Tally(passed=1), 1)


def test_the_method_of_a_file_is_about_questions(tmp_path: Path) -> None:
    (tmp_path / "clew.toml").write_text('model = "openai/m"\nmethod = "corag"\n')
    settings = load(env={}, folder=tmp_path)
    assert solve.for_solving(settings).method == "start"
    assert solve.for_solving(settings, {"max_programs": 2}).method == "start(max_programs=2)"
    given = load({"method": "vote(cot)"}, env={}, folder=tmp_path)
    assert solve.for_solving(given).method == "vote(cot)"
    assert solve.for_solving(given, checked=True).method == "best_of(vote(cot), n=1, scorer=samples)"
    chosen = load({"method": "best_of(cot, scorer=samples)"})
    assert solve.for_solving(chosen, checked=True).method.count("best_of") == 1
    reflecting = load({"method": "reflexion(cot, scorer=samples)"})
    assert solve.for_solving(reflecting, checked=True).method.startswith("best_of(reflexion(cot, ")
    with pytest.raises(ConfigError, match="--max-programs means nothing to vote"):
        solve.for_solving(given, {"max_programs": 2})


async def test_doors_open_when_they_are_used_and_close_together(tmp_path: Path) -> None:
    settings = load({"model": "openai/m", "store": str(tmp_path / "s"), "memory": str(tmp_path / "m"),
                     "sandbox": "process"})  # fmt: skip
    async with doors.Doors(settings) as through:
        assert through.searcher is through.searcher and through.sandbox is through.sandbox
        assert [tool.name for tool in through.tools(["python", "search"])] == ["python", "search", "read_page"]
        assert through.sandbox_kind == "process" and through.memory.store.name.startswith("memory:")
        assert (await through.sandbox.run("print(1)")).stdout == "1\n"
    assert list(tmp_path.iterdir()) == []
