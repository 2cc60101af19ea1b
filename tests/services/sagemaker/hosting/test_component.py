"""Inference components: copies on an endpoint's instances, placed, asked, updated, scaled and deleted."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from salvia.base.errors import AwsError
from salvia.ports.metrics import MetricKey, Observation
from salvia.ports.serving import ModelAnswer
from salvia.services.sagemaker.hosting import component as components
from salvia.services.sagemaker.hosting.component import InferenceComponent, update_runtime_config
from salvia.services.sagemaker_runtime.invoke import invoke_endpoint
from salvia.services.sagemaker_runtime.tally import Tallies
from tests import fakes
from tests.services.sagemaker.hosting.conftest import IMAGE, Bench

NEEDS = {"NumberOfCpuCoresRequired": 1.0, "MinMemoryRequiredInMb": 1024}
SPECIFICATION = {"ModelName": "m", "ComputeResourceRequirements": NEEDS}


def room(instances: int = 1, **changes: Any) -> dict[str, Any]:
    """A variant of two vCPUs and 8 GiB an instance."""
    variant = {"VariantName": "A", "InstanceType": "ml.m5.large", "InitialInstanceCount": instances}
    return variant | {"InitialVariantWeight": 1.0} | changes


class Components(Bench):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.components: InferenceComponent = self.world.kinds["InferenceComponent"]  # type: ignore[assignment]

    async def hosted(self, *variants: dict[str, Any], **more: Any) -> None:
        """An endpoint with room, and a model."""
        await self.model()
        await self.config("c", *(variants or [room()]), ExecutionRoleArn=fakes.ROLE, **more)
        await self.create()
        await self.steps()

    async def add(self, name: str = "i", copies: int = 1, **changes: Any) -> Any:
        request = {
            "InferenceComponentName": name,
            "EndpointName": "e",
            "VariantName": "A",
            "Specification": SPECIFICATION,
            "RuntimeConfig": {"CopyCount": copies},
        }
        return await self.components.create(fakes.call("CreateInferenceComponent", **(request | changes)))

    async def change(self, name: str = "i", **changes: Any) -> None:
        await self.components.update(fakes.call("UpdateInferenceComponent", InferenceComponentName=name, **changes))

    async def resize(self, copies: int, name: str = "i") -> None:
        params: Any = {"InferenceComponentName": name, "DesiredRuntimeConfig": {"CopyCount": copies}}
        await update_runtime_config(self.world, fakes.call("UpdateInferenceComponentRuntimeConfig", **params))

    async def remove(self, name: str = "i") -> None:
        await self.components.delete(fakes.call("DeleteInferenceComponent", InferenceComponentName=name))

    async def look(self, name: str = "i") -> None:
        """Eight turns of the loop over the component, and one over its endpoint."""
        for _ in range(8):
            record = await self.world.table.get("InferenceComponent", fakes.ACCOUNT, fakes.REGION, name)
            if record is None:
                break
            delay = await self.components.reconcile(record)
            record.due = None if delay is None else self.clock.now() + delay
            await self.world.table.save_fact(record, "worker")
            if self.ready is not None:
                self.serving.handlers |= {run: self.ready for run in self.running if run not in self.serving.handlers}
        await self.step()

    async def seen(self, name: str = "i") -> Any:
        return await self.components.describe(fakes.call("DescribeInferenceComponent", InferenceComponentName=name))

    async def counts(self, name: str = "i") -> tuple[str, int, int]:
        seen = await self.seen(name)
        config = seen["RuntimeConfig"]
        return seen["InferenceComponentStatus"], config["CurrentCopyCount"], config["DesiredCopyCount"]

    async def ask(self, name: str = "i", **more: Any) -> Any:
        return await invoke_endpoint(self.world, self.asked(InferenceComponentName=name, **more))

    async def instances(self) -> int:
        return int((await self.shown())["ProductionVariants"][0]["CurrentInstanceCount"])


@pytest.fixture
def bench(tmp_path: Path) -> Components:
    return Components(tmp_path)


def test_every_member_of_the_requests_is_answered_for() -> None:
    service = fakes.MODELS.service("sagemaker")
    create, update = (service.operation(f"{verb}InferenceComponent").input for verb in ("Create", "Update"))
    assert create is not None
    assert update is not None

    assert set(create.members) | set(update.members) == set(components.MEMBERS)
    assert set(create.members["Specification"].members) == set(components.SPECIFICATION_MEMBERS)


async def test_an_endpoint_with_room_is_in_service_without_a_container(bench: Components) -> None:
    await bench.hosted(room(2))

    assert await bench.status() == "InService"
    assert await bench.instances() == 2
    assert bench.running == []


async def test_a_component_s_copies_answer_for_it(bench: Components) -> None:
    await bench.hosted()
    await bench.add(copies=2)
    before = await bench.counts()
    await bench.look()
    reply = await bench.ask("I")
    for _ in range(3):
        await bench.ask()

    seen = await bench.seen()
    assert before == ("Creating", 0, 2)
    assert await bench.counts() == ("InService", 2, 2)
    assert seen["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == IMAGE
    assert seen["EndpointArn"].endswith(":endpoint/e")
    assert reply == {"Body": b"1,2", "ContentType": "text/csv", "InvokedProductionVariant": "A"}
    assert sorted(run for run, _ in bench.serving.asked) == sorted(bench.running * 2)
    assert [spec.cpus for spec in bench.compute.launched] == [1.0, 1.0]


async def test_a_container_is_deployed_without_a_model(bench: Components) -> None:
    bench.objects.buckets["bucket"]["model.tar.gz"] = b"tar"
    await bench.hosted()
    needs = {"MinMemoryRequiredInMb": 1024, "MaxMemoryRequiredInMb": 2048}
    container = {"Image": IMAGE, "Environment": {"A": "1"}}
    await bench.add(Specification={"Container": container, "ComputeResourceRequirements": needs})
    await bench.look()

    (launched,) = bench.compute.launched
    assert launched.variables["A"] == "1"
    assert launched.memory == 2048 << 20
    assert (await bench.seen())["Specification"]["Container"]["Environment"] == {"A": "1"}


async def test_what_does_not_fit_fails_and_says_so(bench: Components) -> None:
    await bench.hosted()
    await bench.add(copies=3)
    await bench.look()

    assert (await bench.counts())[0] == "Failed"
    assert "not enough hardware resources" in (await bench.seen())["FailureReason"]
    assert bench.running == []


async def test_more_copies_come_as_far_as_there_is_room_and_the_rest_when_there_is_more(bench: Components) -> None:
    await bench.hosted()
    await bench.add("i")
    await bench.look("i")
    await bench.add("j")
    await bench.look("j")
    await bench.resize(2)
    at_once = await bench.counts()
    await bench.look()
    full = await bench.counts(), (await bench.seen())["FailureReason"][:30]
    await bench.remove("j")
    await bench.look("j")
    await bench.look()

    assert at_once == ("Updating", 1, 2)
    assert full == (("InService", 1, 2), "There is not enough hardware r")
    assert await bench.counts() == ("InService", 2, 2)
    assert "FailureReason" not in await bench.seen()


async def test_managed_instances_come_and_go_with_the_copies(bench: Components) -> None:
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}
    await bench.hosted(room(ManagedInstanceScaling=scaling))
    empty = await bench.instances()
    with pytest.raises(AwsError, match="its DesiredInstanceCount follows its inference components"):
        await bench.reweigh(A={"DesiredInstanceCount": 2})
    await bench.add(copies=3)
    await bench.look()
    grown = await bench.instances(), await bench.counts()
    await bench.resize(0)
    await bench.look()
    await bench.steps()

    assert empty == 0
    assert grown == (2, ("InService", 3, 3))
    assert (await bench.instances(), await bench.counts()) == (0, ("InService", 0, 0))


async def test_a_component_without_copies_has_no_capacity_and_cloudwatch_is_told(bench: Components) -> None:
    told: list[tuple[MetricKey, Observation]] = []

    class Data:
        async def record(self, rows: list[tuple[MetricKey, Observation]]) -> None:
            told.extend(rows)

    bench.world.parts["metric_data"] = Data()
    await bench.hosted()
    await bench.add("I", copies=0)
    await bench.look()
    with pytest.raises(AwsError, match="Inference Component has no capacity to process this request") as refused:
        await bench.ask()
    await bench.resize(1)
    await bench.look()
    await bench.ask()
    await Tallies.of(bench.world).write()

    assert refused.value.code == "ValidationError"
    own = {key.name: row.total for key, row in told if key.dimensions == (("InferenceComponentName", "I"),)}
    whole = {key.name for key, _ in told if key.dimensions == (("EndpointName", "e"), ("VariantName", "A"))}
    assert own["NoCapacityInvocationFailures"] == own["Invocations"] == own["InvocationsPerCopy"] == 1.0
    assert {"NoCapacityInvocationFailures", "InvocationsPerInstance"} <= whole


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Inference Component Name header is required for endpoints"),
        ("none", "Inference Component none of endpoint e of account 000000000000 not found"),
    ],
)
async def test_a_request_names_a_component(bench: Components, name: str, sentence: str) -> None:
    await bench.hosted()

    with pytest.raises(AwsError, match=sentence) as refused:
        await bench.ask(name)

    assert refused.value.code == "ValidationError"


async def test_a_component_is_asked_through_its_own_endpoint(bench: Components) -> None:
    await bench.hosted()
    await bench.add()
    await bench.look()
    await bench.create(name="f")
    record = await bench.world.table.get("Endpoint", fakes.ACCOUNT, fakes.REGION, "f")
    assert record is not None
    for _ in range(4):
        await bench.kind.reconcile(record)

    with pytest.raises(AwsError, match="of endpoint f of account 000000000000 not found"):
        await bench.ask(EndpointName="f")


async def test_an_update_replaces_the_copies_when_the_new_ones_answer(bench: Components) -> None:
    await bench.hosted()
    await bench.add(copies=2)
    await bench.look()
    old = bench.running
    bench.ready = None
    await bench.change(Specification={"Container": {"Image": f"{IMAGE}0"}})
    status = (await bench.counts())[0]
    await bench.look()
    meanwhile = {run for run, _ in [await _asked(bench) for _ in range(4)]}
    bench.ready = lambda _: ModelAnswer(200, {}, b"new")
    await bench.look()
    await bench.look()
    reply = await bench.ask()
    bench.clock.advance(2)
    await bench.look()

    assert status == "Updating"
    assert meanwhile == set(old)
    assert reply["Body"] == b"new"
    assert len(bench.running) == 2
    assert not set(bench.running) & set(old)
    assert "ModelName" not in (await bench.seen())["Specification"]


async def _asked(bench: Components) -> Any:
    await bench.ask()
    return bench.serving.asked[-1]


async def test_copies_are_replaced_in_batches_when_it_is_asked_for(bench: Components) -> None:
    await bench.hosted()
    await bench.add(copies=2)
    await bench.look()
    policy = {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 60}
    await bench.change(
        Specification={"ComputeResourceRequirements": NEEDS | {"MaxMemoryRequiredInMb": 2048}},
        DeploymentConfig={"RollingUpdatePolicy": policy},
    )
    await bench.look()
    first = len(bench.compute.launched)
    for _ in range(3):
        bench.clock.advance(61)
        await bench.look()

    assert first == 3
    assert len(bench.compute.launched) == 4
    assert await bench.counts() == ("InService", 2, 2)
    assert (await bench.seen())["LastDeploymentConfig"]["RollingUpdatePolicy"]["MaximumBatchSize"][
        "Type"
    ] == "COPY_COUNT"


async def test_an_update_that_fails_leaves_what_serves(bench: Components) -> None:
    await bench.hosted()
    await bench.add()
    await bench.look()
    (serving,) = bench.running
    bench.ready = None
    await bench.change(Specification={"Container": {"Image": f"{IMAGE}0"}})
    for _ in range(2):
        await bench.look()
        bench.compute.end(1)
    await bench.look()

    assert (await bench.counts())[0] == "InService"
    assert "did not pass the ping health check" in (await bench.seen())["FailureReason"]
    assert serving in bench.running
    assert (await bench.ask())["Body"] == b"1,2"


async def test_a_copy_that_dies_is_started_again_and_its_log_is_the_component_s(bench: Components) -> None:
    await bench.hosted()
    await bench.add("Typed")
    await bench.look("typed")
    (run,) = bench.running
    log = str(bench.compute.launched[0].log)
    bench.die(run)
    await bench.look("typed")

    assert len(bench.running) == 1
    assert bench.running != [run]
    assert "InferenceComponents_Typed" in log


async def test_an_endpoint_with_components_is_not_deleted(bench: Components) -> None:
    await bench.hosted()
    await bench.add()
    await bench.look()
    with pytest.raises(AwsError, match="it hosts inference components: delete them first"):
        await bench.delete()
    await bench.remove()
    deleting = (await bench.counts())[0]
    await bench.look()
    await bench.delete()

    assert deleting == "Deleting"
    assert bench.running == []
    with pytest.raises(AwsError, match=r'Could not find inference component "arn:.*:inference-component/i"'):
        await bench.seen()


async def test_another_server_finds_the_copies_that_run(bench: Components) -> None:
    await bench.hosted()
    await bench.add()
    await bench.look()
    bench.world.fleet.routes.clear()

    assert (await bench.ask())["Body"] == b"1,2"


async def test_a_request_waits_for_a_copy_that_comes_back(bench: Components) -> None:
    await bench.hosted()
    await bench.add()
    await bench.look()
    looked, nudged = [], asyncio.Event()

    def look(kind: str, account: str, region: str, key: str) -> None:
        looked.append((kind, key))
        nudged.set()

    bench.world.look = look
    bench.die(bench.running[0])
    asking = asyncio.create_task(bench.ask())
    await nudged.wait()
    await bench.look()
    await asking

    assert looked[0] == ("InferenceComponent", "i")
    assert asking.result()["Body"] == b"1,2"


async def test_components_are_listed_by_where_they_are(bench: Components) -> None:
    await bench.hosted(room(), room(VariantName="B"))
    await bench.add("one")
    await bench.add("two", VariantName="B")
    await bench.look("one")
    await bench.remove("one")

    async def names(**filters: Any) -> list[str]:
        reply: Any = await bench.components.list(fakes.call("ListInferenceComponents", **filters))
        return [one["InferenceComponentName"] for one in reply["InferenceComponents"]]

    assert await names(SortBy="Name", SortOrder="Ascending") == ["one", "two"]
    assert await names(VariantNameEquals="B", EndpointNameEquals="e") == ["two"]
    assert await names(EndpointNameEquals="f") == []
    assert await names(StatusEquals="Deleting") == ["one"]
    assert await names(StatusEquals="Creating") == ["two"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"EndpointName": "none"}, "Could not find endpoint"),
        ({"EndpointName": "plain"}, "Inference Components are not supported in this Endpoint"),
        ({"VariantName": "B"}, "VariantName must be one of the variants of the endpoint: A"),
        ({"Specification": {"ComputeResourceRequirements": NEEDS}}, "Exactly one of ModelName and Container"),
        ({"Specification": SPECIFICATION | {"ModelName": "none"}}, "Could not find model"),
        (
            {"Specification": SPECIFICATION | {"BaseInferenceComponentName": "i"}},
            "BaseInferenceComponentName is not supported",
        ),
        ({"Specification": {"ModelName": "m"}}, "ComputeResourceRequirements must be specified"),
        (
            {"Specification": SPECIFICATION | {"ComputeResourceRequirements": NEEDS | {"MaxMemoryRequiredInMb": 512}}},
            "MaxMemoryRequiredInMb must not be less",
        ),
        (
            {
                "Specification": SPECIFICATION
                | {"ComputeResourceRequirements": NEEDS | {"NumberOfAcceleratorDevicesRequired": 1.0}}
            },
            "have no accelerators",
        ),
        ({"Specifications": [SPECIFICATION]}, "Specifications is not supported"),
    ],
)
async def test_what_cannot_be_deployed_is_refused(bench: Components, changes: dict[str, Any], sentence: str) -> None:
    await bench.hosted()
    await bench.config("plain")
    await bench.create("plain", "plain")

    with pytest.raises(AwsError, match=sentence) as refused:
        await bench.add(**changes)

    assert refused.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("variants", "more", "sentence"),
    [
        ([room()], {}, "ExecutionRoleArn is needed"),
        ([room(), room(VariantName="B", ModelName="m")], {}, "Either all variants"),
        (
            [room(ModelName="m", ManagedInstanceScaling={"Status": "ENABLED"})],
            {},
            "only supported for inference component",
        ),
        (
            [room(ManagedInstanceScaling={"MinInstanceCount": 2, "MaxInstanceCount": 1})],
            {"ExecutionRoleArn": fakes.ROLE},
            "MinInstanceCount must not be more",
        ),
        (
            [room()],
            {"ExecutionRoleArn": fakes.ROLE, "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b"}}},
            "AsyncInferenceConfig cannot be used with inference components",
        ),
    ],
)
async def test_configurations_for_components_have_rules(
    bench: Components, variants: list[dict[str, Any]], more: dict[str, Any], sentence: str
) -> None:
    await bench.model()

    with pytest.raises(AwsError, match=sentence):
        await bench.config("c", *variants, **more)


async def test_an_endpoint_keeps_the_nature_and_the_variants_that_its_components_need(bench: Components) -> None:
    await bench.hosted()
    await bench.add()
    await bench.config("plain")
    await bench.config("other", room(VariantName="B"), ExecutionRoleArn=fakes.ROLE)

    with pytest.raises(AwsError, match="An endpoint cannot be updated from a configuration"):
        await bench.update("plain")
    with pytest.raises(AwsError, match="The variant A hosts the inference component i: it must stay"):
        await bench.update("other")
