"""The steps of a request, without a socket where none is needed."""

import asyncio
import gzip
import http.client
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cbor2
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from salvia.base.call import Call, FileBody, FilePiece, RawRequest, Reply
from salvia.base.clock import SystemClock
from salvia.settings import Settings
from salvia.wire.message import Response
from salvia.wire.server import Wire
from tests.wire.serving import ACCESS_KEY, MODELS, SECRET, OneCredential, allow, make_wire, serving, whole

HOST = "localhost:8321"


def signed(service: str, method: str, url: str, body: bytes = b"", **headers: str) -> dict[str, str]:
    """The headers of a request that boto3 might have sent, in lower case."""
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    request = AWSRequest(method, f"http://{given.pop('host', HOST)}{url}", given, body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(Credentials(ACCESS_KEY, SECRET), service, "us-west-2").add_auth(request)
    netloc: str = urlsplit(str(request.url)).netloc
    return {"host": netloc, "content-length": str(len(body)), **{k.lower(): v for k, v in request.headers.items()}}


async def ask(wire: Wire, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> Response:
    path, _, query = url.partition("?")
    return await wire.handle(method, path, query, headers, whole(body))


async def ask_json(wire: Wire, target: str, body: bytes, service: str = "sagemaker", **headers: str) -> tuple[int, Any]:
    given = {"x_amz_target": target, "content_type": "application/x-amz-json-1.1", **headers}
    response = await ask(wire, "POST", "/", signed(service, "POST", "/", body, **given), body)
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)


def text_of(response: Response) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    return make_wire(tmp_path)


def answering(service: str, operation: str, answer: Any, **more: Any) -> Wire:
    settings = more.pop("settings", Settings())
    return Wire(MODELS, {service: {operation: answer}}, OneCredential(), allow, SystemClock(), settings, **more)


async def never(call: Call) -> dict[str, Any]:
    raise AssertionError("it must be refused before")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"x"', b"\xff", b'{"a":' * 2000, b'{"TrainingJobName": 5}', b'{"TrainingJobName": {}}']
)
async def test_what_is_not_the_right_json_is_a_serialization_exception(wire: Wire, body: bytes) -> None:
    status, answer = await ask_json(wire, "SageMaker.DescribeTrainingJob", body)

    assert (status, answer["__type"]) == (400, "SerializationException")


async def test_a_deeply_nested_document_is_refused() -> None:
    body = b'{"SearchExpression":' + b'{"SubExpressions":[' * 400 + b"]}" * 400 + b',"Resource":"TrainingJob"}'

    status, answer = await ask_json(answering("sagemaker", "Search", never), "SageMaker.Search", body)

    assert (status, answer["__type"]) in {(400, "SerializationException"), (400, "ValidationException")}


async def test_unknown_members_are_ignored_and_null_is_absent(wire: Wire) -> None:
    body = b'{"TrainingJobName": "a", "NoSuchMember": 1, "Other": null}'

    assert (await ask_json(wire, "SageMaker.DescribeTrainingJob", body))[0] == 200


async def test_what_is_asked_again_is_a_question_of_its_own() -> None:
    asked: list[dict[str, Any]] = []

    async def spoil(call: Call) -> dict[str, Any]:
        asked.append(deepcopy(call.params))
        call.params["MaxResults"] = 1
        call.params.get("SearchExpression", {}).clear()
        return {}

    for body in (
        b'{"Resource": "TrainingJob"}',
        b'{"Resource": "TrainingJob", "SearchExpression": {"Operator": "Or"}}',
    ):
        asked.clear()
        wire = answering("sagemaker", "Search", spoil)
        for _ in range(3):
            assert (await ask_json(wire, "SageMaker.Search", body))[0] == 200
        assert asked == [json.loads(body)] * 3


async def test_an_invocation_is_of_its_own_head_and_body_each_time() -> None:
    seen: list[dict[str, Any]] = []

    async def invoke(call: Call) -> dict[str, Any]:
        seen.append(call.params.copy())
        call.params.clear()
        return {"Body": b""}

    wire = answering("sagemaker-runtime", "InvokeEndpoint", invoke)
    asked = [
        ("e", b"1", {}),
        ("e", b"2", {"content_type": "text/csv"}),
        ("f", b"3", {"content_type": "text/csv"}),
        ("f", b"", {"content_type": "text/csv"}),
        ("f", b"4", {"content_type": "text/csv", "x_amzn_sagemaker_inference_id": "i"}),
    ] * 2
    for endpoint, body, headers in asked:
        url = f"/endpoints/{endpoint}/invocations"
        response = await ask(wire, "POST", url, signed("sagemaker", "POST", url, body, **headers), body)
        assert response.status == 200

    assert [one["Body"] for one in seen] == [body for _, body, _ in asked]
    assert [one["EndpointName"] for one in seen] == [endpoint for endpoint, _, _ in asked]
    assert [one.get("ContentType") for one in seen] == [headers.get("content_type") for *_, headers in asked]
    assert [one.get("InferenceId") for one in seen] == [None, None, None, None, "i"] * 2


async def test_a_wrong_question_is_wrong_each_time(wire: Wire) -> None:
    for _ in range(2):
        status, answer = await ask_json(wire, "SageMaker.DescribeTrainingJob", b'{"TrainingJobName": "-"}')
        assert (status, answer["__type"]) == (400, "ValidationException")


@pytest.mark.parametrize(
    "body",
    [
        b"<Delete><Object>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>',
        b'<!DOCTYPE Delete SYSTEM "file:///etc/passwd"><Delete/>',
        b'<?xml version="1.0" encoding="nonsense"?><Delete/>',
        b"not xml at all",
        b"<a>" * 5000,
    ],
)
async def test_what_is_not_safe_xml_is_malformed(wire: Wire, body: bytes) -> None:
    response = await ask(wire, "POST", "/b?delete", signed("s3", "POST", "/b?delete", body), body)

    assert response.status == 400
    assert b"<Code>MalformedXML</Code>" in text_of(response)


@pytest.mark.parametrize(
    "form", [b"Action=ListMetrics&Dimensions.member.x.Name=a", b"Action=ListMetrics&RecentlyActive.x=1"]
)
async def test_what_is_not_the_right_form_is_malformed(form: bytes) -> None:
    wire = answering("cloudwatch", "ListMetrics", never)
    headers = signed("monitoring", "POST", "/", form, content_type="application/x-www-form-urlencoded")

    response = await ask(wire, "POST", "/", headers, form)

    assert (response.status, b"<Code>MalformedQueryString</Code>" in text_of(response)) == (400, True)


@pytest.mark.parametrize("body", [b"\xff", b"\x81" * 200, cbor2.dumps([1]), cbor2.dumps({"Namespace": 2**80})])
async def test_what_is_not_the_right_cbor_is_a_serialization_exception(body: bytes) -> None:
    wire = answering("cloudwatch", "ListMetrics", never)
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    headers = signed("monitoring", "POST", path, body, smithy_protocol="rpc-v2-cbor", content_type="application/cbor")

    response = await ask(wire, "POST", path, headers, body)

    assert isinstance(response.body, bytes)
    assert (response.status, cbor2.loads(response.body)["__type"]) == (400, "SerializationException")


async def test_a_compressed_body_is_limited_in_what_it_becomes() -> None:
    wire = answering("cloudwatch", "PutMetricData", never)
    body = gzip.compress(b"[" * (17 << 20))

    status, answer = await ask_json(
        wire, "GraniteServiceVersion20100801.PutMetricData", body, "monitoring", content_encoding="gzip"
    )

    assert (status, answer["__type"]) == (413, "RequestEntityTooLargeException")


async def test_every_finding_of_the_validator_arrives(wire: Wire) -> None:
    status, answer = await ask_json(wire, "SageMaker.DescribeTrainingJob", b"{}")

    assert (status, answer["__type"], answer["message"]) == (
        400,
        "ValidationException",
        "1 validation error detected: Value null at 'trainingJobName' failed to satisfy constraint: Member must not be null",
    )


async def test_an_unexpected_failure_is_logged_with_its_request_id(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    body = b'{"TrainingJobName":"broken"}'
    headers = signed("sagemaker", "POST", "/", body, x_amz_target="SageMaker.DescribeTrainingJob")

    with caplog.at_level(logging.ERROR):
        response = await ask(wire, "POST", "/", headers, body)

    assert response.status == 500
    assert response.headers["x-amzn-requestid"] in caplog.text
    assert "a secret of the server" in caplog.text


async def test_a_refused_operation_may_say_why() -> None:
    wire = answering("sagemaker", "Search", never, refused={"sagemaker.CreateHub": "Hubs need a cloud."})

    status, answer = await ask_json(wire, "SageMaker.CreateHub", b"{}")

    assert (status, answer["__type"], answer["message"]) == (400, "UnsupportedOperation", "Hubs need a cloud.")


async def test_none_and_unmodelled_members_stay_behind() -> None:
    async def describe(call: Call) -> dict[str, Any]:
        return {
            "TrainingJobName": "a",
            "FailureReason": None,
            "Secret": 1,
            "ResourceConfig": {"X": 1, "InstanceCount": 2},
        }

    wire = answering("sagemaker", "DescribeTrainingJob", describe)

    _, answer = await ask_json(wire, "SageMaker.DescribeTrainingJob", b'{"TrainingJobName":"a"}')

    assert answer == {"TrainingJobName": "a", "ResourceConfig": {"InstanceCount": 2}}


async def test_bytes_of_a_reply_go_out_as_they_are() -> None:
    async def describe(call: Call) -> Reply:
        return Reply(body=b'{"TrainingJobName":"ready"}')

    wire = answering("sagemaker", "DescribeTrainingJob", describe)

    assert (await ask_json(wire, "SageMaker.DescribeTrainingJob", b'{"TrainingJobName":"a"}'))[1] == {
        "TrainingJobName": "ready"
    }


async def test_the_region_is_the_signatures(wire: Wire) -> None:
    seen: list[str] = []

    async def who(call: Call) -> dict[str, Any]:
        seen.append(call.region)
        return {}

    form = b"Action=GetCallerIdentity&Version=2011-06-15"
    headers = signed("sts", "POST", "/", form, content_type="application/x-www-form-urlencoded")

    await ask(
        answering("sts", "GetCallerIdentity", who, settings=Settings(region="eu-west-1")), "POST", "/", headers, form
    )

    assert seen == ["us-west-2"]


async def test_a_bucket_in_the_host_is_signed_there(tmp_path: Path) -> None:
    async def head(call: Call) -> dict[str, Any]:
        return {"ContentLength": 3, "ETag": call.params["Bucket"] + call.params["Key"]}

    wire = answering("s3", "HeadObject", head)
    headers = signed("s3", "HEAD", "/k", host="my.bucket.s3.us-west-2.amazonaws.com")

    response = await ask(wire, "HEAD", "/k", headers)

    assert (response.status, response.headers["etag"]) == (200, "my.bucketk")


async def test_a_raw_service_gets_the_request_as_it_came() -> None:
    seen: list[tuple[RawRequest, Call]] = []

    async def forward(request: RawRequest, call: Call) -> Reply:
        seen.append((request, call))
        return Reply(status=207, headers={"X-Other": "1"}, body=b"".join([piece async for piece in request.body]))

    wire = Wire(MODELS, {}, OneCredential(), allow, SystemClock(), Settings(), raw={"s3": forward})
    body = b"<Delete/>"

    response = await ask(wire, "POST", "/b%20c?delete", signed("s3", "POST", "/b%20c?delete", body), body)

    assert (response.status, response.headers["x-other"], response.body) == (207, "1", body)
    assert (seen[0][0].raw_path, seen[0][0].query, seen[0][1].operation) == ("/b%20c", "delete", "DeleteObjects")
    assert seen[0][1].params == {"Bucket": "b c"}


async def test_the_body_of_a_form_posted_to_a_bucket_is_left_to_its_operation(wire: Wire) -> None:
    headers = {"host": HOST, "content-type": "multipart/form-data; boundary=x", "content-length": "5"}

    response = await ask(wire, "POST", "/b", headers, b"12345")

    assert (response.status, response.body) == (201, b"b 5")


async def test_a_missing_file_is_an_error_and_not_a_broken_answer(tmp_path: Path) -> None:
    async def get(call: Call) -> dict[str, Any]:
        return {"Body": FileBody((FilePiece(tmp_path / "gone", 0, 10),)), "ContentLength": 10}

    response = await ask(answering("s3", "GetObject", get), "GET", "/b/k", signed("s3", "GET", "/b/k"))

    assert response.status == 500
    assert b"<Code>InternalError</Code>" in text_of(response)


@pytest.mark.parametrize(("origins", "status"), [("", 403), ("https://other", 403), ("https://page", 200), ("*", 200)])
async def test_pages_may_call_only_when_their_origin_is_named(origins: str, status: int) -> None:
    wire = answering("s3", "GetObject", never, settings=Settings(cors_origins=origins))
    headers = {"host": HOST, "origin": "https://page", "access-control-request-method": "PUT"}

    response = await ask(wire, "OPTIONS", "/b/k", headers)

    granted = response.headers.get("access-control-allow-origin")
    assert (response.status, granted) == (status, "https://page" if status == 200 else None)


async def test_refusals_carry_the_origins_headers_too() -> None:
    wire = answering("s3", "GetObject", never, settings=Settings(cors_origins="https://page"))

    response = await ask(wire, "GET", "/b/k", {"host": HOST, "origin": "https://page"})

    assert (response.status, response.headers["access-control-allow-origin"]) == (403, "https://page")


@pytest.mark.parametrize(
    ("path", "headers", "theirs"),
    [
        ("/", {}, True),
        ("/_salvia/health", {}, True),
        ("/bucket/key", {}, False),
        ("/", {"host": "b.localhost"}, False),
        ("/", {"authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-west-2/s3/aws4_request"}, False),
    ],
)
async def test_the_fallback_gets_what_no_client_of_aws_asks(path: str, headers: dict[str, str], theirs: bool) -> None:
    async def page(*_: Any) -> Response:
        return Response(200, {}, b"for people")

    wire = answering("s3", "ListBuckets", never, fallback=page)
    response = await ask(wire, "GET", path, {"host": HOST, **headers})

    assert (response.body == b"for people") is theirs


# --- what only a socket shows ---


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(make_wire(tmp_path_factory.mktemp("bucket")).handle) as url:
        yield urlsplit(url).netloc


def send_head(netloc: str, method: str, path: str, headers: dict[str, str]) -> socket.socket:
    host, _, port = netloc.partition(":")
    connection = socket.create_connection((host, int(port)), timeout=5)
    lines = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    connection.sendall(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
    return connection


def until_closed(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def test_a_client_that_asks_before_sending_is_told_to_go_on(endpoint: str) -> None:
    headers = signed("s3", "PUT", "/b/asked", b"hello", host=endpoint)
    with send_head(endpoint, "PUT", "/b/asked", {**headers, "expect": "100-continue"}) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")

        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_refused_client_that_asks_before_sending_is_not_told_to_go_on(endpoint: str) -> None:
    headers = signed("s3", "PUT", "/b/asked", b"hello", host=endpoint) | {"x-amz-date": "20200101T000000Z"}
    with send_head(endpoint, "PUT", "/b/asked", {**headers, "expect": "100-continue"}) as connection:
        answer = until_closed(connection)

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"connection: close" in answer


def test_a_large_body_is_refused_unread(endpoint: str) -> None:
    with send_head(endpoint, "PUT", "/b/k", {"host": endpoint, "content-length": str(1 << 40)}) as connection:
        answer = until_closed(connection)

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"connection: close" in answer


def test_a_document_that_is_too_long_is_refused_unread(endpoint: str) -> None:
    headers = {"host": endpoint, "content-length": str(1 << 30), "x-amz-target": "SageMaker.ListTrainingJobs"}
    with send_head(endpoint, "POST", "/", headers) as connection:
        answer = until_closed(connection)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_small_refused_body_does_not_cost_the_connection(endpoint: str) -> None:
    connection = http.client.HTTPConnection(endpoint)
    statuses = []
    for _ in range(3):
        connection.request("PUT", "/b/k", b"x" * 1000)
        answer = connection.getresponse()
        answer.read()
        statuses.append((answer.status, answer.getheader("connection")))
    connection.close()

    assert statuses == [(403, None)] * 3


def test_a_header_cannot_be_smuggled_through_a_value() -> None:
    async def get(call: Call) -> dict[str, Any]:
        return {"ContentType": "text/plain\r\nX-Evil: 1", "Body": b"x", "Metadata": {"ö": "ü"}}

    with serving(answering("s3", "GetObject", get).handle) as url:
        netloc = urlsplit(url).netloc
        connection = http.client.HTTPConnection(netloc)
        connection.request("GET", "/b/k", headers=signed("s3", "GET", "/b/k", host=netloc))
        answer = connection.getresponse()
        connection.close()

    assert (answer.status, answer.getheader("x-evil")) == (200, None)


def test_a_client_that_hangs_up_ends_the_operation() -> None:
    ended = []

    async def describe(call: Call) -> dict[str, Any]:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append(call.operation)
            raise
        return {}

    body = b'{"TrainingJobName":"a"}'
    with serving(answering("sagemaker", "DescribeTrainingJob", describe).handle) as url:
        netloc = urlsplit(url).netloc
        target = {"x_amz_target": "SageMaker.DescribeTrainingJob", "host": netloc}
        connection = send_head(netloc, "POST", "/", signed("sagemaker", "POST", "/", body, **target))
        connection.sendall(body)
        connection.close()
        wait_for(lambda: bool(ended))

    assert ended == ["DescribeTrainingJob"]


def wait_for(what: Any) -> None:
    import time

    end = time.monotonic() + 5
    while not what() and time.monotonic() < end:
        time.sleep(0.01)


def test_an_answer_of_unknown_length_comes_in_chunks() -> None:
    async def get(call: Call) -> Reply:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                yield str(number).encode()

        return Reply(body=pieces())

    with serving(answering("s3", "GetObject", get).handle) as url:
        netloc = urlsplit(url).netloc
        connection = http.client.HTTPConnection(netloc)
        connection.request("GET", "/b/k", headers=signed("s3", "GET", "/b/k", host=netloc))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()

    assert (answer.getheader("transfer-encoding"), body) == ("chunked", b"012")


async def test_a_refusal_that_repeats_bytes_of_no_encoding_still_arrives(wire: Wire) -> None:
    response = await ask(wire, "POST", "/", {"host": HOST, "x-amz-target": "SageMaker.\udcff"})

    assert response.status == 404
    assert "\ufffd" in json.loads(text_of(response))["message"]


async def test_a_header_that_is_no_text_is_refused(wire: Wire) -> None:
    response = await ask(wire, "PUT", "/bucket/key", {"host": HOST, "x-amz-meta-a": "\udcff\udcfe"})

    assert (response.status, b"<Code>InvalidRequest</Code>" in text_of(response)) == (400, True)
