"""The body of a request as it arrives: in pieces, no faster than it is read, and with an end even when its client has none."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from salvia.base.errors import AwsError

SILENCE_SECONDS = 20.0  # without a byte of a body that is waited for, after which S3 gives up too
_HELD = 64 * 1024  # bytes that wait for their reader before the client is held up
_DRAINED = 256 * 1024  # of a refused body, so that its connection can be kept


class Source(Protocol):
    """Where a body comes from: it can be held up, and be told that the client may begin to send."""

    def hold(self) -> None: ...

    def go_on(self) -> None: ...

    def consent(self) -> None: ...


class Incoming:
    """A body; read once. Reading raises AwsError when the client goes away, or falls silent, before the end.

    `length` is what the head promised, None when only the end will tell. `expects` says that the client waits for our
    consent before it sends, which it is given when the body is first waited for.
    """

    __slots__ = ("_failure", "_held", "_size", "_source", "_waiter", "_whole", "ended", "expects", "length", "trailers")

    def __init__(self, length: int | None, source: Source, *, expects: bool = False) -> None:
        self.length = length
        self.expects = expects
        self.trailers: Mapping[str, str] = {}
        self.ended = length == 0
        self._source: Source | None = source
        self._held: list[bytes] = []
        self._size = 0
        self._whole = False  # all of it is waited for, and may be held: nobody is woken for a piece
        self._failure: AwsError | None = None
        self._waiter: asyncio.Future[None] | None = None

    # ------------------------------------------------------------- as it arrives

    def feed(self, data: bytes) -> None:
        if self._source is None:
            return
        self._held.append(data)
        self._size += len(data)
        if self._whole:
            return
        if self._size > _HELD:
            self._source.hold()
        self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    def fail(self, code: str, message: str) -> None:
        """Nothing more will come. What did come is still read."""
        if not self.ended:
            self._failure = AwsError(message, code=code)
            self._wake()

    def drop(self) -> None:
        """Nobody will read what is still to come."""
        self._source = None
        self._held.clear()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ------------------------------------------------------------- as it is read

    @property
    def done(self) -> bool:
        """Whether all of it has been read."""
        return self.ended and not self._held

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self.done:
            piece = await self.piece()
            if piece:
                yield piece

    async def piece(self) -> bytes:
        """What has arrived; b"" only at the end."""
        if not self._held and not self.ended and self._failure is None:
            await self._arrival()
        held = self._held
        if held:
            data = held[0] if len(held) == 1 else b"".join(held)
            held.clear()
            if self._size > _HELD and self._source is not None:
                self._source.go_on()
            self._size = 0
            return data
        if self._failure is not None:
            raise self._failure
        return b""

    def is_soon_whole(self, limit: int) -> bool:
        """Whether something is still to come of a body of at most `limit` bytes, and its client sends it unasked."""
        return not (self.ended or self.expects or self.length is None) and self.length <= limit

    def whole(self, limit: int) -> bytes | None:
        """The whole body if it came with its head and is of at most `limit` bytes; it can still be read."""
        held = self._held
        if not self.ended or len(held) > 1:
            return None
        body = held[0] if held else b""
        return body if len(body) <= limit else None

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises AwsError when it is longer than `limit` bytes, before reading it where the head says so."""
        if self.length is not None and self.length > limit:
            raise too_large(limit)
        if self.length is not None:
            await self._all()
        pieces, size = [], 0
        while not self.done:
            piece = await self.piece()
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def drain(self) -> bool:
        """Whether nothing of the body is left to come. A client that waits for our consent to send is not given it."""
        if self.ended:
            return True
        if self.expects or self._failure is not None or self.length is None or self.length > _DRAINED:
            return False
        try:
            while not self.done:
                await self.piece()
        except AwsError:
            return False
        return True

    async def _all(self) -> None:
        """Returns when all that the head promised has arrived, or nothing more will."""
        if self._size > _HELD and self._source is not None:
            self._source.go_on()
        self._whole = True
        while not self.ended and self._failure is None:
            await self._arrival()
        self._whole = False

    async def _arrival(self) -> None:
        if self.expects and self._source is not None:
            self.expects = False
            self._source.consent()
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(SILENCE_SECONDS, self._look_silent, self._size)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _look_silent(self, size: int) -> None:
        if self._size == size:
            self.fail("RequestTimeout", TOO_SLOW)
        else:
            self._wake()  # who waits for all of it goes on waiting


TOO_SLOW = (
    "Your socket connection to the server was not read from or written to within the timeout period. "
    "Idle connections will be closed."
)


def too_large(limit: int) -> AwsError:
    return AwsError(f"The body is longer than {limit} bytes.", code="RequestEntityTooLargeException", http_status=413)
