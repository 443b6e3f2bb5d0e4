"""`clew eval` over real parts: a real index, a real server, and figures that were worked out by hand."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shutil
import signal
import struct
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clew.cli import main
from clew.cli.eval import Board
from clew.evals.plan import Plan
from clew.evals.running import carry_out
from clew.evals.tasks import TaskSet, read_items
from clew.graphs import closed_book
from clew.journal import Journal
from clew.models import Model
from clew.testing import Reply, Request, ScriptedServer, vllm
from tests.evals import world

from .conftest import PROBE, Clew, at, process

CLOSED, RAG, O1 = "closed_book", "rag:top_k=1", "search_o1:max_searches=1"
# What stands in the model's way: k-Bela is remembered wrongly, Cilla and Dorn not at all, and no mother is known.
EM = {CLOSED: 2 / 7, RAG: 5 / 7}
F1 = {CLOSED: 2.5 / 7, RAG: 5 / 7}  # "Tom Wood" for "Tom Ander"
FILES = (
    "evaluation.json", "results.jsonl", "report.md", "report.html", "accuracy_tokens.png", "accuracy_seconds.png",
)  # fmt: skip


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an indexed world."""
    folder = tmp_path_factory.mktemp("template")
    world.make(folder / "world")
    assert main(["index", str(folder / "world" / "documents"), "--store", str(folder / ".clew" / "store")]) == 0
    return folder


@pytest.fixture
def made(clew: Clew, here: Path, template: Path) -> Clew:
    """The program in a folder with an indexed world in `world`."""
    shutil.copytree(template, here, dirs_exist_ok=True)
    return clew


def options(server: ScriptedServer, *more: object, graphs: tuple[str, ...] = (CLOSED, RAG)) -> list[object]:
    named = [word for graph in graphs for word in ("--graph", graph)]
    return ["eval", "--tasks", "world", *named, *at(server), "--out", "out", *more]


def rows(here: Path, out: str = "out") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (here / out / "results.jsonl").read_text().splitlines()]


def files(here: Path) -> dict[str, bytes]:
    return {name: (here / "out" / name).read_bytes() for name in FILES}


def timeless(value: Any) -> Any:
    """JSON without seconds."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key != "seconds"}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def test_the_figures_are_those_worked_out_by_hand(made: Clew, here: Path) -> None:
    with ScriptedServer(world.model) as server:
        result = made(*options(server, "--json"))
        assert result.code == 0, result.err
        assert server.count == 14
    assert [each["graph"] for each in result.objects] == [CLOSED, RAG]
    for each in result.objects:
        name = each["graph"]
        assert each["status"] == "complete" and (each["n"], each["items"], each["missing"]) == (7, 7, 0)
        assert each["em"] == pytest.approx(EM[name], abs=1e-6) and each["f1"] == pytest.approx(F1[name], abs=1e-6)
        assert 0 <= each["em_low"] < each["em"] < each["em_high"] <= 1
        assert each["right"] == each["em"] and each["errors"] == 0 and each["usd"] == 0
        assert list(each["per_hop"]) == ["1", "2"] and sorted(each["per_type"]) == ["keeper", "mother", "unanswerable"]
        assert each["per_hop"]["2"]["em"] == 0 and each["per_type"]["unanswerable"]["em"] == 1
    closed, rag = result.objects
    assert closed["recall"] is None and closed["searches"] == 0
    # One page per question: all of the gold for one hop, half of it for two, nothing to find for the last.
    assert rag["recall"] == pytest.approx((4 * 1 + 2 * 0.5) / 6) and rag["searches"] == 1
    assert rag["per_type"]["unanswerable"]["recall"] is None
    (apart,) = rag["differences"]
    assert apart["to"] == CLOSED and apart["n"] == 7 and apart["em"] == pytest.approx(3 / 7, abs=1e-6)
    tokens = {name: [row["tokens"] for row in rows(here) if row["graph"] == name] for name in (CLOSED, RAG)}
    assert closed["tokens"] == pytest.approx(sum(tokens[CLOSED]) / 7)


def test_each_row_says_what_made_it(made: Clew, here: Path) -> None:
    with ScriptedServer(world.model) as server:
        assert made(*options(server)).code == 0
    found = rows(here)
    assert len(found) == 14 and len({row["run"] for row in found}) == 14
    config = json.loads((here / "out" / "evaluation.json").read_text())
    for row in found:
        assert row["command"].startswith("clew eval --tasks world --graph closed_book --graph rag:top_k=1 --model ")
        assert row["config"] == config["config_hash"] and row["version"] == config["clew"] == "0.1.0"
        shown = made("show", row["run"], "--json").objects[0]
        assert shown["tokens"] == row["tokens"] and shown["answer"] == row["prediction"]
    assert made("replay", found[-1]["run"]).code == 0
    assert made("resume", found[-1]["run"]).out.startswith("unknown")
    wrong = next(row for row in found if row["graph"] == CLOSED and row["task"] == "k-Bela")
    assert (wrong["prediction"], wrong["answers"], wrong["em"], wrong["f1"]) == ("Tom Wood", ["Tom Ander"], 0, 0.5)
    assert wrong["type"] == "keeper" and wrong["hops"] == 1 and wrong["status"] == "ok" and not wrong["error"]


def test_the_gold_is_in_no_request_and_in_no_run(made: Clew, here: Path) -> None:
    secret = "Xanthippe-Gold-Answer"
    lines = [{**line, "answers": [secret]} for line in world.lines()]
    (here / "world" / "tasks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with ScriptedServer(world.model) as server:
        assert made(*options(server)).code == 0
        assert secret not in json.dumps([request.body for request in server.requests])
    assert all(secret.encode() not in path.read_bytes() for path in (here / ".clew").rglob("journal.db*"))
    assert {row["em"] for row in rows(here)} == {0}


def test_the_command_in_a_row_repeats_the_files_at_no_cost(made: Clew, here: Path) -> None:
    with ScriptedServer(world.model) as server:
        first = made(*options(server))
        before, paid = files(here), server.count
        again = made(*rows(here)[0]["command"].split()[1:])
        assert again.code == 0 and again.out == first.out
        assert files(here) == before and server.count == paid
        # In an empty journal everything is paid again, and comes out the same but for the time that it took.
        elsewhere = made(*options(server, "--journal", "other.db")[:-4], "--out", "other", "--journal", "other.db")
        assert elsewhere.code == 0 and server.count == 2 * paid
    changed = {"command": "", "config": ""}
    assert [timeless(row | changed) for row in rows(here, "other")] == [timeless(row | changed) for row in rows(here)]


def test_the_report_and_the_plot(made: Clew, here: Path) -> None:
    with ScriptedServer(world.model) as server:
        result = made(*options(server))
    report = (here / "out" / "report.md").read_text()
    assert "| rag:top_k=1 | 7 | 71.4 [42.9, 100.0] | 71.4 [42.9, 100.0] | 83.3 | 1.0 |" in report
    for title in ("## By hops", "## By type", "## Paired differences", "## How to repeat it"):
        assert title in report
    assert rows(here)[0]["command"] in report and "| closed_book | rag:top_k=1 | 7 | -42.9 [" in report
    assert "right" not in report.splitlines()[4]  # it says nothing that exact match does not say
    picture = (here / "out" / "accuracy_tokens.png").read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    assert picture[:8] == b"\x89PNG\r\n\x1a\n" and width >= 800 and height >= 500
    lines = result.out.splitlines()
    assert lines[0].split() == ["graph", "n", "EM", "F1", "recall", "tokens", "$", "seconds", "errors"]
    assert re.match(r"rag:top_k=1 +7 +71\.4 \[42\.9, 100\.0\]", lines[2]) and "out" in result.err.splitlines()[-1]


def test_without_matplotlib_all_but_the_plot_is_there(made: Clew, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    monkeypatch.delitem(__import__("sys").modules, "clew.evals.plot", raising=False)
    with ScriptedServer(world.model) as server:
        result = made(*options(server))
    assert result.code == 0 and "pip install 'clew[evals]'" in result.err
    assert not (here / "out" / "accuracy_tokens.png").exists() and "![" not in (here / "out" / "report.md").read_text()


def test_evaluations_share_runs_unless_they_are_fresh(made: Clew, here: Path) -> None:
    with ScriptedServer(world.model) as server:
        assert made(*options(server, graphs=(CLOSED,))).code == 0
        assert server.count == 7
        both = [*options(server)[:-2], "--out", "both"]
        assert made(*both).code == 0 and server.count == 14  # closed_book was paid before
        assert made(*[*both[:-1], "more"], "--repeats", 2).code == 0 and server.count == 28
        assert made(*[*both[:-1], "seed"], "--seed", 5).code == 0 and server.count == 42
        fresh = [*both[:-1], "fresh", "--fresh"]
        assert made(*fresh).code == 0 and server.count == 56
        assert made(*fresh).code == 0 and server.count == 56
        assert made(*both[:-2]).code == 0 and server.count == 56
        (default,) = (here / ".clew" / "evals").iterdir()
        assert default.name.startswith("world-") and {file.name for file in default.iterdir()} == set(FILES)
        seeds = {request.body["seed"] for request in server.requests}
        assert len(seeds) == 56  # no run repeats another's
    twice = rows(here, "more")
    assert len(twice) == 28 and {row["repeat"] for row in twice} == {1, 2}
    assert "--fresh" in rows(here, "fresh")[0]["command"]


def test_another_store_or_server_makes_other_runs(made: Clew, here: Path) -> None:
    shutil.rmtree(here / ".clew" / "store")
    assert made("index", "world/documents").code == 0
    with ScriptedServer(world.model) as server:
        assert made(*options(server)).code == 0
        (here / "world" / "documents" / "new.md").write_text("# New\n\nThe lamp of Zeno is kept by Rosa Pine.\n")
        assert made("index", "world/documents").code == 0
        held = made(*options(server))
        assert held.code == 2 and "holds another evaluation" in held.err and "--out" in held.err
        assert made(*options(server)[:-1], "new").code == 0
        assert server.count == 14 + 7  # closed_book reads no store
    with ScriptedServer(world.model) as other:
        assert made(*options(other)[:-1], "other").code == 0 and other.count == 14
    zeno = [row["prediction"] for row in rows(here, "new") if row["task"] == "u-Zeno"]
    assert zeno == ["unknown", "Rosa Pine"]


def test_a_budget_refuses_new_runs_and_a_higher_one_goes_on(made: Clew, here: Path) -> None:
    with ScriptedServer(world.model) as server:
        result = made(*options(server, "--budget-tokens", 600, "--concurrency", 1))
        assert result.code == 4 and "the limit on tokens (600)" in result.err
        found = rows(here)
        assert 0 < len(found) < 14 and len(found) == server.count
        assert sum(row["tokens"] for row in found) <= 600
        assert f"Incomplete: {14 - len(found)} of 14" in (here / "out" / "report.md").read_text()
        (data, _) = made(*options(server, "--budget-tokens", 600, "--json")).objects
        assert data["status"] == "incomplete" and data["n"] + data["missing"] == 7 and "tokens" in data["why"]
        assert server.count == len(found)
        assert made(*options(server)).code == 0 and server.count == 14
    assert len(rows(here)) == 14


def test_a_limit_on_money_needs_a_price(made: Clew, here: Path) -> None:
    result = made("eval", "--tasks", "world", "--graph", CLOSED, "--model", "openai/unheard-of", "--budget-usd", 1)
    assert result.code == 2 and "the price of 'openai/unheard-of' is unknown" in result.err


def test_one_graph_that_fails_does_not_stop_the_other(made: Clew, here: Path) -> None:
    def moody(request: Request) -> Reply:
        return Reply("no", status=418) if "Passages:" in request.prompt else world.model(request)

    with ScriptedServer(moody) as server:
        result = made(*options(server, "--json"))
        assert result.code == 5 and "errors count as wrong" in result.err
        closed, rag = result.objects
        assert closed["em"] == pytest.approx(2 / 7, abs=1e-6) and closed["errors"] == 0
        # The unanswerable question too: a failure is not an abstention.
        assert (rag["n"], rag["errors"], rag["em"], rag["f1"]) == (7, 7, 0, 0) and rag["em_high"] < 0.5
        sent = server.count
        assert made(*options(server, "--keep-errors")).code == 5 and server.count == sent
        assert made(*options(server)).code == 5 and server.count == sent + 7
    with_errors = [row for row in rows(here) if row["error"]]
    assert len(with_errors) == 7 and all("(418: no)" in row["stop_reason"] for row in with_errors)


def test_a_broken_server_ends_it_with_one_sentence_and_the_same_command_goes_on(made: Clew, here: Path) -> None:
    broken = True

    def reply(request: Request) -> Reply:
        return Reply(fault="auth") if broken else world.model(request)

    with ScriptedServer(reply) as server:
        result = made(*options(server, "--concurrency", 2))
        assert result.code == 5 and result.err.count("clew:") == 1 and "have all failed this way" in result.err
        assert "key" in result.err and server.count < 9 and result.out == ""
        broken = False
        again = made(*options(server, "--json"))
        assert again.code == 0 and again.objects[1]["em"] == pytest.approx(5 / 7, abs=1e-6)
        assert again.objects[0]["errors"] == 0


def test_the_server_is_asked_once_what_it_can_do(made: Clew, here: Path) -> None:
    def reply(request: Request) -> Reply:
        return PROBE.reply if "quick brown fox" in request.prompt else world.model(request)  # type: ignore[return-value]

    with ScriptedServer(reply, features=vllm) as server:
        result = made(*options(server, "--json", graphs=(O1,)))
        assert result.code == 0, result.err
        probes = [request for request in server.requests if "quick brown fox" in request.prompt]
        assert len(probes) == 1
        assert made(*[*options(server, graphs=(O1,))[:-1], "again"], "--repeats", 2).code == 0
        assert len([request for request in server.requests if "quick brown fox" in request.prompt]) == 1
    (data,) = result.objects
    assert data["em"] == pytest.approx(5 / 7, abs=1e-6) and data["recall"] > 0.8 and data["searches"] == 1
    assert made("replay", rows(here)[0]["run"]).code == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--graph", "corog"], ["'corog' is unknown", "did you mean 'corag'?"]),
        (["--graph", "rag:topk=3"], ["rag has no option 'topk'", "did you mean 'top_k'?"]),
        (["--graph", "rag:top_k=many"], ["top_k = 'many' does not fit", "a whole number"]),
        (["--graph", "rag", "--store", "nowhere"], ["there is no store", "clew index world/documents --store nowhere"]),
        (["--graph", "rag", "--tasks", "empty.jsonl"], ["no tasks"]),
        (["--graph", "rag", "--tasks", "nothing-like-it"], ["nothing-like-it"]),
    ],
)
def test_a_mistake_is_named(made: Clew, here: Path, more: list[str], words: list[str]) -> None:
    (here / "empty.jsonl").write_text("")
    result = made("eval", *([] if "--tasks" in more else ["--tasks", "world"]), *more, "--model", "openai/x")
    assert result.code == 2 and "Traceback" not in result.err
    for word in words:
        assert word in result.err
    assert not (here / ".clew" / "evals").exists()


def test_without_a_model_it_says_how_to_give_one(made: Clew) -> None:
    result = made("eval", "--tasks", "world", "--graph", CLOSED)
    assert result.code == 2 and "no model is configured" in result.err


def test_a_store_of_other_documents_is_noticed(made: Clew, here: Path) -> None:
    assert made("index", "docs", "--store", "others").code == 0
    with ScriptedServer(world.model) as server:
        result = made(*options(server, "--store", "others"))
    assert "none of the documents that the tasks name as gold" in result.err


def test_a_terminal_shows_a_table_that_grows(tmp_path: Path) -> None:
    items = tuple(read_items(world.make(tmp_path / "world") / "tasks.jsonl"))
    with ScriptedServer(world.model) as server:
        graph = closed_book(Model("openai/scripted", api_base=server.url))
        plan = Plan(TaskSet("world", items), {CLOSED: graph})
        board, console = Board(plan), Console(file=io.StringIO(), width=100)
        console.print(board._drawn())
        asyncio.run(carry_out(plan, Journal.memory(), watch=board))
    console.print(board._drawn())
    before, after = (line.split() for line in console.file.getvalue().splitlines() if line.startswith(CLOSED))  # type: ignore[attr-defined]
    assert before == [CLOSED, "0/7", "–", "–", "–", "0"] and after[:4] == [CLOSED, "7/7", "28.6", "28.6%"]
    assert "7 of 7 runs" in board.text() and f"{CLOSED} 28.6%" in board.text()


def test_ctrl_c_and_kill_9_lose_nothing(made: Clew, here: Path) -> None:
    hang = True

    def reply(request: Request) -> Reply:
        return Reply(fault="hang") if hang and server.count > 8 else world.model(request)

    with ScriptedServer(reply) as server:
        for stop, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
            seen = server.count
            running = process(*options(server, "--concurrency", 3), cwd=here, preexec_fn=_default_sigint)
            try:
                server.wait_for(max(seen, 8) + 3)
                if stop == signal.SIGINT:
                    held = made(*options(server, graphs=(CLOSED,))[:-2], "--out", "held", "--concurrency", 1)
                    assert held.code == 3 and f"process {running.pid}" in held.err
                    assert made(*options(server)).code == 5  # the store is held too
                running.send_signal(stop)
                out, err = running.communicate(timeout=60)
            finally:
                running.kill()
            assert running.returncode == code and out == "" and "Traceback" not in err, err
            if stop == signal.SIGINT:
                assert "the same command goes on" in err.splitlines()[-1]
        hang = False
        result = made(*options(server, "--json"))
        assert result.code == 0 and result.objects[1]["em"] == pytest.approx(5 / 7, abs=1e-6)
        assert "possibly up to" in result.err
        # Fourteen answers, and three requests that hung, twice.
        assert server.count == 14 + 3 + 3


def _default_sigint() -> None:
    # A shell starts background jobs with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
