"""When a scheduled action is due: at(...), rate(...) and cron(...), as Application Auto Scaling writes them.

Source: "Schedule recurring scaling actions using cron expressions" in the Application Auto Scaling user guide.
"""

import calendar
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from salvia.base.errors import ValidationError

_FORM = re.compile(r"(at|rate|cron)\((.*)\)")
_RATE = re.compile(r"([1-9]\d*) (minute|hour|day)s?")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_FIELD = re.compile(r"(\*|\w+(?:-\w+)?)(?:/(\d+))?")
_YEARS = 5  # that are looked through for a day that fits

Next = Callable[[float], float | None]  # seconds since the epoch -> the first moment after it; None: there is none


def schedule(text: str, timezone: str = "UTC", begins: float = 0.0) -> Next:
    """`begins` is what a rate counts from. Raises ValidationError for what is no schedule."""
    form = _FORM.fullmatch(text.strip())
    try:
        zone = ZoneInfo(timezone)
        if form is not None and form[1] == "at":
            moment = datetime.fromisoformat(form[2]).replace(tzinfo=zone).timestamp()
            return lambda after: moment if moment > after else None
        if form is not None and form[1] == "cron":
            return _Cron(form[2], zone).following
        rate = _RATE.fullmatch(form[2]) if form is not None else None
        if rate is not None:
            every = int(rate[1]) * _SECONDS[rate[2]]
            return lambda after: begins + every * (int(max(0.0, after - begins) // every) + 1)
    except (ZoneInfoNotFoundError, ValueError, KeyError, OverflowError):
        pass
    raise ValidationError(
        f"Schedule {text} with time zone {timezone} is not valid: use at(yyyy-mm-ddThh:mm:ss), rate(value unit) or "
        "cron(minutes hours day-of-month month day-of-week year), and a time zone such as Etc/UTC."
    )


class _Cron:
    def __init__(self, text: str, zone: ZoneInfo) -> None:
        minutes, hours, self._day, months, self._weekday, years = text.split()
        if (self._day == "?") == (self._weekday == "?"):
            raise ValueError("one of day-of-month and day-of-week must be ?")
        self._zone = zone
        self._minutes = sorted(_numbers(minutes, 0, 59))
        self._hours = sorted(_numbers(hours, 0, 23))
        self._months = _numbers(months, 1, 12, _MONTHS)
        self._years = _numbers(years, 1970, 2199)
        self._fits(date(2024, 1, 1))  # raises for a day that cannot be read

    def following(self, after: float) -> float | None:
        start = datetime.fromtimestamp(after, self._zone)
        day = start.date()
        for _ in range(366 * _YEARS):
            if day.month in self._months and day.year in self._years and self._fits(day):
                for moment in self._moments(day):
                    if moment > after:
                        return moment
            day += timedelta(days=1)
        return None

    def _moments(self, day: date) -> Iterator[float]:
        for hour in self._hours:
            for minute in self._minutes:
                yield datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone).timestamp()

    def _fits(self, day: date) -> bool:
        last = calendar.monthrange(day.year, day.month)[1]
        if self._day != "?":
            if self._day == "L":
                return day.day == last
            if self._day.endswith("W"):
                return day == _weekday_near(date(day.year, day.month, min(int(self._day[:-1]), last)))
            return day.day in _numbers(self._day, 1, 31)
        weekday = day.isoweekday() % 7 + 1
        if self._weekday.endswith("L") and len(self._weekday) > 1:
            return weekday in _numbers(self._weekday[:-1], 1, 7, _DAYS) and day.day > last - 7
        name, _, number = self._weekday.partition("#")
        if number:
            return weekday in _numbers(name, 1, 7, _DAYS) and (day.day - 1) // 7 + 1 == int(number)
        return weekday in _numbers("SAT" if name == "L" else name, 1, 7, _DAYS)


def _weekday_near(day: date) -> date:
    """The weekday nearest to a day, in the same month."""
    if day.weekday() == 5:
        return day - timedelta(days=1) if day.day > 1 else day + timedelta(days=2)
    if day.weekday() == 6:
        following = day + timedelta(days=1)
        return following if following.month == day.month else day - timedelta(days=2)
    return day


def _numbers(text: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    """What a field such as `1-5`, `*/15` or `MON,WED` holds. Raises ValueError, KeyError."""
    found: set[int] = set()
    for part in text.split(","):
        match = _FIELD.fullmatch(part)
        if match is None:
            raise ValueError(part)
        first, _, last = match[1].partition("-")
        step = int(match[2] or 1)
        if first == "*":
            start, end = low, high
        else:
            start = _number(first, names)
            end = _number(last, names) if last else high if match[2] else start
        if not low <= start <= end <= high or step < 1:
            raise ValueError(part)
        found.update(range(start, end + 1, step))
    return found


def _number(text: str, names: dict[str, int] | None) -> int:
    return int(text) if text.isdecimal() else (names or {})[text.upper()]
