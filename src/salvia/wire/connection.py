"""One HTTP/1.1 connection: requests in their order, each answered by one task, with an end to what a head may hold.

It stands directly on the parser and the socket, which costs a third of what a server with a general interface does.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import httptools

from salvia.base.ids import request_id
from salvia.wire.incoming import TOO_SLOW, Incoming
from salvia.wire.line import Line
from salvia.wire.message import Peer, Response
from salvia.wire.sending import release, send

MOST_HEAD = 128 * 1024  # of one request; AWS takes less
HEAD_SECONDS = 60.0
IDLE_SECONDS = 75.0
GONE_SECONDS = 0.5  # what is quick is not ended because its client did not wait for the answer
_UNREADABLE = "An error occurred when parsing the HTTP request."
_TOO_LONG = "Your request header and metadata section exceed the maximum allowed request header section size."
_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:", re.IGNORECASE)
_NAMES: dict[bytes, str] = {}  # of headers as they are sent, in lower case; most are seen again and again
_MOST_NAMES = 1024


class Handle(Protocol):
    """Answers one request; raises nothing but CancelledError. `headers` have lower-case names."""

    def __call__(
        self, method: str, raw_path: str, query: str, headers: Mapping[str, str], body: Incoming, peer: Peer, /
    ) -> Awaitable[Response]: ...


@dataclass(slots=True)
class _Asked:
    """A request whose head has been read. `chunks`: its client knows bodies in chunks."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Incoming
    keep: bool
    chunks: bool


class Connection(asyncio.Protocol):
    """What is not HTTP is told so in JSON where the head already asked for it, else in the XML of S3, and then cut off."""

    def __init__(self, handle: Handle, connections: set[Any]) -> None:
        self._handle = handle
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_data_after_close=True
        )  # the answer is sent before the connection ends
        self._url = b""
        self._headers: dict[str, str] = {}
        self._in_head = False
        self._head_size = 0
        self._at_end = True  # of a message: the next byte begins another
        self._deaf = False  # nothing that still comes can be read
        self._ending = False
        self._body: Incoming | None = None  # of the request that is being read
        self._asked: _Asked | None = None  # the request that is being answered
        self._waiting: deque[_Asked] = deque()  # those that were sent before it had its answer
        self._task: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._idle_since = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = Line(cast("asyncio.Transport", transport), self._loop)
        self.peer = self._line.peer()
        self._connections.add(self)
        self._idle = self._loop.call_later(IDLE_SECONDS, self._look_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.lose()
        self._idle.cancel()
        self._watch_head(waiting=False)
        self._waiting.clear()
        if self._body is not None:
            self._body.fail("IncompleteBody", "The request ended before its body did.")
        if self._task is None:
            self._connections.discard(self)
        else:
            self._loop.call_later(GONE_SECONDS, self._task.cancel)
        del self._parser  # which knows this object, and would keep it until the collector comes

    def pause_writing(self) -> None:
        self._line.fill()

    def resume_writing(self) -> None:
        self._line.empty()

    def shutdown(self) -> None:
        """End when what is being answered has its answer."""
        self._ending = True
        if self._asked is None:
            self._line.close()

    def cut(self) -> None:
        """End now."""
        self._line.cut()
        if self._task is not None:
            self._task.cancel()

    # ------------------------------------------------------------- reading

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if (self._at_end or self._in_head) and b"pgrade" in data:
            data = _without_upgrade(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # of a later request in the same piece, whose body the parser leaves out
            self._deaf = True
            last = self._waiting[-1] if self._waiting else self._asked
            if last is not None:
                last.keep = False
        except httptools.HttpParserError:
            self._refuse("BadRequest", _UNREADABLE)
            return
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > MOST_HEAD:
                self._refuse("RequestHeaderSectionTooLarge", _TOO_LONG)
        if self._in_head or self._deadline is not None:
            self._watch_head(waiting=self._in_head and not self._deaf)

    def on_message_begin(self) -> None:
        self._url, self._headers = b"", {}
        self._in_head, self._head_size, self._at_end = True, 0, False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Values sent more than once are joined by a comma, as a signer joins them; trailers are left out."""
        if not self._in_head:
            return
        key = _NAMES.get(name) or _name(name)
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("utf-8", "surrogateescape")
        headers = self._headers
        headers[key] = f"{headers[key]},{text}" if key in headers else text

    def on_headers_complete(self) -> None:
        self._in_head = False
        path, query = "/", ""
        if self._url != b"/":
            parsed = httptools.parse_url(self._url)
            path, query = (parsed.path or b"/").decode("ascii"), (parsed.query or b"").decode("latin-1")
        headers, parser = self._headers, self._parser
        expects = headers.get("expect", "").lower() == "100-continue"
        body = self._body = Incoming(_length(headers), self._line, expects=expects)
        chunks = parser.get_http_version() != "1.0"
        keep = chunks and parser.should_keep_alive()
        asked = _Asked(parser.get_method().decode(), path, query, headers, body, keep, chunks)
        if self._asked is None:
            self._start(asked)
        else:
            self._waiting.append(asked)
            self._line.hold()

    def on_body(self, data: bytes) -> None:
        assert self._body is not None
        self._body.feed(data)

    def on_message_complete(self) -> None:
        assert self._body is not None
        self._at_end = True
        self._body.end()
        self._line.all_read()

    # ------------------------------------------------------------- answering

    def _start(self, asked: _Asked) -> None:
        self._asked = asked
        self._task = self._loop.create_task(self._answer(asked))

    async def _answer(self, asked: _Asked) -> None:
        """Whatever goes wrong after the operation has answered ends the connection: its client must not take a part for the whole."""
        whole = False
        body, line = asked.body, self._line
        try:
            response = await self._handle(asked.method, asked.path, asked.query, asked.headers, body, self.peer)
            try:
                close = not (asked.keep and (body.ended or await body.drain())) or self._ending
                await send(line, response, head=asked.method == "HEAD", close=close, chunks=asked.chunks)
            finally:
                if type(response.body) is not bytes:
                    await release(response.body)
            whole = True
        except ConnectionResetError:
            if not line.lost:
                raise
        finally:
            body.drop()
            self._asked = self._task = None
            if not whole:
                line.cut()
            elif close:
                line.close(still_sending=not self._at_end)
            self._next()

    def _next(self) -> None:
        if self._line.is_closing or self._line.lost:
            self._waiting.clear()
            if self._line.lost:
                self._connections.discard(self)
        elif self._waiting:
            self._start(self._waiting.popleft())
            if not self._waiting:
                self._line.go_on()
        else:
            self._line.go_on()
            self._idle_since = self._loop.time()

    # ------------------------------------------------------------- the end

    def _refuse(self, code: str, message: str) -> None:
        self._deaf = True
        if self._line.is_closing:
            return
        if self._line.in_answer:  # where nothing else can be said
            self._line.close(still_sending=True)
            return
        kind, told, body = _worded(self._headers, code, message)
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {kind}\r\n{told}content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self._line.write(head.encode() + body)
        self._line.close(still_sending=True)

    def _watch_head(self, *, waiting: bool) -> None:
        """A head that does not come to its end must not hold a connection for ever."""
        if waiting and self._deadline is None:
            self._deadline = self._loop.call_later(HEAD_SECONDS, self._refuse, "RequestTimeout", TOO_SLOW)
        elif not waiting and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _look_idle(self) -> None:
        """One timer for a connection's whole life, rather than one set and taken back with every request."""
        busy = self._asked is not None or self._in_head
        left = IDLE_SECONDS - (self._loop.time() - self._idle_since)
        if not busy and left <= 0.001:
            self._line.close()
        else:
            self._idle = self._loop.call_later(IDLE_SECONDS if busy else left, self._look_idle)


def _name(sent: bytes) -> str:
    name = sent.decode("latin-1").lower()
    if len(_NAMES) < _MOST_NAMES:
        _NAMES[sent] = name
    return name


def _length(headers: Mapping[str, str]) -> int | None:
    """None when only the end of the body will tell."""
    stated = headers.get("content-length")
    if stated is not None:
        return int(stated)
    return None if "transfer-encoding" in headers else 0


def _without_upgrade(data: bytes) -> bytes:
    """A server may go on as if it had not been asked for another protocol; the parser would lose the body."""
    end = data.find(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nx-upgrade:", data[:end]) + data[end:] if end >= 0 else data


def _worded(headers: Mapping[str, str], code: str, message: str) -> tuple[str, str, bytes]:
    """The content type, the header with the request's id and the body of a refusal."""
    identity = request_id()
    if "x-amz-target" in headers or headers.get("content-type", "").startswith("application/x-amz-json"):
        kind = "application/x-amz-json-1.1"
        document = {"__type": "MalformedHttpRequestException", "message": message}
        return kind, f"x-amzn-requestid: {identity}\r\n", json.dumps(document).encode()
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{identity}</RequestId></Error>"
    )
    return "application/xml", f"x-amz-request-id: {identity}\r\n", body.encode()
