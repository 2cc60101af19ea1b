"""Event streams of responses: messages with headers, a payload and checksums, one for each event.

Source: "Amazon event stream encoding" (application/vnd.amazon.eventstream) of the Smithy specification.
"""

import struct
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from salvia.model.shapes import Shape
from salvia.wire.protocols import json

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7


async def encoded(shape: Shape, events: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    """`shape` is the event stream's; each of `events` has one member of it: {"PayloadPart": {"Bytes": b"..."}}."""
    async for event in events:
        for name, members in event.items():
            yield _event(name, shape.members[name], members)


def _event(name: str, shape: Shape, members: Mapping[str, Any]) -> bytes:
    kind = "exception" if shape.exception else "event"
    headers = {":message-type": kind, f":{kind}-type": name}
    payload = next((member for member, inner in shape.members.items() if inner.event_payload), None)
    if payload is None:
        return message(headers | {":content-type": "application/json"}, json.encode_members(shape, members))
    value = members.get(payload) or b""
    content_type = "application/octet-stream" if shape.members[payload].type == "blob" else "text/plain"
    return message(headers | {":content-type": content_type}, value if isinstance(value, bytes) else value.encode())


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message; every header is a string."""
    head = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    body = b"".join((prelude, head, payload))
    return body + struct.pack(">I", zlib.crc32(body))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value
