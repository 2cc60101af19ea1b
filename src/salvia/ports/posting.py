"""Messages to the outside: what is posted to an address that a user chose."""

from collections.abc import Mapping
from typing import Protocol


class NotPostedError(Exception):
    """Nobody answered: no connection, no name, too late, or what came was no HTTP."""


class Posting(Protocol):
    """What `world.parts["posting"]` holds."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> int:
        """The status of the answer; redirections are not followed. Raises NotPostedError."""
        ...
