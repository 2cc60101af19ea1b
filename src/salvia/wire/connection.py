"""One HTTP connection: uvicorn's, with an end to what a head may hold, and answers that arrive whatever was sent."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from salvia.base.ids import request_id

MOST_HEAD = 128 * 1024  # of one request; AWS takes less
HEAD_SECONDS = 60.0
LINGER_SECONDS = 5.0
_UNREADABLE = "An error occurred when parsing the HTTP request."
_TOO_LONG = "Your request header and metadata section exceed the maximum allowed request header section size."
_TOO_SLOW = (
    "Your socket connection to the server was not read from or written to within the timeout period. "
    "Idle connections will be closed."
)
_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:", re.IGNORECASE)


class Connection(HttpToolsProtocol):
    """What is not HTTP is told so in JSON where the head already asked for it, else in the XML of S3, and then cut off."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._in_head = False
        self._head_size = 0
        self._at_end = True  # of a message: the next byte begins another
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None
        self._closing = _Lingering(transport, lambda: not self._at_end or self._refused)
        super().connection_made(cast(asyncio.Transport, self._closing))

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing.lost()
        self._watch_head(waiting=False)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if (self._at_end or self._in_head) and b"pgrade" in data:
            data = _without_upgrade(data)
        super().data_received(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > MOST_HEAD and not self.transport.is_closing():
                self._refuse("RequestHeaderSectionTooLarge", _TOO_LONG)
        if self._in_head or self._deadline is not None:
            self._watch_head(waiting=self._in_head and not self._refused)

    def _watch_head(self, *, waiting: bool) -> None:
        """A head that does not come to its end must not hold a connection for ever."""
        if waiting and self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._refuse, "RequestTimeout", _TOO_SLOW)
        elif not waiting and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_size, self._at_end = True, 0, False

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._at_end = True
        super().on_message_complete()
        self._closing.all_read()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for what its parser cannot read; `msg` is meant for people."""
        if not self.transport.is_closing():
            self._refuse("BadRequest", _UNREADABLE)

    def _refuse(self, code: str, message: str) -> None:
        self._refused = True
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()  # in the middle of an earlier answer nothing can be said
            return
        kind, told, body = _worded(self.headers or [], code, message)
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {kind}\r\n{told}content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()


class _Lingering:
    """A transport that is closed only when the client had time to read its answer.

    A socket that is closed while bytes wait in it is reset, and the answer is lost with them. So while the client is
    still sending, it is only told that nothing more will come, and what it sends is read and dropped for a while.
    """

    def __init__(self, transport: asyncio.Transport, still_sending: Callable[[], bool]) -> None:
        self._transport = transport
        self._still_sending = still_sending
        self._timer: asyncio.TimerHandle | None = None
        self.write: Callable[[bytes], None] = transport.write
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.set_protocol = transport.set_protocol

    def is_closing(self) -> bool:
        return self._timer is not None or self._transport.is_closing()

    def close(self) -> None:
        if self._timer is not None or self._transport.is_closing() or not self._still_sending():
            self.lost()
            self._transport.close()
            return
        self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.close)
        self.write = _drop  # an answer that comes after a refusal has been sent
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def all_read(self) -> None:
        if self._timer is not None:
            self.close()

    def lost(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _drop(_: bytes) -> None:
    pass


def _without_upgrade(data: bytes) -> bytes:
    """A server may go on as if it had not been asked for another protocol; uvicorn's parser would lose the body."""
    end = data.find(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nx-upgrade:", data[:end]) + data[end:] if end >= 0 else data


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
