"""One port for everything: the API in the clear and under TLS, and a proxy that brings AWS's own hosts here.

Clients that hard-code https://sts.<region>.amazonaws.com reach the API through HTTPS_PROXY: their `CONNECT` to a host of
AWS is answered by us, under a certificate of our own authority; to any other host it opens a tunnel, untouched. What a
connection wants is seen in its first bytes; then it is handed to HTTP, or to the tunnel, and this file is out of the way.
"""

import asyncio
import base64
import binascii
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, cast

from salvia.base.address import is_loopback
from salvia.wire.certificates import Authority, is_aws
from salvia.wire.tunnel import Pipe, Upstream, open_tunnel

log = logging.getLogger(__name__)

FIRST_BYTES_SECONDS = 60.0
HANDSHAKE_SECONDS = 15.0
GOODBYE_SECONDS = 1.0  # pooled connections of idle clients do not answer a goodbye, and a server must be able to end
_HEAD_LIMIT = 16384
_TLS_RECORD = 0x16
_TARGET = re.compile(rb"CONNECT (?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5}) HTTP/1\.[01]\r\n")
_PROOF = re.compile(rb"\r\nproxy-authorization:[ \t]*basic[ \t]+([A-Za-z0-9+/=]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose certificates are shown, who may open tunnels, and what they leave through.

    Tunnels to hosts that are not AWS's are for peers on this machine's loopback interface. With `authorise`, they are for
    whoever's Proxy-Authorization carries a user and password to which it says yes, and for nobody else: so give it when
    the server is bound to more than loopback. Connections to AWS's hosts end here, where every request is authenticated,
    so anyone may open them.
    """

    authority: Authority
    authorise: Callable[[str, str], Awaitable[bool]] | None = None
    upstream: Upstream | None = None


class FrontDoor(asyncio.Protocol):
    """A connection whose purpose is not known yet. `http` makes what answers requests; `connections` are all there are."""

    def __init__(self, rules: Rules, http: Callable[[], asyncio.Protocol], connections: set[Any]) -> None:
        self.rules = rules
        self._http = http
        self._connections = connections
        self._received = b""
        self._work: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.call_later(FIRST_BYTES_SECONDS, transport.close)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        if received[0] == _TLS_RECORD:
            self._begin(self._secure(_local_address(self._transport), received))
        elif not received.startswith(b"CONNECT "[: len(received)]):
            self._serve()
        elif b"\r\n\r\n" in received:
            head, _, self._received = received.partition(b"\r\n\r\n")
            self._begin(self._connect(head + b"\r\n"))
        elif len(received) > _HEAD_LIMIT:
            self._refuse("431 Request Header Fields Too Large", "The head of the CONNECT request is too long.")

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        if self._work:
            self._work.cancel()

    def shutdown(self) -> None:
        """The server ends."""
        self._transport.close()
        if self._work:
            self._work.cancel()

    def _serve(self) -> None:
        self._leave()
        http = self._http()
        self._transport.set_protocol(http)
        http.connection_made(self._transport)
        http.data_received(self._received)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._deadline.cancel()
        self._transport.pause_reading()  # until whoever takes over listens
        self._work = self._loop.create_task(work)

    def _leave(self) -> None:
        self._deadline.cancel()
        self._connections.discard(self)

    def _refuse(self, status: str, why: str, headers: str = "") -> None:
        body = why.encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
        self._transport.write(f"{head}{headers}\r\n".encode() + body)
        self._transport.close()

    # ------------------------------------------------------------- CONNECT

    async def _connect(self, head: bytes) -> None:
        target = _TARGET.match(head)
        if target is None or int(target[3]) > 65535:
            self._refuse("400 Bad Request", "CONNECT needs a host and a port: CONNECT example.org:443 HTTP/1.1")
            return
        host, port = (target[1] or target[2]).decode().lower(), int(target[3])
        if is_aws(host) and port == 443:
            self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._secure(host, self._received)
            return
        if not await self._may_tunnel(head):
            self._refuse(
                "407 Proxy Authentication Required",
                "Tunnels to hosts that are not AWS's need an access key and its secret as user and password of the proxy.",
                'proxy-authenticate: Basic realm="Salvia"\r\n',
            )
            return
        try:
            far = await open_tunnel(host, port, self.rules.upstream)
        except OSError as error:
            status = "504 Gateway Timeout" if isinstance(error, TimeoutError) else "502 Bad Gateway"
            self._refuse(status, f"Could not connect to {host}:{port}: {error or 'it did not answer in time'}")
            return
        self._tunnel(far)

    async def _may_tunnel(self, head: bytes) -> bool:
        if self.rules.authorise is None:
            peer = self._transport.get_extra_info("peername")
            # A peer on a Unix socket has no address: runs without network come that way, and must not get out by it.
            return isinstance(peer, tuple) and is_loopback(peer[0])
        proof = _PROOF.search(head)
        if proof is None:
            return False
        try:
            user, colon, password = base64.b64decode(proof[1], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return bool(colon) and await self.rules.authorise(user, password)

    def _tunnel(self, far: Pipe) -> None:
        self._leave()
        if self._transport.is_closing():
            far.shutdown()
            return
        near = Pipe(on_lost=lambda: self._connections.discard(near))
        near.connection_made(self._transport)
        self._connections.add(near)
        self._transport.set_protocol(near)
        self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if self._received:
            near.data_received(self._received)
        near.join(far)
        self._transport.resume_reading()

    # ------------------------------------------------------------- TLS

    async def _secure(self, host: str, received: bytes) -> None:
        """Take the rest of the connection as TLS with `host`'s certificate; `received` is what came of it already."""
        held = _Held()
        upgrade = self._loop.create_task(
            self._loop.start_tls(
                self._transport,
                held,
                self.rules.authority.context(host),
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=GOODBYE_SECONDS,
            )
        )
        try:
            if received:
                await self._feed(received)
            secured = await upgrade
        except (OSError, ValueError) as error:  # SSLError is an OSError
            log.info("TLS as %s failed: %s (a client must trust %s)", host, error, self.rules.authority.certificate)
            self._transport.abort()
            return
        finally:
            self._leave()
        if secured is None or held.lost:
            return
        http = self._http()
        secured.set_protocol(http)
        http.connection_made(secured)
        if held.data:
            http.data_received(held.data)

    async def _feed(self, received: bytes) -> None:
        """Give the TLS protocol what was read before it came.

        start_tls puts its protocol on the transport in its first step, and connects it in the next turn of the loop; what
        else the socket holds is read after that turn. So two turns from now is the moment.
        """
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tls = cast("asyncio.BufferedProtocol", self._transport.get_protocol())
        while received:
            buffer = memoryview(tls.get_buffer(len(received)))
            size = min(len(buffer), len(received))
            buffer[:size] = received[:size]
            tls.buffer_updated(size)
            received = received[size:]


class _Held(asyncio.Protocol):
    """Keeps what arrives between the handshake's end and HTTP's taking over."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


def _local_address(transport: asyncio.Transport) -> str:
    name = transport.get_extra_info("sockname")
    return str(name[0]).partition("%")[0] if isinstance(name, tuple) else "127.0.0.1"
