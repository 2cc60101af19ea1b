"""Frames: what is written is read, however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salvia_container.serving import frames

NAME = st.text("abcdefghij-", min_size=1)
VALUE = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))
FRAME = st.tuples(st.integers(0, frames.BROKEN), st.integers(0, 2**32 - 1), st.binary(max_size=20), st.binary())


@given(st.lists(FRAME), st.lists(st.integers(1, 40), min_size=1))
def test_frames_arrive_as_they_were_written_however_they_are_cut(
    written: list[tuple[int, int, bytes, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(frames.write(*frame) for frame in written)
    reader, at, turn = frames.Reader(), 0, 0
    read: list[frames.Frame] = []
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        read += reader.feed(stream[at : at + size])
        at, turn = at + size, turn + 1

    assert read == written


@given(st.dictionaries(NAME, VALUE))
def test_heads_are_read_as_they_were_written(headers: dict[str, str]) -> None:
    assert frames.read_request_head(frames.request_head("GET", "/ping", headers)) == ("GET", "/ping", headers)
    assert frames.read_answer_head(frames.answer_head(415, headers)) == (415, headers)


def test_a_header_with_a_line_break_is_refused() -> None:
    with pytest.raises(frames.BadFrameError, match="line break"):
        frames.answer_head(200, {"x": "1\nx-forged: 2"})


@pytest.mark.parametrize("stream", [b"\xff" * 12, frames.write(frames.END, 1)[:10] + b"\x09\x00"])
def test_what_is_no_frame_is_refused(stream: bytes) -> None:
    with pytest.raises(frames.BadFrameError):
        list(frames.Reader().feed(stream))


def test_a_head_that_does_not_fit_is_refused() -> None:
    with pytest.raises(frames.BadFrameError, match="too long"):
        frames.write(frames.ASK, 1, b"x" * 70_000)
