"""Ranges of numbers, as hyperparameters have them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of numbers; None is no bound. Bounds belong to it unless they are open."""

    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        above = self.low is None or value > self.low or (value == self.low and not self.low_open)
        below = self.high is None or value < self.high or (value == self.high and not self.high_open)
        return above and below

    def __str__(self) -> str:
        left = "(-inf" if self.low is None else f"{'(' if self.low_open else '['}{self.low}"
        right = "+inf)" if self.high is None else f"{self.high}{')' if self.high_open else ']'}"
        return f"{left}, {right}"
