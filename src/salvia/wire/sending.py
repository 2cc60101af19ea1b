"""A response on its way out: its head in one piece with a small body, a large one at the pace of the client."""

import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from functools import lru_cache
from http import HTTPStatus

from salvia.base.call import FileBody
from salvia.wire.files import OpenFile
from salvia.wire.line import Line
from salvia.wire.message import Body, Response

_NO_CONTENT = {204, 304}
_JOINED = 65536  # bytes of a body that are copied, to leave with the head
_NO_TOKEN = re.compile(r"[\x00-\x20\x7f()<>@,;:\\\"/\[\]?={}]")


async def send(line: Line, response: Response, *, head: bool, close: bool, chunks: bool = True) -> None:
    """Sends it all. Raises ConnectionResetError when the client goes away, OSError for a file that is too short.

    Content-Length is stated whenever it is known; a HEAD keeps the one that its operation named. A body of unknown length
    comes in chunks, or ends with the connection for who does not know `chunks`. A FileBody must have become an OpenFile:
    what cannot be opened must not have been promised.
    """
    body, headers = response.body, response.headers
    assert not isinstance(body, FileBody)
    if not line.has_room:
        await line.room()
    bare = head or response.status in _NO_CONTENT
    if isinstance(body, bytes):
        if body or not head:
            headers["content-length"] = str(len(body))
        else:
            headers.setdefault("content-length", "0")
    elif isinstance(body, OpenFile):
        headers["content-length"] = str(body.length)
    if response.status in _NO_CONTENT:
        headers.pop("content-length", None)
    framed = not bare and "content-length" not in headers
    if framed and chunks:
        headers["transfer-encoding"] = "chunked"
    if close:
        headers["connection"] = "close"
    began = head_of(response.status, headers)
    if bare:
        line.write(began)
    elif not isinstance(body, bytes):
        line.write(began)
        await _stream(line, body, framed and chunks)
    elif len(body) <= _JOINED:
        line.write(began + body)
    else:
        line.write(began)
        line.write(body)


async def _stream(line: Line, body: OpenFile | AsyncIterator[bytes], chunked: bool) -> None:
    pieces = _pieces(body) if isinstance(body, OpenFile) else body
    line.in_answer = True
    async for data in pieces:
        if data:
            await line.room()
            line.write(b"%x\r\n%b\r\n" % (len(data), data) if chunked else data)
    if chunked:
        line.write(b"0\r\n\r\n")
    line.in_answer = False


async def _pieces(file: OpenFile) -> AsyncIterator[bytes]:
    while data := await file.piece():
        yield data


async def release(body: Body) -> None:
    """Whatever became of the response: files are closed and iterators ended."""
    if isinstance(body, OpenFile):
        body.close()
    elif isinstance(body, AsyncGenerator):
        await body.aclose()


def head_of(status: int, headers: dict[str, str]) -> bytes:
    written = f"{_status_line(status)}{_date(int(time.time()))}{_lines(headers)}\r\n"
    return written.encode() if written.isascii() else _encoded(written)


def lasting_head(status: int, headers: dict[str, str]) -> bytes:
    """What `in_one` begins with: of a response to which only its id, its body and the date are still to come."""
    return _encoded(f"{_status_line(status)}{_lines(headers)}")


def in_one(head: bytes, request_id: str, body: bytes) -> bytes:
    """A whole response."""
    told = f"{_date(int(time.time()))}x-amzn-requestid: {request_id}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head + told.encode() + body


def _lines(headers: dict[str, str]) -> str:
    if "".join(headers.values()).isprintable() and _are_tokens(tuple(headers)):
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    else:  # a value with a line break in it would start a header of its own
        lines = [f"{_NO_TOKEN.sub('_', name)}: {_cleaned(value)}\r\n" for name, value in headers.items()]
    return "".join(lines)


def _encoded(written: str) -> bytes:
    """Names are Latin-1, values UTF-8."""
    parts = (line.partition(": ") for line in written.split("\r\n"))
    return b"\r\n".join(
        name.encode("latin-1", "replace") + colon.encode() + value.encode("utf-8", "replace")
        for name, colon, value in parts
    )


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n"


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return time.strftime("date: %a, %d %b %Y %H:%M:%S GMT\r\n", time.gmtime(second))


@lru_cache(maxsize=1024)
def _are_tokens(names: tuple[str, ...]) -> bool:
    return not any(map(_NO_TOKEN.search, names))


def _cleaned(value: str) -> str:
    return "".join(" " if ord(character) < 32 or ord(character) == 127 else character for character in value)
