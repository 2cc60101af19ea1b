"""A body is handed on only as it was signed and declared, however its bytes arrive."""

import asyncio
import base64
import hashlib
import io
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from hypothesis import given, settings
from hypothesis import strategies as st

from salvia.base.call import Caller
from salvia.base.clock import SetClock
from salvia.base.errors import AwsError
from salvia.ports.credentials import Credential
from salvia.wire.body import open_body, read_all
from salvia.wire.signature import Family, Verified
from salvia.wire.sigv4 import Verifier

# The examples that AWS publishes for "Transferring Payload in Multiple Chunks", without and with a trailer.
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DATA = b"a" * 66_560
SCOPE = "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
HEADERS = {
    "host": "s3.amazonaws.com",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "content-encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
    "content-length": "66824",
    "authorization": (
        f"AWS4-HMAC-SHA256 {SCOPE},SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
        "x-amz-decoded-content-length;x-amz-storage-class,"
        "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    ),
}
TRAILER_HEADERS = HEADERS | {
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "x-amz-trailer": "x-amz-checksum-crc32c",
    "authorization": (
        f"AWS4-HMAC-SHA256 {SCOPE},SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;"
        "x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,"
        "Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    ),
}
FRAMED = b"".join([
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n",
    DATA[:65536],
    b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n",
    DATA[65536:],
    b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
])  # fmt: skip
TRAILERS = (
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)
FRAMED_WITH_TRAILER = b"".join([
    b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n",
    DATA[:65536],
    b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n",
    DATA[65536:],
    b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n",
    TRAILERS,
])  # fmt: skip


class Pieces:
    """A body as it arrives: pieces, and then perhaps a client that is gone."""

    def __init__(self, *pieces: bytes, length: int | None = None, gone: bool = False) -> None:
        self.pieces = pieces
        self.length = length
        self.gone = gone

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if self.gone:
            raise AwsError("gone", code="IncompleteBody")


class OneKey:
    def known(self, access_key: str) -> Credential | None:
        return Credential(KEY, SECRET, Caller("000000000000", "arn", "id")) if access_key == KEY else None

    async def find(self, access_key: str) -> Credential | None:
        return self.known(access_key)

    async def issue(self, caller: Caller, seconds: float) -> Credential:
        raise NotImplementedError


async def verified(headers: dict[str, str]) -> Verified:
    verifier = Verifier(OneKey(), SetClock(1_369_353_600))
    return await verifier.verify("PUT", "/examplebucket/chunkObject.txt", "", headers, family=Family.S3)


def cut(data: bytes, *places: int) -> list[bytes]:
    edges = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


async def read(headers: dict[str, str], *pieces: bytes) -> tuple[bytes, dict[str, str]]:
    stream = open_body(Pieces(*pieces), headers, await verified(headers))
    return await read_all(stream, 1 << 20), dict(stream.trailers)


async def refused(headers: dict[str, str], *pieces: bytes) -> str:
    with pytest.raises(AwsError) as raised:
        await read(headers, *pieces)
    return raised.value.code


async def test_the_published_chunks_are_believed() -> None:
    assert await read(HEADERS, FRAMED) == (DATA, {})


async def test_the_published_trailer_is_believed() -> None:
    assert await read(TRAILER_HEADERS, FRAMED_WITH_TRAILER) == (DATA, {"x-amz-checksum-crc32c": "sOO8/Q=="})


@pytest.mark.parametrize(
    "written",
    [
        TRAILERS.removesuffix(b"\r\n"),
        TRAILERS.removesuffix(b"\r\n\r\n"),
        b"\r\n" + TRAILERS,
        TRAILERS.replace(b"==\r\n", b"==\n\r\n"),
        TRAILERS.replace(b"x-amz-checksum", b"X-Amz-Checksum").replace(b":", b": "),
    ],
)
async def test_trailers_are_read_however_clients_write_them(written: bytes) -> None:
    _, trailers = await read(TRAILER_HEADERS, FRAMED_WITH_TRAILER.replace(TRAILERS, written))

    assert trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}


@given(st.lists(st.integers(0, len(FRAMED_WITH_TRAILER)), max_size=40))
@settings(deadline=None, max_examples=60)
async def test_it_does_not_matter_where_the_pieces_end(places: list[int]) -> None:
    body, _ = await read(TRAILER_HEADERS, *cut(FRAMED_WITH_TRAILER, *places))

    assert body == DATA


def frames() -> Iterator[int]:
    """Every byte that is not data."""
    for start in (0, FRAMED_WITH_TRAILER.index(b"\r\n400"), FRAMED_WITH_TRAILER.index(b"\r\n0;")):
        yield from range(start, min(start + 92, len(FRAMED_WITH_TRAILER)))
    yield from range(len(FRAMED_WITH_TRAILER) - len(TRAILERS), len(FRAMED_WITH_TRAILER))


async def test_a_cut_after_any_byte_of_the_framing_changes_nothing() -> None:
    for place in frames():
        assert (await read(TRAILER_HEADERS, *cut(FRAMED_WITH_TRAILER, place)))[0] == DATA


@pytest.mark.parametrize("headers", [HEADERS, TRAILER_HEADERS])
async def test_any_changed_byte_of_data_is_noticed(headers: dict[str, str]) -> None:
    framed = FRAMED if headers is HEADERS else FRAMED_WITH_TRAILER
    for place in (100, 40_000, 65_622, 66_000):
        assert await refused(headers, framed[:place] + b"b" + framed[place + 1 :]) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"sOO8", b"sOO9", "SignatureDoesNotMatch"),
        (b"d81f82", b"d81f83", "SignatureDoesNotMatch"),
        (b"2ca2ab", b"2ca2ac", "SignatureDoesNotMatch"),
        (
            b";chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            b"",
            "SignatureDoesNotMatch",
        ),
        (TRAILERS, b"\r\n", "MalformedTrailerError"),
        (TRAILERS, b"x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", "SignatureDoesNotMatch"),
        (b"x-amz-checksum-crc32c", b"x-amz-checksum-crc32", "MalformedTrailerError"),
        (TRAILERS, TRAILERS + b"surplus", "MalformedTrailerError"),
        (TRAILERS, TRAILERS + b"a:b", "MalformedTrailerError"),
        (b"10000;", b"zz;", "IncompleteBody"),
        (b"10000;", b"-1;", "IncompleteBody"),
        (b"10000;", b"0010001;", "IncompleteBody"),
        (b"10000;", b"ffff;", "IncompleteBody"),
        (b"400;", b"3ff;", "IncompleteBody"),
        (b"10000;", b"7fffffffffffff;", "IncompleteBody"),
        (b"\r\n400;", b"400;", "IncompleteBody"),
        (b"10000;chunk", b"10000;" + b"x" * 10_000 + b"chunk", "IncompleteBody"),
    ],
)
async def test_a_changed_frame_is_refused(old: bytes, new: bytes, code: str) -> None:
    assert await refused(TRAILER_HEADERS, FRAMED_WITH_TRAILER.replace(old, new, 1)) == code


async def test_a_body_that_ends_early_is_never_whole() -> None:
    for place in (0, 5, 87, 5000, 65_624, len(FRAMED) - 95, len(FRAMED) - 70):
        assert await refused(HEADERS, FRAMED[:place]) in {"IncompleteBody", "SignatureDoesNotMatch"}


async def test_the_last_chunk_may_not_be_left_out() -> None:
    assert await refused(HEADERS, FRAMED[: FRAMED.index(b"\r\n0;") + 2]) == "IncompleteBody"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-decoded-content-length": "66559"}, "SignatureDoesNotMatch"),
        ({"x-amz-trailer": "x-amz-checksum-sha256"}, "SignatureDoesNotMatch"),
    ],
)
async def test_what_the_head_declares_is_signed(headers: dict[str, str], code: str) -> None:
    assert await refused(TRAILER_HEADERS | headers, FRAMED_WITH_TRAILER) == code


UNSIGNED = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32"}


async def read_unsigned(framed: bytes, length: int | str, **headers: str) -> tuple[bytes, dict[str, str]]:
    sent = UNSIGNED | {"x-amz-decoded-content-length": str(length)} | headers
    stream = open_body(Pieces(*cut(framed, 3, 11)), sent, Verified(payload=UNSIGNED["x-amz-content-sha256"]))
    return await read_all(stream, 1 << 20), dict(stream.trailers)


@pytest.mark.parametrize("data", [b"", b"x", b"hello" * 1000, b"\r\n0\r\n\r\n" * 50])
async def test_what_botocore_frames_is_read(data: bytes) -> None:
    wrapper = AwsChunkedWrapper(
        io.BytesIO(data), checksum_cls=Crc32Checksum, checksum_name="x-amz-checksum-crc32", chunk_size=777
    )

    body, trailers = await read_unsigned(wrapper.read(), len(data))

    assert body == data
    assert trailers == {"x-amz-checksum-crc32": base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()}


@pytest.mark.parametrize("length", [4, 6])
async def test_the_declared_length_is_kept(length: int) -> None:
    with pytest.raises(AwsError, match="number of bytes"):
        await read_unsigned(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n", length)


@pytest.mark.parametrize(
    ("length", "code"), [("many", "InvalidArgument"), ("²", "InvalidArgument"), ("-1", "InvalidArgument")]
)
async def test_a_length_must_be_a_number(length: str, code: str) -> None:
    with pytest.raises(AwsError) as raised:
        await read_unsigned(b"0\r\n\r\n", length)

    assert raised.value.code == code


async def test_chunks_need_a_declared_length() -> None:
    with pytest.raises(AwsError) as raised:
        open_body(Pieces(), UNSIGNED, Verified(payload=UNSIGNED["x-amz-content-sha256"]))

    assert (raised.value.code, raised.value.http_status) == ("MissingContentLength", 411)


async def test_nobody_can_claim_signed_chunks_without_a_signature() -> None:
    with pytest.raises(AwsError) as raised:
        open_body(Pieces(), HEADERS, Verified(payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD"))

    assert raised.value.code == "AccessDenied"


@given(st.binary(max_size=60), st.integers(0, 20))
@settings(max_examples=200)
async def test_no_nonsense_raises_anything_but_an_aws_error(framed: bytes, length: int) -> None:
    try:
        body, _ = await read_unsigned(framed, length)
    except AwsError:
        return
    assert len(body) == length


async def whole(stream: Any) -> bytes:
    return b"".join([piece async for piece in stream])


async def test_a_plain_body_is_held_to_its_hash() -> None:
    good = Verified(payload=hashlib.sha256(b"hello").hexdigest())

    assert await whole(open_body(Pieces(b"he", b"llo", length=5), {}, good)) == b"hello"
    with pytest.raises(AwsError) as raised:
        await whole(open_body(Pieces(b"hel", b"lO", length=5), {}, good))
    assert (raised.value.code, raised.value.http_status) == ("XAmzContentSHA256Mismatch", 400)


async def test_an_unsigned_body_is_handed_on() -> None:
    stream = open_body(Pieces(b"he", b"llo"), {}, Verified())

    assert stream.length is None
    assert await whole(stream) == b"hello"


@pytest.mark.parametrize("data", [b"hell", b"hello!"])
async def test_a_plain_body_is_held_to_its_length(data: bytes) -> None:
    with pytest.raises(AwsError, match="number of bytes"):
        await whole(open_body(Pieces(data, length=5), {}, Verified()))


async def test_a_client_that_goes_away_never_looks_like_an_end() -> None:
    with pytest.raises(AwsError, match="gone"):
        await whole(open_body(Pieces(b"hel", gone=True), {}, Verified()))
    stream = open_body(Pieces(FRAMED[:5000], gone=True), HEADERS, await verified(HEADERS))
    with pytest.raises(AwsError, match="gone"):
        await whole(stream)


async def test_a_body_that_is_too_long_is_not_collected() -> None:
    with pytest.raises(AwsError) as raised:
        await read_all(open_body(Pieces(b"x" * 11, length=11), {}, Verified()), 10)
    assert raised.value.http_status == 413
    with pytest.raises(AwsError):
        await read_all(open_body(Pieces(b"x" * 6, b"x" * 6), {}, Verified()), 10)
    assert await read_all(open_body(Pieces(b"x" * 10), {}, Verified()), 10) == b"x" * 10


async def test_a_chunk_of_five_gigabytes_is_never_held() -> None:
    size = 5 << 30
    arriving = Pieces(b"%x\r\n" % size, *[b"x" * 65_536] * 1000, gone=True)
    sent = UNSIGNED | {"x-amz-decoded-content-length": str(size)}
    stream = open_body(arriving, sent, Verified(payload=UNSIGNED["x-amz-content-sha256"]))
    tracemalloc.start()
    seen = 0
    with suppress(AwsError):
        async for piece in stream:
            seen += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert seen == 65_536 * 1000
    assert peak < 1 << 20


async def test_hashing_a_large_piece_leaves_the_loop_free() -> None:
    piece = b"x" * (32 << 20)
    payload = hashlib.sha256(piece).hexdigest()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    await whole(open_body(Pieces(piece), {}, Verified(payload=payload)))
    counter.cancel()

    assert turns > 10
