"""What one turn of the loop writes is sent as one piece."""

import asyncio
from typing import cast

from salvia.wire.joined import Joined


class Sent:
    """A transport that remembers what it was given."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed_after = -1

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def close(self) -> None:
        self.closed_after = len(self.pieces)

    def is_closing(self) -> bool:
        return self.closed_after >= 0


def joined(sent: Sent) -> Joined:
    return Joined(cast(asyncio.Transport, sent), asyncio.get_running_loop())


async def test_a_head_and_its_body_leave_together() -> None:
    sent = Sent()
    transport = joined(sent)
    transport.write(b"head ")
    transport.write(b"body")
    await asyncio.sleep(0)

    assert sent.pieces == [b"head body"]


async def test_what_a_later_turn_writes_leaves_by_itself() -> None:
    sent = Sent()
    transport = joined(sent)
    transport.write(b"first")
    await asyncio.sleep(0)
    transport.write(b"second")
    await asyncio.sleep(0)

    assert sent.pieces == [b"first", b"second"]


async def test_closing_loses_nothing() -> None:
    sent = Sent()
    transport = joined(sent)
    transport.write(b"last words")
    transport.close()
    await asyncio.sleep(0)

    assert (sent.pieces, sent.closed_after) == ([b"last words"], 1)


async def test_much_goes_out_at_once() -> None:
    sent = Sent()
    joined(sent).write(b"x" * 100_000)

    assert sent.pieces == [b"x" * 100_000]


async def test_the_rest_is_the_transports_own() -> None:
    assert not joined(Sent()).is_closing()
