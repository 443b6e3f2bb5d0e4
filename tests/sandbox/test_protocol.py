"""The control stream as the host reads it: whatever comes, no program is blamed for it, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import json
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.sandbox import Limits, SandboxFailed
from clew.sandbox.box import _asked
from clew.sandbox.cell import Cell, Stream
from clew.sandbox.inside.frames import PREFIX, Broken, header_of, lengths, pack, split

pytestmark = pytest.mark.anyio


async def ends(said: bytes, multiplexed: bool) -> str:
    """What the host makes of a fork server that says this and hangs up."""
    ours, theirs = socket.socketpair()

    async def why(since: int) -> str:
        return "it hung up"

    cell = Cell("the cell", Stream(ours, multiplexed), Limits(), theirs.close, why)
    try:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(SandboxFailed) as caught:
            await _asked(cell, {"do": "task"}, Limits(), b"")
        return str(caught.value)
    finally:
        cell.close()


def framed(header: object, body: bytes = b"") -> bytes:
    data = json.dumps(header).encode()
    return PREFIX.pack(len(data), len(body)) + data + body


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "was lost"),
        (b"\0" * 5, "was lost"),
        (PREFIX.pack(1 << 31, 0), "claims 2147483648 bytes of header"),
        (PREFIX.pack(2, 1 << 60), "of body"),
        (PREFIX.pack(2, 0) + b"[}", "no JSON"),
        (framed([]), "no JSON object"),
        (framed({"id": "x"}), "does not say what its body holds"),
        (framed({"id": "x", "sizes": [3]}), "do not add up"),
        (framed({"id": "x", "sizes": [-1, 1]}), "do not add up"),
        (framed({"id": "x", "sizes": []}), "answered another request"),
    ],
)
@pytest.mark.parametrize("multiplexed", [False, True])
async def test_bad_frames(said: bytes, words: str, multiplexed: bool) -> None:
    wrapped = struct.pack("!BxxxI", 1, len(said)) + said if multiplexed else said
    assert words in await ends(wrapped, multiplexed)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes(said: bytes, multiplexed: bool) -> None:
    assert "the cell" in asyncio.run(ends(said, multiplexed))


@given(st.dictionaries(st.text(), st.integers() | st.text()), st.lists(st.binary()))
def test_frames_come_back(header: dict[str, object], parts: list[bytes]) -> None:
    data = pack(header, sum(map(len, parts)))
    size, body = lengths(data[: PREFIX.size], 1 << 20)
    assert header_of(data[PREFIX.size :][:size]) == header
    assert split(b"".join(parts), [len(part) for part in parts]) == parts
    with pytest.raises(Broken):
        split(b"".join(parts), [body + 1])
