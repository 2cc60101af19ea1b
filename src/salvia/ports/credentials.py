"""Access keys: whom a signature speaks for, and temporary sessions."""

from dataclasses import dataclass
from typing import Protocol

from salvia.base.call import Caller


@dataclass(frozen=True, slots=True)
class Credential:
    """`token` is None for long-term keys; `expires` (seconds since the epoch) is None when they do not expire."""

    access_key: str
    secret: str
    caller: Caller
    token: str | None = None
    expires: float | None = None


class Credentials(Protocol):
    """Finds and issues credentials. What `issue` returned survives a restart of the server until it expires."""

    async def find(self, access_key: str) -> Credential | None: ...

    async def issue(self, caller: Caller, seconds: float) -> Credential:
        """A temporary session that speaks as `caller` (its access_key is replaced by the new one)."""
        ...
