"""The socket on which a server answers, and its end: what has been asked is answered, and nothing new is taken."""

import asyncio
import logging
import socket
from contextlib import suppress
from typing import Any

from salvia.wire.connection import Begin, Connection, Handle
from salvia.wire.proxy import FrontDoor, Rules

log = logging.getLogger(__name__)
_BACKLOG = 2048


class Listener:
    """Answers with `handle`. Without `rules` there is neither TLS nor a proxy, only HTTP."""

    def __init__(self, handle: Handle, rules: Rules | None = None, begin: Begin | None = None) -> None:
        self._handle = handle
        self._begin = begin
        self._rules = rules
        self._connections: set[Any] = set()
        self._server: asyncio.Server | None = None

    async def open(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, sock=listening, backlog=_BACKLOG)

    async def close(self, seconds: float) -> None:
        """Ends when every connection has; what is still being answered after `seconds` is cut off."""
        assert self._server is not None
        self._server.close()
        for connection in list(self._connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._emptied()
        self.cut()
        await self._emptied()

    def cut(self) -> None:
        """Do not wait for what is being answered."""
        for connection in [each for each in self._connections if isinstance(each, Connection)]:
            log.warning("the answer to %s was cut off by the end of the server", connection.peer.address)
            connection.cut()

    def _connection(self) -> asyncio.Protocol:
        return self._http() if self._rules is None else FrontDoor(self._rules, self._http, self._connections)

    def _http(self) -> asyncio.Protocol:
        return Connection(self._handle, self._connections, self._begin)

    async def _emptied(self) -> None:
        while self._connections:  # noqa: ASYNC110 - an event would have to be set by everything that is a connection
            await asyncio.sleep(0.02)
