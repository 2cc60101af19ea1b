"""How many copies fit on how many instances."""

import pytest

from salvia.resources.instances import Share
from salvia.services.sagemaker.hosting.placement import Demand, placed

INSTANCE = Share(2.0, 8)


def demand(name: str, desired: int, standing: int = 0, cpus: float = 1.0, memory: int = 1) -> Demand:
    return Demand(name, Share(cpus, memory), standing, desired)


@pytest.mark.parametrize(
    ("most", "demands", "granted", "used"),
    [
        (1, [demand("a", 2)], {"a": 2}, 1),
        (1, [demand("a", 3)], {"a": 2}, 1),
        (2, [demand("a", 3)], {"a": 3}, 2),
        (0, [demand("a", 1)], {"a": 0}, 0),
        (3, [demand("a", 0)], {"a": 0}, 0),
        (1, [demand("a", 1, cpus=0.0, memory=9)], {"a": 0}, 0),
        (1, [demand("a", 2, cpus=0.0, memory=5)], {"a": 1}, 1),
        (3, [demand("a", 1), demand("b", 2)], {"a": 1, "b": 2}, 2),
    ],
)
def test_a_copy_takes_the_first_instance_with_room(
    most: int, demands: list[Demand], granted: dict[str, int], used: int
) -> None:
    assert placed(INSTANCE, most, demands) == (granted, used)


def test_copies_that_are_there_stay_whoever_is_older_and_wants_more() -> None:
    granted, _ = placed(INSTANCE, 1, [demand("old", 2, standing=1), demand("young", 1, standing=1)])

    assert granted == {"old": 1, "young": 1}


def test_of_copies_that_two_gave_away_at_once_the_youngest_goes() -> None:
    granted, _ = placed(INSTANCE, 1, [demand("old", 2, standing=2), demand("young", 1, standing=1)])

    assert granted == {"old": 2, "young": 0}
