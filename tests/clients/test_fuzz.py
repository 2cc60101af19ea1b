"""Whatever a client sends to an operation that is served, the answer is an AWS-shaped refusal or a true success.

SALVIA_TEST_SEED chooses other inputs, SALVIA_TEST_FUZZ=10 ten times as many.
"""

import itertools
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.response import StreamingBody

from tests.clients.bench import DEPTH, SEED, SERVED, Bench
from tests.clients.drawn import Draw
from tests.clients.shown import SHOWN
from tests.servers import Server

pytestmark = pytest.mark.slow

BY_CHANCE = round(12 * DEPTH)  # requests for an operation, all members drawn
WRONG = round(25 * DEPTH)  # right ones but for one member
SLOW_SECONDS = 10.0
MOST_MEGABYTES = 700
NOT_RIGHT = {  # these need what only a client's earlier answer has, or an endpoint in service
    ("logs", "GetLogRecord"),
    ("sagemaker", "StopTrainingJob"),
    ("sagemaker", "StopProcessingJob"),
    ("sagemaker", "StopTransformJob"),
    ("sagemaker", "CreateTransformJob"),  # its name cannot be freed: there is no DeleteTransformJob
    ("sagemaker", "UpdateEndpoint"),
    ("sagemaker", "UpdateEndpointWeightsAndCapacities"),
    ("sagemaker-runtime", "InvokeEndpoint"),
    ("sagemaker-runtime", "InvokeEndpointAsync"),
    ("sagemaker-runtime", "InvokeEndpointWithResponseStream"),
    ("sagemaker", "StopHyperParameterTuningJob"),
    ("sns", "ConfirmSubscription"),
    ("application-autoscaling", "RegisterScalableTarget"),
    ("application-autoscaling", "DeregisterScalableTarget"),
    ("application-autoscaling", "PutScalingPolicy"),
    ("application-autoscaling", "DeleteScalingPolicy"),
    ("application-autoscaling", "PutScheduledAction"),
    ("application-autoscaling", "DeleteScheduledAction"),
    ("application-autoscaling", "TagResource"),
    ("application-autoscaling", "UntagResource"),
    ("application-autoscaling", "ListTagsForResource"),
}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    print(f"SALVIA_TEST_SEED={SEED}")  # noqa: T201 - shown with a failure
    with tempfile.TemporaryDirectory() as data, Server(Path(data)) as server:
        made = Bench(server)
        yield made
        print(f"{made.requests} requests, the server held at most {made.peak_megabytes()} MB")  # noqa: T201


def _drawn(bench: Bench, service: str, operation: str, way: str) -> Iterator[dict[str, Any]]:
    shape = bench.shape(service, operation)
    draw = Draw(zlib.crc32(f"{SEED}{service}{operation}{way}".encode()), bench.known[service])
    if way == "by chance":
        yield from (draw.request(shape) for _ in range(BY_CHANCE))
        return
    right = bench.right(service, operation)
    wrong = list(itertools.islice(draw.wrong(shape, right), 5000))
    yield from draw.random.sample(wrong, min(WRONG, len(wrong)))


def _ask(bench: Bench, service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The answer, None when it was a refusal as AWS words one, or when botocore could not write the request down."""
    begun = time.monotonic()
    try:
        answer: dict[str, Any] = getattr(bench.client(service), xform_name(operation))(**params)
    except ClientError as refused:
        told = refused.response
        status = told["ResponseMetadata"]["HTTPStatusCode"]
        if (
            told["Error"]["Code"] == str(status)
            and status in {400, 500}
            and "x-amz-request-id" in told["ResponseMetadata"]["HTTPHeaders"]
        ):
            # 500: botocore's word for a list in XML that names what XML has no character for, as S3's would.
            # 400: for a head that is not HTTP, which is refused in XML whatever service it was meant for.
            return None
        assert 300 <= status < 500 or (status, told["Error"]["Code"]) == (501, "NotImplemented"), refused
        assert told["Error"]["Code"], params
        assert told["Error"].get("Message") or operation.startswith("Head") or status in {304, 412}, (params, told)
        assert told["ResponseMetadata"].get("RequestId"), (params, told)
        return None
    except HTTPClientError as broken:
        if isinstance(broken.kwargs.get("error"), ValueError):
            return None  # a line break in a header
        raise AssertionError(f"{broken!r} after {time.monotonic() - begun:.1f} s") from broken
    except (BotoCoreError, ValueError, TypeError, AttributeError, KeyError):
        return None
    finally:
        spent = time.monotonic() - begun
        assert spent < SLOW_SECONDS, f"{operation} took {spent:.1f} s: {params}"
    for value in answer.values():
        if isinstance(value, StreamingBody):
            value.read()
    return answer


def _check_shown(bench: Bench, service: str, operation: str, asked: dict[str, Any], answer: dict[str, Any]) -> None:
    if (service, operation) not in SHOWN or not asked.keys() >= set(bench.shape(service, operation).required_members):
        return  # without all that is required, what botocore writes is another operation's request
    showing, pick, holds = SHOWN[service, operation]
    question = pick(asked, answer)
    if question is None:
        return
    try:
        shown = bench.call(service, showing, question)
    except ClientError as refused:
        raise AssertionError(f"{operation} succeeded, but {showing} says {refused}") from refused
    assert holds(asked, answer, shown), (operation, asked, showing, shown)


@pytest.mark.parametrize("way", ["by chance", "one wrong"])
@pytest.mark.parametrize(("service", "operation"), SERVED, ids=str)
def test_any_input_gets_a_true_success_or_a_refusal(bench: Bench, service: str, operation: str, way: str) -> None:
    bench.prepare(service, operation)
    for params in _drawn(bench, service, operation, way):
        params.pop("ContentLength", None)  # a body shorter than its head says is tried elsewhere: it takes a while
        try:
            answer = _ask(bench, service, operation, params)
            if answer is not None:
                _check_shown(bench, service, operation, params, answer)
            trouble = bench.trouble()
        except AssertionError as failed:
            raise AssertionError(f"{service} {operation} {params}: {failed}\n{bench.trouble()}") from failed

        assert not trouble, f"{service} {operation} {params}: {trouble}"


@pytest.mark.parametrize(("service", "operation"), [one for one in SERVED if one not in NOT_RIGHT], ids=str)
def test_what_the_drawn_requests_start_from_is_right(bench: Bench, service: str, operation: str) -> None:
    bench.prepare(service, operation)
    right = bench.right(service, operation)
    answer = bench.call(service, operation, right)

    _check_shown(bench, service, operation, right, answer)


def test_all_this_took_little_memory(bench: Bench) -> None:
    assert bench.peak_megabytes() < MOST_MEGABYTES


@pytest.mark.parametrize("service", ["sagemaker", "iam", "sts", "logs", "cloudwatch"])
def test_a_broken_constraint_is_named_with_its_field(bench: Bench, service: str) -> None:
    for operation in [name for each, name in SERVED if each == service]:
        shape, right = bench.shape(service, operation), bench.right(service, operation)
        for path, params, word in Draw(SEED, bench.known[service]).broken_constraints(shape, right):
            try:
                bench.call(service, operation, params)
            except ClientError as refused:
                code, message = refused.response["Error"]["Code"], refused.response["Error"]["Message"]
            except (BotoCoreError, ValueError):
                continue  # botocore itself refuses, or leaves it out
            else:
                raise AssertionError(f"{operation} {params} was accepted though {path} breaks its {word}")

            assert code in {"ValidationException", "ValidationError", "InvalidParameterException"}, (
                operation,
                path,
                message,
            )
            assert f"at '{path}' failed to satisfy constraint: " in message, (operation, path, message)
            assert word in message, (operation, path, message)
