"""One HTTP/1.1 connection: requests in their order, each answered by one task, with an end to what a head may hold.

It stands directly on the parser and the socket, which costs a third of what a server with a general interface does.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
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
BODY_SECONDS = 0.1
IDLE_SECONDS = 75.0
GONE_SECONDS = 0.5  # what is quick is not ended because its client did not wait for the answer
_UNREADABLE = "An error occurred when parsing the HTTP request."
_TOO_LONG = "Your request header and metadata section exceed the maximum allowed request header section size."
_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:", re.IGNORECASE)
_NAMES: dict[bytes, str] = {}  # of headers as they are sent, in lower case; most are seen again and again
_MOST_NAMES = 1024
_SMALL = 64 * 1024  # bytes of a body
_PLAIN_URL = 2048  # bytes; nothing is too long that is shorter


class Handle(Protocol):
    """Answers one request; raises nothing but CancelledError. `headers` have lower-case names."""

    def __call__(
        self, method: str, raw_path: str, query: str, headers: Mapping[str, str], body: Incoming, peer: Peer, /
    ) -> Awaitable[Response]: ...


Answered = Callable[[bytes | Awaitable[Response]], None]


class Begin(Protocol):
    """Whether a request is under way without a task; then `Answered` gets all of the response, or what is to be awaited for it."""

    def __call__(
        self,
        method: str,
        raw_path: str,
        query: str,
        headers: Mapping[str, str],
        body: Incoming,
        peer: Peer,
        answered: Answered,
        /,
    ) -> bool: ...


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

    def __init__(self, handle: Handle, connections: set[Any], begin: Begin | None = None) -> None:
        self._handle = handle
        self._begin = begin
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
        self._arriving = False  # its head has been read, and nobody has looked at it
        self._waiting: deque[_Asked] = deque()  # those that were sent before it had its answer
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line = Line(cast("asyncio.Transport", transport), self._loop)
        self.peer = self._line.peer()
        self._connections.add(self)
        self._waits = _Waits(self, self._loop, self._line.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.lose()
        self._waits.end()
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
            self.refuse("BadRequest", _UNREADABLE)
            return
        if self._arriving and self._asked is not None:
            # SDKs send a small body right after its head; a request that is whole costs less.
            if self._begin is not None and self._asked.body.is_soon_whole(_SMALL):
                self._waits.for_body(waiting=True)
            else:
                self.take()
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > MOST_HEAD:
                self.refuse("RequestHeaderSectionTooLarge", _TOO_LONG)
        if self._in_head or self._waits.head is not None:
            self._waits.for_head(waiting=self._in_head and not self._deaf)

    def on_message_begin(self) -> None:
        self._url, self._headers = b"", {}
        self._in_head, self._head_size, self._at_end = True, 0, False
        self._waits.idle_since = None

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
        url, query = self._url, ""
        if len(url) > _PLAIN_URL or b"?" in url or b"#" in url or not url.startswith(b"/"):
            parsed = httptools.parse_url(url)
            url, query = parsed.path or b"/", (parsed.query or b"").decode("latin-1")
        path, headers, parser = url.decode("ascii"), self._headers, self._parser
        expects = "expect" in headers and headers["expect"].lower() == "100-continue"
        body = self._body = Incoming(_length(headers), self._line, expects=expects)
        chunks = parser.get_http_version() != "1.0"
        keep = chunks and parser.should_keep_alive()
        asked = _Asked(parser.get_method().decode(), path, query, headers, body, keep, chunks)
        if self._asked is None:
            self._asked, self._arriving = asked, True
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

    def take(self) -> None:
        """Begin to answer what has arrived."""
        self._waits.for_body(waiting=False)
        self._arriving = False
        if self._asked is not None:
            self._start(self._asked)

    def _start(self, asked: _Asked) -> None:
        self._asked = asked
        if self._begin is None or not (asked.keep and asked.body.ended):
            begun = False
        else:
            begun = self._begin(
                asked.method, asked.path, asked.query, asked.headers, asked.body, self.peer, self._answered
            )
        if not begun:
            answering = self._handle(asked.method, asked.path, asked.query, asked.headers, asked.body, self.peer)
            self._task = self._loop.create_task(self._answer(asked, answering))

    def _answered(self, answer: bytes | Awaitable[Response]) -> None:
        """To a request that had begun without a task."""
        asked, line = self._asked, self._line
        assert asked is not None
        if not isinstance(answer, bytes) or not line.has_room:
            self._task = self._loop.create_task(self._answer(asked, answer))
            return
        line.write(answer)
        asked.body.drop()
        self._asked = None
        if self._ending:
            line.close()
        self._next()

    async def _answer(self, asked: _Asked, answering: bytes | Awaitable[Response]) -> None:
        """Whatever goes wrong after the operation has answered ends the connection: its client must not take a part for the whole."""
        whole = False
        body, line = asked.body, self._line
        try:
            if isinstance(answering, bytes):
                close = self._ending
                await line.room()
                line.write(answering)
            else:
                response = await answering
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
            self._waits.idle_since = self._loop.time()

    # ------------------------------------------------------------- the end

    def refuse(self, code: str, message: str) -> None:
        """What is being read cannot be; nothing that comes after it is."""
        self._deaf = True
        if self._arriving:
            self._waits.for_body(waiting=False)
            self._asked, self._arriving = None, False
        if self._line.is_closing:
            return
        if self._line.in_answer:  # where nothing else can be said
            self._line.close(still_sending=True)
            return
        kind, told, body = _worded(self._headers, code, message)
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {kind}\r\n{told}content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self._line.write(head.encode() + body)
        self._line.close(still_sending=True)


class _Waits:
    """What a connection waits for, and for how long."""

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop, close: Callable[[], None]) -> None:
        self.idle_since: float | None = loop.time()  # None while there is something to do
        self._connection, self._loop, self._close = connection, loop, close
        self.head: asyncio.TimerHandle | None = None
        self._body: asyncio.TimerHandle | None = None
        self._idle = loop.call_later(IDLE_SECONDS, self._look_idle)

    def for_head(self, *, waiting: bool) -> None:
        """A head that does not come to its end must not hold a connection for ever."""
        if waiting and self.head is None:
            self.head = self._loop.call_later(HEAD_SECONDS, self._connection.refuse, "RequestTimeout", TOO_SLOW)
        elif not waiting and self.head is not None:
            self.head.cancel()
            self.head = None

    def for_body(self, *, waiting: bool) -> None:
        """A request whose small body does not come at once is answered as one whose body comes piece by piece."""
        if waiting and self._body is None:
            self._body = self._loop.call_later(BODY_SECONDS, self._connection.take)
        elif not waiting and self._body is not None:
            self._body.cancel()
            self._body = None

    def end(self) -> None:
        self._idle.cancel()
        self.for_head(waiting=False)
        self.for_body(waiting=False)
        del self._connection, self._close  # which know this object, and would keep each other until the collector comes

    def _look_idle(self) -> None:
        """One timer for a connection's whole life, rather than one set and taken back with every request."""
        left = IDLE_SECONDS if self.idle_since is None else self.idle_since + IDLE_SECONDS - self._loop.time()
        if left <= 0.001:
            self._close()
        else:
            self._idle = self._loop.call_later(left, self._look_idle)


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
