"""Checksums of parts make the checksum of the whole."""

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salvia.adapters.objects.hashing import ALGORITHMS, Hashes, full_object


def taken(algorithm: str, *pieces: bytes) -> str:
    hashes = Hashes([algorithm])
    for piece in pieces:
        hashes.update(piece)
    return hashes.checksums()[algorithm]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
@given(parts=st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_the_checksums_of_parts_combine(algorithm: str, parts: list[bytes]) -> None:
    combined = full_object(algorithm, [(taken(algorithm, part), len(part)) for part in parts])

    assert combined == taken(algorithm, b"".join(parts))


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_pieces_hash_as_the_whole(algorithm: str) -> None:
    assert taken(algorithm, b"one", b"two") == taken(algorithm, b"onetwo")


def test_a_checksum_is_big_endian_in_base64() -> None:
    assert taken("CRC32", b"hello") == base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()
