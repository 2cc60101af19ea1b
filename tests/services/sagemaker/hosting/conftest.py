"""An endpoint's world: a model, configurations of it, runs that answer when they are told to."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from salvia.base.call import Call
from salvia.ports.metrics import MetricKey, Observation
from salvia.ports.serving import ModelAnswer, ModelRequest
from salvia.ports.table import Record
from salvia.ports.usage import Used
from salvia.resources.fleet import Route
from salvia.resources.world import World
from salvia.services import sagemaker
from salvia.services.sagemaker.hosting.capacities import update_endpoint_weights_and_capacities
from salvia.services.sagemaker.hosting.component import InferenceComponent
from salvia.services.sagemaker.hosting.config import EndpointConfig
from salvia.services.sagemaker.hosting.endpoint import Endpoint
from salvia.services.sagemaker.hosting.model import Model
from tests import fakes

IMAGE = "000000000000.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
CONTAINER = {"Image": IMAGE}


def echo(request: ModelRequest) -> ModelAnswer:
    return ModelAnswer(200, {"content-type": "text/csv"}, request.body)


class Told(list[tuple[MetricKey, Observation]]):
    """What CloudWatch was told."""

    async def record(self, observations: Sequence[tuple[MetricKey, Observation]]) -> None:
        self.extend(observations)


class Usages(dict[str, Used]):
    """What each run uses; nothing is known of others."""

    async def of(self, run: str) -> Used | None:
        return self.get(run)


class Bench:
    """Drives endpoints by hand: create, step, look. `ready` has every run that is launched answer at once."""

    def __init__(self, folder: Path) -> None:
        self.world: World = fakes.world(folder, "bucket")
        self.objects: fakes.FakeObjects = self.world.objects  # type: ignore[assignment]
        self.compute: fakes.FakeCompute = self.world.compute  # type: ignore[assignment]
        self.serving: fakes.FakeServing = self.world.serving  # type: ignore[assignment]
        self.images: fakes.FakeImages = self.world.images  # type: ignore[assignment]
        self.clock = self.compute.clock
        self.ready: Callable[[ModelRequest], ModelAnswer] | None = echo
        for kind in (Model, EndpointConfig, Endpoint, InferenceComponent):
            self.world.kinds[kind.noun] = kind(self.world, fakes.MODELS.service(sagemaker.SERVICE.name))
        self.used = self.world.parts["usage"] = Usages()
        self.told = self.world.parts["metric_data"] = Told()
        self.kind: Endpoint = self.world.kinds["Endpoint"]  # type: ignore[assignment]

    async def model(self, name: str = "m", **changes: Any) -> None:
        request = {"ModelName": name, "ExecutionRoleArn": fakes.ROLE, "PrimaryContainer": CONTAINER} | changes
        kept = {member: value for member, value in request.items() if value is not None}
        await self.world.kinds["Model"].create(fakes.call("CreateModel", **kept))

    async def config(self, name: str = "c", *variants: dict[str, Any], **more: Any) -> None:
        request = {"EndpointConfigName": name, "ProductionVariants": list(variants) or [variant()]} | more
        await self.world.kinds["EndpointConfig"].create(fakes.call("CreateEndpointConfig", **request))

    async def create(self, config: str = "c", name: str = "e", **more: Any) -> Any:
        request = {"EndpointName": name, "EndpointConfigName": config} | more
        return await self.kind.create(fakes.call("CreateEndpoint", **request))

    async def update(self, config: str, **more: Any) -> Any:
        request = {"EndpointName": "e", "EndpointConfigName": config} | more
        return await self.kind.update(fakes.call("UpdateEndpoint", **request))

    async def reweigh(self, **variants: dict[str, Any]) -> Any:
        wishes = [{"VariantName": name, **wish} for name, wish in variants.items()]
        call = fakes.call("UpdateEndpointWeightsAndCapacities", EndpointName="e", DesiredWeightsAndCapacities=wishes)
        return await update_endpoint_weights_and_capacities(self.world, call)

    async def delete(self) -> None:
        await self.kind.delete(fakes.call("DeleteEndpoint", EndpointName="e"))

    async def record(self) -> Record:
        found = await self.world.table.get("Endpoint", fakes.ACCOUNT, fakes.REGION, "e")
        assert found is not None
        return found

    async def shown(self) -> Any:
        return await self.kind.describe(fakes.call("DescribeEndpoint", EndpointName="e"))

    async def status(self) -> str:
        return str((await self.shown())["EndpointStatus"])

    async def step(self) -> float | None:
        """One reconcile, saved as the loop saves it."""
        record = await self.record()
        delay = await self.kind.reconcile(record)
        record.due = None if delay is None else self.clock.now() + delay
        await self.world.table.save_fact(record, "worker")
        if self.ready is not None:
            self.serving.handlers |= {run: self.ready for run in self.running if run not in self.serving.handlers}
        return delay

    async def steps(self, count: int = 8) -> None:
        for _ in range(count):
            await self.step()

    async def in_service(self, config: str = "c") -> None:
        await self.model()
        await self.config(config)
        await self.create(config)
        await self.steps()
        assert await self.status() == "InService"

    def alive(self, run: str) -> bool:
        found = self.compute.runs.get(run)
        return found is not None and found.exit_code is None

    @property
    def running(self) -> list[str]:
        return [name for name in dict.fromkeys(spec.name for spec in self.compute.launched) if self.alive(name)]

    def die(self, run: str, code: int = 1, cause: str = "") -> None:
        self.serving.handlers.pop(run, None)
        self.compute.end(code, cause, [spec.name for spec in self.compute.launched].index(run))

    @property
    def route(self) -> Route:
        return self.world.fleet.routes[fakes.ACCOUNT, fakes.REGION, "e"]

    def asked(self, **more: Any) -> Call:
        params = {"EndpointName": "e", "Body": b"1,2"} | more
        return Call("sagemaker-runtime", "InvokeEndpoint", params, fakes.CALLER, fakes.REGION)


def variant(name: str = "A", model: str = "m", **changes: Any) -> dict[str, Any]:
    return {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
    } | changes


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
