"""An answer that arrives in pieces: read as it comes, and held back at its source while nobody reads."""

import asyncio
from collections import deque
from collections.abc import Callable

from salvia.ports.serving import NoAnswerError

LONGEST_ANSWER = 1 << 28  # bytes that a container may answer in one piece; it must not fill the server's memory
HELD = 1 << 20  # bytes that wait for a reader before the source is paused


class Pieces:
    """An async iterator of bytes. `pause` and `resume` are told when too much waits, and when it no longer does."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause, self._resume = pause, resume
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._ended = self._dropped = False
        self._error = ""
        self._came = asyncio.Event()

    def feed(self, piece: bytes) -> None:
        if self._dropped:
            return
        self._waiting.append(piece)
        self._size += len(piece)
        if self._size > HELD and not self._paused:
            self._paused = True
            self._pause()
        self._came.set()

    def end(self, error: str = "") -> None:
        """No more comes; with `error` the reader is told, after what came before, that it broke off."""
        self._ended, self._error = True, error
        self._came.set()

    def __aiter__(self) -> "Pieces":
        return self

    async def __anext__(self) -> bytes:
        """Raises NoAnswerError where the answer broke off."""
        while not self._waiting:
            if self._error:
                raise NoAnswerError(self._error, sent=True)
            if self._ended:
                raise StopAsyncIteration
            self._came.clear()
            await self._came.wait()
        piece = self._waiting.popleft()
        self._size -= len(piece)
        if self._paused and self._size <= HELD // 2:
            self._go_on()
        return piece

    async def aclose(self) -> None:
        """The reader has had enough: what still comes is dropped."""
        self.drop()

    def drop(self) -> None:
        self._dropped = True
        self._waiting.clear()
        if self._paused:
            self._go_on()

    def _go_on(self) -> None:
        self._paused = False
        self._resume()
