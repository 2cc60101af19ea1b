"""What a head says is found out once, for requests that say the same and for no other."""

import pytest

from salvia.wire.heading import Heading, Headings
from salvia.wire.incoming import Incoming
from salvia.wire.message import Request
from tests.wire.serving import MODELS, NoSource, whole
from tests.wire.test_server import signed

SERVED = ("sagemaker", "sagemaker-runtime", "s3", "iam", "cloudwatch")
HEADINGS = Headings(MODELS, SERVED)
TARGET = "SageMaker.ListTags"


def json_request(service: str = "sagemaker", target: str = TARGET, **headers: str) -> Request:
    given = {"x_amz_target": target, "content_type": "application/x-amz-json-1.1"} | headers
    return Request("POST", "/", "", signed(service, "POST", "/", b"{}", **given))


def invocation(endpoint: str, **headers: str) -> Request:
    path = f"/endpoints/{endpoint}/invocations"
    return Request("POST", path, "", signed("sagemaker", "POST", path, b"1", **headers))


def known(headings: Headings, request: Request) -> Heading | None:
    return headings.known(request.method, request.path, request.query, request.headers)


def nothing() -> Incoming:
    return Incoming(0, NoSource())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (json_request(), json_request(target="SageMaker.ListModels")),
        (json_request(), json_request(host="sts.eu-west-1.amazonaws.com")),
        (json_request(), json_request(content_type="application/x-amz-json-1.0")),
        (invocation("a"), invocation("b")),
        (invocation("a"), invocation("a", content_type="application/x-www-form-urlencoded")),
    ],
)
async def test_a_heading_is_known_to_requests_that_say_the_same(one: Request, other: Request) -> None:
    headings = Headings(MODELS, SERVED)

    found = await headings.find(one, nothing())

    assert known(headings, one) is found
    assert known(headings, other) is None


async def test_what_an_operation_is_told_and_how_it_is_signed_makes_no_other_heading() -> None:
    headings = Headings(MODELS, SERVED)

    found = await headings.find(invocation("a"), nothing())
    again = invocation("a", content_type="text/csv", accept="text/csv")
    again.headers = dict(again.headers) | {"authorization": again.headers["authorization"][:-64] + "0" * 64}
    elsewhere = invocation("a")
    elsewhere.headers = dict(elsewhere.headers)
    elsewhere.headers["authorization"] = elsewhere.headers["authorization"].replace("us-west-2", "eu-west-1")

    assert found.operation.name == "InvokeEndpoint"
    assert known(headings, invocation("a")) is found
    assert again.labels == {}
    assert known(headings, elsewhere) is None


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/b/k", "", signed("s3", "GET", "/b/k")),
        Request("POST", "/", "Action=ListRoles&Version=2010-05-08", signed("iam", "POST", "/")),
        Request("GET", "/b/k", "", {"host": "x"}),
    ],
)
async def test_what_depends_on_more_than_its_head_is_found_out_every_time(request_: Request) -> None:
    headings = Headings(MODELS, SERVED)

    await headings.find(request_, nothing())

    assert known(headings, request_) is None


async def test_a_form_that_names_its_operation_is_read() -> None:
    body = b"Action=ListRoles&Version=2010-05-08"
    kind = "application/x-www-form-urlencoded"
    request = Request("POST", "/", "", signed("iam", "POST", "/", body, content_type=kind))

    found = await HEADINGS.find(request, whole(body))

    assert (found.operation.name, dict(request.form)["Action"]) == ("ListRoles", "ListRoles")
    assert known(HEADINGS, request) is None
