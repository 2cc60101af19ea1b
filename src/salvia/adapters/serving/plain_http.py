"""Asking a container that speaks HTTP/1.1: one request at a time on each of as many connections as there are requests."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import httptools

from salvia.adapters.serving.pieces import LONGEST_ANSWER, Pieces
from salvia.ports.serving import ModelAnswer, ModelRequest, NoAnswerError, UnsendableError

_OURS = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
}  # headers that are not the asker's to give
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}  # not the asker's to see


class HttpRun:
    """The connections to one run that nobody uses at the moment, and the making of more."""

    def __init__(self, dial: Callable[[], Awaitable[socket.socket]]) -> None:
        self._dial = dial
        self._idle: list[_Line] = []
        self._closed = False

    async def open(self, line: socket.socket) -> None:
        """Uses a connection that was made already."""
        self._idle.append(await self._opened(line))

    async def ask(self, request: ModelRequest, seconds: float, *, streams: bool) -> ModelAnswer:
        """A container may close a connection that has been idle just when it is used: then nothing came back, and another is tried."""
        head = _head(request)
        while self._idle:
            line = self._idle.pop()
            if not line.is_open():
                continue
            try:
                return await line.ask(head, request.body, seconds, streams=streams)
            except NoAnswerError as error:
                if error.sent:
                    raise
        try:
            line = await self._opened(await self._dial())
        except ConnectionRefusedError as error:
            raise NoAnswerError(str(error), sent=False) from error
        return await line.ask(head, request.body, seconds, streams=streams)

    def is_busy(self) -> bool:
        return False  # there is a connection of its own for a ping

    def close(self) -> None:
        self._closed = True
        for line in self._idle:
            line.close()

    async def _opened(self, line: socket.socket) -> "_Line":
        _, opened = await asyncio.get_running_loop().create_connection(lambda: _Line(self._keep), sock=line)
        return opened

    def _keep(self, line: "_Line") -> None:
        if self._closed:
            line.close()
        else:
            self._idle.append(line)


class _Line(asyncio.Protocol):
    """One connection. `keep` is called when an answer is complete and the next request may be sent."""

    transport: asyncio.Transport

    def __init__(self, keep: "Callable[[_Line], None]") -> None:
        self._keep = keep
        self._used = False
        self._answer: asyncio.Future[ModelAnswer] | None = None
        self._pieces: Pieces | None = None
        self._streams = False
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._begin()

    def is_open(self) -> bool:
        return not self.transport.is_closing()

    async def ask(self, head: bytes, body: bytes, seconds: float, *, streams: bool) -> ModelAnswer:
        self._streams = streams
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(head)
        if body:
            self.transport.write(body)
        try:
            async with asyncio.timeout(seconds):
                return await self._answer
        except (TimeoutError, asyncio.CancelledError):
            self.transport.abort()  # whatever it says later belongs to nobody
            raise

    def close(self) -> None:
        self.transport.close()

    # ------------------------------------------------------------- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream's

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the container's answer is not HTTP/1.1: {error}")
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._status and self._unbounded:
            self._complete()
            return
        self._fail(f"the container closed the connection: {exc}" if exc else "the container closed the connection")

    # ------------------------------------------------------------- what the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._headers = {}
            return
        self._status = status
        chunked = "chunked" in self._headers.get("transfer-encoding", "").lower()
        self._unbounded = not chunked and "content-length" not in self._headers and status not in {204, 304}
        if self._streams and chunked:
            self._pieces = Pieces(self.transport.pause_reading, self.transport.resume_reading)
            self._settle(self._pieces)

    def on_body(self, body: bytes) -> None:
        if self._pieces is not None:
            self._pieces.feed(body)
            return
        self._body.append(body)
        self._size += len(body)
        if self._size > LONGEST_ANSWER:
            self._fail(f"the container's answer is longer than {LONGEST_ANSWER >> 20} MiB")
            self.transport.abort()

    def on_message_complete(self) -> None:
        if self._status:
            self._complete()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers = {}
        self._body = []
        self._size = 0
        self._status = 0
        self._unbounded = False
        self._pieces = None

    def _complete(self) -> None:
        if self._pieces is not None:
            self._pieces.end()
        else:
            self._settle(b"".join(self._body))
        lasts = self._parser.should_keep_alive() and not self._unbounded
        self._used = True
        self._begin()
        if lasts:
            self._keep(self)
        else:
            self.transport.close()

    def _settle(self, body: bytes | Pieces) -> None:
        headers = {name: value for name, value in self._headers.items() if name not in _HOP}
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(ModelAnswer(self._status, headers, body))

    def _fail(self, error: str) -> None:
        if self._pieces is not None:
            self._pieces.end(error)
        elif self._answer is not None and not self._answer.done():
            unseen = self._used and not self._status
            self._answer.set_exception(NoAnswerError(error, sent=not unseen))


def _head(request: ModelRequest) -> bytes:
    """Raises UnsendableError for what could be read as more than one header."""
    lines = [f"{request.method} {request.path} HTTP/1.1", "host: localhost:8080"]
    lines += [f"{name}: {value}" for name, value in request.headers.items() if name not in _OURS]
    if request.body or request.method != "GET":
        lines.append(f"content-length: {len(request.body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise UnsendableError("a header has a line break in it")
    text = "\r\n".join(lines) + "\r\n\r\n"
    with contextlib.suppress(UnicodeEncodeError):
        return text.encode("latin-1")
    return text.encode()
