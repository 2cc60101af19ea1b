"""One HTTP connection: uvicorn's, with an end to what a head may hold and refusals that AWS's clients can read."""

import asyncio
import json
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from salvia.base.ids import request_id
from salvia.wire.joined import Joined

MOST_HEAD = 128 * 1024  # of one request; AWS takes less
_UNREADABLE = "An error occurred when parsing the HTTP request."
_TOO_LONG = "Your request header and metadata section exceed the maximum allowed request header section size."


class Connection(HttpToolsProtocol):
    """What is not HTTP is told so in JSON where the head already asked for it, else in the XML of S3, and then cut off."""

    _in_head = False
    _head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", Joined(transport, self.loop)))

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > MOST_HEAD and not self.transport.is_closing():
                self._refuse("RequestHeaderSectionTooLarge", _TOO_LONG)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_size = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for what its parser cannot read; `msg` is meant for people."""
        if not self.transport.is_closing():
            self._refuse("BadRequest", _UNREADABLE)

    def _refuse(self, code: str, message: str) -> None:
        kind, told, body = _worded(self.headers or [], code, message)
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {kind}\r\n{told}content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()


def _worded(headers: list[tuple[bytes, bytes]], code: str, message: str) -> tuple[str, str, bytes]:
    """The content type, the header with the request's id and the body of a refusal."""
    known: dict[bytes, Any] = dict(headers)
    identity = request_id()
    if b"x-amz-target" in known or known.get(b"content-type", b"").startswith(b"application/x-amz-json"):
        kind = "application/x-amz-json-1.1"
        document = {"__type": "MalformedHttpRequestException", "message": message}
        return kind, f"x-amzn-requestid: {identity}\r\n", json.dumps(document).encode()
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{identity}</RequestId></Error>"
    )
    return "application/xml", f"x-amz-request-id: {identity}\r\n", body.encode()
