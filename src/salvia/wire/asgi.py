"""Between ASGI and the wire: heads read once, bodies in pieces both ways, and a client that hangs up."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from salvia.base.call import FileBody
from salvia.base.errors import AwsError
from salvia.wire.files import OpenFile
from salvia.wire.message import Body, Response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_DRAINED = 256 * 1024  # of a refused body, so that its connection can be kept
_LOOK_SECONDS = 0.5
_SILENT_LOOKS = 40  # 20 seconds without a byte of a body that is waited for, after which S3 gives up too
_NO_CONTENT = {204, 304}


def read_headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Names are lower-case; values sent more than once are joined by a comma, as a signer joins them."""
    try:
        headers = {name.decode(): value.decode() for name, value in raw}
    except UnicodeDecodeError:
        headers = {name.decode("latin-1"): value.decode("utf-8", "surrogateescape") for name, value in raw}
    if len(headers) == len(raw):
        return headers
    headers = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("utf-8", "surrogateescape")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers


class Incoming:
    """The body of a request as it arrives; read once. Iterating raises AwsError when the client goes away before its end."""

    __slots__ = ("_receive", "done", "length", "pieces", "stalled", "started", "trailers", "waiting")

    def __init__(self, receive: Receive, length: int | None) -> None:
        self._receive = receive
        self.length = length
        self.trailers: Mapping[str, str] = {}
        self.started = False
        self.waiting = False
        self.stalled = False
        self.pieces = 0
        self.done = length == 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self.done:
            piece = await self.piece()
            if piece:
                yield piece

    async def piece(self) -> bytes:
        self.started = self.waiting = True
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if self.stalled:
                raise self._timed_out() from None
            raise
        finally:
            self.waiting = False
        self.pieces += 1
        if message["type"] == "http.disconnect":
            self.done = True
            raise AwsError("The request ended before its body did.", code="IncompleteBody")
        self.done = not message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body

    def _timed_out(self) -> AwsError:
        """The watch cancelled whoever waits, to bring this news: the client has fallen silent in mid-body."""
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return AwsError(
            "Your socket connection to the server was not read from or written to within the timeout period. "
            "Idle connections will be closed.",
            code="RequestTimeout",
        )

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises AwsError when it is longer than `limit` bytes, before reading it where the head says so."""
        if self.length is not None and self.length > limit:
            raise too_large(limit)
        if self.done:
            return b""
        first = await self.piece()
        if self.done:
            return first
        pieces, size = [first], len(first)
        while not self.done:
            piece = await self.piece()
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            pieces.append(piece)
        return b"".join(pieces)

    async def drain(self, *, expects: bool) -> bool:
        """Whether nothing of the body is left to come. A client that waits for our consent to send is not given it."""
        if self.done:
            return True
        if (expects and not self.started) or self.stalled or self.length is None or self.length > _DRAINED:
            return False
        try:
            while not self.done:
                await self.piece()
        except AwsError:
            return False
        return True


def too_large(limit: int) -> AwsError:
    return AwsError(f"The body is longer than {limit} bytes.", code="RequestEntityTooLargeException", http_status=413)


class Watch:
    """One request that is being answered; `gone` once its client has hung up and its task was cancelled for it."""

    __slots__ = ("_body", "_pieces", "_receive", "_seen", "_silent", "_task", "_watcher", "gone")

    def __init__(self, body: Incoming, receive: Receive) -> None:
        self.gone = False
        self._body = body
        self._receive = receive
        self._seen = False
        self._task = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._pieces = self._silent = 0

    def look(self) -> None:
        """The second look at a request that has all of its body begins to wait for the end of its connection."""
        if self._seen and self._body.done and self._watcher is None:
            self._watcher = asyncio.get_running_loop().create_task(self._wait())
        self._seen = True
        if self._body.waiting:
            self._look_for_silence()

    def _look_for_silence(self) -> None:
        if self._body.pieces != self._pieces:
            self._pieces, self._silent = self._body.pieces, 0
        self._silent += 1
        if self._silent > _SILENT_LOOKS and self._task is not None and not self._body.stalled:
            self._body.stalled = True
            self._task.cancel()

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._task is not None:
            self.gone = True
            self._task.cancel()

    def end(self) -> None:
        self._task = None
        if self._watcher is not None:
            self._watcher.cancel()


class Watches:
    """Cancels what answers a client that hung up. Looks twice a second, so an answer that is quick costs next to nothing."""

    def __init__(self) -> None:
        self._open: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, body: Incoming, receive: Receive) -> Watch:
        watch = Watch(body, receive)
        self._open.add(watch)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)
        return watch

    def end(self, watch: Watch) -> None:
        self._open.discard(watch)
        watch.end()

    def _look(self) -> None:
        self._timer = None
        for watch in self._open:
            watch.look()
        if self._open:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)


async def respond(send: Send, response: Response, *, head: bool, close: bool) -> None:
    """Sends it all. Content-Length is stated whenever it is known; a HEAD keeps the one that its operation named.

    A FileBody must have become an OpenFile: what cannot be opened must not have been promised.
    """
    body, headers = response.body, response.headers
    assert not isinstance(body, FileBody)
    if isinstance(body, bytes):
        if body or not head:
            headers["content-length"] = str(len(body))
        else:
            headers.setdefault("content-length", "0")
    elif isinstance(body, OpenFile):
        headers["content-length"] = str(body.length)
    if response.status in _NO_CONTENT:
        headers.pop("content-length", None)
    if close:
        headers["connection"] = "close"
    await send({"type": "http.response.start", "status": response.status, "headers": _encoded(headers)})
    if head or response.status in _NO_CONTENT:
        await send({"type": "http.response.body", "body": b""})
    elif isinstance(body, bytes):
        await send({"type": "http.response.body", "body": body})
    elif isinstance(body, OpenFile):
        while data := await body.piece():
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    else:
        async for data in body:
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def release(body: Body) -> None:
    """Whatever became of the response: files are closed and iterators ended."""
    if isinstance(body, bytes):
        return
    if isinstance(body, OpenFile):
        body.close()
    elif isinstance(body, AsyncGenerator):
        await body.aclose()


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    # Most values are plain; one with a line break in it would start a header of its own.
    return [
        (
            name.encode("latin-1", "replace"),
            (value if value.isprintable() else _cleaned(value)).encode("utf-8", "replace"),
        )
        for name, value in headers.items()
    ]


def _cleaned(value: str) -> str:
    return "".join(" " if ord(character) < 32 or ord(character) == 127 else character for character in value)
