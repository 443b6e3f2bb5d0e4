"""MCP servers in processes of their own, over stdin and stdout and over HTTP: a session is kept, lost and made anew."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import clew
from clew.errors import ConfigError, ToolFailed
from clew.graphs.react import react
from clew.journal import Journal, replay
from clew.tools import McpServer, mcp_tools
from tests.graphs.start_words import problem
from tests.tools.agents import agent, calling, model_of, results, serving

pytestmark = pytest.mark.anyio

PROGRAM = str(Path(__file__).parent / "counting_server.py")
COMMAND = [sys.executable, PROGRAM, "stdio"]


def by_name(tools: Any) -> dict[str, Any]:
    return {tool.name: tool for tool in tools}


async def call(tool: Any, **arguments: Any) -> Any:
    return await tool.ainvoke({"type": "tool_call", "name": tool.name, "args": arguments, "id": "c1"})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def http_server(port: int, *era: str) -> Iterator[None]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, PROGRAM, "http", str(port), *era], **quiet)
    try:
        while True:
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "the server ended"
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


async def test_a_command_is_one_process_for_all_calls_and_is_gone_after_them() -> None:
    async with mcp_tools(COMMAND) as tools:
        found = by_name(tools)
        assert list(found) == ["count", "my_session", "fail", "sleep", "leave", "environment"]
        assert found["count"].description == "Counts up by `step`."
        first = await call(found["count"], step=2)
        then = await call(found["count"], step=5, config="kept from LangChain")
        assert [one.artifact["structured"]["total"] for one in (first, then)] == [2, 7]
        assert then.artifact["structured"]["config"] == "kept from LangChain"
        pid = first.artifact["structured"]["pid"]
        assert '"total": 7' in then.content and then.status == "success"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_killed_server_is_started_again_for_the_next_call() -> None:
    async with mcp_tools(COMMAND) as tools:
        count = by_name(tools)["count"]
        before = (await call(count, step=2)).artifact["structured"]
        os.kill(before["pid"], signal.SIGKILL)
        after = (await call(count, step=3)).artifact["structured"]
        assert after["total"] == 3 and after["pid"] != before["pid"]


async def test_a_server_that_ends_in_a_call_is_asked_once_more(tmp_path: Path) -> None:
    async with mcp_tools(COMMAND) as tools:
        found = by_name(tools)
        assert "is there" in (await call(found["leave"], mark=str(tmp_path / "mark"))).content
        again = await call(found["leave"], mark=str(tmp_path / "no" / "folder"))
        assert again.status == "error"


async def test_what_goes_wrong_is_a_text_for_the_model() -> None:
    async with McpServer(COMMAND, name="counting") as server:
        found = by_name(server.tools())
        failed = await call(found["fail"], why="no <|more|> apples")
        assert failed.status == "error" and "no < |more| > apples" in failed.content
        wrong = await call(found["count"], step="many")
        assert wrong.status == "error" and "step" in wrong.content
        server.timeout = 0.2
        late = await call(found["sleep"], seconds=600)
        assert late.status == "error" and "counting did not answer within 0.2 s" in late.content
        server.timeout = 60
        assert (await call(found["count"], step=1)).artifact["structured"]["total"] == 1


@pytest.mark.parametrize("era", [[], ["old"]], ids=["2026", "sessions"])
async def test_over_http_the_session_is_kept_and_made_anew_after_a_restart(era: list[str]) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    with http_server(port, *era):
        server = McpServer(url, headers={"Authorization": "Bearer secret-0123456789"})
        await server.__aenter__()
        found = by_name(server.tools())
        assert (await call(found["count"], step=2)).artifact["structured"]["total"] == 2
        assert (await call(found["count"], step=2)).artifact["structured"]["total"] == 4
        said = [(await call(found["my_session"])).content for _ in range(2)]
        known = bool(era)  # since 2026 the protocol itself has no sessions over HTTP
        assert said == [f"call {n} of session 1; known: {known}" for n in (1, 2)]
    gone = await call(found["count"], step=1)
    assert gone.status == "error" and "counting" not in gone.content and f"127.0.0.1:{port}" in gone.content
    with http_server(port, *era):
        assert (await call(found["count"], step=3)).artifact["structured"]["total"] == 3
        assert (await call(found["my_session"])).content == said[0]
    with http_server(port, *era):  # again, and nobody noticed that it was gone
        assert (await call(found["count"], step=5)).artifact["structured"]["total"] == 5
    await server.close()


async def test_calls_are_effects_and_a_replay_needs_no_server(tmp_path: Path) -> None:
    def counted(request: Any) -> Any:
        totals = [int(text.partition('"total": ')[2].partition(",")[0]) for text in results(request)]
        return f"It is \\boxed{{{max(totals)}}}."

    async with McpServer(COMMAND) as server:
        definitions = server.definitions
        tools = [one for one in server.tools() if one.name == "count"]
        for name, graph_of in (("react", react), ("agent", agent)):
            two = calling(("count", {"step": 1}), ("count", {"step": 2}))
            given = [calling(("count", {"step": 40})), two, counted]
            with serving(*given) as model, Journal(tmp_path / f"{name}.db") as journal:
                graph = graph_of(model_of(model), tools)
                answer = await clew.run(graph, problem(), journal=journal, run_id="run")
                assert answer.text == {"react": "43", "agent": "86"}[name]
                requests = [event.request for event in journal.events("run") if event.kind == "tool"]
                assert len(requests) == 3 and {one["server"] for one in requests} == {server.name}
                assert requests[0]["arguments"] == {"step": 40}

    async with McpServer(["/no/such/program"], name=server.name, definitions=definitions) as gone:
        tools = [one for one in gone.tools() if one.name == "count"]
        for name, graph_of in (("react", react), ("agent", agent)):
            with serving("never") as model, Journal(tmp_path / f"{name}.db") as journal:
                again = await replay("run", journal=journal, graph=graph_of(model_of(model), tools))
                assert again.same and not model.requests
        broken = await call(tools[0], step=1)
        assert broken.status == "error" and "no connection to the MCP server" in broken.content


async def test_a_server_that_does_not_start_is_named() -> None:
    with pytest.raises(ToolFailed, match=r"no connection to the MCP server nothing"):
        async with mcp_tools(["nothing-of-that-name"], name="nothing"):
            pass
    crash = [sys.executable, "-c", "raise SystemExit('I have no licence')"]
    with pytest.raises(ToolFailed, match="I have no licence"):
        async with mcp_tools(crash):
            pass
    silent = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(ToolFailed, match="did not introduce itself in time"):
        async with mcp_tools(silent, start_timeout=0.3):
            pass


@pytest.mark.parametrize(
    ("target", "options"), [("server.py", {}), ([], {}), ("ftp://host", {}), (COMMAND, {"timeout": 0})]
)
def test_what_makes_no_sense_is_refused(target: Any, options: Any) -> None:
    with pytest.raises(ConfigError):
        McpServer(target, **options)


async def test_secrets_in_the_environment_of_a_command_are_written_nowhere(tmp_path: Path) -> None:
    secrets = {"GITHUB_TOKEN": "word-of-a-token-1", "DB_PASSWORD": "pa55word", "LOGIN": "a1B2" * 6}
    env = {**secrets, "REGION": "somewhere in the north"}
    tell = f"import os; raise SystemExit(' '.join(os.environ[name] for name in {list(env)!r}))"
    with pytest.raises(ToolFailed) as failure:
        async with mcp_tools([sys.executable, "-c", tell], env=env):
            pass
    assert str(failure.value).endswith("it said: [redacted] [redacted] [redacted] somewhere in the north")
    async with McpServer(COMMAND, env=env) as server:
        found = by_name(server.tools())
        with serving(calling(("environment", {"name": "GITHUB_TOKEN"})), "\\boxed{done}") as model:
            with Journal(tmp_path / "j.db") as journal:
                graph = react(model_of(model), [found["environment"]])
                assert (await clew.run(graph, problem(), journal=journal)).text == "done"
            assert results(model.requests[-1]) == ["[redacted]"]
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"environment" in written and not any(secret.encode() in written for secret in secrets.values())


def test_credentials_are_no_part_of_the_name() -> None:
    server = McpServer("https://user:word@host:1/mcp?key=secret")
    assert server.name == "https://host:1/mcp"
    with pytest.raises(ConfigError, match="enter it first"):
        server.tools()
