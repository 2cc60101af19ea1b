"""How long to wait after a failure: longer each time, up to a cap, and never in step with others."""

import random
from collections.abc import Callable, Hashable


class Backoff:
    """Counts failures by key. Forgetting is safe: the count only decides how patient the next try is."""

    def __init__(self, first: float = 1.0, cap: float = 60.0, draw: Callable[[], float] = random.random) -> None:
        self._first, self._cap, self._draw = first, cap, draw
        self._failures: dict[Hashable, int] = {}

    def failed(self, key: Hashable) -> float:
        """One more failure of `key`. Returns the seconds to wait: half of them certain, half drawn by chance."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        longest: float = min(self._cap, self._first * 2.0 ** min(count, 30))
        return longest * (1 + self._draw()) / 2

    def count(self, key: Hashable) -> int:
        """Failures of `key` in a row, as far as this process knows."""
        return self._failures.get(key, 0)

    def succeeded(self, key: Hashable) -> None:
        self._failures.pop(key, None)
