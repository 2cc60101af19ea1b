"""What the protocol suites do not ask: AWS's habits, S3's in particular, and values at the edge."""

from typing import Any

import cbor2
import orjson
import pytest

from salvia.base.errors import AccessDenied, AwsError, NotFound, Unsupported, ValidationError
from salvia.model.load import described
from salvia.wire.errors import Malformed, failure
from salvia.wire.message import Request, Response
from salvia.wire.protocols import json, xml
from salvia.wire.protocols.protocol import WireProtocol
from salvia.wire.protocols.scalars import read_timestamp, write_number, write_timestamp
from salvia.wire.protocols.table import CBOR, JSON_1_0, JSON_1_1, QUERY, REST_JSON, REST_XML
from tests.wire.serving import MODELS

S3 = MODELS.service("s3")


def written(protocol: WireProtocol, service: str, operation: str, members: dict[str, Any]) -> Response:
    return protocol.serialize(MODELS.service(service).operation(operation), members, "request-id")


def text(response: Response) -> str:
    assert isinstance(response.body, bytes)
    return response.body.decode()


@pytest.mark.parametrize(
    ("seconds", "form", "expected"),
    [
        (0, "iso8601", "1970-01-01T00:00:00Z"),
        (0, "milliseconds", "1970-01-01T00:00:00.000Z"),
        (1.5, "iso8601", "1970-01-01T00:00:01.500Z"),
        (1398796238.0, "rfc822", "Tue, 29 Apr 2014 18:30:38 GMT"),
        (-0.5, "rfc822", "Wed, 31 Dec 1969 23:59:59 GMT"),
        (1398796238.0, "unixTimestamp", "1398796238"),
        (0.25, "unixTimestamp", "0.25"),
    ],
)
def test_timestamps_are_written_in_three_forms(seconds: float, form: str, expected: str) -> None:
    assert write_timestamp(seconds, form) == expected


@pytest.mark.parametrize(
    "written_as",
    [
        "1398796238",
        "1398796238.0",
        "2014-04-29T18:30:38Z",
        "2014-04-29T20:30:38+02:00",
        "2014-04-29T18:30:38",
        "Tue, 29 Apr 2014 18:30:38 GMT",
    ],
)
def test_timestamps_are_read_in_every_form(written_as: str) -> None:
    assert read_timestamp(written_as) == 1398796238.0


@pytest.mark.parametrize("nonsense", ["", "nan", "inf", "yesterday", "2014-13-45T00:00:00Z", "1e30", "-1e12"])
def test_what_is_no_timestamp_is_refused(nonsense: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_timestamp(nonsense)


@pytest.mark.parametrize(
    ("value", "expected"), [(3, "3"), (3.0, "3"), (0.1, "0.1"), (1e300, "1e+300"), (float("-inf"), "-Infinity")]
)
def test_numbers_are_written_as_short_as_they_are(value: float, expected: str) -> None:
    assert write_number(value) == expected


def test_control_characters_become_references_in_xml() -> None:
    assert xml.escape('a\x01<b>&"\r\n\tc') == "a&#x1;&lt;b&gt;&amp;&quot;&#xd;\n&#x9;c"


def test_an_s3_listing_has_s3s_root_and_namespace() -> None:
    response = written(REST_XML, "s3", "ListObjectsV2", {"Name": "b", "Contents": [{"Key": "k&", "LastModified": 0.0}]})

    assert text(response) == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<Contents><Key>k&amp;</Key><LastModified>1970-01-01T00:00:00.000Z</LastModified></Contents>"
        "<Name>b</Name></ListBucketResult>"
    )


@pytest.mark.parametrize(("location", "inside"), [("eu-west-1", "eu-west-1"), (None, "")])
def test_a_buckets_location_is_the_text_of_the_root(location: str | None, inside: str) -> None:
    response = written(REST_XML, "s3", "GetBucketLocation", {"LocationConstraint": location})

    assert text(response).endswith(
        f'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inside}</LocationConstraint>'
    )


def test_a_grantees_type_is_an_attribute() -> None:
    grant = {"Grantee": {"Type": "CanonicalUser", "ID": "me"}, "Permission": "FULL_CONTROL"}

    body = text(written(REST_XML, "s3", "GetBucketAcl", {"Grants": [grant]}))

    assert '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>me</ID>' in body


def test_an_acl_is_read_with_its_attribute() -> None:
    body = (
        b'<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><AccessControlList><Grant>'
        b'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>me</ID></Grantee>'
        b"<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"
    )
    request = Request("PUT", "/b", "acl", {}, body, {"Bucket": "b"})

    params = REST_XML.parse(request, S3.operation("PutBucketAcl"))

    assert params["AccessControlPolicy"]["Grants"] == [
        {"Grantee": {"Type": "CanonicalUser", "ID": "me"}, "Permission": "READ"}
    ]


def test_a_member_in_the_head_is_written_there() -> None:
    members = {"ETag": '"e"', "LastModified": 0.0, "Metadata": {"Name": "x"}, "ContentLength": 3, "DeleteMarker": True}

    headers = written(REST_XML, "s3", "HeadObject", members).headers

    assert headers == {
        "etag": '"e"',
        "last-modified": "Thu, 01 Jan 1970 00:00:00 GMT",
        "x-amz-meta-name": "x",
        "content-length": "3",
        "x-amz-delete-marker": "true",
        "x-amz-request-id": "request-id",
    }


def test_an_empty_list_of_a_form_is_a_list() -> None:
    operation = MODELS.service("iam").operation("SimulatePrincipalPolicy")
    form = [
        ("PolicySourceArn", "a"),
        ("ActionNames.member.2", "s3:b"),
        ("ActionNames.member.1", "s3:a"),
        ("ResourceArns", ""),
    ]

    params = QUERY.parse(Request("POST", "/", "", {}, form=form), operation)

    assert params == {"PolicySourceArn": "a", "ActionNames": ["s3:a", "s3:b"], "ResourceArns": []}


@pytest.mark.parametrize(
    "form",
    [
        [("MaxItems", "many")],
        [("ActionNames.member.one", "a")],
        [("ActionNames.member.1.x", "a")],
        [("ActionNames.member." + "9" * 99, "a")],
    ],
)
def test_a_form_that_does_not_fit_is_malformed(form: list[tuple[str, str]]) -> None:
    with pytest.raises(Malformed):
        QUERY.parse(Request("POST", "/", "", {}, form=form), MODELS.service("iam").operation("SimulatePrincipalPolicy"))


def test_a_form_whose_names_have_too_many_parts_is_malformed() -> None:
    with pytest.raises(Malformed, match="too many parts"):
        QUERY.parse(
            Request("POST", "/", "", {}, form=[("a." * 600_000, "")]), MODELS.service("iam").operation("ListUsers")
        )


@pytest.mark.parametrize("body", [b"<a>" * 500_000, b"<a>" + b"x" * (5 << 20) + b"</a>"])
def test_xml_that_is_larger_than_any_request_of_s3_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="too large"):
        xml.parse(body)


def test_a_moment_that_no_calendar_has_is_malformed_in_json_and_cbor() -> None:
    operation = MODELS.service("cloudwatch").operation("GetMetricStatistics")
    for protocol, body in (
        (JSON_1_0, b'{"StartTime": 1e30}'),
        (CBOR, cbor2.dumps({"StartTime": cbor2.CBORTag(1, 1e30)})),
    ):
        with pytest.raises(Malformed, match="timestamp"):
            protocol.parse(Request("POST", "/", "", {}, body), operation)


def test_an_operation_without_output_answers_an_empty_body() -> None:
    assert written(JSON_1_1, "sagemaker", "StopTrainingJob", {}).body == b""


def test_nan_is_a_word_in_json() -> None:
    metric = {"MetricName": "m", "Value": float("nan"), "Timestamp": 1.5}

    body = text(written(JSON_1_1, "sagemaker", "DescribeTrainingJob", {"FinalMetricDataList": [metric]}))

    assert orjson.loads(body) == {"FinalMetricDataList": [{"MetricName": "m", "Value": "NaN", "Timestamp": 1.5}]}


def test_the_word_null_in_a_string_changes_nothing() -> None:
    members = {"TrainingJobName": "null", "FailureReason": None}

    assert text(written(JSON_1_1, "sagemaker", "DescribeTrainingJob", members)) == '{"TrainingJobName":"null"}'


def test_members_that_swap_their_names_keep_their_values() -> None:
    members = {"A": {"shape": "S", "locationName": "B"}, "B": {"shape": "S", "locationName": "A"}}
    model = {
        "metadata": {"protocol": "json", "endpointPrefix": "x"},
        "operations": {"Swap": {"input": {"shape": "X"}, "output": {"shape": "X"}, "http": {}}},
        "shapes": {"X": {"type": "structure", "members": members}, "S": {"type": "string"}},
    }
    operation = described("x", model).operation("Swap")

    body = text(JSON_1_1.serialize(operation, {"A": "a", "B": "b"}, ""))

    assert orjson.loads(body) == {"B": "a", "A": "b"}
    assert JSON_1_1.parse(Request("POST", "/", "", {}, body.encode()), operation) == {"A": "a", "B": "b"}


def test_a_shape_that_contains_itself_and_a_blob_is_not_taken_for_plain() -> None:
    item = MODELS.service("dynamodb").shape("AttributeValue")

    assert not json.WRITE.plain(item)


@pytest.mark.parametrize(
    ("service", "error", "code", "status"),
    [
        ("sagemaker", NotFound("x"), "ResourceNotFound", 400),
        ("sagemaker", AccessDenied("x"), "AccessDeniedException", 403),
        ("sagemaker", Unsupported("x"), "UnsupportedOperation", 400),
        ("s3", AccessDenied("x"), "AccessDenied", 403),
        ("s3", Unsupported("x"), "NotImplemented", 501),
        ("s3", AwsError("x", code="NoSuchKey"), "NoSuchKey", 404),
        ("s3", AwsError("x", code="NoSuchTagSet", http_status=404), "NoSuchTagSet", 404),
        ("s3", AwsError("x", http_status=500), "InternalError", 500),
        ("iam", AwsError("x", code="NoSuchEntity"), "NoSuchEntity", 404),
        ("iam", AwsError("x", code="NoSuchEntityException"), "NoSuchEntity", 404),
        ("iam", AccessDenied("x"), "AccessDenied", 403),
        ("iam", ValidationError("x"), "ValidationError", 400),
    ],
)
def test_errors_go_out_in_the_words_of_their_service(service: str, error: AwsError, code: str, status: int) -> None:
    known = failure(error, MODELS.service(service))

    assert (known.code, known.status) == (code, status)


def test_a_query_error_names_its_fault() -> None:
    response = QUERY.error(failure(AwsError("no <such>", code="NoSuchEntity"), MODELS.service("iam")), "request-id")

    assert text(response) == (
        "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no &lt;such&gt;</Message></Error>"
        "<RequestId>request-id</RequestId></ErrorResponse>"
    )


def test_a_message_is_always_well_formed_xml() -> None:
    response = REST_XML.error(failure(AwsError("\x00\ud800", code="X"), S3, "/b/\x01"), "request-id")

    assert xml.parse(text(response).encode()).findtext("Message") == "\ufffd\ufffd"


def test_a_service_that_once_spoke_query_tells_the_old_code_too() -> None:
    error = AwsError("gone", code="ResourceNotFound")

    response = JSON_1_0.error(failure(error, MODELS.service("cloudwatch")), "request-id")

    assert response.headers["x-amzn-query-error"] == "ResourceNotFound;Sender"


def test_a_rest_json_error_has_its_code_in_the_head() -> None:
    error = AwsError("m", code="ModelError", members={"OriginalStatusCode": 500, "OriginalMessage": "o"})

    response = REST_JSON.error(failure(error, MODELS.service("sagemaker-runtime")), "request-id")

    assert (response.status, response.headers["x-amzn-errortype"]) == (424, "ModelError")
    assert orjson.loads(text(response)) == {
        "__type": "ModelError",
        "OriginalStatusCode": 500,
        "OriginalMessage": "o",
        "Message": "m",
    }
