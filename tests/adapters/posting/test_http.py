"""Posting over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from salvia.adapters.posting.http import HttpPosting
from salvia.ports.posting import NotPostedError

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiver(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    got: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/path", got
    finally:
        server.close()


@pytest.fixture
def posting() -> HttpPosting:
    return HttpPosting()


@pytest.mark.parametrize("status", [200, 302, 404, 503])
async def test_the_status_is_told_and_no_redirection_followed(posting: HttpPosting, status: int) -> None:
    head = f"HTTP/1.1 {status} Word\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with receiver(head.encode()) as (url, got):
        found = await posting.post(url, {"x-kind": "test"}, b"hi", 10)
    posting.close()

    assert found == status
    assert got[0].startswith(b"POST /path HTTP/1.1\r\n")
    assert b"x-kind: test\r\n" in got[0].lower()
    assert got[0].endswith(b"\r\n\r\nhi")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "file:///etc/hostname", "http://"])
async def test_where_nobody_answers_nothing_was_posted(posting: HttpPosting, url: str) -> None:
    with pytest.raises(NotPostedError):
        await posting.post(url, {}, b"", 10)
    posting.close()


async def test_what_is_no_http_is_no_answer(posting: HttpPosting) -> None:
    async with receiver(b"hello\r\n\r\n") as (url, _):
        with pytest.raises(NotPostedError):
            await posting.post(url, {}, b"hi", 10)
    posting.close()
