"""The socket of one client: written to no faster than it is read, and closed only when its last answer can arrive."""

import asyncio

from salvia.wire.message import Peer

LINGER_SECONDS = 5.0


class Line:
    """A transport with manners. Whatever is written after `cut` or to a client that is gone is dropped."""

    __slots__ = ("_closing", "_deaf", "_held", "_loop", "_room", "_transport", "in_answer", "lost")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.lost = False
        self.in_answer = False  # which is sent piece by piece
        self._transport = transport
        self._loop = loop
        self._room: asyncio.Future[None] | None = None  # there while the client has enough to read
        self._held = False
        self._deaf = False
        self._closing: asyncio.TimerHandle | None = None

    def peer(self) -> Peer:
        name = self._transport.get_extra_info("peername")
        return Peer(
            str(name[0]) if isinstance(name, tuple) else "",  # a peer on a Unix socket has no address
            self._transport.get_extra_info("sslcontext") is not None,
        )

    # ------------------------------------------------------------- writing

    def write(self, data: bytes) -> None:
        if not self._deaf and not self._transport.is_closing():
            self._transport.write(data)

    def fill(self) -> None:
        if self._room is None:
            self._room = self._loop.create_future()

    def empty(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    @property
    def has_room(self) -> bool:
        return self._room is None and not self.lost

    async def room(self) -> None:
        """Returns when the client can take more. Raises ConnectionResetError when it is gone."""
        if self._room is not None:
            await self._room
        if self.lost:
            raise ConnectionResetError("the client has gone away")

    # ------------------------------------------------------------- reading

    def hold(self) -> None:
        if not self._held and not self._transport.is_closing():
            self._held = True
            self._transport.pause_reading()

    def go_on(self) -> None:
        if self._held and not self._transport.is_closing():
            self._held = False
            self._transport.resume_reading()

    def consent(self) -> None:
        self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # ------------------------------------------------------------- the end

    @property
    def is_closing(self) -> bool:
        return self._closing is not None or self._transport.is_closing()

    def close(self, *, still_sending: bool = False) -> None:
        """After what has been written.

        A socket that is closed while bytes wait in it is reset, and the answer is lost with them. So a client that is
        still sending is only told that nothing more will come, and what it sends is read and dropped for a while.
        """
        if self._closing is not None or self._transport.is_closing() or not still_sending:
            self._end()
            self._transport.close()
            return
        self._closing = self._loop.call_later(LINGER_SECONDS, self._transport.close)
        self._deaf = True  # an answer that comes after a refusal
        self._held = False
        self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def cut(self) -> None:
        """At once: what was promised cannot be kept, and the client must see that."""
        self._deaf = True
        self._end()
        self._transport.abort()

    def all_read(self) -> None:
        """The client has sent all it had to."""
        if self._closing is not None:
            self.close()

    def lose(self) -> None:
        self.lost = True
        self._end()
        self.empty()

    def _end(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
