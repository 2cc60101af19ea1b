"""Rolling updates: batch by batch, forth and back."""

from typing import Any

import pytest

from salvia.base.errors import AwsError
from salvia.services.sagemaker.hosting import instances
from tests.services.sagemaker.hosting.conftest import Bench, echo, variant
from tests.services.sagemaker.hosting.test_alarms import ring

WAIT = 60


def size(value: int, kind: str = "INSTANCE_COUNT") -> dict[str, Any]:
    return {"Type": kind, "Value": value}


def rolling(batch: dict[str, Any], back: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    policy = {"MaximumBatchSize": batch, "WaitIntervalInSeconds": WAIT} | more
    return {"RollingUpdatePolicy": policy | ({"RollbackMaximumBatchSize": back} if back else {})}


async def rolls(bench: Bench, deployment: dict[str, Any], count: int = 4) -> set[str]:
    """An endpoint of `count` instances whose update has its first batch in service. Returns the old runs."""
    await bench.model()
    await bench.config("c", variant(InitialInstanceCount=count))
    await bench.create()
    await bench.steps()
    old = set(bench.running)
    await bench.config("c2", variant(InitialInstanceCount=count))
    await bench.update("c2", DeploymentConfig=deployment)
    await bench.steps()
    return old


async def wait(bench: Bench, seconds: float = WAIT) -> None:
    """So much later, with everything done that is due by then."""
    bench.clock.advance(seconds)
    await bench.steps(6)
    bench.clock.advance(2)  # what has left is asked no more by anybody
    await bench.step()


def fleets(bench: Bench, old: set[str]) -> tuple[int, int, float]:
    """How many old and new instances run, and what part of the traffic the new ones get."""
    running = set(bench.running)
    new = sum(one.weight for one in bench.route.variants if not {run for i in one.instances for run in i.runs} & old)
    return len(running & old), len(running - old), round(new / sum(one.weight for one in bench.route.variants), 3)


async def test_batch_by_batch_the_new_fleet_takes_the_place_of_the_old_one(bench: Bench) -> None:
    old = await rolls(bench, rolling(size(50, "CAPACITY_PERCENT")))
    first, status = fleets(bench, old), await bench.status()
    await wait(bench)
    second = fleets(bench, old)
    await wait(bench)
    last = fleets(bench, old)

    shown = await bench.shown()
    assert (first, status) == ((4, 2, 0.5), "Updating")
    assert second == (2, 4, 1.0)
    assert last == (0, 4, 1.0)
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", "c2")
    assert "FailureReason" not in shown
    assert len(bench.compute.launched) == 8


async def test_no_more_than_a_batch_is_started_before_it_has_been_watched(bench: Bench) -> None:
    old = await rolls(bench, rolling(size(1)))
    seen = [fleets(bench, old)]
    await wait(bench, WAIT / 2)
    seen.append(fleets(bench, old))
    for _ in range(2):
        await wait(bench)
        seen.append(fleets(bench, old))

    assert seen == [(4, 1, 0.25), (4, 1, 0.25), (3, 2, 0.5), (2, 3, 0.75)]


async def test_a_batch_that_is_not_healthy_yet_gets_no_traffic(bench: Bench) -> None:
    old = await rolls(bench, rolling(size(2)))
    bench.ready = None
    await wait(bench)
    starting = fleets(bench, old)
    bench.ready = echo
    await bench.steps()

    assert starting == (2, 4, 0.5)
    assert fleets(bench, old) == (2, 4, 1.0)


async def test_an_old_instance_with_a_request_in_hand_goes_when_it_has_answered(bench: Bench) -> None:
    old = await rolls(bench, rolling(size(2)))
    busy = max(old)
    bench.world.fleet.instance((busy,)).in_flight = 1
    await wait(bench)
    kept = bench.alive(busy)
    bench.world.fleet.instance((busy,)).in_flight = 0
    await bench.step()

    assert kept
    assert not bench.alive(busy)
    assert fleets(bench, old)[0] == 2


async def test_an_alarm_brings_the_whole_old_fleet_back_at_once(bench: Bench) -> None:
    await ring(bench, "OK")
    guard = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "bad"}]}}
    old = await rolls(bench, rolling(size(1)) | guard)
    await wait(bench)
    before = fleets(bench, old)
    await ring(bench, "ALARM")
    await bench.steps(3)
    starting = len(bench.running)
    status = await bench.status()
    weights = sorted(round(one.weight, 3) for one in bench.route.variants)
    await bench.steps()
    await wait(bench, 0)

    shown = await bench.shown()
    assert before == (3, 2, 0.5)
    assert (starting, status, weights) == (6, "RollingBack", [0.25, 0.75])  # 3 old ones, 1 coming; 2 new ones, 1 going
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", "c")
    assert shown["FailureReason"] == "One or more alarms are in ALARM state: [bad]. Rolled back."
    assert (len(bench.running), len(bench.route.variants)) == (4, 1)
    assert len(bench.route.variants[0].instances) == 4


async def test_it_goes_back_in_batches_of_its_own_size(bench: Bench) -> None:
    await ring(bench, "OK")
    guard = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "bad"}]}}
    old = await rolls(bench, rolling(size(2), size(1)) | guard)
    await wait(bench)
    seen = [fleets(bench, old)[2]]
    await ring(bench, "ALARM")
    for _ in range(20):
        await bench.step()
        parts = fleets(bench, old)[2]
        seen += [parts] if parts != seen[-1] else []

    assert seen == [1.0, 0.5, 0.25, 0.0]
    assert (await bench.shown())["EndpointConfigName"] == "c"


async def test_a_first_batch_that_fails_leaves_what_served_before(bench: Bench) -> None:
    await bench.model()
    await bench.config("c", variant(InitialInstanceCount=2))
    await bench.create()
    await bench.steps()
    old = set(bench.running)
    await bench.config("c2", variant(InitialInstanceCount=2))
    bench.ready = None
    await bench.update("c2", DeploymentConfig=rolling(size(1)))
    for _ in range(instances.TRIES):
        await bench.steps(3)
        bench.die(bench.running[-1], 1)
    await bench.steps(4)

    shown = await bench.shown()
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", "c")
    assert "did not pass the ping health check" in shown["FailureReason"]
    assert set(bench.running) == old


async def test_one_that_takes_too_long_goes_back(bench: Bench) -> None:
    old = await rolls(bench, rolling(size(1), MaximumExecutionTimeoutInSeconds=600))
    bench.ready = None
    await wait(bench, 601)
    bench.ready = echo
    await bench.steps()

    shown = await bench.shown()
    assert shown["EndpointConfigName"] == "c"
    assert "MaximumExecutionTimeoutInSeconds" in shown["FailureReason"]
    assert old <= set(bench.running)


async def test_each_variant_rolls_by_its_own_size(bench: Bench) -> None:
    await bench.model()
    both = variant("A", InitialInstanceCount=4), variant("B", InitialInstanceCount=1)
    await bench.config("c", *both)
    await bench.create()
    await bench.steps()
    await bench.config("c2", *both)
    await bench.update("c2", DeploymentConfig=rolling(size(25, "CAPACITY_PERCENT")))
    await bench.steps()

    weights = [(one.name, one.weight, len(one.instances)) for one in bench.route.variants]
    assert weights == [("A", 0.75, 4), ("A", 0.25, 1), ("B", 1.0, 1)]


@pytest.mark.parametrize(
    ("deployment", "sentence"),
    [
        (rolling(size(51, "CAPACITY_PERCENT")), "MaximumBatchSize must be between 5% and 50%"),
        (rolling(size(4, "CAPACITY_PERCENT")), "MaximumBatchSize must be between 5% and 50%"),
        (rolling(size(3)), "3 is not between 1 and 2 of the 4 instances"),
        (rolling(size(1), size(5)), "RollbackMaximumBatchSize must be between 5% and 100%"),
    ],
)
async def test_batches_that_do_not_suit_the_fleet_are_refused(
    bench: Bench, deployment: dict[str, Any], sentence: str
) -> None:
    await bench.in_service()
    await bench.config("c2", variant(InitialInstanceCount=4))

    with pytest.raises(AwsError, match=sentence):
        await bench.update("c2", DeploymentConfig=deployment)


async def test_an_instance_that_comes_back_does_not_share_its_name_with_one_that_is_leaving(bench: Bench) -> None:
    await bench.model()
    await bench.config("c", variant(InitialInstanceCount=2))
    await bench.create()
    await bench.steps()
    leaving = max(instance.runs for instance in bench.route.variants[0].instances)
    bench.world.fleet.instance(leaving).in_flight = 1
    await bench.reweigh(A={"DesiredInstanceCount": 1})
    await bench.steps(2)
    await bench.reweigh(A={"DesiredInstanceCount": 2})
    await bench.steps(4)
    serving = {instance.runs for instance in bench.route.variants[0].instances}

    assert len(serving) == 2
    assert leaving not in serving
    assert bench.alive(leaving[0])
