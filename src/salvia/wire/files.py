"""File bodies on their way out: read a piece at a time, without holding up the loop for the disk."""

import asyncio
import os

from salvia.base.call import FileBody

_PIECE = 256 * 1024


class OpenFile:
    """A FileBody whose first file is open, so that what is promised can be sent. `close` it."""

    def __init__(self, body: FileBody) -> None:
        """Raises OSError."""
        self.length = body.length
        self._pieces = [piece for piece in body.pieces if piece.length][::-1]
        self._descriptor = -1
        self._offset = self._end = 0
        self._next()

    async def piece(self) -> bytes:
        """The next 256 KiB or less; b"" after the last. Raises OSError when a file is shorter than was promised."""
        if self._offset == self._end:
            self._next()
        if self._descriptor < 0:
            return b""
        size = min(_PIECE, self._end - self._offset)
        data = _cached(self._descriptor, size, self._offset)
        if data is None:
            loop = asyncio.get_running_loop()
            data = await loop.run_in_executor(None, os.pread, self._descriptor, size, self._offset)
        if not data:
            raise OSError(f"a stored file ends {self._end - self._offset} bytes early")
        self._offset += len(data)
        return data

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _next(self) -> None:
        self.close()
        if self._pieces:
            piece = self._pieces.pop()
            self._descriptor = os.open(piece.path, os.O_RDONLY)
            self._offset, self._end = piece.offset, piece.offset + piece.length


def _cached(descriptor: int, size: int, offset: int) -> bytes | None:
    """What the page cache has, at once; None when the disk would have to be waited for."""
    buffer = bytearray(size)
    try:
        count = os.preadv(descriptor, [buffer], offset, os.RWF_NOWAIT)
    except OSError:  # not in memory, or not supported by this file system
        return None
    return bytes(memoryview(buffer)[:count]) if count else None
