"""Pieces of files go out in order, and what is promised is sent or refused."""

from pathlib import Path

import pytest

from salvia.base.call import FileBody, FilePiece
from salvia.wire.files import OpenFile


async def read(body: FileBody) -> bytes:
    file, pieces = OpenFile(body), []
    try:
        while piece := await file.piece():
            pieces.append(piece)
    finally:
        file.close()
    return b"".join(pieces)


async def test_pieces_of_several_files_follow_each_other(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_bytes(b"abcdef")
    second.write_bytes(b"x" * 600_000)

    data = await read(FileBody((FilePiece(first, 2, 3), FilePiece(second, 0, 0), FilePiece(second, 1, 599_999))))

    assert data == b"cde" + b"x" * 599_999


async def test_nothing_is_a_body_too() -> None:
    assert await read(FileBody(())) == b""


def test_a_file_that_is_gone_is_known_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        OpenFile(FileBody((FilePiece(tmp_path / "gone", 0, 1),)))


async def test_a_file_that_is_too_short_is_not_passed_off_as_whole(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"abc")

    with pytest.raises(OSError, match="ends 2 bytes early"):
        await read(FileBody((FilePiece(tmp_path / "short", 0, 5),)))
