"""The HTTP side of an external S3: one signed request, its answer, and connections that are kept."""

import time
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from salvia.adapters.objects.signing import EMPTY, UNSIGNED, encoded_path, encoded_query, sign

if TYPE_CHECKING:
    import aiohttp

_CHUNK = 256 * 1024
_UNHURRIED = {"User-Agent", "Accept", "Accept-Encoding", "Content-Type"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to the backend. `query` and the names of `headers` (lower-case) are not encoded."""

    method: str
    bucket: str = ""
    key: str = ""
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] | None = None
    body: AsyncIterable[bytes] | bytes | None = None
    payload: str = UNSIGNED  # the body's SHA-256, or what S3 accepts in its place


class Backend:
    """Signs with the backend's own key, path style. Needs aiohttp (`pip install salvia[s3]`)."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, region: str) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ValueError(f"objects_endpoint must be a URL such as https://s3.example.com, not {endpoint!r}")
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._host = parts.netloc
        self._access_key, self._secret_key, self._region = access_key, secret_key, region
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def send(self, asked: Asked) -> AsyncIterator["aiohttp.ClientResponse"]:
        """The answer, whatever its status; its body may be read while the context lasts."""
        response = await self.open(asked)
        try:
            yield response
        finally:
            response.release()

    async def open(self, asked: Asked) -> "aiohttp.ClientResponse":
        """As `send`; the caller releases the answer. Raises ConnectionError when there is none."""
        path = encoded_path(asked.bucket, asked.key) if asked.bucket else "/"
        headers = sign(
            asked.method,
            self._host,
            path,
            asked.query,
            asked.headers or {},
            payload=EMPTY if asked.body is None else asked.payload,
            access_key=self._access_key,
            secret_key=self._secret_key,
            region=self._region,
            now=time.time(),
        )
        return await self._connected(f"{self._base}{path}", encoded_query(asked.query), asked, headers)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _connected(
        self, url: str, query: str, asked: Asked, headers: Mapping[str, str]
    ) -> "aiohttp.ClientResponse":
        import aiohttp  # noqa: PLC0415 — optional: only who delegates to an external S3 needs it
        import yarl  # noqa: PLC0415

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300),
                auto_decompress=False,
                read_bufsize=_CHUNK,
            )
        try:
            return await self._session.request(
                asked.method,
                yarl.URL(f"{url}?{query}" if query else url, encoded=True),
                headers=headers,
                data=asked.body,
                allow_redirects=False,
                skip_auto_headers=_UNHURRIED,
            )
        except aiohttp.ClientError as error:
            raise ConnectionError(f"the external object store at {self._base} cannot be reached: {error}") from error


async def pieces(response: "aiohttp.ClientResponse") -> AsyncIterator[bytes]:
    """The body of an answer; releases it at the end, however that comes."""
    try:
        async for piece in response.content.iter_chunked(_CHUNK):
            yield piece
    finally:
        response.release()
