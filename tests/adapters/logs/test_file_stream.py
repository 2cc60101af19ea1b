"""The lines of a file as events: paging, times, text."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salvia.adapters.logs.file_stream import FileStream
from salvia.adapters.logs.lines import BLOCK
from salvia.ports.logs import Event

NOW = 1_900_000_000_000


class Writer:
    """A run that prints into a file, and the moments at which the watcher looks."""

    def __init__(self, folder: Path) -> None:
        self.stream = FileStream(folder / "stream.log")
        self.now = NOW
        self.stream.create(self.now)

    def prints(self, text: str | bytes, *, after: int = 50, seen: bool = True) -> "Writer":
        self.now += after
        with self.stream.path.open("ab") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.utime(self.stream.path, ns=(self.now * 1_000_000, self.now * 1_000_000))
        if seen:
            self.stream.refresh(self.now)
        return self

    @property
    def messages(self) -> list[str]:
        return [event.message for event in self.stream.forward(None).events]


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path)


def read_forward(stream: FileStream, limit: int) -> list[Event]:
    events: list[Event] = []
    position = None
    while True:
        page = stream.forward(position, limit=limit)
        if not page.events:
            assert page.forward == (position or page.forward)
            return events
        events.extend(page.events)
        position = page.forward


def read_backward(stream: FileStream, limit: int) -> list[Event]:
    events: list[Event] = []
    position = None
    while True:
        page = stream.backward(position, limit=limit)
        if not page.events:
            return events
        events[:0] = page.events
        position = page.backward


def test_a_line_is_an_event_once_it_ends(writer: Writer) -> None:
    writer.prints("one\ntw")

    assert writer.messages == ["one"]
    assert writer.prints("o\n").messages == ["one", "two"]


def test_lines_without_a_character_are_no_events(writer: Writer) -> None:
    assert writer.prints("one\n\n\ntwo\n\n").messages == ["one", "two"]


def test_control_characters_are_shown_as_aws_shows_them(writer: Writer) -> None:
    writer.prints(b"[0]\ttrain-rmse:1\r\n\x1b[31mred\x7f\xff caf\xc3\xa9\n")

    assert writer.messages == ["[0]#011train-rmse:1#015", "#033[31mred#177\ufffd caf\u00e9"]


def test_a_line_has_the_time_at_which_it_was_seen_to_end(writer: Writer) -> None:
    writer.prints("a\nb").prints("c\n", after=100)

    assert [event.timestamp for event in writer.stream.forward(None).events] == [NOW + 50, NOW + 150]


def test_lines_that_nobody_watched_are_spread_over_the_time_since(writer: Writer) -> None:
    writer.prints("seen\n", after=0)
    writer.prints("x\n" * 100, after=60_000)

    times = [event.timestamp for event in writer.stream.forward(None).events]
    assert times[0] == NOW
    assert times[50] == pytest.approx(NOW + 30_000, abs=1000)
    assert times[-1] == NOW + 60_000


def test_watched_silence_is_not_a_gap(writer: Writer) -> None:
    writer.prints("before\n", after=0)
    writer.stream.sign_of_life(NOW + 59_900)
    writer.prints("a\nb\n", after=60_000)

    assert [event.timestamp - NOW for event in writer.stream.forward(None).events] == [0, 60_000, 60_000]


def test_an_unfinished_line_is_shown_after_a_second_of_silence(writer: Writer) -> None:
    writer.prints("progress 10%")
    writer.stream.refresh(writer.now + 900)
    assert writer.messages == []

    writer.stream.refresh(writer.now + 1_100)
    assert writer.messages == ["progress 10%"]
    assert writer.prints(" ... done\n", after=2_000).messages == ["progress 10%", " ... done"]


def test_an_unfinished_line_is_shown_when_the_file_is_closed(writer: Writer) -> None:
    writer.prints("the end")
    writer.stream.refresh(writer.now, closing=True)

    assert writer.messages == ["the end"]


def test_the_newline_after_a_shown_unfinished_line_is_no_event(writer: Writer) -> None:
    writer.prints("x")
    writer.stream.refresh(writer.now + 2_000)
    writer.prints("\ny\n", after=3_000)

    assert writer.messages == ["x", "y"]


def test_long_lines_are_cut_below_256_kib_and_nothing_is_lost(writer: Writer) -> None:
    line = "\u00e9x\u20ac" * 200_000
    writer.prints(f"short\n{line}\nend\n")

    events = read_forward(writer.stream, 3)
    assert "".join(event.message for event in events) == f"short{line}end"
    assert max(len(event.message.encode()) for event in events) < 256 * 1024
    assert read_backward(writer.stream, 1) == events


def test_the_same_token_and_no_events_mean_the_end(writer: Writer) -> None:
    writer.prints("one\n")
    end = writer.stream.forward(None).forward
    again = writer.stream.forward(end)

    assert (again.events, again.forward, again.backward) == ([], end, end)
    writer.prints("two\n")
    assert [event.message for event in writer.stream.forward(end).events] == ["two"]


def test_a_page_holds_a_megabyte_at_most(writer: Writer) -> None:
    writer.prints(f"{'x' * 1000}\n" * 3000)

    page = writer.stream.forward(None)
    assert page.more
    assert len(page.events) == (1 << 20) // 1026
    assert len(writer.stream.backward(None).events) == (1 << 20) // 1026


@pytest.mark.parametrize("moment", [0, 1, 250, 251, 600, 10_000])
def test_time_ranges_include_their_start_and_not_their_end(writer: Writer, moment: int) -> None:
    for number in range(10):
        writer.prints(f"{number}\n{number}b\n")
    times = [event.timestamp - NOW for event in writer.stream.forward(None).events]

    since = writer.stream.forward(None, start=NOW + moment).events
    until = writer.stream.backward(None, end=NOW + moment).events
    assert [event.timestamp - NOW for event in since] == [time for time in times if time >= moment]
    assert [event.timestamp - NOW for event in until] == [time for time in times if time < moment]
    assert writer.stream.forward(None, end=NOW + moment).events == until
    assert writer.stream.backward(None, start=NOW + moment).events == since


def test_what_was_freed_is_no_longer_there_and_the_rest_keeps_its_place(writer: Writer) -> None:
    writer.prints(f"{'old ' * 100}\n" * 5_000).prints(f"{'new ' * 100}\n" * 10, after=1_000)
    new = writer.stream.forward(None, start=writer.now).events

    writer.stream.free_before(writer.now)

    assert writer.stream.forward(None, start=writer.now).events == new
    assert len(read_forward(writer.stream, 7)) < 30
    assert read_backward(writer.stream, 7) == read_forward(writer.stream, 7)
    assert writer.stream.stored_bytes < 20_000


def test_timed_text_is_every_line_once(writer: Writer) -> None:
    for number in range(50):
        writer.prints(f"{number}\ta\n{number}\tb\nunfin").prints("ished\n")

    text, position = [], 0
    while True:
        pieces, after = writer.stream.text(position, 100)
        if after == position:
            break
        text += [line for piece in pieces for line in piece.text.split("\n")]
        position = after
    assert text == writer.messages


def test_the_tail_begins_at_a_line(writer: Writer) -> None:
    writer.prints("first line\nsecond line\nthird")

    assert writer.stream.tail(20) == "second line\nthird"
    assert writer.stream.tail(1000) == "first line\nsecond line\nthird"
    assert writer.stream.tail(17) == "second line\nthird"


pieces = st.lists(
    st.tuples(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([b"\n", b"a\n", b"no end", b"\xc3\xa9", b"\t\r\n", b"x" * BLOCK, b"\xe2\x82\xac" * BLOCK]),
        ),
        st.sampled_from([1, 50, 700, 5_000]),
        st.booleans(),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=pieces, limit=st.integers(1, 7))
def test_pages_hold_every_event_once_from_either_side(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[bytes, int, bool]], limit: int
) -> None:
    writer = Writer(tmp_path_factory.mktemp("log"))
    for raw, after, seen in pieces:
        writer.prints(raw, after=after, seen=seen)
    writer.stream.refresh(writer.now, closing=True)

    events = read_forward(writer.stream, limit)
    assert read_backward(writer.stream, limit) == events
    assert list(writer.stream.forward(None, size=1 << 40).events) == events
    shown = "".join(event.message for event in events)
    raw = b"".join(raw for raw, _, _ in pieces)
    if raw.isascii():
        assert shown == "".join(f"#{byte:03o}" if byte < 32 or byte == 127 else chr(byte) for byte in raw if byte != 10)
    assert [event.timestamp for event in events] == sorted(event.timestamp for event in events)
