"""A multipart/form-data body as a browser sends it: the fields, then the file, read as it comes."""

import re
from collections.abc import AsyncIterable, AsyncIterator

from salvia.base.errors import AwsError

_MOST_FIELDS = 20 * 1024  # what S3 takes before the file
_DISPOSITION = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class MalformedForm(AwsError):
    code = "MalformedPOSTRequest"

    def __init__(self) -> None:
        super().__init__("The body of your POST request is not well-formed multipart/form-data.")


class Form:
    """`await fields()` first, then iterate `file()`; what comes behind the file is ignored, as S3 ignores it."""

    def __init__(self, body: AsyncIterable[bytes], content_type: str) -> None:
        matched = re.search(r'boundary="?([^";]+)"?', content_type)
        if matched is None:
            raise MalformedForm
        self._pieces = aiter(body)
        self._delimiter = b"\r\n--" + matched[1].encode("utf-8", "surrogateescape")
        self._held = b"\r\n"
        self._read = 0
        self.filename = ""

    async def fields(self) -> dict[str, str]:
        """The fields before the file, names in lower case. Raises AwsError when there is no file."""
        found: dict[str, str] = {}
        await self._until(self._delimiter)
        while True:
            end = await self._until(b"\r\n")
            if end.startswith(b"--"):
                raise AwsError("POST requires exactly one file upload per request.", code="InvalidArgument")
            head = (await self._until(b"\r\n\r\n")).decode("utf-8", "replace")
            named = dict(_DISPOSITION.findall(head))
            if "name" not in named:
                raise MalformedForm
            name = named["name"].lower()
            if name == "file":
                self.filename = named.get("filename", "").replace("\\", "/").rpartition("/")[2]
                return found
            found[name] = (await self._until(self._delimiter)).decode("utf-8", "replace")

    async def file(self) -> AsyncIterator[bytes]:
        kept = len(self._delimiter) - 1
        while (at := self._held.find(self._delimiter)) < 0:
            if len(self._held) > kept:
                yield self._held[:-kept]
                self._held = self._held[-kept:]
            await self._more()
        if at:
            yield self._held[:at]
        # read to the end, so that whoever checks the body may speak
        async for _ in self._pieces:
            pass

    async def _until(self, end: bytes) -> bytes:
        while (at := self._held.find(end)) < 0:
            self._check_size(len(self._held))
            await self._more()
        self._check_size(at)
        self._read += at
        found, self._held = self._held[:at], self._held[at + len(end) :]
        return found

    def _check_size(self, more: int) -> None:
        if self._read + more > _MOST_FIELDS:
            raise AwsError(
                "Your POST request fields preceding the upload file were too large.",
                code="MaxPostPreDataLengthExceededError",
            )

    async def _more(self) -> None:
        try:
            self._held += await anext(self._pieces)
        except StopAsyncIteration:
            raise MalformedForm from None
