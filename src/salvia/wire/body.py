"""Bodies of S3 requests, piece by piece: held to their length, their hash and the signatures of their chunks."""

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from salvia.base.call import Stream
from salvia.base.errors import AwsError
from salvia.wire.signature import Family, Refusal, Verified, refusal

_LARGE = 256 * 1024  # hashing more than this at once holds up other requests
_LONGEST_LINE = 4096
_MOST_TRAILERS = 64
_EMPTY = hashlib.sha256().hexdigest()
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,15})(?:;chunk-signature=([0-9a-f]{64}))?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Arriving(Protocol):
    """The bytes of a body as a server receives them. Iterating raises AwsError when the client goes away before the end.

    `length` is what the head promised; None when only the end will tell.
    """

    length: int | None

    def __aiter__(self) -> AsyncIterator[bytes]: ...


def open_body(arriving: Arriving, headers: Mapping[str, str], verified: Verified) -> Stream:
    """The body as the client meant it, without the framing of aws-chunked. `headers` have lower-case names.

    Pieces are handed on before they are known to be good: only the end of the iteration says so. Never more than one
    piece is held. Raises AwsError at once for what the head alone shows to be wrong.
    """
    payload = verified.payload
    if not payload.startswith("STREAMING-"):
        return PlainBody(arriving, payload if _SHA256.fullmatch(payload) else "")
    signed = payload.startswith("STREAMING-AWS4-HMAC-SHA256")
    if signed and not verified.signing_key:
        raise refusal(Refusal.MISSING, Family.S3)
    stated = headers.get("x-amz-decoded-content-length")
    if stated is None:
        words = "You must provide the x-amz-decoded-content-length HTTP header."
        raise AwsError(words, code="MissingContentLength", http_status=411)
    if not (stated.isascii() and stated.isdecimal()):
        raise AwsError("x-amz-decoded-content-length must be a number.", code="InvalidArgument")
    declared = frozenset(name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name.strip())
    trailing = payload.endswith("-TRAILER")
    return ChunkedBody(arriving, int(stated), declared if trailing else None, verified if signed else None)


async def read_all(stream: Stream, limit: int) -> bytes:
    """The whole body. Raises AwsError when it is longer than `limit` bytes."""
    if stream.length is not None and stream.length > limit:
        raise _too_large(limit)
    pieces: list[bytes] = []
    size = 0
    async for piece in stream:
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
    return b"".join(pieces)


class PlainBody:
    """A body sent as it is. `sha256` is what it must hash to, "" when nothing is promised."""

    def __init__(self, arriving: Arriving, sha256: str = "") -> None:
        self._arriving = arriving
        self._sha256 = sha256
        self.length = arriving.length
        self.trailers: Mapping[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        digest = hashlib.sha256()
        size = 0
        async for piece in self._arriving:
            size += len(piece)
            if self._sha256:
                await _update(digest, piece)
            yield piece
        if self.length is not None and size != self.length:
            raise _incomplete()
        if self._sha256 and digest.hexdigest() != self._sha256:
            raise AwsError(
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                code="XAmzContentSHA256Mismatch",
            )


class ChunkedBody:
    """A body in aws-chunked framing.

    `declared` are the names of the trailers to come, None when none may. `seed` is where the signatures of the chunks
    start from, None when they are not signed.
    """

    def __init__(
        self, arriving: Arriving, length: int, declared: frozenset[str] | None, seed: Verified | None = None
    ) -> None:
        self._lines = _Reader(arriving)
        self._declared = declared
        self._chain = _Chain(seed) if seed else None
        self.length: int | None = length
        self.trailers: Mapping[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length, chain = self.length or 0, self._chain
        size = 0
        while True:
            chunk, signature = await self._head()
            digest = hashlib.sha256()
            size += chunk
            if size > length:
                raise _incomplete()
            async for piece in self._lines.take(chunk):
                if chain:
                    await _update(digest, piece)
                yield piece
            if chunk and await self._lines.line() != b"":
                raise _malformed("a chunk is longer than it says")
            if chain:
                chain.check_chunk(digest.hexdigest(), signature)
            if not chunk:
                break
        if size != length:
            raise _incomplete()
        self.trailers = await self._read_trailers()

    async def _head(self) -> tuple[int, str]:
        line = await self._lines.line()
        written = _CHUNK.fullmatch(line) if line is not None else None
        if written is None:
            raise _incomplete() if line is None else _malformed("a chunk does not begin with its size")
        return int(written[1], 16), (written[2] or b"").decode()

    async def _read_trailers(self) -> dict[str, str]:
        """All lines that are left: some clients put an empty one before, between or after the trailers."""
        found: dict[str, str] = {}
        while (line := await self._lines.line()) is not None:
            name, colon, value = line.decode("latin-1").strip().partition(":")
            if not name and not colon:
                continue
            if not colon or len(found) == _MOST_TRAILERS:
                raise _bad_trailer()
            found[name.strip().lower()] = value.strip()
        signature = found.pop("x-amz-trailer-signature", "")
        if found.keys() != (self._declared or set()):
            raise _bad_trailer()
        if self._declared is not None and self._chain:
            self._chain.check_trailers(found, signature)
        return found


class _Chain:
    """Signatures of chunks: each is over the one before it."""

    def __init__(self, seed: Verified) -> None:
        self._seed = seed
        self._before = seed.signature

    def check_chunk(self, digest: str, signature: str) -> None:
        self._check(f"PAYLOAD\n{self._place()}\n{_EMPTY}\n{digest}", signature)
        self._before = signature

    def check_trailers(self, trailers: Mapping[str, str], signature: str) -> None:
        written = "".join(f"{name}:{trailers[name]}\n" for name in sorted(trailers))
        self._check(f"TRAILER\n{self._place()}\n{hashlib.sha256(written.encode('latin-1')).hexdigest()}", signature)

    def _place(self) -> str:
        return f"{self._seed.timestamp}\n{self._seed.scope}\n{self._before}"

    def _check(self, what: str, signature: str) -> None:
        expected = hmac.digest(self._seed.signing_key, f"AWS4-HMAC-SHA256-{what}".encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise refusal(Refusal.MISMATCH, Family.S3)


class _Reader:
    """Lines and counted bytes out of pieces of any size. Holds what is left of one piece, and of one line."""

    def __init__(self, arriving: Arriving) -> None:
        self._pieces = aiter(arriving)
        self._piece = b""
        self._at = 0

    async def take(self, count: int) -> AsyncIterator[bytes]:
        """Exactly `count` bytes, in pieces as they come."""
        while count:
            if self._at == len(self._piece) and not await self._more():
                raise _incomplete()
            data = self._piece[self._at : self._at + count]
            self._at += len(data)
            count -= len(data)
            yield data

    async def line(self) -> bytes | None:
        """Up to the next CRLF, without it, or what stands before the end; None at the end."""
        start = b""
        while True:
            joined = start + self._piece[self._at : self._at + _LONGEST_LINE]
            end = joined.find(b"\r\n")
            if end >= 0:
                self._at += end + 2 - len(start)
                return joined[:end]
            if len(joined) >= _LONGEST_LINE:
                raise _malformed("a line does not end")
            start = joined
            if not await self._more():
                return start or None

    async def _more(self) -> bool:
        self._piece, self._at = b"", 0
        async for piece in self._pieces:
            if piece:
                self._piece = piece
                return True
        return False


async def _update(digest: "hashlib._Hash", piece: bytes) -> None:
    if len(piece) <= _LARGE:
        digest.update(piece)
    else:
        await asyncio.to_thread(digest.update, piece)


def _incomplete() -> AwsError:
    words = "You did not provide the number of bytes specified by the Content-Length HTTP header"
    return AwsError(words, code="IncompleteBody")


def _malformed(what: str) -> AwsError:
    return AwsError(f"The body is not in the aws-chunked encoding: {what}.", code="IncompleteBody")


def _bad_trailer() -> AwsError:
    words = "The request contained trailing data that was not well-formed or did not conform to our published schema."
    return AwsError(words, code="MalformedTrailerError")


def _too_large(limit: int) -> AwsError:
    return AwsError(f"The body is longer than {limit} bytes.", code="RequestEntityTooLargeException", http_status=413)
