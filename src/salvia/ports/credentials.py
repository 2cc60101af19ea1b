"""Access keys: whom a signature speaks for, temporary sessions, and the long-term keys of users."""

from collections.abc import Sequence
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


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A user's long-term key as lists show it. `used`: when, by which service and region; None when never."""

    access_key: str
    principal_arn: str
    created: float
    active: bool = True
    used: tuple[float, str, str] | None = None


class Credentials(Protocol):
    """Finds and issues credentials. What `issue` returned survives a restart of the server until it expires.

    `find` answers None for a key that is unknown, deleted or inactive; a session past its end may still be found. `known`
    answers None also for a key that is not in memory, where `find` would look further.
    """

    def known(self, access_key: str) -> Credential | None: ...

    async def find(self, access_key: str) -> Credential | None: ...

    async def issue(self, caller: Caller, seconds: float) -> Credential:
        """A temporary session that speaks as `caller` (its access_key is replaced by the new one)."""
        ...


class AccessKeys(Protocol):
    """The long-term keys of principals. What was deleted or deactivated here stops signing at once, elsewhere within seconds."""

    async def create(self, caller: Caller) -> Credential:
        """A key that speaks as `caller` (its access_key is replaced by the new one)."""
        ...

    async def keys(self, account: str, principal_arn: str) -> Sequence[AccessKey]:
        """Oldest first; with `principal_arn` "" those of the whole account."""
        ...

    async def activate(self, account: str, access_key: str, active: bool) -> bool:
        """False when there is no such key."""
        ...

    async def delete(self, account: str, access_key: str) -> bool:
        """False when there is no such key."""
        ...

    async def note_use(self, access_key: str, service: str, region: str) -> None:
        """Remember that the key signed a request; cheap, and exact to the minute."""
        ...
