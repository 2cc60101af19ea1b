"""Many clients of one endpoint at once, each on a connection of its own, and what each was told and when."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.clients.signed import Sent, Signer

TEXTS = 4  # that each client sends in turn


@dataclass(frozen=True, slots=True)
class Told:
    """One request and its answer; `status` 0: none came. Times are of the monotonic clock."""

    text: str
    sent: float
    came: float
    status: int
    body: bytes

    @property
    def code(self) -> str:
        """Of an error, as clients read it."""
        return str(json.loads(self.body).get("__type", "")) if self.status else "no answer"


class Crowd:
    """`count` clients that ask until the block ends, each one thing after the other, and never try again by themselves.

    Every text is sent by one client alone, so that an answer which belongs to another request shows.
    """

    def __init__(self, port: int, told: Mapping[str, str], endpoint: str, count: int) -> None:
        self.told: list[Told] = []
        signer = Signer(f"127.0.0.1:{port}", told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"])
        self._asked = [
            {text: _request(signer, endpoint, text) for text in (f"{client}-{turn}" for turn in range(TEXTS))}
            for client in range(count)
        ]
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def until_answered(self, seconds: float = 60) -> None:
        """Every client has been answered something that it asked after this was called. Raises AssertionError."""
        now, seen, waiting = time.monotonic(), len(self.told), {str(client) for client in range(len(self._asked))}
        while waiting and time.monotonic() < now + seconds:
            time.sleep(0.02)
            upto = len(self.told)
            waiting -= {each.text.partition("-")[0] for each in self.told[seen:upto] if each.sent > now}
            seen = upto
        assert not waiting, f"{len(waiting)} clients were not answered in {seconds} s"

    async def _all(self) -> None:
        await asyncio.gather(*(self._client(asked) for asked in self._asked))

    async def _client(self, asked: Mapping[str, bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for text in _forever(asked):
            if self._over.is_set():
                break
            sent = time.monotonic()
            writer.write(asked[text])
            try:
                status, body = await _answer(reader)
            except (OSError, EOFError):
                status, body = 0, b""
            self.told.append(Told(text, sent, time.monotonic(), status, body))
            if not status:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.close()


def _forever(asked: Mapping[str, bytes]) -> Iterator[str]:
    while True:
        yield from asked


def _request(signer: Signer, endpoint: str, text: str) -> bytes:
    sent = Sent("POST", f"/endpoints/{endpoint}/invocations", {"Content-Type": "text/csv"}, text.encode())
    signed = signer.sign(sent, "sagemaker")
    lines = [f"{signed.method} {signed.target} HTTP/1.1", f"Host: {signer.host}", f"Content-Length: {len(signed.body)}"]
    lines += [f"{name}: {value}" for name, value in signed.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + signed.body


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Raises OSError and EOFError when it does not come whole."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    return int(head[9:12]), await reader.readexactly(int(length))
