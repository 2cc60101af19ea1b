"""What runs use of the machine."""

from typing import NamedTuple, Protocol


class Used(NamedTuple):
    """`cpu` is in seconds, of all processes the run ever had; `memory` in bytes, held now, where what several share counts once."""

    cpu: float
    memory: int


class Usage(Protocol):
    async def of(self, run: str) -> Used | None:
        """None for a run whose processes cannot be seen: it has ended, never was, or is another machine's or a daemon's."""
        ...
