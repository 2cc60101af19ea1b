"""Time, injected: behaviour asks a clock, so that tests can say what time it is."""

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since the epoch, with fractions."""

    def now(self) -> float: ...


class SystemClock:
    def now(self) -> float:
        return time.time()


class SetClock:
    """A clock that stands where it was set; `advance` moves it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds
