"""Requests of clients passed on to an external S3: verified and authorised here, signed again with the backend's key.

Nothing of a body that turns out to be wrong reaches the backend whole: the last piece is held back until the wire has
agreed to all of it, so the backend sees a request that breaks off, and stores nothing.
"""

import logging
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl

from salvia.adapters.objects.backend import Asked, Backend, pieces
from salvia.adapters.objects.signing import UNSIGNED
from salvia.base.call import Call, RawRequest, Reply, Stream
from salvia.base.errors import AwsError

_log = logging.getLogger(__name__)
_TRAILER_PAYLOAD = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_HELD = 8 * 1024 * 1024  # up to here a body is gathered, so that a checksum behind it can go before it
_DROPPED = {
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-security-token",
    "x-amz-source-expected-bucket-owner",
    "x-amz-trailer",
}
_NOT_TOLD = {"connection", "keep-alive", "transfer-encoding", "server", "date", "upgrade"}
_SIGNING_ARGUMENTS = {"awsaccesskeyid", "signature", "expires"}


class Forward:
    """The raw operation of "s3". Every bucket of the backend belongs to `account`; others are refused."""

    def __init__(self, backend: Backend, account: str) -> None:
        self._backend = backend
        self._account = account

    async def __call__(self, raw: RawRequest, call: Call) -> Reply:
        self._check(raw, call)
        headers = {name: value for name, value in raw.headers.items() if name not in _DROPPED}
        _drop_chunked(headers)
        asked = Asked(
            raw.method,
            str(call.params.get("Bucket", "")),
            str(call.params.get("Key", "")),
            _arguments(raw.query),
            headers,
            payload=UNSIGNED,
        )
        body = _Watched(raw.body)
        try:
            response = await self._backend.open(await _with_body(asked, raw, cast("Stream", body), headers))
        except ConnectionError as error:
            if body.error is not None:
                raise body.error from None
            _log.warning("%s", error)
            raise AwsError(
                "The external object store does not answer.", code="ServiceUnavailable", http_status=503
            ) from error
        told = {name.lower(): value for name, value in response.headers.items() if name.lower() not in _NOT_TOLD}
        if raw.method == "HEAD" or response.status in {204, 304}:
            response.release()
            return Reply(status=response.status, headers=told, body=b"")
        return Reply(status=response.status, headers=told, body=pieces(response))

    def _check(self, raw: RawRequest, call: Call) -> None:
        if call.operation == "PostObject":
            raise AwsError(
                "Forms are not passed on to an external object store; use a presigned PUT.",
                code="NotImplemented",
                http_status=501,
            )
        owners = ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")
        if call.account not in {self._account, ""} or any(
            raw.headers.get(n, self._account) != self._account for n in owners
        ):
            raise AwsError("Access Denied", code="AccessDenied", http_status=403)


class _Watched:
    """A client's body; remembers what was wrong with it, which the connection it broke off would not tell."""

    def __init__(self, body: Stream) -> None:
        self._body = body
        self.length = body.length
        self.error: AwsError | None = None

    @property
    def trailers(self) -> Mapping[str, str]:
        return self._body.trailers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._body:
                yield piece
        except AwsError as error:
            self.error = error
            raise


async def _with_body(asked: Asked, raw: RawRequest, body: Stream, headers: Mapping[str, str]) -> Asked:
    if body.length == 0 or raw.method in {"GET", "HEAD", "DELETE"}:
        return asked
    trailer = raw.headers.get("x-amz-trailer", "").strip().lower()
    digest = raw.headers.get("x-amz-content-sha256", "")
    if body.length is None or (trailer and body.length <= _HELD):
        held = await _gathered(body)
        told = {**headers, "content-length": str(held.length)}
        told |= {name: value for name, value in body.trailers.items() if name == trailer}
        return _changed(asked, told, held, UNSIGNED)
    if trailer:
        told = {
            **headers,
            "content-encoding": ",".join(filter(None, ("aws-chunked", headers.get("content-encoding", "")))),
            "x-amz-decoded-content-length": str(body.length),
            "x-amz-trailer": trailer,
        }
        return _changed(asked, told, _chunked(body, trailer), _TRAILER_PAYLOAD)
    told = {**headers, "content-length": str(body.length)}
    return _changed(asked, told, _held_back(body), digest if len(digest) == 64 else UNSIGNED)


def _changed(asked: Asked, headers: Mapping[str, str], body: Any, payload: str) -> Asked:
    return Asked(asked.method, asked.bucket, asked.key, asked.query, headers, body, payload)


async def _held_back(body: Stream) -> AsyncIterator[bytes]:
    held = b""
    async for piece in body:
        if held:
            yield held
        held = piece
    if held:
        yield held


async def _chunked(body: Stream, trailer: str) -> AsyncIterator[bytes]:
    """aws-chunked again, with the checksum that came behind the body."""
    async for piece in _held_back(body):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield f"0\r\n{trailer}:{body.trailers.get(trailer, '')}\r\n\r\n".encode()


class _Gathered:
    """A whole body, in memory or, when it is long, in a temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_HELD)  # noqa: SIM115 — closed when it was read
        self.length = 0

    def add(self, piece: bytes) -> None:
        self._file.write(piece)
        self.length += len(piece)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._file:
            self._file.seek(0)
            while piece := self._file.read(1 << 18):
                yield piece


async def _gathered(body: Stream) -> _Gathered:
    held = _Gathered()
    async for piece in body:
        held.add(piece)
    return held


def _drop_chunked(headers: dict[str, str]) -> None:
    codings = [word.strip() for word in headers.pop("content-encoding", "").split(",")]
    left = ",".join(word for word in codings if word and word != "aws-chunked")
    if left:
        headers["content-encoding"] = left


def _arguments(query: str) -> list[tuple[str, str]]:
    """Without those of a presigned URL, which are verified already."""
    return [
        (name, value)
        for name, value in parse_qsl(query, keep_blank_values=True)
        if not name.lower().startswith("x-amz-") and name.lower() not in _SIGNING_ARGUMENTS
    ]
