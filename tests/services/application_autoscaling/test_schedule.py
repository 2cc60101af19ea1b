"""When scheduled actions are due."""

from datetime import datetime

import pytest

from salvia.base.errors import ValidationError
from salvia.services.application_autoscaling.schedule import schedule


def at(text: str) -> float:
    return datetime.fromisoformat(f"{text}+00:00").timestamp()


@pytest.mark.parametrize(
    ("text", "after", "due"),
    [
        ("at(2026-11-28T12:00:30)", "2026-11-28T12:00:00", "2026-11-28T12:00:30"),
        ("rate(5 minutes)", "2026-11-28T12:01:00", "2026-11-28T12:05:00"),
        ("rate(1 hour)", "2026-11-28T12:00:00", "2026-11-28T13:00:00"),
        ("cron(0 10 * * ? *)", "2026-11-28T12:00:00", "2026-11-29T10:00:00"),
        ("cron(*/15 * * * ? *)", "2026-11-28T12:46:00", "2026-11-28T13:00:00"),
        ("cron(0 18 ? * MON-FRI *)", "2026-11-27T18:00:00", "2026-11-30T18:00:00"),
        ("cron(0 8 1 * ? *)", "2026-11-28T12:00:00", "2026-12-01T08:00:00"),
        ("cron(30 8 L FEB ? *)", "2026-11-28T12:00:00", "2027-02-28T08:30:00"),
        ("cron(0 8 15W * ? *)", "2026-08-01T00:00:00", "2026-08-14T08:00:00"),
        ("cron(0 8 ? * 6#2 *)", "2026-11-01T00:00:00", "2026-11-13T08:00:00"),
        ("cron(0 8 ? * 6L *)", "2026-11-01T00:00:00", "2026-11-27T08:00:00"),
        ("cron(0 8 29 2 ? *)", "2026-11-01T00:00:00", "2028-02-29T08:00:00"),
    ],
)
def test_a_schedule_says_when_it_is_next_due(text: str, after: str, due: str) -> None:
    assert schedule(text, begins=at("2026-11-28T12:00:00"))(at(after)) == at(due)


def test_a_time_zone_moves_the_hour() -> None:
    due = schedule("cron(0 8 * * ? *)", "America/New_York")(at("2026-11-28T00:00:00"))

    assert due == at("2026-11-28T13:00:00")


@pytest.mark.parametrize("text", ["at(2026-11-28T12:00:00)", "cron(0 8 * * ? 2020)"])
def test_what_is_past_is_due_no_more(text: str) -> None:
    assert schedule(text)(at("2026-11-28T12:00:00")) is None


@pytest.mark.parametrize(
    "text",
    [
        "at(tomorrow)",
        "rate(0 minutes)",
        "rate(5 seconds)",
        "cron(0 8 * * * *)",
        "cron(60 8 * * ? *)",
        "cron(0 8 * *)",
        "cron(0 8 ? * XYZ *)",
        "cron(0 8 5-2 * ? *)",
        "never",
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is not valid"):
        schedule(text)


def test_a_time_zone_must_exist() -> None:
    with pytest.raises(ValidationError, match="Middle/Earth"):
        schedule("rate(1 day)", "Middle/Earth")
