"""Posts over HTTP and HTTPS, in threads of its own: a receiver that hangs keeps nobody else waiting."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from http.client import HTTPException
from typing import IO, Any

from salvia.ports.posting import NotPostedError

_AT_ONCE = 8


class HttpPosting:
    """Posting. Its threads start with the first message."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> int:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_AT_ONCE, "posting")
        return await asyncio.get_running_loop().run_in_executor(self._threads, _post, url, headers, body, seconds)

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def _post(url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> int:
    if not url.startswith(("http://", "https://")):
        raise NotPostedError("only http and https are posted to")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310 - checked
        with opener.open(request, timeout=seconds) as answer:
            return _status(answer)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, HTTPException, ValueError) as error:
        raise NotPostedError(str(error)) from error


def _status(answer: Any) -> int:
    return int(answer.status)
