"""Deployments that alarms guard."""

from typing import Any

import pytest

from salvia.base.errors import AwsError
from salvia.ports.table import Record
from tests import fakes
from tests.services.sagemaker.hosting.conftest import Bench, variant


async def ring(bench: Bench, state: str, **status: Any) -> None:
    """An alarm called `bad` that is in `state`."""
    now = bench.clock.now()
    before = await bench.world.table.get("Alarm", fakes.ACCOUNT, fakes.REGION, "bad")
    if before is not None:
        await bench.world.table.delete(before)
    record = Record("Alarm", fakes.ACCOUNT, fakes.REGION, "bad", "arn:bad", now, now, {}, status, "bad", state)
    await bench.world.table.insert(record)


def guarded(kind: str = "ALL_AT_ONCE", **policy: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": 60}
    if kind == "CANARY":
        routing["CanarySize"] = {"Type": "CAPACITY_PERCENT", "Value": 50}
    return {
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "bad"}]},
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing} | policy,
    }


async def updating(bench: Bench, deployment: dict[str, Any]) -> str:
    """An endpoint with its new fleet healthy. Returns the old run."""
    await bench.in_service()
    (old,) = bench.running
    await bench.config("c2", variant())
    await bench.update("c2", DeploymentConfig=deployment)
    await bench.steps(4)
    return old


async def test_an_alarm_during_the_canary_takes_the_new_fleet_back(bench: Bench) -> None:
    await ring(bench, "OK")
    old = await updating(bench, guarded("CANARY"))
    sharing = [variant.weight for variant in bench.route.variants]
    await ring(bench, "ALARM")
    await bench.steps(2)
    bench.clock.advance(2)
    await bench.steps(2)

    shown = await bench.shown()
    assert sharing == [0.5, 0.5]
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", "c")
    assert shown["FailureReason"] == "One or more alarms are in ALARM state: [bad]. Rolled back."
    assert [instance.runs[0] for variant in bench.route.variants for instance in variant.instances] == [old]
    assert bench.running == [old]


@pytest.mark.parametrize("seconds", [30, 90])  # baking, and waiting for the old fleet's end
async def test_the_old_fleet_is_there_to_come_back_to_until_the_last_wait_is_over(bench: Bench, seconds: float) -> None:
    await ring(bench, "OK")
    old = await updating(bench, guarded(TerminationWaitInSeconds=60))
    asked = [instance.runs[0] for variant in bench.route.variants for instance in variant.instances]
    bench.clock.advance(seconds)
    await bench.steps(2)
    before = await bench.status()
    await ring(bench, "ALARM")
    await bench.steps(2)

    after = [instance.runs[0] for variant in bench.route.variants for instance in variant.instances]
    assert before == "Updating"
    assert old not in asked
    assert after == [old]
    assert (await bench.shown())["EndpointConfigName"] == "c"


async def test_an_alarm_that_was_over_before_anybody_looked_counts(bench: Bench) -> None:
    await ring(bench, "OK")
    await updating(bench, guarded())
    await ring(bench, "OK", _alarmed=bench.clock.now())
    await bench.steps(2)

    assert "[bad]" in (await bench.shown())["FailureReason"]


async def test_without_an_alarm_the_deployment_ends_well_and_then_alarms_say_nothing(bench: Bench) -> None:
    await ring(bench, "INSUFFICIENT_DATA", _alarmed=bench.clock.now() - 60)
    await updating(bench, guarded())
    bench.clock.advance(61)
    await bench.steps(2)
    await ring(bench, "ALARM")
    await bench.steps(2)

    shown = await bench.shown()
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", "c2")
    assert "FailureReason" not in shown


async def test_an_alarm_that_does_not_exist_cannot_guard(bench: Bench) -> None:
    await bench.in_service()
    await bench.config("c2", variant())

    with pytest.raises(AwsError, match=r"could not find the CloudWatch alarms \[bad\]"):
        await bench.update("c2", DeploymentConfig=guarded())
