"""An endpoint's life: deployed, kept alive, updated, scaled and deleted."""

import pytest

from salvia.base.errors import AwsError
from salvia.ports.images import Readiness
from salvia.resources.instances import GIB
from salvia.services.sagemaker.hosting import instances
from salvia.services.sagemaker.hosting.endpoint import MEMBERS
from tests import fakes
from tests.services.sagemaker.hosting.conftest import Bench, echo, variant


def test_every_member_of_the_requests_is_answered_for() -> None:
    asked = [fakes.MODELS.service("sagemaker").operation(f"{verb}Endpoint").input for verb in ("Create", "Update")]

    assert {member for shape in asked if shape for member in shape.members} == set(MEMBERS)


async def test_an_endpoint_is_in_service_once_its_container_answers_ping(bench: Bench) -> None:
    bench.ready = None
    await bench.model()
    await bench.config()
    await bench.create()
    await bench.steps()
    before = await bench.status()
    bench.ready = echo

    await bench.steps(3)
    shown = await bench.shown()
    assert (before, shown["EndpointStatus"]) == ("Creating", "InService")
    assert shown["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert shown["ProductionVariants"][0]["DesiredWeight"] == 1.0
    assert [instance.runs[0] for instance in bench.route.variants[0].instances] == bench.running


async def test_a_container_is_started_with_its_role_its_model_and_its_share(bench: Bench) -> None:
    await bench.in_service()

    (spec,) = bench.compute.launched
    assert spec.variables["AWS_ACCESS_KEY_ID"] == "ASIA1"
    assert spec.variables["SM_MODEL_DIR"] == "/opt/ml/model"
    assert spec.variables["SAGEMAKER_REGION"] == fakes.REGION
    assert spec.memory == 8 * GIB
    assert (bench.compute.folder(spec.name) / "model").is_dir()


async def test_an_isolated_model_gets_no_credentials(bench: Bench) -> None:
    await bench.model(EnableNetworkIsolation=True)
    await bench.config()
    await bench.create()
    await bench.steps()

    (spec,) = bench.compute.launched
    assert spec.isolated
    assert "AWS_ACCESS_KEY_ID" not in spec.variables


async def test_it_waits_for_its_environment_and_says_so(bench: Bench) -> None:
    bench.images.readiness = Readiness(ready=False, message="building the xgboost environment")
    await bench.model()
    await bench.config()
    await bench.create()
    await bench.steps(3)

    shown = await bench.shown()
    (pending,) = shown["PendingDeploymentSummary"]["ProductionVariants"]
    assert shown["EndpointStatus"] == "Creating"
    assert pending["VariantStatus"][0]["StatusMessage"] == "building the xgboost environment"
    assert not bench.compute.launched


async def test_a_model_that_does_not_load_fails_the_endpoint_with_its_last_words(bench: Bench) -> None:
    bench.ready = None
    await bench.model()
    await bench.config()
    await bench.create()
    for _ in range(instances.TRIES):
        await bench.steps(3)
        stream = bench.world.logs.opened[-1]  # type: ignore[attr-defined]
        path = await bench.world.logs.open_file(
            fakes.ACCOUNT, fakes.REGION, f"{instances.LOG_GROUPS['Endpoint']}/e", stream
        )
        path.write_text("Traceback\nValueError: no model here\n")
        bench.die(bench.running[-1], 1)
    await bench.steps(3)

    shown = await bench.shown()
    assert shown["EndpointStatus"] == "Failed"
    assert (
        "The primary container for production variant A did not pass the ping health check." in shown["FailureReason"]
    )
    assert "ValueError: no model here" in shown["FailureReason"]
    assert not bench.running


async def test_a_container_that_never_answers_fails_it_in_the_end(bench: Bench) -> None:
    bench.ready = None
    await bench.model()
    await bench.config("c", variant(ContainerStartupHealthCheckTimeoutInSeconds=60))
    await bench.create()
    await bench.steps()
    bench.clock.advance(61)
    await bench.steps(3)

    assert "did not pass the ping health check" in (await bench.shown())["FailureReason"]


async def test_a_container_that_dies_is_started_again_at_once(bench: Bench) -> None:
    await bench.in_service()
    (first,) = bench.running
    bench.clock.advance(60)
    bench.die(first, -9)
    await bench.steps()

    (second,) = bench.running
    assert second != first
    assert [instance.runs[0] for instance in bench.route.variants[0].instances] == [second]
    assert await bench.status() == "InService"


async def test_one_that_dies_again_and_again_is_given_longer_pauses(bench: Bench) -> None:
    await bench.in_service()
    pauses = []
    for _ in range(4):
        bench.die(bench.running[0])
        died = bench.clock.now()
        await bench.steps(2)
        while not bench.running:
            bench.clock.advance(0.5)
            await bench.steps(2)
        pauses.append(bench.clock.now() - died)

    assert pauses == [0, 0.5, 1.0, 2.0]


async def test_after_a_restart_of_the_machine_every_instance_starts_again(bench: Bench) -> None:
    await bench.model()
    await bench.config("c", variant(InitialInstanceCount=2))
    await bench.create()
    await bench.steps()
    bench.clock.advance(60)
    for run in bench.running:
        bench.die(run, -9, "Lost")
    await bench.steps()

    assert len(bench.running) == 2
    assert len(bench.route.variants[0].instances) == 2


async def test_a_server_that_was_killed_finds_the_runs_it_had_launched(bench: Bench) -> None:
    await bench.in_service()
    launched = list(bench.compute.launched)
    again = Bench(bench.world.settings.data)
    again.world.table, again.world.compute, again.world.serving = bench.world.table, bench.compute, bench.serving
    again.kind.instances.world = again.world

    found = await again.world.fleet.find((fakes.ACCOUNT, fakes.REGION, "e"), 1.0)
    await again.steps(3)
    assert found is not None
    assert found.variants[0].instances[0].runs == (launched[0].name,)
    assert bench.compute.launched == launched


async def test_one_that_no_longer_answers_ping_is_restarted_unless_it_is_busy(bench: Bench) -> None:
    await bench.in_service()
    (run,) = bench.running
    del bench.serving.handlers[run]
    instance = bench.world.fleet.instance((run,))
    instance.in_flight = 1
    bench.ready = None
    for _ in range(4):
        bench.clock.advance(11)
        await bench.step()
    busy = bench.running
    instance.in_flight = 0
    for _ in range(4):
        bench.clock.advance(11)
        await bench.step()

    assert busy == [run]
    assert run in bench.compute.removed


async def test_an_update_serves_from_the_old_fleet_until_the_new_one_is_healthy(bench: Bench) -> None:
    await bench.in_service()
    (old,) = bench.running
    await bench.config("c2", variant(InitialInstanceCount=2))
    bench.ready = None
    await bench.update("c2")
    at_once = await bench.shown()
    await bench.steps(4)
    while_starting = [instance.runs[0] for instance in bench.route.variants[0].instances]
    bench.ready = echo
    await bench.steps(4)

    shown = await bench.shown()
    assert (at_once["EndpointStatus"], at_once["EndpointConfigName"]) == ("Updating", "c")
    assert while_starting == [old]
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", "c2")
    assert len(bench.route.variants[0].instances) == 2
    assert old in bench.running
    bench.clock.advance(2)
    await bench.step()
    assert old not in bench.running


async def test_an_old_fleet_is_kept_while_it_has_a_request_in_hand(bench: Bench) -> None:
    await bench.in_service()
    (old,) = bench.running
    bench.world.fleet.instance((old,)).in_flight = 1
    await bench.config("c2")
    await bench.update("c2")
    await bench.steps()
    bench.clock.advance(30)
    await bench.step()
    busy = old in bench.running
    bench.world.fleet.instance((old,)).in_flight = 0
    await bench.step()

    assert busy
    assert old not in bench.running


async def test_an_update_that_fails_leaves_what_served_before(bench: Bench) -> None:
    await bench.in_service()
    (old,) = bench.running
    await bench.config("c2")
    await bench.update("c2")
    bench.ready = None
    for _ in range(instances.TRIES):
        await bench.steps(3)
        bench.die(bench.running[-1], 1)
    await bench.steps(3)

    shown = await bench.shown()
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", "c")
    assert "did not pass the ping health check" in shown["FailureReason"]
    assert [instance.runs[0] for instance in bench.route.variants[0].instances] == [old]


async def test_only_an_endpoint_in_service_is_updated(bench: Bench) -> None:
    await bench.model()
    await bench.config()
    await bench.create()

    with pytest.raises(AwsError, match="Cannot update in-progress endpoint"):
        await bench.update("c")
    await bench.steps()
    await bench.update("c")
    with pytest.raises(AwsError, match="Cannot update in-progress endpoint"):
        await bench.update("c")
    with pytest.raises(AwsError, match="Cannot update in-progress endpoint"):
        await bench.reweigh(A={"DesiredWeight": 1.0})


async def test_counts_and_weights_change_without_a_new_deployment(bench: Bench) -> None:
    await bench.in_service()
    (first,) = bench.running
    await bench.reweigh(A={"DesiredInstanceCount": 3, "DesiredWeight": 5.0})
    at_once = await bench.status()
    await bench.steps()
    grown = await bench.shown()
    await bench.reweigh(A={"DesiredInstanceCount": 1})
    await bench.steps(2)
    bench.clock.advance(2)
    await bench.step()

    assert at_once == "Updating"
    assert grown["EndpointStatus"] == "InService"
    assert grown["ProductionVariants"][0]["CurrentInstanceCount"] == 3
    assert grown["ProductionVariants"][0]["CurrentWeight"] == 5.0
    assert bench.running == [first]


@pytest.mark.parametrize(
    ("retain", "excluded", "expected"),
    [(False, [], (1, 1.0)), (True, [], (2, 7.0)), (True, ["DesiredWeight"], (2, 1.0))],
)
async def test_an_update_retains_what_it_is_told_to(
    bench: Bench, retain: bool, excluded: list[str], expected: tuple[int, float]
) -> None:
    await bench.in_service()
    await bench.reweigh(A={"DesiredInstanceCount": 2, "DesiredWeight": 7.0})
    await bench.steps()
    await bench.config("c2")
    await bench.update(
        "c2",
        RetainAllVariantProperties=retain,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": kind} for kind in excluded],
    )
    await bench.steps()

    (shown,) = (await bench.shown())["ProductionVariants"]
    assert (shown["CurrentInstanceCount"], shown["CurrentWeight"]) == expected


async def test_traffic_moves_in_steps_when_it_is_asked_to(bench: Bench) -> None:
    await bench.in_service()
    await bench.config("c2")
    size = {"Type": "CAPACITY_PERCENT", "Value": 10}
    routing = {"Type": "CANARY", "WaitIntervalInSeconds": 60, "CanarySize": size}
    await bench.update("c2", DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}})
    await bench.steps()
    canary = [round(one.weight, 2) for one in bench.route.variants]
    during = await bench.status()
    bench.clock.advance(61)
    await bench.steps(2)
    baking = [one.weight for one in bench.route.variants]
    bench.clock.advance(60)
    await bench.steps(2)

    assert canary == [0.9, 0.1]
    assert (during, baking) == ("Updating", [1.0])
    assert await bench.status() == "InService"
    assert (await bench.shown())["LastDeploymentConfig"]["BlueGreenUpdatePolicy"][
        "TrafficRoutingConfiguration"
    ] == routing


async def test_deleting_ends_every_run_and_then_the_record(bench: Bench) -> None:
    await bench.in_service()
    await bench.delete()
    shown = await bench.status()
    await bench.kind.reconcile(await bench.record())

    assert shown == "Deleting"
    assert not bench.running
    assert not bench.world.fleet.routes
    with pytest.raises(AwsError, match=r'Could not find endpoint "arn:aws:sagemaker:.*:endpoint/e"'):
        await bench.shown()


async def test_what_was_launched_but_not_recorded_is_ended_too(bench: Bench) -> None:
    bench.ready = None
    await bench.model()
    await bench.config()
    await bench.create()
    await bench.step()
    await bench.kind.reconcile(await bench.record())  # launched, and then the server was killed
    await bench.delete()
    await bench.kind.reconcile(await bench.record())

    assert len(bench.compute.launched) == 1
    assert not bench.running


async def test_being_looked_at_does_not_keep_an_instance_from_starting(bench: Bench) -> None:
    await bench.model()
    await bench.config()
    await bench.create()
    await bench.step()
    read, looked_at = await bench.record(), await bench.record()
    await bench.world.table.save_wish(looked_at)

    await bench.kind.reconcile(read)

    assert len(bench.compute.launched) == 1


async def test_nothing_is_started_for_an_endpoint_that_was_deleted_meanwhile(bench: Bench) -> None:
    await bench.model()
    await bench.config()
    await bench.create()
    await bench.step()
    read = await bench.record()
    await bench.delete()

    await bench.kind.reconcile(read)

    assert not bench.compute.launched


async def test_an_endpoint_keeps_what_it_was_made_of(bench: Bench) -> None:
    await bench.in_service()
    for noun in ("EndpointConfig", "Model"):
        name = {"EndpointConfig": "c", "Model": "m"}[noun]
        await bench.world.kinds[noun].delete(fakes.call(f"Delete{noun}", **{f"{noun}Name": name}))
    bench.clock.advance(60)
    bench.die(bench.running[0])
    await bench.steps()

    assert len(bench.running) == 1


async def test_a_serverless_variant_sleeps_when_nobody_asks_and_wakes_when_somebody_does(bench: Bench) -> None:
    await bench.model()
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
    await bench.config("c", {"VariantName": "A", "ModelName": "m", "ServerlessConfig": serverless})
    await bench.create()
    await bench.steps()
    awake = list(bench.running)
    bench.clock.advance(301)
    await bench.steps()
    asleep, status = list(bench.running), await bench.status()
    bench.world.fleet.asked[bench.route.key, "A"] = bench.clock.now()
    await bench.steps()

    assert (len(awake), asleep, status) == (1, [], "InService")
    assert len(bench.running) == 1
    assert bench.compute.launched[0].memory == 2 * GIB
