"""Tools of MCP servers, over one session that is kept and comes back after a restart of the server."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import Context
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import anyio
import httpx2
from langchain_core.tools import BaseTool, ToolException
from langgraph.prebuilt import ToolRuntime
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client import Transport
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, INVALID_REQUEST, REQUEST_TIMEOUT, CallToolResult, TextContent

from clew.errors import ConfigError, ToolFailed
from clew.journal import note, register_secret
from clew.journal.redact import redact
from clew.tools.recording import KIND, NO_RUNTIME, RecordedTool, place_of, readable, recorded_tool, told

# So many characters of what a server wrote to stderr are shown when it does not start.
_SAID = 500
# A server that does not end by itself is left to the SDK, which kills it after a few seconds.
_GOODBYE_S = 10.0
# A shorter value is likely a word of ordinary text, which nobody could read any more if it were masked.
_SHORTEST_SECRET = 8
_SECRET_NAME = re.compile(r"key|token|secret|pass|pwd|auth|credential|cookie", re.IGNORECASE)
# Letters and digits in one long word, which no path, address or sentence is.
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[\w+=~-]{20,}")


class McpServer:
    """An MCP server whose tools are LangChain tools; each call is an effect of kind `tool`.

        async with McpServer(["python", "server.py"]) as server:
            graph = react(model, server.tools())

    Args:
        target: the command that starts a server on stdin and stdout, or the URL of a streamable HTTP server. The
            command runs on this machine, outside of any sandbox, with your rights: name only what you trust. No model
            ever chooses it.
        name: what requests in the journal call it; default: the URL without credentials, or the command's file name.
        env: further environment variables of the command, which otherwise gets PATH, HOME and few others. The values of
            those that are named for a key, a token, a password or the like, and values that look like one, appear in no
            journal or error.
        cwd: folder in which the command runs.
        headers: HTTP headers, such as `Authorization`. Their values appear in no journal, log or error.
        prefix: put before the names of the tools, where two servers use the same.
        timeout: seconds for one call.
        start_timeout: seconds until the server must have introduced itself.
        definitions: tools as `definitions` of an earlier connection gave them. Then no connection is made before a call
            needs one, and a replay needs no server at all.

    One session serves all calls, so that a server may keep state. When the connection is lost, it is made anew and the
    call is made once more; a call that was under way may so be performed twice. What goes wrong on the server's side is
    a text for the model: an error of the tool, no answer in time, no connection.

    Raises `ToolFailed` on entering when the server cannot be reached, and `ConfigError` for arguments that make no
    sense. Use it in one event loop.
    """

    def __init__(
        self,
        target: str | Sequence[str],
        *,
        name: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        headers: Mapping[str, str] | None = None,
        prefix: str = "",
        timeout: float = 60.0,
        start_timeout: float = 30.0,
        definitions: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self._url, self._command = _target(target)
        if min(timeout, start_timeout) <= 0:
            raise ConfigError(f"timeout={timeout!r}, start_timeout={start_timeout!r}: give seconds above 0")
        self.name = name or _name(self._url, self._command)
        self.prefix, self.timeout, self.start_timeout = prefix, timeout, start_timeout
        self.definitions: list[dict[str, Any]] = [dict(one) for one in definitions or ()]
        self._listed = definitions is not None
        self._env, self._cwd, self._headers = dict(env or {}), cwd, dict(headers or {})
        for value in self._headers.values():
            register_secret(value)
            register_secret(value.rpartition(" ")[2])
        for name_of_it, value in self._env.items():
            if len(value) >= _SHORTEST_SECRET and (_SECRET_NAME.search(name_of_it) or _RANDOM.fullmatch(value)):
                register_secret(value)
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> McpServer:
        if not self._listed:
            self.definitions = await _definitions((await self._connected()).client)
            self._listed = True
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the session, and the process of a command. A later call begins a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def tools(self) -> list[BaseTool]:
        """The server's tools, in its order. Raises `ConfigError` before the server was entered."""
        if not self._listed:
            raise ConfigError(f"the tools of {self.name!r} are not known yet: enter it first, with `async with`")
        return [self._tool(definition) for definition in self.definitions]

    def _tool(self, definition: Mapping[str, Any]) -> RecordedTool:
        named = re.sub(r"[^a-zA-Z0-9_-]", "_", self.prefix + definition["name"])[:64]

        async def call(arguments: dict[str, Any], runtime: ToolRuntime = NO_RUNTIME) -> tuple[str, Any]:
            async def perform() -> dict[str, Any]:
                return _outcome(await self._call(definition["name"], arguments))

            request = {"server": self.name, "tool": definition["name"], "arguments": arguments}
            with place_of(named, runtime):
                outcome = await told(KIND, request, perform)
            if outcome["error"]:
                raise ToolException(readable(outcome["text"] or "The tool failed and did not say why."))
            structured = outcome["structured"]
            return readable(outcome["text"]), None if structured is None else {"structured": structured}

        schema = dict(definition.get("input_schema") or {"type": "object", "properties": {}})
        return recorded_tool(named, definition.get("description") or named, schema, call)

    async def _call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        for again in (False, True):
            connection = await self._connected()
            try:
                return await connection.client.call_tool(tool, arguments, read_timeout_seconds=self.timeout)
            except Exception as error:
                if isinstance(error, MCPError) and error.code == REQUEST_TIMEOUT:
                    raise ToolFailed(f"{self.name} did not answer within {self.timeout:g} s") from error
                if not _lost(error):
                    raise ToolFailed(f"{self.name} answered with an error: {error}") from error
                await self._drop(connection)
                if again:
                    raise ToolFailed(f"the connection to {self.name} broke twice: {error}") from error
                note("mcp_connection_lost", {"server": self.name, "tool": tool, "error": str(error)})
        raise AssertionError("the second try returns or raises")

    async def _connected(self) -> Connection:
        async with self._lock:
            if self._connection is not None and not self._connection.here():
                raise ConfigError(f"the MCP server {self.name} was entered in another event loop: use it in that one")
            if self._connection is None:
                connection = Connection()
                try:
                    async with asyncio.timeout(self.start_timeout):
                        await connection.open(self._transport)
                except Exception as error:
                    await connection.close()
                    raise ToolFailed(f"no connection to the MCP server {self.name}: {connection.why(error)}") from error
                except BaseException:
                    await connection.close()
                    raise
                self._connection = connection
            return self._connection

    async def _transport(self, stack: AsyncExitStack, stderr: TextIO) -> Transport:
        if self._url is None:
            program, *arguments = self._command
            asked = StdioServerParameters(command=program, args=arguments, env=self._env, cwd=self._cwd)
            return stdio_client(asked, errlog=stderr)
        patience = httpx2.Timeout(30.0, read=None)  # a call has its own limit
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=self._headers, timeout=patience))
        return streamable_http_client(self._url, http_client=http)

    async def _drop(self, connection: Connection) -> None:
        async with self._lock:
            if self._connection is connection:
                self._connection = None
        await connection.close()


class Connection:
    """One session, owned by a task of its own: the SDK wants it left by the task that entered it."""

    def __init__(self) -> None:
        self.client: Client
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._said = ""

    async def open(self, transport: Callable[[AsyncExitStack, TextIO], Awaitable[Transport]]) -> None:
        """Begins the session over what `transport` makes; it may enter contexts and write to a file for stderr."""
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()

        async def own() -> None:
            with tempfile.TemporaryFile("w+", errors="replace") as said:
                try:
                    async with AsyncExitStack() as stack:
                        made = await transport(stack, said)
                        client = await stack.enter_async_context(Client(made, cache=None))
                        if not ready.done():
                            ready.set_result(client)
                            await self._ended.wait()
                except Exception as error:
                    if not ready.done():
                        ready.set_exception(error)
                finally:
                    said.seek(0)
                    self._said = redact(said.read())[-_SAID:].strip()

        # A context of its own: the session outlives the run and the node that happened to need it first.
        self._task = asyncio.create_task(own(), context=Context())
        self.client = await ready

    def here(self) -> bool:
        """Whether this is the event loop of the session."""
        return self._task is not None and self._task.get_loop() is asyncio.get_running_loop()

    async def close(self) -> None:
        self._ended.set()
        if self._task is not None:
            if not hasattr(self, "client"):
                self._task.cancel()
            _, open_ends = await asyncio.wait([self._task], timeout=_GOODBYE_S)
            for task in open_ends:
                task.cancel()

    def why(self, error: BaseException) -> str:
        """What is known of a connection that was not made."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        reason = "it did not introduce itself in time" if isinstance(error, TimeoutError) else str(error)
        said = f"; it said: {self._said}" if self._said else ""
        return redact(reason or type(error).__name__) + said


@asynccontextmanager
async def mcp_tools(target: str | Sequence[str], **options: Any) -> AsyncIterator[list[BaseTool]]:
    """The tools of one MCP server, for as long as the block lasts; arguments as for `McpServer`.

    async with mcp_tools(["python", "server.py"]) as tools:
        answer = await clew.run(react(model, tools), task)
    """
    async with McpServer(target, **options) as server:
        yield server.tools()


def _target(target: str | Sequence[str]) -> tuple[str | None, list[str]]:
    if not isinstance(target, str):
        if not target or not all(isinstance(part, str) for part in target):
            raise ConfigError(f"target={target!r} is no command: give a list of strings, or a URL")
        return None, list(target)
    if urlsplit(target).scheme not in ("http", "https"):
        raise ConfigError(f"target={target!r} is no URL of an MCP server: give http(s)://..., or a command as a list")
    return target, []


def _name(url: str | None, command: Sequence[str]) -> str:
    if url is None:
        return " ".join([Path(command[0]).name, *(Path(part).name for part in command[1:2])])
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


async def _definitions(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        found += [
            {"name": tool.name, "description": tool.description or tool.title or "", "input_schema": tool.input_schema}
            for tool in page.tools
        ]
        cursor = page.next_cursor
        if not cursor:
            return found


def _lost(error: Exception) -> bool:
    """Whether it is the connection that failed. A server that was started again rejects the session of the old one, in
    words of its own."""
    if isinstance(error, MCPError):
        unknown = error.code == INVALID_REQUEST and "session" in error.message.lower()
        return unknown or error.code == CONNECTION_CLOSED
    return isinstance(error, OSError | httpx2.TransportError | anyio.ClosedResourceError | anyio.BrokenResourceError)


def _outcome(result: CallToolResult) -> dict[str, Any]:
    """A result as it is recorded: its texts, what else there is by kind, and the structured content."""
    parts = [part.text if isinstance(part, TextContent) else f"[{part.type} left out]" for part in result.content]
    text = "\n".join(parts)
    if not text and result.structured_content is not None:
        text = json.dumps(result.structured_content, ensure_ascii=False)
    return {"text": text, "structured": result.structured_content, "error": bool(result.is_error)}
