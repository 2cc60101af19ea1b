"""Serverless variants: how much they may do at once, and how much of that is always awake."""

from typing import Any

import pytest

from salvia.base.errors import AwsError
from tests.services.sagemaker.hosting.conftest import Bench, echo, variant


def serverless(**changes: Any) -> dict[str, Any]:
    config = {"MemorySizeInMB": 1024, "MaxConcurrency": 5} | changes
    return {"VariantName": "A", "ModelName": "m", "ServerlessConfig": config}


async def deployed(bench: Bench, **changes: Any) -> None:
    await bench.model()
    await bench.config("c", serverless(**changes))
    await bench.create()
    await bench.steps()
    assert await bench.status() == "InService"


async def configs(bench: Bench) -> tuple[dict[str, int], dict[str, int]]:
    (shown,) = (await bench.shown())["ProductionVariants"]
    return shown["CurrentServerlessConfig"], shown["DesiredServerlessConfig"]


async def test_what_is_provisioned_stays_awake_though_nobody_asks(bench: Bench) -> None:
    await deployed(bench, ProvisionedConcurrency=3)
    awake = list(bench.running)
    bench.clock.advance(301)
    await bench.steps()

    current, desired = await configs(bench)
    assert (len(awake), bench.running) == (3, awake)
    assert current == desired == {"MemorySizeInMB": 1024, "MaxConcurrency": 5, "ProvisionedConcurrency": 3}
    assert len(bench.route.variants[0].instances) == 3
    assert bench.route.variants[0].provisioned == 3


async def test_more_and_less_is_provisioned_while_requests_are_answered(bench: Bench) -> None:
    await deployed(bench, ProvisionedConcurrency=1)
    (first,) = bench.running
    bench.ready = None
    await bench.reweigh(A={"ServerlessUpdateConfig": {"ProvisionedConcurrency": 3}})
    await bench.steps(3)
    starting, status = await configs(bench), await bench.status()
    bench.ready = echo
    await bench.steps()
    more, instances = await configs(bench), len(bench.route.variants[0].instances)
    await bench.reweigh(A={"ServerlessUpdateConfig": {"ProvisionedConcurrency": 1}})
    await bench.steps()
    bench.clock.advance(10)
    await bench.steps()

    assert [one["ProvisionedConcurrency"] for one in starting] == [1, 3]
    assert status == "Updating"
    assert [one["ProvisionedConcurrency"] for one in more] == [3, 3]
    assert instances == 3
    assert bench.running == [first]
    assert await bench.status() == "InService"


async def test_a_sleeping_variant_that_gets_something_provisioned_is_woken(bench: Bench) -> None:
    await deployed(bench)
    bench.clock.advance(301)
    await bench.steps()
    asleep = list(bench.running)
    await bench.reweigh(A={"ServerlessUpdateConfig": {"ProvisionedConcurrency": 2}})
    await bench.steps()
    bench.clock.advance(301)
    await bench.steps()

    assert (asleep, len(bench.running)) == ([], 2)


async def test_how_much_there_may_be_at_once_changes_at_once(bench: Bench) -> None:
    await deployed(bench)
    before = bench.route.variants[0].serverless
    await bench.reweigh(A={"ServerlessUpdateConfig": {"MaxConcurrency": 50}})
    await bench.steps()

    assert (before, bench.route.variants[0].serverless) == (5, 50)
    assert await configs(bench) == ({"MemorySizeInMB": 1024, "MaxConcurrency": 50},) * 2


async def test_a_configuration_with_nothing_provisioned_lets_it_sleep_again(bench: Bench) -> None:
    await deployed(bench, ProvisionedConcurrency=2)
    await bench.config("none", serverless())
    await bench.update("none")
    await bench.steps()
    bench.clock.advance(10)
    await bench.steps()
    updated = len(bench.running)
    bench.clock.advance(301)
    await bench.steps()

    assert (updated, bench.running) == (1, [])


async def test_an_update_retains_its_weight_but_not_how_much_it_may_do_at_once(bench: Bench) -> None:
    await deployed(bench, ProvisionedConcurrency=2)
    await bench.reweigh(A={"DesiredWeight": 3.0, "ServerlessUpdateConfig": {"ProvisionedConcurrency": 4}})
    await bench.steps()
    await bench.config("again", serverless(ProvisionedConcurrency=1))
    await bench.update("again", RetainAllVariantProperties=True)
    await bench.steps()

    (shown,) = (await bench.shown())["ProductionVariants"]
    assert (shown["DesiredWeight"], shown["DesiredServerlessConfig"]["ProvisionedConcurrency"]) == (3.0, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ProvisionedConcurrency": 6}, "must be less than or equal to MaxConcurrency: 6 is more than 5"),
        ({"MemorySizeInMB": 1500}, "1500 is not in 1 GB increments"),
    ],
)
async def test_what_no_serverless_variant_can_have_is_refused(
    bench: Bench, changes: dict[str, int], message: str
) -> None:
    await bench.model()
    with pytest.raises(AwsError, match=message) as refused:
        await bench.config("c", serverless(**changes))

    assert refused.value.code == "ValidationException"


async def test_a_change_that_no_variant_can_have_changes_nothing(bench: Bench) -> None:
    await deployed(bench, ProvisionedConcurrency=2)
    with pytest.raises(
        AwsError, match="ProvisionedConcurrency must be less than or equal to MaxConcurrency: 2 is more"
    ):
        await bench.reweigh(A={"ServerlessUpdateConfig": {"MaxConcurrency": 1}})

    assert (await configs(bench))[1]["MaxConcurrency"] == 5
    assert await bench.status() == "InService"


async def test_a_variant_with_instances_has_nothing_to_provision(bench: Bench) -> None:
    await bench.model()
    await bench.config("c", variant())
    await bench.create()
    await bench.steps()

    with pytest.raises(AwsError, match="Variant A is not serverless"):
        await bench.reweigh(A={"ServerlessUpdateConfig": {"ProvisionedConcurrency": 1}})


async def test_cloudwatch_is_told_how_long_a_start_took(bench: Bench) -> None:
    bench.ready = None
    await bench.model()
    await bench.config("c", serverless())
    await bench.create()
    await bench.steps(3)
    bench.clock.advance(2)
    bench.ready = echo
    await bench.steps()

    ((key, told),) = bench.told
    assert (key.name, key.dimensions) == ("ModelSetupTime", (("EndpointName", "e"), ("VariantName", "A")))
    assert (told.unit, told.total, told.sample_count) == ("Microseconds", 2e6, 1)
