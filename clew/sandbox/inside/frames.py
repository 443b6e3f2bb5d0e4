"""The control stream between host and fork server: frames of a JSON header and a body, both with their lengths first.

    !I length of the header, !Q length of the body, header (JSON object), body

Programs have no descriptor of this stream. A frame that breaks the rules ends the stream all the same: neither side
goes on after a length above its limit, a header that is no JSON object, or a reply to another request.
"""

from __future__ import annotations

import json
import struct
from typing import Any

PREFIX = struct.Struct("!IQ")
LONGEST_HEADER = 1 << 20


class Broken(Exception):
    """The other side does not keep to the protocol."""


def pack(header: dict[str, Any], size: int) -> bytes:
    """Prefix and header of a frame whose body has `size` bytes; the body follows by itself."""
    data = json.dumps(header).encode()
    return PREFIX.pack(len(data), size) + data


def lengths(prefix: bytes, longest_body: int) -> tuple[int, int]:
    """Bytes of header and body. Raises `Broken` for a length that no honest frame has."""
    header, body = PREFIX.unpack(prefix)
    if header > LONGEST_HEADER or body > longest_body:
        raise Broken(f"a frame claims {header} bytes of header and {body} of body")
    return header, body


def header_of(data: bytes) -> dict[str, Any]:
    """The header of a frame. Raises `Broken` for anything but a JSON object."""
    try:
        header = json.loads(data)
    except ValueError as error:
        raise Broken("a frame's header is no JSON") from error
    if not isinstance(header, dict):
        raise Broken("a frame's header is no JSON object")
    return header


def split(body: bytes, sizes: list[int]) -> list[bytes]:
    """The parts of a body. Raises `Broken` when they do not add up to it."""
    if sum(sizes) != len(body) or any(size < 0 for size in sizes):
        raise Broken("the parts of a frame's body do not add up")
    parts, at = [], 0
    for size in sizes:
        parts.append(body[at : at + size])
        at += size
    return parts
