"""Invocations: who answers, what the container is told, and what clients are told when it goes wrong."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from salvia.base.call import Begun, Call
from salvia.base.errors import AwsError
from salvia.ports.metrics import MetricKey, Observation
from salvia.ports.serving import ModelAnswer, ModelRequest, NoAnswerError, UnsendableError
from salvia.resources.fleet import Route, Variant
from salvia.resources.world import World
from salvia.services.sagemaker import wake
from salvia.services.sagemaker_runtime import invoke
from salvia.services.sagemaker_runtime.invoke import begin_invocation, invoke_endpoint
from salvia.services.sagemaker_runtime.streaming import invoke_endpoint_with_response_stream
from salvia.services.sagemaker_runtime.tally import Tallies
from salvia.wire.protocols import eventstream
from tests import fakes
from tests.services.sagemaker.hosting.conftest import CONTAINER, Bench, echo, variant


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def begun_without_a_task(world: World, call: Call) -> Any:
    """As the wire asks whenever that is possible; it must make no difference."""
    done: asyncio.Future[Begun] = asyncio.get_running_loop().create_future()
    if not begin_invocation(world, call, done.set_result):
        return await invoke.invoke_endpoint(world, call)
    begun = await done
    answer = begun.answer()
    return await begun.rest() if answer is None else {**answer[0], "Body": answer[1]}


@pytest.fixture(autouse=True, params=[invoke.invoke_endpoint, begun_without_a_task])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test holds for both ways."""
    monkeypatch.setattr(sys.modules[__name__], "invoke_endpoint", request.param)


def plain(body: bytes, status: int = 200) -> Any:
    return lambda _: ModelAnswer(status, {"content-type": "text/plain"}, body)


async def test_the_container_gets_body_and_headers_as_they_came_and_so_does_the_client(bench: Bench) -> None:
    await bench.in_service()
    call = bench.asked(
        ContentType="text/csv", Accept="text/csv", CustomAttributes="a=b", InferenceId="i", SessionId="s"
    )

    reply = await invoke_endpoint(bench.world, call)

    ((_, request),) = bench.serving.asked
    assert (request.body, request.path) == (b"1,2", "/invocations")
    assert request.headers == {
        "content-type": "text/csv",
        "accept": "text/csv",
        "x-amzn-sagemaker-custom-attributes": "a=b",
        "x-amzn-sagemaker-inference-id": "i",
        "x-amzn-sagemaker-session-id": "s",
    }
    assert reply == {"Body": b"1,2", "ContentType": "text/csv", "InvokedProductionVariant": "A"}


@pytest.mark.parametrize(
    ("mistake", "seen"),
    [
        (UnsendableError("a header has a line break in it"), AwsError),  # the client's
        (ValueError("not enough values to unpack"), ValueError),  # our own: the wire says that the server failed
    ],
)
async def test_only_what_the_client_gave_is_the_clients_fault(
    bench: Bench, mistake: Exception, seen: type[Exception]
) -> None:
    await bench.in_service()

    def fail(_: ModelRequest) -> ModelAnswer:
        raise mistake

    bench.serving.handlers[bench.running[0]] = fail

    with pytest.raises(seen) as raised:
        await invoke_endpoint(bench.world, bench.asked())
    assert str(mistake) in str(raised.value)


async def test_requests_are_split_by_weight_and_sent_where_they_are_aimed(bench: Bench) -> None:
    await bench.model()
    await bench.config(
        "c", variant("A", InitialVariantWeight=3.0), variant("B"), variant("Z", InitialVariantWeight=0.0)
    )
    await bench.create()
    await bench.steps()

    names = [(await invoke_endpoint(bench.world, bench.asked()))["InvokedProductionVariant"] for _ in range(400)]
    aimed = await invoke_endpoint(bench.world, bench.asked(TargetVariant="Z"))

    assert 250 < names.count("A") < 350
    assert "Z" not in names
    assert aimed["InvokedProductionVariant"] == "Z"


async def test_the_instance_with_least_in_hand_is_asked_and_idle_ones_take_turns(bench: Bench) -> None:
    await bench.model()
    await bench.config("c", variant(InitialInstanceCount=3))
    await bench.create()
    await bench.steps()
    busy, *idle = bench.running
    bench.world.fleet.instance((busy,)).in_flight = 1

    for _ in range(10):
        await invoke_endpoint(bench.world, bench.asked())

    asked = [run for run, _ in bench.serving.asked]
    assert {run: asked.count(run) for run in set(asked)} == dict.fromkeys(idle, 5)


async def test_no_table_is_read_for_an_invocation(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.in_service()

    async def get(*_: str) -> None:
        raise AssertionError("the table was read")

    monkeypatch.setattr(bench.world.table, "get", get)

    await invoke_endpoint(bench.world, bench.asked())


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"EndpointName": "none"}, "Endpoint none of account 000000000000 not found"),
        ({"TargetVariant": "B"}, "Variant B of endpoint e not found"),
        ({"TargetModel": "m"}, "only for a multi-model endpoint"),
        ({"TargetContainerHostname": "h"}, "only with a model whose containers are invoked directly"),
        ({"EnableExplanations": "`true`"}, "no ExplainerConfig"),
        ({"InferenceComponentName": "c"}, "Inference Component Name header is not allowed"),
    ],
)
async def test_what_cannot_be_asked_is_refused(bench: Bench, more: dict[str, Any], sentence: str) -> None:
    await bench.in_service()

    with pytest.raises(AwsError, match=sentence) as refused:
        await invoke_endpoint(bench.world, bench.asked(**more))

    assert refused.value.code == "ValidationError"


async def test_a_body_that_is_too_long_is_refused_before_it_is_sent(bench: Bench) -> None:
    await bench.in_service()

    with pytest.raises(AwsError, match="HTTP content length exceeded 6291456 bytes") as refused:
        await invoke_endpoint(bench.world, bench.asked(Body=bytes((6 << 20) + 1)))

    assert refused.value.http_status == 413
    assert not bench.serving.asked


async def test_an_error_of_the_model_is_told_with_its_status_and_its_words(bench: Bench) -> None:
    await bench.in_service()
    bench.serving.handlers[bench.running[0]] = plain(b"bad row", 400)

    with pytest.raises(AwsError, match=r'Received client error \(400\) from primary with message "bad row"') as refused:
        await invoke_endpoint(bench.world, bench.asked())

    assert (refused.value.code, refused.value.http_status) == ("ModelError", 424)
    assert refused.value.members["OriginalStatusCode"] == 400
    assert refused.value.members["OriginalMessage"] == "bad row"
    assert refused.value.members["LogStreamArn"].endswith(":log-group:/aws/sagemaker/Endpoints/e")


async def test_an_answer_that_comes_too_late_is_an_error_of_the_model(bench: Bench) -> None:
    await bench.in_service()

    def late(_: ModelRequest) -> ModelAnswer:
        raise TimeoutError

    bench.serving.handlers[bench.running[0]] = late

    with pytest.raises(AwsError, match="Your invocation timed out while waiting for a response from container primary"):
        await invoke_endpoint(bench.world, bench.asked())


async def test_a_request_wakes_a_variant_without_instances_and_is_answered(bench: Bench) -> None:
    await bench.in_service()
    bench.world.parts["wake_variant"] = partial(wake, bench.world)
    await bench.reweigh(A={"DesiredInstanceCount": 0})
    await bench.steps()
    bench.clock.advance(2)
    await bench.step()
    asleep = bench.running
    asking = [asyncio.create_task(invoke_endpoint(bench.world, bench.asked())) for _ in range(2)]
    await asyncio.sleep(0)
    while not all(task.done() for task in asking):
        await bench.step()
        await asyncio.sleep(0)

    assert asleep == []
    assert [task.result()["Body"] for task in asking] == [b"1,2", b"1,2"]
    assert (await bench.shown())["ProductionVariants"][0]["DesiredInstanceCount"] == 1


async def test_a_variant_that_sleeps_is_woken_and_its_requests_do_not_go_to_another(bench: Bench) -> None:
    await bench.model()
    await bench.config("c", variant("A"), variant("B", InitialVariantWeight=0.0))
    await bench.create()
    await bench.steps()
    bench.world.parts["wake_variant"] = partial(wake, bench.world)
    await bench.reweigh(A={"DesiredInstanceCount": 0})
    await bench.steps()
    asking = asyncio.create_task(invoke_endpoint(bench.world, bench.asked()))
    await asyncio.sleep(0)
    while not asking.done():
        await bench.step()
        await asyncio.sleep(0)

    assert asking.result()["InvokedProductionVariant"] == "A"


async def test_a_request_that_no_container_has_seen_is_given_to_another_instance(bench: Bench) -> None:
    await bench.model()
    await bench.config("c", variant(InitialInstanceCount=2))
    await bench.create()
    await bench.steps()
    gone, there = bench.running
    del bench.serving.handlers[gone]

    for _ in range(4):
        await invoke_endpoint(bench.world, bench.asked())

    assert {run for run, _ in bench.serving.asked} == {there}


async def test_a_request_waits_for_an_instance_that_is_being_started_again(bench: Bench) -> None:
    await bench.in_service()
    bench.clock.advance(60)
    bench.die(bench.running[0])
    looks: list[str] = []

    def look(*key: str) -> None:
        looks.append(key[0])
        bench.world.fleet.load = again

    async def again(_: Any) -> Any:
        await bench.steps()
        return bench.route

    bench.world.look = look

    reply = await invoke_endpoint(bench.world, bench.asked())

    assert reply["Body"] == b"1,2"
    assert "Endpoint" in looks


async def test_a_request_that_may_have_been_seen_is_not_asked_twice(bench: Bench) -> None:
    await bench.in_service()

    def dies(_: ModelRequest) -> ModelAnswer:
        raise NoAnswerError("killed", sent=True)

    bench.serving.handlers[bench.running[0]] = dies

    with pytest.raises(AwsError, match="went away before it answered") as told:
        await invoke_endpoint(bench.world, bench.asked())

    assert (told.value.code, told.value.http_status) == ("ServiceUnavailable", 503)
    assert len(bench.serving.asked) == 1


async def test_an_instance_that_is_gone_is_asked_once_also_when_the_route_is_put_anew_meanwhile(bench: Bench) -> None:
    await bench.in_service()
    (run,), old = bench.running, bench.route
    bench.serving.handlers["other"] = echo

    def gone(_: ModelRequest) -> ModelAnswer:
        assert len(bench.serving.asked) == 1, "it is asked again and again"
        variants = [Variant("A", 1.0, [bench.world.fleet.instance(("other",))])]
        bench.world.fleet.put(Route(old.key, old.arn, old.name, variants))
        raise NoAnswerError("nothing listens there", sent=False)

    bench.serving.handlers[run] = gone
    reply = await invoke_endpoint(bench.world, bench.asked())

    assert reply["Body"] == b"1,2"
    assert [each for each, _ in bench.serving.asked] == [run, "other"]


async def test_a_pipeline_hands_each_answer_to_the_next_container(bench: Bench) -> None:
    await bench.model(PrimaryContainer=None, Containers=[CONTAINER, CONTAINER | {"ContainerHostname": "last"}])
    await bench.config()
    await bench.create()
    await bench.steps()
    first, second = bench.running
    bench.serving.handlers[first] = plain(b"middle")

    reply = await invoke_endpoint(bench.world, bench.asked(ContentType="text/csv"))
    bench.serving.handlers[second] = plain(b"no", 500)
    with pytest.raises(AwsError, match=r"Received server error \(500\) from last"):
        await invoke_endpoint(bench.world, bench.asked())

    assert reply["Body"] == b"middle"
    assert bench.serving.asked[1][1].headers["content-type"] == "text/plain"


async def test_direct_containers_are_asked_by_their_host_name(bench: Bench) -> None:
    containers = [CONTAINER | {"ContainerHostname": name} for name in ("a", "b")]
    await bench.model(PrimaryContainer=None, Containers=containers, InferenceExecutionConfig={"Mode": "Direct"})
    await bench.config()
    await bench.create()
    await bench.steps()

    await invoke_endpoint(bench.world, bench.asked(TargetContainerHostname="b"))

    assert [run for run, _ in bench.serving.asked] == [bench.running[1]]
    with pytest.raises(AwsError, match="TargetContainerHostname must be one of a, b"):
        await invoke_endpoint(bench.world, bench.asked())


async def test_a_serverless_endpoint_takes_no_more_at_once_than_it_says(bench: Bench) -> None:
    await bench.model()
    await bench.config(
        "c", {"VariantName": "A", "ModelName": "m", "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2}}
    )
    await bench.create()
    await bench.steps()
    bench.world.fleet.instance((bench.running[0],)).in_flight = 2

    with pytest.raises(AwsError, match="MaxConcurrency is reached") as told:
        await invoke_endpoint(bench.world, bench.asked())

    assert told.value.http_status == 429


async def test_how_much_a_serverless_endpoint_does_at_once_is_counted(bench: Bench) -> None:
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 8, "ProvisionedConcurrency": 2}
    await bench.model()
    await bench.config("c", {"VariantName": "A", "ModelName": "m", "ServerlessConfig": serverless})
    await bench.create()
    await bench.steps()
    bench.told.clear()
    for already in (0, 3, 3):
        bench.world.fleet.instance((bench.running[0],)).in_flight = already
        await invoke_endpoint(bench.world, bench.asked())

    await Tallies.of(bench.world).write()

    told = [(key.name, one.sample_count, one.total) for key, one in bench.told if key.name.startswith("Serverless")]
    pc = "ServerlessProvisionedConcurrency"
    assert sorted(told) == [
        ("ServerlessConcurrentExecutionsUtilization", 1, 1 / 8),
        ("ServerlessConcurrentExecutionsUtilization", 2, 2 * 4 / 8),
        (f"{pc}Executions", 1, 1),
        (f"{pc}Executions", 2, 8),
        (f"{pc}Invocations", 1, 1),
        (f"{pc}SpilloverInvocations", 2, 2),
        (f"{pc}Utilization", 1, 1 / 2),
        (f"{pc}Utilization", 2, 2 * 4 / 2),
    ]


async def test_a_shadow_gets_copies_and_its_answers_go_nowhere(bench: Bench) -> None:
    await bench.model()
    await bench.config("c", variant(), ShadowProductionVariants=[variant("S")])
    await bench.create()
    await bench.steps()
    (shadow,) = bench.route.shadows[0].instances[0].runs
    bench.serving.handlers[shadow] = plain(b"wrong", 500)

    replies = [await invoke_endpoint(bench.world, bench.asked()) for _ in range(5)]
    await asyncio.sleep(0)

    assert {(reply["Body"], reply["InvokedProductionVariant"]) for reply in replies} == {(b"1,2", "A")}
    assert [run for run, _ in bench.serving.asked].count(shadow) == 5


async def test_invocations_are_counted_for_cloudwatch(bench: Bench) -> None:
    await bench.in_service()
    rows: list[tuple[MetricKey, Observation]] = []

    class Data:
        async def record(self, observations: Sequence[tuple[MetricKey, Observation]]) -> None:
            rows.extend(observations)

    bench.world.parts["metric_data"] = Data()
    for _ in range(3):
        await invoke_endpoint(bench.world, bench.asked())
    bench.serving.handlers[bench.running[0]] = plain(b"", 500)
    with pytest.raises(AwsError):
        await invoke_endpoint(bench.world, bench.asked())

    await Tallies.of(bench.world).write()

    totals: dict[str, float] = {}
    counts: dict[str, float] = {}
    for key, observation in rows:
        totals[key.name] = totals.get(key.name, 0) + observation.total
        counts[key.name] = counts.get(key.name, 0) + observation.sample_count
    assert rows[0][0][2:] == ("AWS/SageMaker", "Invocations", (("EndpointName", "e"), ("VariantName", "A")))
    assert (totals["Invocations"], totals["Invocation5XXErrors"], totals["Invocation4XXErrors"]) == (4, 1, 0)
    assert (counts["ModelLatency"], counts["Invocation5XXErrors"]) == (4, 4)


async def test_how_much_an_instance_has_in_hand_is_counted_while_anybody_has_something(bench: Bench) -> None:
    await bench.model()
    await bench.config("c", variant(InitialInstanceCount=2))
    await bench.create()
    await bench.steps()
    bench.world.settings = replace(bench.world.settings, metric_seconds=0.001)
    instance = bench.route.variants[0].instances[0]
    instance.in_flight = 3
    await invoke_endpoint(bench.world, bench.asked())
    async with asyncio.timeout(10):
        while sum(key.name == "ConcurrentRequestsPerModel" for key, _ in bench.told) < 2:  # noqa: ASYNC110 - until it is told
            await asyncio.sleep(0.001)
        instance.in_flight = 0
        while (writing := Tallies.of(bench.world)._writing) is not None:
            await asyncio.wait([writing])

    key, told = next(each for each in bench.told if each[0].name == "ConcurrentRequestsPerModel")
    assert key.dimensions == (("EndpointName", "e"), ("VariantName", "A"))
    assert (told.unit, told.sample_count, told.high) == ("Count", 20, 1.5)


async def test_what_was_counted_is_written_when_the_server_ends_and_nothing_after_that(bench: Bench) -> None:
    await bench.in_service()
    written: list[int] = []

    class Data:
        async def record(self, observations: Sequence[tuple[MetricKey, Observation]]) -> None:
            written.append(len(observations))

    bench.world.parts["metric_data"] = Data()
    await invoke_endpoint(bench.world, bench.asked())
    before = asyncio.all_tasks()
    await Tallies.of(bench.world).close()
    await invoke_endpoint(bench.world, bench.asked())
    await asyncio.sleep(0)

    assert len(written) == 1
    assert asyncio.all_tasks() < before


async def test_a_streamed_answer_comes_in_pieces_and_says_when_it_breaks_off(bench: Bench) -> None:
    await bench.in_service()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"
        raise NoAnswerError("killed", sent=True)

    (run,) = bench.running
    bench.serving.handlers[run] = lambda _: ModelAnswer(200, {"content-type": "text/plain"}, pieces())
    shape = fakes.MODELS.service("sagemaker-runtime").operation("InvokeEndpointWithResponseStream").output
    assert shape is not None

    reply = await invoke_endpoint_with_response_stream(bench.world, bench.asked())
    in_hand = bench.world.fleet.in_flight((run,))
    buffer = EventStreamBuffer()
    async for message in eventstream.encoded(shape.members["Body"], reply["Body"]):
        buffer.add_data(message)

    events: list[tuple[Any, Any]] = [(event.headers, event.payload) for event in buffer]
    assert [payload for _, payload in events[:2]] == [b"one", b"two"]
    assert events[0][0][":event-type"] == "PayloadPart"
    assert events[2][0][":exception-type"] == "ModelStreamError"
    assert (in_hand, bench.world.fleet.in_flight((run,))) == (1, 0)
