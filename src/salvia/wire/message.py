"""A request and a response of the wire, free of any HTTP server."""

import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from salvia.base.call import FileBody
from salvia.base.errors import AwsError
from salvia.wire.files import OpenFile
from salvia.wire.incoming import too_large

Body = bytes | FileBody | OpenFile | AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of the connection, for aws:SourceIp and aws:SecureTransport; `address` is "" when unknown."""

    address: str = ""
    secure: bool = False


@dataclass(slots=True)
class Request:
    """What a protocol parses. `path` and `query` are as they came, still percent-encoded.

    `labels` are the decoded values of the path template's labels, `arguments` the decoded query string in its order,
    `form` the arguments of the query protocol, from the query string or the body. Names of `headers` are lower-case.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    labels: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[tuple[str, str]] = ()
    form: Sequence[tuple[str, str]] = ()


def unpacked(request: Request, limit: int) -> bytes:
    """The body without its gzip, which clients use for large requests of the operations that allow it. `limit` is in bytes."""
    if request.headers.get("content-encoding") != "gzip":
        return request.body
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(request.body, limit)
    except zlib.error as error:
        raise AwsError("the body is not gzip", code="SerializationException") from error
    if unpacker.unconsumed_tail:
        raise too_large(limit)
    return body


@dataclass(slots=True)
class Response:
    """Names of `headers` are lower-case. There is no Content-Length among them unless the operation named it."""

    status: int
    headers: dict[str, str]
    body: Body = b""
