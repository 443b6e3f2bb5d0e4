"""`ask` and what people do with its run: look at it, replay it, resume it, fork it, carry it away."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from clew.testing import Call, Faulty, Reply, Rule, ScriptedServer, Template, hidden_reasoning, vllm

from .conftest import ANSWER, QUESTION, SEARCHING, Clew, at, events, run_id, script

KEY = "a-key-that-must-not-be-written"


def test_an_answer_comes_with_numbered_sources_and_its_cost(indexed: Clew, server: ScriptedServer) -> None:
    result = indexed("ask", QUESTION, *at(server))
    assert result.code == 0
    id = run_id(result)
    lines = result.out.splitlines()
    assert lines[0] == "Berta Quill"
    assert lines[1:4] == ["", "Sources", "[1] Sluice — sluice.md"]
    assert lines[-1].startswith(f"run {id} · ") and " tokens · $0 · " in lines[-1]
    assert "Berta Quill" not in result.err
    assert [word for word in ("probe", "model", "search") if word in result.err] == ["probe", "model", "search"]
    server.assert_done()


def test_json_is_one_object_with_the_documented_fields(indexed: Clew, server: ScriptedServer) -> None:
    (data,) = indexed("ask", QUESTION, *at(server), "--json").objects
    assert data["status"] == "ok" and data["answer"] == "Berta Quill"
    (source,) = data["sources"]
    assert source["number"] == 1 and source["source"] == "sluice.md" and source["title"] == "Sluice"
    assert "repaired by Berta Quill" in source["text"] and len(source["passage_id"]) == 16
    assert set(data) == {
        "run", "status", "stop_reason", "answer", "sources",
        "tokens", "usd", "seconds", "model_calls", "searches", "effects",
    }  # fmt: skip
    assert data["tokens"] > 0 and data["usd"] == 0 and data["searches"] == 1 and data["model_calls"] == 3


def test_the_run_is_listed_and_shown(indexed: Clew, server: ScriptedServer) -> None:
    id = run_id(indexed("ask", QUESTION, *at(server)))
    (listed,) = indexed("runs", "--json").objects
    assert listed["run"] == id and listed["status"] == "ok" and listed["title"] == QUESTION
    table = indexed("runs").out
    assert id in table and QUESTION in table and "just now" in table
    shown = indexed("show", id[:4])
    assert shown.code == 0 and "Berta Quill" in shown.out and "search_o1 · openai/scripted" in shown.out
    assert "who repairs the sluice → 3 hits" in shown.out
    full = indexed("show", id, "--full").out
    assert "You are solving a problem step by step" in full and "<|end_search_query|>" in full
    assert "The sluice of Ardenne is repaired by Berta Quill every spring." in full
    run, *steps = indexed("show", id, "--json").objects
    assert run["type"] == "run" and {step["type"] for step in steps} == {"event"}
    assert [step["kind"] for step in steps if step["kind"] in ("search", "model")] == [
        "model",
        "search",
        "model",
        "model",
    ]
    (found,) = [step for step in indexed("show", id, "--full", "--json").objects if step.get("kind") == "search"]
    assert found["request"]["query"] == "who repairs the sluice"


def test_a_replay_needs_neither_server_nor_store(indexed: Clew, here: Path, server: ScriptedServer) -> None:
    id = run_id(indexed("ask", QUESTION, *at(server)))
    server.stop()
    (here / ".clew" / "store").rename(here / ".clew" / "gone")
    result = indexed("replay", id)
    assert result.code == 0 and "the same answer" in result.out
    (data,) = indexed("replay", id, "--json").objects
    assert data["same"] is True and data["unused"] == [] and data["answer"] == "Berta Quill"


def test_a_replay_of_a_damaged_record_ends_with_3(indexed: Clew, here: Path, server: ScriptedServer) -> None:
    id = run_id(indexed("ask", QUESTION, *at(server)))
    with sqlite3.connect(here / ".clew" / "journal.db") as db:
        db.execute("DELETE FROM events WHERE kind = 'search'")
    result = indexed("replay", id)
    assert result.code == 3 and result.err.startswith("clew: ") and "'search'" in result.err


def test_a_finished_run_is_not_paid_again(indexed: Clew, server: ScriptedServer) -> None:
    id = run_id(indexed("ask", QUESTION, *at(server)))
    sent = server.count
    result = indexed("resume", id)
    assert result.code == 0 and result.out.startswith("Berta Quill") and server.count == sent
    assert "ended before" in result.err


def test_a_budget_ends_with_4_and_a_higher_one_goes_on(indexed: Clew, server: ScriptedServer) -> None:
    result = indexed("ask", QUESTION, *at(server), "--budget-tokens", 100, "--max-tokens", 300)
    assert result.code == 4
    assert "the limit on tokens was reached" in result.err and "--budget-tokens N" in result.err
    id, sent = run_id(result), server.count
    again = indexed("resume", id)
    assert again.code == 4 and server.count == sent
    more = indexed("resume", id, "--budget-tokens", 100_000)
    assert more.code == 0 and more.out.startswith("Berta Quill")


def test_money_without_a_price_is_refused_before_anything_is_sent(here: Path, clew: Clew) -> None:
    result = clew("ask", "6 x 7?", "--method", "cot", "--model", "openai/unheard-of", "--budget-usd", 1)
    assert result.code == 4 and "limit on usd" in result.err


def test_a_price_of_ones_own_is_charged(clew: Clew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEW_PRICE_IN", "1000000")
    monkeypatch.setenv("CLEW_PRICE_OUT", "0")
    with ScriptedServer(
        Reply("\\boxed{42}", usage={"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12})
    ) as server:
        (data,) = clew("ask", "6 x 7?", "--method", "cot", *at(server), "--json").objects
    assert data["usd"] == 3 and data["tokens"] == 12


def test_what_failed_is_tried_again_by_a_resume(indexed: Clew) -> None:
    with ScriptedServer(script(SEARCHING, Faulty("auth", then=ANSWER)), features=vllm) as server:
        result = indexed("ask", QUESTION, *at(server))
        assert result.code == 5 and "resume" in result.err
        assert result.err.splitlines()[-1].startswith("clew: ") and "Traceback" not in result.err
        sent = server.count
        assert indexed("resume", run_id(result), "--retry", "none").code == 5 and server.count == sent
        again = indexed("resume", run_id(result))
        assert again.code == 0 and again.out.startswith("Berta Quill")
        assert server.count == sent + 1


def test_a_resume_knows_where_server_and_store_have_moved(indexed: Clew, here: Path) -> None:
    with ScriptedServer(script(Reply(fault="auth")), features=vllm) as first:
        id = run_id(indexed("ask", QUESTION, *at(first)))
    (here / ".clew" / "store").rename(here / "elsewhere")
    with ScriptedServer(script(SEARCHING, ANSWER), features=vllm) as second:
        result = indexed("resume", id, "--api-base", second.url, "--store", "elsewhere")
        assert result.code == 0 and result.out.startswith("Berta Quill")


def test_no_answer_ends_with_1(clew: Clew) -> None:
    with ScriptedServer("I cannot say.") as server:
        result = clew("ask", "6 x 7?", "--method", "cot", *at(server))
    assert result.code == 1 and "no answer was found (no_answer)" in result.err


def test_without_a_model_the_best_passages_are_shown(indexed: Clew) -> None:
    result = indexed("ask", QUESTION)
    assert result.code == 2
    assert "no model is configured" in result.err.splitlines()[0] and "CLEW_MODEL" in result.err.splitlines()[0]
    assert "repaired by Berta Quill" in result.out
    best = indexed("ask", QUESTION, "--json").objects[0]
    assert best["rank"] == 1 and best["source"] == "sluice.md"


def test_without_a_model_and_an_index_only_the_line_is_shown(clew: Clew) -> None:
    result = clew("ask", QUESTION)
    assert result.code == 2 and result.out == "" and "no model is configured" in result.err


def test_a_fork_shares_the_past_and_goes_another_way(indexed: Clew, server: ScriptedServer) -> None:
    id = run_id(indexed("ask", QUESTION, *at(server)))
    steps = [s for s in indexed("show", id, "--json").objects if s.get("kind") == "model"]
    sent = server.count
    with ScriptedServer(script("After all it is \\boxed{nobody}."), features=vllm) as other:
        result = indexed("fork", id, steps[-1]["event"], "--api-base", other.url)
        assert result.code == 0 and result.out.startswith("nobody")
        assert other.count == 1 and server.count == sent
        child = run_id(result)
        assert indexed("replay", child).code == 0
    first = indexed("show", child, "--json").objects[0]
    assert first["parent"] == id and first["tokens"] < indexed("show", id, "--json").objects[0]["tokens"]
    assert indexed("replay", id).code == 0


def test_an_exported_run_is_replayed_elsewhere(indexed: Clew, here: Path, server: ScriptedServer) -> None:
    id = run_id(indexed("ask", QUESTION, *at(server)))
    assert indexed("show", id, "--export", "run.jsonl").code == 0
    assert indexed("show", id, "--export", "-").out == (here / "run.jsonl").read_text()
    result = indexed("import", "run.jsonl", "--journal", "other.db")
    assert result.code == 0 and result.out == f"{id}\n" and server.url in result.err
    assert indexed("replay", id, "--journal", "other.db").code == 0
    twice = indexed("import", "run.jsonl", "--journal", "other.db")
    assert twice.code == 3 and "already in" in twice.err


def test_the_key_is_written_nowhere(indexed: Clew, here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLEW_API_KEY", KEY)
    echo = script(SEARCHING, Reply(f"the key {KEY} is not allowed", status=401))
    with ScriptedServer(echo, features=vllm, api_key=KEY) as server:
        result = indexed("ask", QUESTION, *at(server))
        assert result.code == 5
        assert all(request.authorized for request in server.requests)
    shown = indexed("show", run_id(result), "--full", "--json")
    files = b"".join(path.read_bytes() for path in (here / ".clew").glob("journal.db*"))
    assert KEY not in result.out + result.err + shown.out and KEY.encode() not in files
    assert b"scripted" in files


def test_the_key_is_read_again_by_a_resume(indexed: Clew, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(script(SEARCHING, ANSWER), features=vllm, api_key=KEY) as server:
        result = indexed("ask", QUESTION, *at(server))
        assert result.code == 5
        monkeypatch.setenv("CLEW_API_KEY", KEY)
        assert indexed("resume", run_id(result)).code == 0


def test_escape_sequences_do_not_reach_the_terminal(clew: Clew) -> None:
    with ScriptedServer("It is \\boxed{red \x1b[31m\x07alarm}") as server:
        result = clew("ask", "what?", "--method", "cot", *at(server))
    shown = clew("show", run_id(result), "--full").out
    assert result.out.startswith("red [31malarm") and "\x1b" not in result.out + result.err + shown


def test_a_question_can_come_from_stdin_and_must_not_be_empty(clew: Clew, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("6 x 7?\n"))
    with ScriptedServer("\\boxed{42}") as server:
        assert clew("ask", "-", "--method", "cot", *at(server)).out.startswith("42")
    assert clew("ask", "  ").code == 2


def test_the_reader_may_be_another_model(indexed: Clew, server: ScriptedServer) -> None:
    assert indexed("ask", QUESTION, *at(server), "--reader-model", "openai/small").code == 0
    asked = {json.dumps(request.body["model"]) for request in server.requests}
    assert asked == {'"scripted"', '"small"'}


def test_a_run_that_never_began_leaves_nothing(clew: Clew, here: Path, server: ScriptedServer) -> None:
    result = clew("ask", QUESTION, *at(server))
    assert result.code == 2 and "there is no store" in result.err and server.count == 0
    assert events(here / ".clew" / "journal.db") == [] and clew("runs").out == ""


def test_a_strategy_is_a_method_too_and_the_chosen_candidate_brings_its_sources(indexed: Clew) -> None:
    found = Rule(r"repaired by Berta Quill", ANSWER)
    with ScriptedServer(script(found, Rule("Question:", SEARCHING)), features=vllm) as server:
        result = indexed("ask", QUESTION, *at(server), "--method", "vote(search_o1:max_searches=1, n=3)")
    assert result.code == 0, result.err
    assert result.out.splitlines()[:4] == ["Berta Quill", "", "Sources", "[1] Sluice — sluice.md"]
    assert indexed("replay", run_id(result)).code == 0
    assert "vote(search_o1:max_searches=1, n=3)" in indexed("show", run_id(result)).out


def test_react_gets_the_store_that_is_there(indexed: Clew) -> None:
    look, read = Call("search", {"query": "who repairs the sluice"}), Call("read_page", {"page": "1-1"})
    found = "messages | selectattr('role', 'equalto', 'tool') | map(attribute='content') | list | last"
    answer = Template(f"It is \\boxed{{ {{{{- {found} | find('(?<=repaired by )Berta Quill') -}}}} }}.")
    probing = Rule(lambda request: QUESTION not in request.prompt, "mps over the lazy dog.")
    replies: list[Any] = [probing, Reply(tool_calls=(look,)), Reply(tool_calls=(read,)), answer]
    with ScriptedServer(replies, features=hidden_reasoning) as server:
        result = indexed("ask", QUESTION, *at(server), "--method", "react", "--sandbox", "process")
    assert result.code == 0 and result.out.startswith("Berta Quill\n") and "sluice.md" in result.out, result.err
    tools = [tool["function"]["name"] for tool in server.requests[-1].body["tools"]]
    assert tools == ["python", "search", "read_page"]
    assert indexed("replay", run_id(result)).code == 0


def test_a_mistake_in_a_spec_is_pointed_at(clew: Clew) -> None:
    result = clew("ask", QUESTION, "--method", "vote(corag:length=3,strategy=greedy, n=8)")
    assert result.code == 2 and result.err.count("\n") == 1
    assert "(character 21): vote has no option 'strategy'" in result.err
