"""An external S3 as the object store: for the platform through `Objects`, for clients by passing their requests on."""

import asyncio
import hashlib
import os
import time
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from salvia.adapters.objects.backend import Asked, Backend, pieces
from salvia.adapters.objects.forward import Forward
from salvia.base.call import Call, RawRequest, Reply
from salvia.ports.objects import NoSuchObjectError, ObjectInfo, Placement

if TYPE_CHECKING:
    import aiohttp

_AT_ONCE = 16
_POLICY_SECONDS = 5.0
_PART = 256 * 1024 * 1024
_SINGLE = 1024 * 1024 * 1024  # larger files go up in parts
_MAKES = {"PutObject", "CopyObject", "CompleteMultipartUpload"}


class S3Objects:
    """`forward` is the raw operation for the wire, `bucket_policy` and `bucket_owner` what the authoriser asks. `close` it at the end."""

    def __init__(self, endpoint: str, access_key: str, secret_key: str, region: str, account: str) -> None:
        self._backend = Backend(endpoint, access_key, secret_key, region)
        self._account = account
        self._forward = Forward(self._backend, account)
        self._listeners: list[Callable[[ObjectInfo], None]] = []
        self._policies: dict[str, tuple[float, dict[str, Any] | None]] = {}

    async def forward(self, raw: RawRequest, call: Call) -> Reply:
        reply = await self._forward(raw, call)
        if call.operation.endswith("BucketPolicy"):
            self._policies.pop(call.params["Bucket"], None)
        if call.operation in _MAKES and reply.status == 200 and self._listeners:
            await self._tell_of(call.params["Bucket"], call.params["Key"])
        return reply

    async def bucket_owner(self, _: str) -> str:
        """All buckets of the backend belong to the account of the settings."""
        return self._account

    async def bucket_policy(self, bucket: str) -> dict[str, Any] | None:
        """The backend's policy of a bucket, not older than a few seconds; None when there is none."""
        asked, policy = self._policies.get(bucket, (0.0, None))
        if time.monotonic() - asked < _POLICY_SECONDS and bucket in self._policies:
            return policy
        async with self._backend.send(Asked("GET", bucket, query=[("policy", "")])) as response:
            policy = orjson.loads(await response.read()) if response.status == 200 else None
        self._policies[bucket] = (time.monotonic(), policy)
        return policy

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        async with self._backend.send(Asked("HEAD", bucket, key)) as response:
            await _check(response, f"s3://{bucket}/{key}")
            return _info(bucket, key, response)

    async def get(self, bucket: str, key: str) -> bytes:
        async with self._backend.send(Asked("GET", bucket, key)) as response:
            await _check(response, f"s3://{bucket}/{key}")
            return await response.read()

    async def put(self, bucket: str, key: str, data: bytes, *, content_type: str = "") -> ObjectInfo:
        headers = {"content-length": str(len(data))} | ({"content-type": content_type} if content_type else {})
        asked = Asked("PUT", bucket, key, headers=headers, body=_chunks(data), payload=hashlib.sha256(data).hexdigest())
        async with self._backend.send(asked) as response:
            await _check(response, f"s3://{bucket}")
        return await self._tell_of(bucket, key)

    async def put_file(self, bucket: str, key: str, path: Path, *, content_type: str = "") -> ObjectInfo:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            size = os.fstat(descriptor).st_size
            headers = {"content-type": content_type} if content_type else {}
            if size > _SINGLE:
                await self._put_parts(bucket, key, descriptor, size, headers)
            else:
                await self._put_range(Asked("PUT", bucket, key, headers=headers), descriptor, 0, size)
        finally:
            os.close(descriptor)
        return await self._tell_of(bucket, key)

    async def place(self, placements: Iterable[Placement]) -> None:
        """Downloads, several at once."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def fetch(placement: Placement) -> None:
            async with slots:
                await self._download(placement)

        try:
            async with asyncio.TaskGroup() as group:
                for placement in placements:
                    group.create_task(fetch(placement))
        except ExceptionGroup as several:
            raise several.exceptions[0] from None

    async def delete(self, bucket: str, key: str) -> None:
        async with self._backend.send(Asked("DELETE", bucket, key)) as response:
            await _check(response, f"s3://{bucket}")

    def on_created(self, call: Callable[[ObjectInfo], None]) -> None:
        self._listeners.append(call)

    async def list(self, bucket: str, prefix: str, *, after: str = "", limit: int = 1000) -> list[ObjectInfo]:
        found: list[ObjectInfo] = []
        while len(found) < limit:
            query = [("encoding-type", "url"), ("list-type", "2"), ("max-keys", str(min(limit - len(found), 1000)))]
            query += [(name, value) for name, value in (("prefix", prefix), ("start-after", after)) if value]
            async with self._backend.send(Asked("GET", bucket, query=query)) as response:
                await _check(response, f"s3://{bucket}")
                page = ET.fromstring(await response.read())  # noqa: S314 — from the configured backend
            contents = [_listed(bucket, one) for one in page.iter() if _plain(one) == "Contents"]
            found += contents
            truncated = next((one.text for one in page if _plain(one) == "IsTruncated"), "false")
            if truncated != "true" or not contents:
                break
            after = contents[-1].key
        return found

    async def close(self) -> None:
        await self._backend.close()

    async def _tell_of(self, bucket: str, key: str) -> ObjectInfo:
        info = await self.head(bucket, key)
        for listener in self._listeners:
            listener(info)
        return info

    async def _download(self, placement: Placement) -> None:
        placement.path.parent.mkdir(parents=True, exist_ok=True)
        placement.path.unlink(missing_ok=True)
        response = await self._backend.open(Asked("GET", placement.bucket, placement.key))
        await _check(response, f"s3://{placement.bucket}/{placement.key}")
        descriptor = os.open(placement.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
        try:
            async for piece in pieces(response):
                await asyncio.to_thread(_write_all, descriptor, piece)
        finally:
            os.close(descriptor)

    async def _put_range(self, asked: Asked, descriptor: int, offset: int, size: int) -> str:
        headers = {**(asked.headers or {}), "content-length": str(size)}
        body = _file_range(descriptor, offset, size)
        whole = Asked(asked.method, asked.bucket, asked.key, asked.query, headers, body)
        async with self._backend.send(whole) as response:
            await _check(response, f"s3://{asked.bucket}")
            return response.headers.get("ETag", "")

    async def _put_parts(self, bucket: str, key: str, descriptor: int, size: int, headers: dict[str, str]) -> None:
        async with self._backend.send(Asked("POST", bucket, key, [("uploads", "")], headers)) as response:
            await _check(response, f"s3://{bucket}")
            document = ET.fromstring(await response.read())  # noqa: S314 — from the configured backend
        upload = next(one.text or "" for one in document.iter() if _plain(one) == "UploadId")
        listed = ""
        for number, offset in enumerate(range(0, size, _PART), 1):
            part = Asked("PUT", bucket, key, [("partNumber", str(number)), ("uploadId", upload)])
            etag = await self._put_range(part, descriptor, offset, min(_PART, size - offset))
            listed += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        done = Asked("POST", bucket, key, [("uploadId", upload)], {}, body, payload=hashlib.sha256(body).hexdigest())
        async with self._backend.send(done) as response:
            await _check(response, f"s3://{bucket}")
            answer = await response.read()
            if b"<Error>" in answer:  # a 200 may still turn out badly
                raise OSError(f"the external object store could not complete an upload: {answer[:500].decode()}")


async def _check(response: "aiohttp.ClientResponse", what: str) -> None:
    if response.status < 300:
        return
    text = (await response.read())[:500].decode("utf-8", "replace")
    response.release()
    if response.status == 404:
        raise NoSuchObjectError(what)
    raise OSError(f"the external object store answered {response.status} for {what}: {text}")


def _info(bucket: str, key: str, response: "aiohttp.ClientResponse") -> ObjectInfo:
    headers = response.headers
    return ObjectInfo(
        bucket,
        key,
        int(headers["Content-Length"]),
        headers.get("ETag", "").strip('"'),
        parsedate_to_datetime(headers["Last-Modified"]).timestamp(),
        headers.get("x-amz-version-id", "null"),
    )


def _listed(bucket: str, one: ET.Element) -> ObjectInfo:
    values = {_plain(child): child.text or "" for child in one}
    modified = datetime.fromisoformat(values["LastModified"]).timestamp()
    return ObjectInfo(bucket, unquote(values["Key"]), int(values["Size"]), values["ETag"].strip('"'), modified)


def _plain(one: ET.Element) -> str:
    return one.tag.rpartition("}")[2]


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 1 << 18):
        yield data[at : at + (1 << 18)]


async def _file_range(descriptor: int, offset: int, size: int) -> AsyncIterator[bytes]:
    while size:
        data = await asyncio.to_thread(os.pread, descriptor, min(size, 1 << 20), offset)
        if not data:
            raise OSError("the file became shorter while it was uploaded")
        yield data
        offset += len(data)
        size -= len(data)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
