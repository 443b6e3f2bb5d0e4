"""An MCP server with state, in a process of its own: `python counting_server.py stdio`, or `... http PORT [old]`."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

server = MCPServer("counting")
sessions: dict[str, int] = {}
total = 0


class Tally(BaseModel):
    total: int
    pid: int
    config: str


@server.tool()
def count(step: int, config: str = "none") -> Tally:
    """Counts up by `step`."""
    global total
    total += step
    return Tally(total=total, pid=os.getpid(), config=config)


@server.tool(name="my.session")
def of_session(ctx: Context[Any, Any]) -> str:
    """Counts up in this session, by the id that the client sends."""
    assert ctx.request_context.request is not None
    session = ctx.request_context.request.headers.get("mcp-session-id", "none")
    sessions[session] = sessions.get(session, 0) + 1
    return f"call {sessions[session]} of session {list(sessions).index(session) + 1}; known: {session != 'none'}"


@server.tool()
def fail(why: str) -> str:
    """Fails."""
    raise ToolError(why)


@server.tool()
async def sleep(seconds: float) -> str:
    """Waits."""
    await asyncio.sleep(seconds)
    return "awake"


@server.tool()
def leave(mark: str) -> str:
    """Ends the server in the middle of the call, the first time."""
    if os.path.exists(mark):
        return f"process {os.getpid()} is there"
    open(mark, "w").close()
    os._exit(1)


@server.tool()
def environment(name: str) -> str:
    """A variable of this process."""
    return os.environ[name]


def before_2026(app: Any) -> Any:
    """The server as one of an earlier protocol, which has sessions: it does not know how to be discovered."""

    async def older(scope: Any, receive: Any, send: Any) -> None:
        if (b"mcp-method", b"server/discover") not in scope.get("headers", ()):
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"no such method"})

    return older


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        served = server.streamable_http_app()
        uvicorn.run(before_2026(served) if sys.argv[3:] == ["old"] else served, port=int(sys.argv[2]))
