"""A connection to another host, byte for byte: what a proxy does for what is none of its business."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self, cast
from urllib.parse import unquote, urlsplit

from salvia.base.address import is_loopback

CONNECT_SECONDS = 15.0
IDLE_SECONDS = 3600.0
_HEAD_LIMIT = 16384


@dataclass(frozen=True, slots=True)
class Upstream:
    """The proxy through which this machine itself reaches the world, and the hosts it reaches without."""

    host: str
    port: int
    authorization: str = ""
    without: tuple[str, ...] = ()

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """None when `environment` names no proxy for https, or one whose own connection is TLS, which is not supported.

        Inside `salvia run`, where the proxy is ours, it is the one that was set outside.
        """
        url = environment.get("HTTPS_PROXY") or environment.get("https_proxy") or ""
        if url and url == environment.get("SALVIA_PROXY"):
            url = environment.get("SALVIA_OUTER_PROXY", "")
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            return None
        without = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
        return cls(
            parts.hostname,
            parts.port or 80,
            "Basic " + base64.b64encode(user.encode()).decode() if user else "",
            tuple(name.strip().lstrip("*.").lower() for name in without.split(",") if name.strip()),
        )

    def serves(self, host: str) -> bool:
        return not is_loopback(host) and not any(host == name or host.endswith("." + name) for name in self.without)


class Pipe(asyncio.Protocol):
    """One end of a tunnel: what it receives, the other end sends; no faster than it can.

    An end that has nothing more to say may still listen: its silence is passed on, and only when both ends have said so,
    or one is gone, the tunnel closes. So does one on which nothing moved for an hour. `on_lost` is called at the end.
    """

    def __init__(self, on_lost: Callable[[], None] = lambda: None) -> None:
        self.transport: asyncio.Transport | None = None
        self._on_lost = on_lost
        self.other: Pipe | None = None
        self.held = b""  # received before there was another end
        self._arrived = asyncio.Event()
        self.ended = False
        self.moved = 0.0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    async def ask(self, request: bytes) -> bytes:
        """Send `request` to a proxy and return the head of its answer; only before `join`."""
        assert self.transport
        self.transport.write(request)
        while b"\r\n\r\n" not in self.held:
            if self.ended or len(self.held) > _HEAD_LIMIT:
                raise ConnectionResetError("the proxy of this machine gave no answer")
            self._arrived.clear()
            await self._arrived.wait()
        head, _, self.held = self.held.partition(b"\r\n\r\n")
        return head

    def join(self, other: "Pipe") -> None:
        """From now on, `other` sends what this end receives, and the reverse."""
        self.other, other.other = other, self
        for end in (self, other):
            if end.held:
                end.data_received(b"")
            if end.ended:
                end.eof_received()
        self._rest()

    def data_received(self, data: bytes) -> None:
        self.moved = asyncio.get_running_loop().time()
        if self.other and self.other.transport:
            self.other.transport.write(self.held + data)
            self.held = b""
        else:
            self.held += data
            self._arrived.set()

    def eof_received(self) -> bool:
        self.ended = True
        self._arrived.set()
        other = self.other
        if other is None or other.transport is None:
            return True  # the end that joins will hear of it
        if other.transport.can_write_eof():
            other.transport.write_eof()
        return not other.ended

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._arrived.set()
        if self._watch:
            self._watch.cancel()
        other, self.other = self.other, None
        if other and other.transport:
            other.transport.close()  # after what is still to be sent
        self._on_lost()

    def pause_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.resume_reading()

    def shutdown(self) -> None:
        """The server ends."""
        if self.transport:
            self.transport.abort()

    def _rest(self) -> None:
        """Close when nothing moved for a while; one timer, however much moves."""
        loop = asyncio.get_running_loop()
        moved = max(self.moved, self.other.moved if self.other else 0.0) or loop.time()
        if loop.time() - moved >= IDLE_SECONDS:
            self.shutdown()
            return
        self._watch = loop.call_at(moved + IDLE_SECONDS, self._rest)


async def open_tunnel(host: str, port: int, upstream: Upstream | None) -> Pipe:
    """The far end of a tunnel to `host`, through `upstream` when that serves it. Raises OSError (TimeoutError is one)."""
    through = upstream if upstream and upstream.serves(host) else None
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_SECONDS):
        to = (through.host, through.port) if through else (host, port)
        transport, pipe = await loop.create_connection(Pipe, *to)
        if through is None:
            return pipe
        try:
            await _ask(pipe, host, port, through.authorization)
        except (OSError, asyncio.CancelledError):  # the timeout comes as the latter
            transport.abort()
            raise
    return pipe


async def _ask(pipe: Pipe, host: str, port: int, authorization: str) -> None:
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    proof = f"Proxy-Authorization: {authorization}\r\n" if authorization else ""
    answer = await pipe.ask(f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n{proof}\r\n".encode())
    line = answer.split(b"\r\n", 1)[0].decode("latin-1")
    if line.split()[1:2] != ["200"]:
        raise ConnectionRefusedError(f"the proxy of this machine answered: {line}")
