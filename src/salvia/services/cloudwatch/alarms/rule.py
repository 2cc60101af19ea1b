"""When an alarm is in which state: a decision about a few data points, some of them missing, in CloudWatch's own words.

Source: "Using Amazon CloudWatch alarms" in the CloudWatch user guide, and its tables of how missing data is treated.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

Point = tuple[float, float]  # the period's start in seconds since the epoch, and the value

SPARE = 2  # periods looked at beyond EvaluationPeriods, for when some have no data

COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
_TREATED = {"breaching": "Breaching", "notBreaching": "NonBreaching"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`state` is "" where the alarm stays in the state it is in. `points`: the data it rests on, newest first."""

    state: str
    reason: str = ""
    points: Sequence[Point] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """`needed` of the last `periods` data points must breach."""

    comparison: str
    threshold: float
    periods: int
    needed: int
    missing: str = "missing"

    def breaches(self, value: float) -> bool:
        return COMPARISONS[self.comparison][0](value, self.threshold)

    def decide(self, window: Sequence[Point | None]) -> Verdict:
        """`window` is EvaluationPeriods + SPARE periods, oldest first; None where there is no data.

        Real data is preferred to treating what is missing, even if it is a little older.
        """
        real = [point for point in reversed(window) if point is not None][: self.periods]
        filled = self.periods - len(real)
        bad = [point for point in real if self.breaches(point[1])]
        if len(bad) + (filled if self.missing == "breaching" else 0) >= self.needed:
            return Verdict("ALARM", self._reason("ALARM", real, bad, filled), real)
        if self.missing in _TREATED or not filled or len(bad) < len(real):
            good = [point for point in real if not self.breaches(point[1])]
            return Verdict("OK", self._reason("OK", real, good, filled), real)
        if self.missing == "ignore":
            return Verdict("", "", real)
        if not real:
            unknown = "1 datapoint was" if self.periods == 1 else f"{self.periods} datapoints were"
            return Verdict("INSUFFICIENT_DATA", f"Insufficient Data: {unknown} unknown.", real)
        if any(point is not None and self.breaches(point[1]) for point in window[: len(window) - self.needed + 1]):
            return Verdict(
                "ALARM", self._reason("ALARM", real, bad, filled), real
            )  # old enough, and nothing spoke against
        return Verdict("", "", real)

    def _reason(self, state: str, real: Sequence[Point], shown: Sequence[Point], filled: int) -> str:
        treated = ""
        if filled and self.missing in _TREATED:
            count = "1 missing datapoint was" if filled == 1 else f"{filled} missing datapoints were"
            treated = f"{count} treated as [{_TREATED[self.missing]}]"
        if not real:
            periods = "1 period" if self.periods == 1 else f"{self.periods} periods"
            return f"Threshold Crossed: no datapoints were received for {periods} and {treated}."
        said = []
        if shown:
            points = ", ".join(f"{value} ({_time(start)})" for start, value in shown)
            how = ("was " if len(shown) == 1 else "were ") + ("not " if state == "OK" else "")
            words = f"{how}{COMPARISONS[self.comparison][1]} the threshold ({self.threshold})"
            said.append(f"{len(shown)} out of the last {self.periods} datapoints [{points}] {words}")
        if treated:
            said.append(treated)
        least = self.needed if state == "ALARM" else self.periods - self.needed + 1
        turn = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
        plural = "" if least == 1 else "s"
        return f"Threshold Crossed: {' and '.join(said)} (minimum {least} datapoint{plural} for {turn} transition)."


def _time(start: float) -> str:
    return datetime.fromtimestamp(start, UTC).strftime("%d/%m/%y %H:%M:%S")
