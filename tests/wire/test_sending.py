"""What a client receives: framed as it understands, at its own pace, and never a part for the whole."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from salvia.wire.line import Line
from salvia.wire.message import Response
from salvia.wire.sending import head_of, send


class Sent(asyncio.Transport):
    """A transport that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def is_closing(self) -> bool:
        return False


def line(sent: Sent) -> Line:
    return Line(sent, asyncio.get_running_loop())


async def pieces() -> AsyncIterator[bytes]:
    for piece in (b"one", b"", b"two"):
        yield piece


async def test_a_small_answer_leaves_in_one_piece() -> None:
    sent = Sent()
    await send(line(sent), Response(200, {}, b"body"), head=False, close=False)

    (piece,) = sent.pieces
    assert piece.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert piece.endswith(b"content-length: 4\r\n\r\nbody")


@pytest.mark.parametrize(("chunks", "body"), [(True, b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), (False, b"onetwo")])
async def test_a_body_of_unknown_length_comes_in_chunks_or_ends_with_the_connection(chunks: bool, body: bytes) -> None:
    sent = Sent()
    await send(line(sent), Response(200, {}, pieces()), head=False, close=not chunks, chunks=chunks)

    assert b"".join(sent.pieces).partition(b"\r\n\r\n")[2] == body


async def test_nothing_is_written_while_the_client_has_enough() -> None:
    sent = Sent()
    to = line(sent)
    to.fill()
    sending = asyncio.create_task(send(to, Response(200, {}, b"body"), head=False, close=False))
    await asyncio.sleep(0)
    before = list(sent.pieces)
    to.empty()
    await sending

    assert (before, len(sent.pieces)) == ([], 1)


async def test_who_has_gone_away_is_sent_nothing_more() -> None:
    sent = Sent()
    to = line(sent)
    to.lose()
    with pytest.raises(ConnectionResetError):
        await send(to, Response(200, {}, pieces()), head=False, close=False)

    assert sent.pieces == []


def test_neither_name_nor_value_of_a_header_begins_another() -> None:
    head = head_of(200, {"x-amz-meta-a\r\nx-evil": "1\r\nx-worse: 2", "x-amz-meta-ö": "ü"})

    assert b"\r\nx-amz-meta-a__x-evil: 1  x-worse: 2\r\nx-amz-meta-\xf6: \xc3\xbc\r\n\r\n" in head
