"""Asynchronous invocations: kept, answered once there is room, and answers that are objects."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from salvia.base.errors import AwsError
from salvia.ports.metrics import MetricKey, Observation
from salvia.ports.serving import ModelAnswer
from salvia.ports.table import Query, Record
from salvia.services import sagemaker_runtime
from salvia.services.sagemaker_runtime.asynchronous import AsyncInvocation, invoke_endpoint_async
from salvia.services.sagemaker_runtime.invoke import invoke_endpoint
from tests import fakes
from tests.services.sagemaker.hosting.conftest import Bench, variant

CONFIG = {
    "OutputConfig": {"S3OutputPath": "s3://bucket/out/"},
    "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 1},
}


class FakeMetricData:
    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    async def record(self, rows: list[tuple[MetricKey, Observation]]) -> None:
        for key, observation in rows:
            self.values.setdefault(key.name, []).append(observation.total)


class AsyncBench(Bench):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.world.parts["metric_data"] = self.metric_data = FakeMetricData()
        self.again()
        self.objects.buckets["bucket"]["in.csv"] = b"1,2,3"

    def again(self) -> None:
        """As a server that starts: nothing is in memory."""
        self.invocations = AsyncInvocation(self.world, fakes.MODELS.service(sagemaker_runtime.SERVICE.name))
        self.world.kinds["AsyncInvocation"] = self.invocations

    async def deployed(self, **changes: Any) -> None:
        await self.model()
        await self.config("c", variant(), AsyncInferenceConfig=CONFIG | changes)
        await self.create()
        await self.steps()

    async def waiting(self) -> list[Record]:
        return await self.world.table.select(Query("AsyncInvocation", fakes.ACCOUNT))

    async def look(self) -> None:
        for record in await self.waiting():
            await self.invocations.reconcile(record)
        await asyncio.gather(*self.invocations._running.values())


@pytest.fixture
def bench(tmp_path: Path) -> AsyncBench:
    return AsyncBench(tmp_path)


async def ask(bench: AsyncBench, **more: Any) -> Any:
    call = bench.asked(InputLocation="s3://bucket/in.csv", ContentType="text/csv", **more)
    del call.params["Body"]
    return await invoke_endpoint_async(bench.world, call)


async def test_the_output_is_an_object_where_the_reply_said(bench: AsyncBench) -> None:
    await bench.deployed()

    reply = await ask(bench, InferenceId="mine")
    await bench.look()

    key = reply["OutputLocation"].removeprefix("s3://bucket/")
    assert key.startswith("out/")
    assert bench.objects.buckets["bucket"][key] == b"1,2,3"
    assert reply["InferenceId"] == "mine"
    assert bench.serving.asked[0][1].headers["content-type"] == "text/csv"
    assert await bench.waiting() == []


async def test_a_failure_is_an_object_too(bench: AsyncBench) -> None:
    await bench.deployed()
    bench.serving.handlers[bench.running[0]] = lambda _: ModelAnswer(500, {}, b"boom")

    reply = await ask(bench)
    await bench.look()

    key = reply["FailureLocation"].removeprefix("s3://bucket/")
    assert key.startswith("async-endpoint-failures/e/")
    assert b'Received server error (500) from primary with message "boom"' in bench.objects.buckets["bucket"][key]
    assert await bench.waiting() == []


async def test_what_a_killed_server_had_in_hand_is_asked_again(bench: AsyncBench) -> None:
    await bench.deployed()
    reply = await ask(bench)
    bench.again()

    await bench.look()

    assert reply["OutputLocation"].removeprefix("s3://bucket/") in bench.objects.buckets["bucket"]


async def test_no_more_are_asked_at_once_than_the_configuration_says(bench: AsyncBench) -> None:
    await bench.deployed()
    for _ in range(3):
        await ask(bench)

    await bench.look()
    after_one = len(await bench.waiting())
    await bench.look()
    await bench.look()

    assert (after_one, len(await bench.waiting())) == (2, 0)


async def test_metrics_tell_what_waits_and_for_how_long(bench: AsyncBench) -> None:
    await bench.deployed()
    for _ in range(3):
        await ask(bench)
    for look in (False, True, True, True):
        bench.clock.advance(10)
        if look:
            await bench.look()
        await bench.step()

    told = bench.metric_data.values
    assert told["ApproximateBacklogSize"] == [0, 3, 2, 1, 0]
    assert told["ApproximateBacklogSizePerInstance"] == [0, 3, 2, 1, 0]
    assert told["HasBacklogWithoutCapacity"] == [0] * 5
    assert told["ApproximateAgeOfOldestRequest"] == [10, 20, 30]


async def test_a_server_that_starts_counts_what_waited_before(bench: AsyncBench) -> None:
    await bench.deployed()
    await ask(bench)
    await ask(bench)
    bench.world.fleet.queues.clear()
    bench.again()
    for record in await bench.waiting():
        await bench.invocations.reconcile(record)
    counted = len(bench.world.fleet.queued((fakes.ACCOUNT, fakes.REGION, "e"), bench.clock.now()))
    later = bench.world.fleet.queued((fakes.ACCOUNT, fakes.REGION, "e"), bench.clock.now() + 60)
    await bench.look()

    assert (counted, later) == (2, [])


async def test_a_request_that_is_too_old_expires(bench: AsyncBench) -> None:
    await bench.deployed()
    reply = await ask(bench, RequestTTLSeconds=60)
    bench.clock.advance(61)

    await bench.look()

    key = reply["FailureLocation"].removeprefix("s3://bucket/")
    assert b"expired" in bench.objects.buckets["bucket"][key]


async def test_a_role_that_may_not_read_the_input_is_told_in_the_failure(bench: AsyncBench) -> None:
    await bench.deployed()
    bench.world.parts["refused"].add("GetObject in.csv")
    reply = await ask(bench)

    await bench.look()

    assert reply["FailureLocation"].removeprefix("s3://bucket/") in bench.objects.buckets["bucket"]


async def test_the_queue_goes_with_its_endpoint(bench: AsyncBench) -> None:
    await bench.deployed()
    await ask(bench)
    await bench.delete()
    await bench.kind.reconcile(await bench.record())

    await bench.look()

    assert await bench.waiting() == []


async def test_each_kind_of_endpoint_is_asked_in_its_own_way(bench: AsyncBench) -> None:
    await bench.deployed()

    with pytest.raises(AwsError, match="use InvokeEndpointAsync"):
        await invoke_endpoint(bench.world, bench.asked())
    with pytest.raises(AwsError, match="Exactly one of InputLocation and Body"):
        await invoke_endpoint_async(bench.world, bench.asked(InputLocation="s3://bucket/in.csv"))
    with pytest.raises(AwsError, match="must be an object in S3"):
        await invoke_endpoint_async(bench.world, bench.asked(InputLocation="here", Body=b""))


@pytest.mark.parametrize(("status", "topic"), [(200, "good"), (500, "bad")])
async def test_topics_are_told_how_it_ended(bench: AsyncBench, status: int, topic: str) -> None:
    told: list[tuple[str, Any]] = []

    async def publish(topic_arn: str, texts: dict[str, str], name: str) -> None:
        told.append((topic_arn, orjson.loads(texts["default"])))

    bench.world.parts["publish"] = publish
    topics = {"SuccessTopic": "arn:aws:sns:us-west-2:0:good", "ErrorTopic": "arn:aws:sns:us-west-2:0:bad"}
    await bench.deployed(OutputConfig={"S3OutputPath": "s3://bucket/out/", "NotificationConfig": topics})
    bench.serving.handlers[bench.running[0]] = lambda _: ModelAnswer(status, {"content-type": "text/csv"}, b"1")
    reply = await ask(bench, InferenceId="mine")
    await bench.look()

    ((arn, document),) = told
    assert arn == f"arn:aws:sns:us-west-2:0:{topic}"
    assert document["inferenceId"] == "mine"
    assert document["requestParameters"] == {
        "contentType": "text/csv",
        "endpointName": "e",
        "inputLocation": "s3://bucket/in.csv",
    }
    if status == 200:
        assert document["invocationStatus"] == "Completed"
        assert document["responseParameters"] == {"contentType": "text/csv", "outputLocation": reply["OutputLocation"]}
    else:
        assert document["invocationStatus"] == "Failed"
        assert document["failureReason"]


async def test_requests_wait_while_there_is_no_instance(bench: AsyncBench) -> None:
    await bench.deployed()
    await bench.reweigh(A={"DesiredInstanceCount": 0})
    await bench.steps()
    gone = bench.route.variants[0].instances
    reply = await ask(bench)
    await bench.look()
    waiting = len(await bench.waiting())
    bench.clock.advance(10)
    await bench.step()
    await bench.reweigh(A={"DesiredInstanceCount": 1})
    await bench.steps()
    await bench.look()

    assert (gone, waiting) == ([], 1)
    assert bench.metric_data.values["HasBacklogWithoutCapacity"][-1] == 1.0
    assert bench.objects.buckets["bucket"][reply["OutputLocation"].removeprefix("s3://bucket/")] == b"1,2,3"


async def test_a_request_expires_without_an_instance_too(bench: AsyncBench) -> None:
    await bench.deployed()
    await bench.reweigh(A={"DesiredInstanceCount": 0})
    await bench.steps()
    reply = await ask(bench, RequestTTLSeconds=60)
    bench.clock.advance(61)
    await bench.look()

    assert b"expired" in bench.objects.buckets["bucket"][reply["FailureLocation"].removeprefix("s3://bucket/")]
