"""The key that signs messages to subscribers: made when the first one is sent, kept beside the authority's."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from salvia.wire.certificates import Authority

if TYPE_CHECKING:
    from salvia.wire.minting import MessageKey


class AuthoritySigning:
    """The port Signing, with a key whose certificate `authority` issues."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._key: MessageKey | None = None
        self._making = asyncio.Lock()

    async def sign(self, text: bytes, digest: str) -> bytes:
        return (await self._made()).sign(text, digest)

    async def certificate(self) -> bytes:
        return (await self._made()).certificate

    async def _made(self) -> "MessageKey":
        async with self._making:
            if self._key is None:
                self._key = await asyncio.to_thread(self._load)
        return self._key

    def _load(self) -> "MessageKey":
        """In a thread: the library is slow to import, and so is the making of a key."""
        key: MessageKey = import_module("salvia.wire.minting").MessageKey(self._authority.message_key())
        return key
