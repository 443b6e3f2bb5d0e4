"""Sends an answer over HTTP, whole or as a stream, with the faults that happen on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from clew.testing.sample import Sample
from clew.testing.wire import Wire

_DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Answering:
    """One answer on its way. Fault and headers are the first sample's."""

    http: web.BaseRequest
    wire: Wire
    samples: Sequence[Sample]
    closing: asyncio.Event

    @property
    def fault(self) -> str | None:
        return self.samples[0].reply.fault

    async def send(self) -> web.StreamResponse:
        if self.fault == "disconnect":
            return self._drop(web.Response())
        if self.fault == "hang":
            return await self._hang(web.Response())
        return await (self._stream() if self.wire.request.stream else self._whole())

    # Whole ----------------------------------------------------------------------------------------------------------

    async def _whole(self) -> web.StreamResponse:
        body = self.wire.body(self.samples)
        if self.fault == "empty":
            body["choices"] = []
        if self.fault == "slow":
            await asyncio.sleep(self._pause)
        text = json.dumps(body).encode()
        half = text[: len(text) // 2]
        if self.fault in ("cut_stream", "end_stream", "stall"):
            return await self._partial(half, len(text))
        if self.fault == "malformed_json":
            text = half
        headers = self.samples[0].reply.headers
        return web.Response(body=text, content_type="application/json", headers=headers)

    async def _partial(self, half: bytes, length: int) -> web.StreamResponse:
        """The first half of a body whose whole length was announced."""
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(length)})
        await response.prepare(self.http)
        await response.write(half)
        return await self._hang(response) if self.fault == "stall" else self._drop(response)

    # Stream ---------------------------------------------------------------------------------------------------------

    async def _stream(self) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", **self.samples[0].reply.headers}
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(self.http)
        events = list(self._events())
        whole = events if self.fault not in _HALF else events[: max(1, len(events) // 2)]
        for event in whole:
            if self.fault == "slow":
                await asyncio.sleep(self._pause)
            await response.write(_line(event))
        match self.fault:
            case "cut_stream":
                return self._drop(response)
            case "stall":
                return await self._hang(response)
            case "malformed_json":
                line = _line(events[-1])
                await response.write(line[: len(line) // 2] + b"\n\n")
        if self.fault != "end_stream":
            await response.write(_DONE)
        await response.write_eof()
        return response

    def _events(self) -> list[dict[str, Any]]:
        events = list(self.wire.events(self.samples))
        return [{**event, "choices": []} for event in events[:1]] if self.fault == "empty" else events

    @property
    def _pause(self) -> float:
        return self.samples[0].reply.delay or 0.02

    # The line -------------------------------------------------------------------------------------------------------

    def _drop(self, response: web.StreamResponse) -> web.StreamResponse:
        """Breaks the connection off as a crash would."""
        if self.http.transport is not None:
            self.http.transport.close()
        return response

    async def _hang(self, response: web.StreamResponse) -> web.StreamResponse:
        """Says nothing more until the server or the client closes."""
        await self.closing.wait()
        return self._drop(response)


_HALF = ("cut_stream", "end_stream", "stall", "malformed_json")


def _line(event: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"
