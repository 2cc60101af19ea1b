"""Connects to the Unix socket that a run listens on, without being led anywhere else by what the run put in its place."""

import os
import socket
import stat
from pathlib import Path


def dial(path: Path) -> socket.socket:
    """A connected socket that does not block. Raises ConnectionRefusedError while nothing answers at `path`.

    The folder is the run's to write: a link there could lead to any socket of the host, so what is connected to is the very
    file that was seen to be a socket. This way also has no limit of 108 bytes on the path. A run that lets its queue of
    connections fill up is refused like one that does not listen; it must not make the server wait.
    """
    try:
        place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise ConnectionRefusedError(f"nothing listens there: {error.strerror}") from error
    try:
        if not stat.S_ISSOCK(os.fstat(place).st_mode):
            raise ConnectionRefusedError("what stands there is no socket")
        return _connected(f"/proc/self/fd/{place}")
    finally:
        os.close(place)


def _connected(address: str) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        line.connect(address)
    except OSError as error:
        line.close()
        raise ConnectionRefusedError(f"it does not answer: {error.strerror}") from error
    return line
