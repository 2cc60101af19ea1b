"""Waiting longer after each failure."""

from salvia.control.backoff import Backoff


def test_each_failure_waits_twice_as_long_up_to_the_cap() -> None:
    backoff = Backoff(first=1, cap=10, draw=lambda: 1.0)

    assert [backoff.failed("a") for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_half_of_the_wait_is_chance() -> None:
    assert Backoff(first=8, draw=lambda: 0.0).failed("a") == 4


def test_success_starts_anew_and_keys_are_apart() -> None:
    backoff = Backoff(first=1, draw=lambda: 1.0)
    backoff.failed("a")
    backoff.failed("b")
    backoff.succeeded("a")

    assert (backoff.failed("a"), backoff.failed("b")) == (1, 2)
