"""A body comes no faster than it is read, and ends even when its client does not."""

import asyncio

import pytest

from salvia.base.errors import AwsError
from salvia.wire import incoming
from salvia.wire.incoming import Incoming


class Noted:
    """A source that notes what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def hold(self) -> None:
        self.told.append("hold")

    def go_on(self) -> None:
        self.told.append("go on")

    def consent(self) -> None:
        self.told.append("consent")


async def test_a_client_is_held_up_until_what_it_sent_is_read() -> None:
    source = Noted()
    body = Incoming(None, source)
    body.feed(b"x" * 60_000)
    body.feed(b"y" * 60_000)
    held = list(source.told)
    piece = await body.piece()

    assert held == ["hold"]
    assert (len(piece), source.told) == (120_000, ["hold", "go on"])


async def test_a_client_that_waits_for_consent_gets_it_when_its_body_is_wanted_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incoming, "SILENCE_SECONDS", 0.001)
    source = Noted()
    body = Incoming(5, source, expects=True)
    for _ in range(2):
        with pytest.raises(AwsError, match="not read from or written to"):
            await body.piece()

    assert source.told == ["consent"]


async def test_a_refused_body_is_read_to_its_end_only_where_that_is_short() -> None:
    small, large, asking = Incoming(3, Noted()), Incoming(1 << 30, Noted()), Incoming(3, Noted(), expects=True)
    small.feed(b"abc")
    small.end()

    assert [await body.drain() for body in (small, large, asking)] == [True, False, False]


async def test_what_arrived_before_the_client_went_away_is_read_and_then_it_is_told() -> None:
    body = Incoming(5, Noted())
    body.feed(b"abc")
    body.fail("IncompleteBody", "it ended early")

    assert await body.piece() == b"abc"
    with pytest.raises(AwsError, match="ended early"):
        await body.piece()


async def test_a_body_that_is_wanted_whole_is_not_held_up() -> None:
    source = Noted()
    body = Incoming(200_000, source)
    body.feed(b"a" * 100_000)
    reading = asyncio.create_task(body.read(200_000))
    await asyncio.sleep(0)
    body.feed(b"b" * 50_000)
    body.feed(b"c" * 50_000)
    assert source.told[:2] == ["hold", "go on"]
    assert "hold" not in source.told[1:]
    body.end()

    assert await reading == b"a" * 100_000 + b"b" * 50_000 + b"c" * 50_000


async def test_a_client_that_falls_silent_amid_a_body_that_is_wanted_whole_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incoming, "SILENCE_SECONDS", 0.001)
    body = Incoming(5, Noted())
    body.feed(b"abc")
    reading = asyncio.create_task(body.read(5))
    await asyncio.sleep(0)
    body.feed(b"d")

    with pytest.raises(AwsError, match="not read from or written to"):
        await reading


async def test_a_body_longer_than_allowed_is_refused_however_it_comes() -> None:
    stated, unstated = Incoming(11, Noted()), Incoming(None, Noted())
    unstated.feed(b"x" * 11)

    for body in (stated, unstated):
        with pytest.raises(AwsError, match="longer than 10 bytes"):
            await body.read(10)
