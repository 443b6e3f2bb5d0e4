"""What the server remembers: requests, the ledger, keys; and the server as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from clew.testing import Reply, ScriptedServer
from tests.testing.client import USER, chat, post

ROOT = Path(__file__).parents[2]


def test_requests_are_recorded_without_credentials():
    with ScriptedServer("x") as server:
        httpx.post(
            server.url + "/chat/completions",
            json={"model": "m", "messages": USER, "stop": "END"},
            headers={"Authorization": "Bearer sk-secret", "X-Api-Key": "sk-secret", "X-Trace": "7"},
        )
        httpx.post(server.url + "/chat/completions", json={"model": "m", "messages": USER})
        first, second = server.requests
    assert (first.path, first.model, first.stop, first.last) == (
        "/v1/chat/completions",
        "m",
        ["END"],
        USER[0]["content"],
    )
    assert first.headers["x-trace"] == "7"
    assert "sk-secret" not in repr(first)
    assert (first.authorized, second.authorized) == (True, False)
    assert first.at <= second.at and [first.number, second.number] == [0, 1]


def test_a_key_can_be_demanded():
    with ScriptedServer("x", api_key="sk-right") as server:
        assert post(server).status_code == 401
        assert httpx.get(server.url + "/models").status_code == 401
        headers = {"Authorization": "Bearer sk-right"}
        body = {"model": "m", "messages": USER}
        assert httpx.post(server.url + "/chat/completions", json=body, headers=headers).status_code == 200
        assert [request.authorized for request in server.requests] == [False, True]
        assert server.unexpected == []


async def _post(client: httpx.AsyncClient, server: ScriptedServer) -> None:
    await client.post(server.url + "/chat/completions", json={"model": "m", "messages": USER}, timeout=60)


@pytest.mark.anyio
async def test_waiting_for_requests_and_clients_that_leave():
    async with ScriptedServer(Reply(fault="hang")) as server, httpx.AsyncClient() as client:
        asked = [asyncio.create_task(_post(client, server)) for _ in range(3)]
        await server.arrived(3)
        assert server.count == 3 and server.abandoned == []
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await server.departed(3)
        assert {request.number for request in server.abandoned} == {0, 1, 2}


def test_waiting_ends():
    with ScriptedServer() as server, pytest.raises(TimeoutError, match="0 of 1"):
        server.wait_for(1, timeout=0.01)


def test_the_ledger_has_each_request_before_its_answer(tmp_path: Path):
    ledger = tmp_path / "ledger"
    seen_by_the_reply = []

    def reply(_: object) -> str:
        seen_by_the_reply.append(len(ledger.read_text().splitlines()))
        return "x"

    for _ in range(2):
        with ScriptedServer(reply, ledger=ledger) as server:
            chat(server)
            post(server, "/nowhere")
            digest = server.requests[0].digest
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert seen_by_the_reply == [1, 3]
    assert [line["path"] for line in lines] == ["/v1/chat/completions", "/v1/nowhere"] * 2
    assert lines[0]["digest"] == lines[2]["digest"] == digest
    assert set(lines[0]) == {"number", "at", "path", "model", "digest", "prompt_tokens"}


def test_a_server_can_go_away_and_come_back():
    server = ScriptedServer(["a", "b"])
    with server:
        assert chat(server)["message"]["content"] == "a"
    with pytest.raises(httpx.ConnectError):
        post(server)
    with server:
        assert chat(server)["message"]["content"] == "b"


def test_a_port_in_use_is_an_error():
    with ScriptedServer() as server:
        port = httpx.URL(server.url).port
        assert port is not None
        with pytest.raises(OSError), ScriptedServer(port=port):
            pass


# A process of its own ----------------------------------------------------------------------------------------------


@contextmanager
def process(*arguments: str) -> Iterator[str]:
    """`python -m clew.testing` with `arguments`, as its URL; must end well on SIGTERM."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "clew.testing", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        try:
            assert child.stdout is not None
            yield child.stdout.readline().strip()
        finally:
            child.terminate()
    assert child.returncode == 0


def ask(url: str, text: str = "hello") -> str:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    response = httpx.post(url + "/chat/completions", json=body, timeout=30)
    assert response.status_code == 200, response.text
    content = response.json()["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


def test_a_script_file(tmp_path: Path):
    script = tmp_path / "script.jsonl"
    lines = [
        "plain",
        {"when": "two", "reply": ["first", "second"]},
        {"when": "echo", "reply": {"template": "{{ last | after('echo ') }}"}},
        {"when": "fail", "reply": {"faulty": "rate_limit", "times": 1, "then": {"text": "fine"}}},
        {"when": "late", "reply": {"text": "x", "fault": "overloaded", "retry_after": {"seconds": 3}}},
        {"when": "random", "reply": {"random": {"p": 0, "prefix": "Hm: ", "final": "{}."}}},
        {"text": "last {kept}", "usage": False},
    ]
    script.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    with process("--script", str(script), "--ledger", str(tmp_path / "ledger")) as url:
        assert [ask(url), ask(url, "two"), ask(url, "two")] == ["plain", "first", "second"]
        assert ask(url, "echo this") == "this"
        body = {"model": "m", "messages": [{"role": "user", "content": "fail"}]}
        assert httpx.post(url + "/chat/completions", json=body).status_code == 429
        assert ask(url, "fail") == "fine"
        body["messages"][0]["content"] = "late"
        assert "GMT" in httpx.post(url + "/chat/completions", json=body).headers["retry-after"]
        assert ask(url, "random").startswith("Hm: ")
        assert ask(url) == "last {kept}"
    assert len((tmp_path / "ledger").read_text().splitlines()) == 9


def test_random_text_with_markers_and_features():
    with process("--random", "--marker", "<q> </q>", "--p", "1", "--features", "openai", "--api-key", "k") as url:
        body = {"model": "m", "messages": USER}
        assert httpx.post(url + "/chat/completions", json=body).status_code == 401
        reply = httpx.post(url + "/chat/completions", json=body, headers={"Authorization": "Bearer k"})
        assert "<q>" in reply.json()["choices"][0]["message"]["content"]
        assert httpx.post(url + "/completions", json={}, headers={"Authorization": "Bearer k"}).status_code == 404


def test_it_ends_with_its_standard_input():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "clew.testing", "--random", "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline().startswith("http://127.0.0.1:")
        child.stdin.close()
        assert child.wait(30) == 0


@pytest.mark.parametrize(
    "line", ['{"fault": "nope"}', "{not json", '{"unknown": 1}', "5", '{"when": "x"}', '{"random": {"nope": 1}}']
)
def test_a_script_that_cannot_be_read(tmp_path: Path, line: str):
    script = tmp_path / "script.jsonl"
    script.write_text('"fine"\n' + line)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "clew.testing", "--script", str(script)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 2
    assert f"{script}:2" in done.stderr and "Traceback" not in done.stderr
