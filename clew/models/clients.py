"""Connections: kept open between calls, closed with the event loop that they belong to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

_closers: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncIterator[None]] = WeakKeyDictionary()
_own: WeakSet[Any] = WeakSet()
_responses: ContextVar[list[Any] | None] = ContextVar("clew_responses", default=None)


async def close_with_loop(litellm: Any) -> None:
    """Has the connections that LiteLLM opens on the running loop closed when the loop ends.

    Nobody else does: LiteLLM's own clean-up runs at exit, when the loop is gone. `asyncio.run` ends every asynchronous
    generator that is still open, so one that waits for that is enough.
    """
    loop = asyncio.get_running_loop()
    if loop not in _closers:
        _closers[loop] = closer = _close_at_end(litellm, loop)
        await anext(closer)


async def _close_at_end(litellm: Any, loop: asyncio.AbstractEventLoop) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for session in list(_sessions(litellm)):
            if getattr(session, "_loop", None) is loop and not session.closed:
                await session.close()


def _sessions(litellm: Any) -> Iterator[Any]:
    """The aiohttp sessions under LiteLLM's cached clients and our own."""
    cached = getattr(litellm.in_memory_llm_clients_cache, "cache_dict", {})
    for client in [*cached.values(), *_own]:
        inner = getattr(client, "_client", None) or getattr(client, "client", None)
        session = getattr(getattr(inner, "_transport", None), "client", None)
        if hasattr(session, "closed"):
            yield session


def completions_client(api_key: str, base_url: str | None, timeout: Any) -> Any:
    """An OpenAI client over LiteLLM's own transport, for plain completions: LiteLLM would open a client, and so a
    connection, for each call of that kind."""
    import openai
    from litellm.llms.openai.common_utils import BaseOpenAILLM

    http = BaseOpenAILLM._get_async_http_client()
    if http is not None:
        http.event_hooks = {"request": [], "response": [_note_response]}
    client = openai.AsyncOpenAI(api_key=api_key, base_url=base_url, timeout=timeout, max_retries=0, http_client=http)
    _own.add(client)
    return client


async def _note_response(response: Any) -> None:
    responses = _responses.get()
    if responses is not None:
        responses.append(response)


@asynccontextmanager
async def closed_afterwards() -> AsyncIterator[None]:
    """Closes the responses of plain completions that were opened inside: LiteLLM's generator of a text stream leaves
    its response open when it is closed early, and the server would go on writing."""
    token = _responses.set([])
    try:
        yield
    finally:
        for response in _responses.get() or ():
            await response.aclose()
        _responses.reset(token)


@lru_cache(maxsize=64)
def httpx_timeout(connect: float) -> Any:
    """One object for all calls: LiteLLM keeps a client, and so its connections, per timeout value. How long a call may
    take is limited by the door itself."""
    import httpx

    return httpx.Timeout(None, connect=connect)
