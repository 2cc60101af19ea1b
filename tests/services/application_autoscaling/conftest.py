"""A variant whose instances come at once, its metrics and alarms, and Application Auto Scaling over them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from salvia.adapters.logs.store import FileLogStore
from salvia.adapters.metrics.sqlite import SqliteMetrics
from salvia.base.call import Call
from salvia.base.clock import SetClock
from salvia.base.errors import ValidationError
from salvia.ports.metrics import MetricKey, Observation
from salvia.ports.table import Query, Record
from salvia.services import application_autoscaling, cloudwatch
from tests import fakes

NOW = 1_900_000_000.0 // 3600 * 3600
RESOURCE = "endpoint/e/variant/A"
PLACE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": RESOURCE,
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
COPIES = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/i",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}
PROVISIONED = PLACE | {"ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}
_ORDER = ("Alarm", "ScheduledAction", "ScalableTarget", "ScalingPolicy", "ScalingActivity")
DIMENSIONS = (("EndpointName", "e"), ("VariantName", "A"))


class Endpoints:
    """What an endpoint shows of its one variant; when it is serverless, its capacity is what is provisioned."""

    def __init__(self) -> None:
        self.current = self.desired = 1
        self.status = "InService"
        self.more: dict[str, Any] = {}
        self.prompt = True  # instances come as soon as they are asked for
        self.serverless = False

    def view(self, record: Record) -> dict[str, Any]:
        variant: dict[str, Any] = {"VariantName": "A"}
        for when, count in (("Current", self.current), ("Desired", self.desired)):
            variant[f"{when}ServerlessConfig"] = {"ProvisionedConcurrency": count} if self.serverless else None
            if not self.serverless:
                variant[f"{when}InstanceCount"] = count
        return {"EndpointStatus": self.status, "ProductionVariants": [variant]} | self.more

    async def update(self, call: Call) -> dict[str, Any]:
        if self.status != "InService":
            raise ValidationError("Cannot update in-progress endpoint.")
        (wish,) = call.params["DesiredWeightsAndCapacities"]
        asked = (
            wish["ServerlessUpdateConfig"]["ProvisionedConcurrency"]
            if self.serverless
            else wish["DesiredInstanceCount"]
        )
        self.desired = asked
        if self.prompt:
            self.current = self.desired
        return {}


class Components:
    """What an inference component shows of its copies."""

    def __init__(self) -> None:
        self.current = self.desired = 1
        self.prompt = True

    def view(self, record: Record) -> dict[str, Any]:
        counts = {"CurrentCopyCount": self.current, "DesiredCopyCount": self.desired}
        return {"InferenceComponentStatus": "InService", "RuntimeConfig": counts}

    async def update(self, call: Call) -> dict[str, Any]:
        self.desired = call.params["DesiredRuntimeConfig"]["CopyCount"]
        if self.prompt:
            self.current = self.desired
        return {}


class Bench:
    def __init__(self, folder: Path, metrics: SqliteMetrics, clock: SetClock) -> None:
        self.world = fakes.world(folder)
        self.world.clock = self.clock = clock
        self.endpoints, self.components = Endpoints(), Components()
        resize = {
            "UpdateEndpointWeightsAndCapacities": self.endpoints.update,
            "UpdateInferenceComponentRuntimeConfig": self.components.update,
        }
        self.world.parts |= {"metric_data": metrics, "resize": resize}
        self.metrics = metrics
        for service in (application_autoscaling.SERVICE, cloudwatch.SERVICE):
            model = fakes.MODELS.service(service.name)
            self.world.kinds |= {kind.noun: kind(self.world, model) for kind in service.kinds}
        self.world.kinds["Endpoint"] = self.endpoints  # type: ignore[assignment]
        self.world.kinds["InferenceComponent"] = self.components  # type: ignore[assignment]

    async def __call__(self, operation: str, **params: Any) -> Any:
        call = Call("application-autoscaling", operation, params, fakes.CALLER, fakes.REGION)
        return await application_autoscaling.SERVICE.operations[operation](self.world, call)

    async def cloudwatch(self, operation: str, **params: Any) -> Any:
        call = Call("cloudwatch", operation, params, fakes.CALLER, fakes.REGION)
        return await cloudwatch.SERVICE.operations[operation](self.world, call)

    async def endpoint(self) -> None:
        now = self.clock.now()
        for noun, key in (("Endpoint", "e"), ("InferenceComponent", "i")):
            record = Record(noun, fakes.ACCOUNT, fakes.REGION, key, f"arn:{key}", now, now, {})
            await self.world.table.insert(record)

    async def register(self, least: int = 1, most: int = 4, **more: Any) -> Any:
        return await self("RegisterScalableTarget", **PLACE, MinCapacity=least, MaxCapacity=most, **more)

    async def track(self, target: float = 10.0, **more: Any) -> Any:
        metric = {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}
        config = {"TargetValue": target} | ({} if "CustomizedMetricSpecification" in more else metric) | more
        return await self(
            "PutScalingPolicy",
            **PLACE,
            PolicyName="p",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=config,
        )

    async def asked(self, per_instance: float) -> None:
        key = MetricKey(fakes.ACCOUNT, fakes.REGION, "AWS/SageMaker", "InvocationsPerInstance", DIMENSIONS)
        await self.metrics.record([(key, Observation(self.clock.now(), "None", 1, per_instance, 1, 1))])

    async def measured(self, name: str, value: float) -> None:
        """Of the component."""
        key = MetricKey(fakes.ACCOUNT, fakes.REGION, "AWS/SageMaker", name, (("InferenceComponentName", "i"),))
        await self.metrics.record([(key, Observation(self.clock.now(), "None", 1, value, value, value))])

    async def step(self, *nouns: str) -> None:
        """What is due, as the loop would do it, alarms first; of these kinds only."""
        for noun in nouns or _ORDER:
            for record in await self.world.table.select(Query(noun, fakes.ACCOUNT, fakes.REGION)):
                if record.due is None or record.due > self.clock.now():
                    continue
                delay = await self.world.kinds[noun].reconcile(record)
                record.due = None if delay is None else self.clock.now() + delay
                await self.world.table.save_fact(record, "worker")

    async def pass_time(self, seconds: float) -> None:
        """The loop every ten seconds."""
        for _ in range(int(seconds / 10)):
            self.clock.advance(10)
            await self.step()

    async def activities(self) -> list[dict[str, Any]]:
        answer = await self("DescribeScalingActivities", ServiceNamespace="sagemaker", ResourceId=RESOURCE)
        return cast(list[dict[str, Any]], answer["ScalingActivities"])


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = SetClock(NOW)
    logs = FileLogStore(tmp_path / "logs", clock)
    metrics = SqliteMetrics(tmp_path / "metrics.sqlite", logs.events)
    made = Bench(tmp_path, metrics, clock)
    await made.endpoint()
    yield made
    await metrics.close()
    await logs.stop()
