"""A transport that sends what one turn of the event loop writes as one piece.

The server writes a response's head and body separately. Sent so, they are two packets and wake the client twice, which
costs a twentieth of a small answer.
"""

import asyncio
from typing import Any

_MOST = 65536  # bytes held back; more goes out at once, so that the transport can say when it has had enough


class Joined:
    """Everything but writing and closing goes to `transport` as it is."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)
        self._size += len(data)
        if self._size > _MOST:
            self.flush()

    def flush(self) -> None:
        if self._pieces:
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
            self._transport.write(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
