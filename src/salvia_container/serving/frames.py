"""What a server and the container that serves a model say to each other over one stream: frames, many requests at once.

A frame is a header of 12 bytes (little-endian: length of the rest 4, request 4, kind 2, length of the head 2), a head and a body.

    HELLO    container first: how many connections are worth having, and how many requests each takes together ("2 64")
    ASK      a request: "POST /invocations", then a line "name: value" for each header; the body
    STREAM   the same from somebody who takes the answer in pieces
    ANSWER   a whole answer: "200", then its header lines; the body
    BEGIN    the head of an answer in pieces, which are PIECE frames with no head; END is the last
    BROKEN   the answer in pieces fails here; the body says why in UTF-8

Requests are numbered by who asks; the number comes back with each frame of the answer. Answers come in any order.
"""

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

SOCKET = "serve.sock"  # below /opt/ml, where the container listens
HELLO, ASK, STREAM, ANSWER, BEGIN, PIECE, END, BROKEN = range(8)
LONGEST_HEAD = (1 << 16) - 1
LONGEST_BODY = (1 << 31) - 1

_HEADER = struct.Struct("<IIHH")
_SIZE = _HEADER.size


class BadFrameError(ValueError):
    """What came is not what this module writes, or what shall go does not fit."""


class Frame(NamedTuple):
    kind: int
    request: int
    head: bytes
    body: bytes


def write(kind: int, request: int, head: bytes = b"", body: bytes = b"") -> bytes:
    """Raises BadFrameError for a head or a body that is too long."""
    if len(head) > LONGEST_HEAD or len(body) > LONGEST_BODY:
        raise BadFrameError(f"headers of {len(head)} bytes with a body of {len(body)} are too long for a frame")
    return _HEADER.pack(len(head) + len(body), request, kind, len(head)) + head + body


class Reader:
    """Cuts what is received into frames, however it arrives; none may be longer than `longest` bytes."""

    def __init__(self, longest: int = LONGEST_HEAD + LONGEST_BODY) -> None:
        self._longest = longest
        self._left: list[bytes] = []  # the beginning of a frame, in the pieces in which it came
        self._have = 0
        self._need = _SIZE

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Raises BadFrameError."""
        if self._have:
            self._left.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            data = b"".join(self._left)
            self._left = []
        at, size = 0, len(data)
        self._need = _SIZE
        while size - at >= _SIZE:
            length, request, kind, head = _HEADER.unpack_from(data, at)
            if kind > BROKEN or head > length or length > self._longest:
                raise BadFrameError(f"frame of kind {kind} with a head of {head} in {length} bytes")
            end = at + _SIZE + length
            if end > size:
                self._need = _SIZE + length
                break
            body = at + _SIZE + head
            yield Frame(kind, request, data[at + _SIZE : body], data[body:end])
            at = end
        self._have = size - at
        if self._have:
            self._left = [data[at:] if at else data]


def request_head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Raises BadFrameError for what could be read as more than one header."""
    return _head(f"{method} {path}", tuple(headers.items()))


def answer_head(status: int, headers: Mapping[str, str]) -> bytes:
    return _head(str(status), tuple(headers.items()))


def hello(connections: int, together: int) -> bytes:
    return write(HELLO, 0, f"{connections} {together}".encode())


@lru_cache(maxsize=256)
def read_request_head(head: bytes) -> tuple[str, str, Mapping[str, str]]:
    """Method, path and headers; the mapping is shared, so do not change it."""
    first, headers = _lines(head)
    method, _, path = first.partition(" ")
    return method, path, headers


@lru_cache(maxsize=256)
def read_answer_head(head: bytes) -> tuple[int, Mapping[str, str]]:
    """Status and headers; the mapping is shared, so do not change it. Raises BadFrameError."""
    first, headers = _lines(head)
    if not (len(first) == 3 and first.isdigit()):
        raise BadFrameError(f"{first!r} is no status")
    return int(first), headers


def read_hello(head: bytes) -> tuple[int, int]:
    """Connections, and requests that each takes together; at least 1 each. Raises BadFrameError."""
    try:
        connections, together = map(int, head.split())
    except ValueError as error:
        raise BadFrameError("no hello") from error
    return max(1, connections), max(1, together)


@lru_cache(maxsize=256)
def _head(first: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    text = first + "".join([f"\n{name}: {value}" for name, value in headers])
    if text.count("\n") != len(headers):
        raise BadFrameError("a header has a line break in it")
    return text.encode("utf-8", "surrogateescape")


def _lines(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("utf-8", "surrogateescape").split("\n")
    return first, dict(line.partition(": ")[::2] for line in lines)
