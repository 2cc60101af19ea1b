"""Objects cut into payloads: nothing lost, nothing longer than allowed."""

import io
import struct

import pytest

from salvia.services.sagemaker.transform.records import RecordError, payloads


def cut(data: bytes, split: str, most: int, *, single: bool = False) -> list[bytes]:
    return list(payloads(io.BytesIO(data), split, single=single, most=most))


def recordio(*records: bytes, flags: int = 0) -> bytes:
    return b"".join(
        struct.pack("<II", 0xCED7230A, len(one) | flags << 29) + one + b"\0" * (-len(one) % 4) for one in records
    )


def tfrecord(*records: bytes) -> bytes:
    return b"".join(struct.pack("<QI", len(one), 7) + one + struct.pack("<I", 8) for one in records)


def test_an_object_that_is_not_split_is_one_payload() -> None:
    assert cut(b"a\nb", "None", 10) == [b"a\nb"]


@pytest.mark.parametrize("most", range(4, 14))
def test_lines_go_together_as_far_as_they_fit(most: int) -> None:
    data = b"1\n22\n333\n4444\n5"
    found = cut(data, "Line", most)

    assert b"".join(found) == data
    assert all(len(one.rstrip(b"\n")) <= most for one in found)
    assert all(one.endswith(b"\n") for one in found[:-1])


def test_single_lines_have_no_newline_and_empty_ones_are_no_records() -> None:
    assert cut(b"1\r\n\n22\n3", "Line", 4, single=True) == [b"1", b"22", b"3"]


def test_single_recordio_records_are_bare_and_several_keep_their_frames() -> None:
    data = recordio(b"abc", b"defgh")

    assert cut(data, "RecordIO", 100, single=True) == [b"abc", b"defgh"]
    assert cut(data, "RecordIO", 100) == [data]
    assert cut(data, "RecordIO", 16) == [recordio(b"abc"), recordio(b"defgh")]


def test_the_parts_of_a_recordio_record_are_joined_by_the_word_that_parted_them() -> None:
    data = recordio(b"abcd", flags=1) + recordio(b"ef", flags=3)

    assert cut(data, "RecordIO", 100, single=True) == [b"abcd" + struct.pack("<I", 0xCED7230A) + b"ef"]


def test_single_tfrecords_are_bare_and_several_keep_their_frames() -> None:
    data = tfrecord(b"abc", b"de")

    assert cut(data, "TFRecord", 100, single=True) == [b"abc", b"de"]
    assert cut(data, "TFRecord", 100) == [data]


@pytest.mark.parametrize(
    ("data", "split", "said"),
    [
        (b"12345\n1", "None", "Too much data"),
        (b"1\n12345678", "Line", "Too much data"),
        (recordio(b"123456"), "RecordIO", "Too much data"),
        (tfrecord(b"123456"), "TFRecord", "Too much data"),
        (b"no magic number", "RecordIO", "is not RecordIO"),
        (recordio(b"1234")[:-2], "RecordIO", "ends within a record"),
        (tfrecord(b"1234")[:-2], "TFRecord", "ends within a record"),
        (b"123", "TFRecord", "ends within a record"),
    ],
)
@pytest.mark.parametrize("single", [True, False])
def test_what_cannot_be_cut_is_an_error(data: bytes, split: str, said: str, single: bool) -> None:
    with pytest.raises(RecordError, match=said):
        cut(data, split, 5, single=single)
