"""Requests find their service, operation and protocol."""

import pytest

from salvia.base.errors import AwsError
from salvia.wire.message import Request
from salvia.wire.protocols.query import read_form
from salvia.wire.protocols.table import CBOR, JSON_1_0, JSON_1_1, QUERY, REST_JSON
from salvia.wire.route import Route, Router, read_mark
from tests.wire.serving import MODELS

SERVED = (
    "sagemaker",
    "sagemaker-runtime",
    "sagemaker-featurestore-runtime",
    "sagemaker-metrics",
    "s3",
    "sts",
    "iam",
    "logs",
    "cloudwatch",
    "sns",
)
ROUTER = Router(MODELS, SERVED)


def signed(service: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential=AK/20260101/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"


def find(method: str, url: str, signing: str = "", **headers: str) -> Route:
    path, _, query = url.partition("?")
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    if signing:
        given["authorization"] = signed(signing)
    request = Request(method, path, query, given, arguments=read_form(query))
    return ROUTER.find(request, read_mark(given, dict(request.arguments)))


def names(route: Route) -> tuple[str, str]:
    assert route.service is not None
    assert route.operation is not None
    return route.service.name, route.operation.name


@pytest.mark.parametrize(
    ("request_line", "operation"),
    [
        ("GET /", "ListBuckets"),
        ("PUT /b", "CreateBucket"),
        ("HEAD /b", "HeadBucket"),
        ("GET /b", "ListObjects"),
        ("GET /b/", "ListObjects"),
        ("GET /b?list-type=2&prefix=x", "ListObjectsV2"),
        ("GET /b?location", "GetBucketLocation"),
        ("GET /b?uploads", "ListMultipartUploads"),
        ("GET /b?versions", "ListObjectVersions"),
        ("GET /b?analytics", "ListBucketAnalyticsConfigurations"),
        ("GET /b?analytics&id=1", "GetBucketAnalyticsConfiguration"),
        ("GET /b?lifecycle", "GetBucketLifecycleConfiguration"),
        ("PUT /b?lifecycle", "PutBucketLifecycleConfiguration"),
        ("PUT /b?notification", "PutBucketNotificationConfiguration"),
        ("POST /b?delete", "DeleteObjects"),
        ("GET /b/k", "GetObject"),
        ("GET /b/k?x-id=GetObject", "GetObject"),
        ("GET /b/k?partNumber=2", "GetObject"),
        ("GET /b/k?versionId=v", "GetObject"),
        ("GET /b/k?uploadId=u", "ListParts"),
        ("GET /b/k?tagging", "GetObjectTagging"),
        ("GET /b/k?tagging=", "GetObjectTagging"),
        ("GET /b/k?attributes", "GetObjectAttributes"),
        ("HEAD /b/k", "HeadObject"),
        ("PUT /b/k", "PutObject"),
        ("PUT /b/k?partNumber=1&uploadId=u", "UploadPart"),
        ("POST /b/k?uploads", "CreateMultipartUpload"),
        ("POST /b/k?uploadId=u", "CompleteMultipartUpload"),
        ("DELETE /b/k", "DeleteObject"),
        ("DELETE /b/k?uploadId=u", "AbortMultipartUpload"),
    ],
)
def test_s3_operations_are_told_apart(request_line: str, operation: str) -> None:
    method, _, url = request_line.partition(" ")

    assert names(find(method, url, "s3")) == ("s3", operation)


@pytest.mark.parametrize(
    ("url", "operation"), [("/b/k", "CopyObject"), ("/b/k?partNumber=1&uploadId=u", "UploadPartCopy")]
)
def test_a_copy_source_makes_a_copy(url: str, operation: str) -> None:
    assert names(find("PUT", url, "s3", x_amz_copy_source="/b/other")) == ("s3", operation)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/b/a//b", "a//b"),
        ("/b//", "/"),
        ("/b//a", "/a"),
        ("/b/../x", "../x"),
        ("/b/a%2Fb", "a/b"),
        ("/b/a%252Fb", "a%2Fb"),
        ("/b/dir/", "dir/"),
        ("/b/%D0%BA%20+", "к +"),
    ],
)
def test_keys_keep_every_character(path: str, key: str) -> None:
    assert find("GET", path, "s3").labels == {"Bucket": "b", "Key": key}


def test_a_key_that_is_not_utf_8_is_malformed() -> None:
    with pytest.raises(AwsError, match="URI"):
        find("GET", "/b/%FF", "s3")


@pytest.mark.parametrize(
    "host",
    ["b.s3.amazonaws.com", "b.s3.us-west-2.amazonaws.com", "b.s3-us-west-2.amazonaws.com", "b.localhost:8321"],
)
def test_a_bucket_may_stand_in_the_host(host: str) -> None:
    assert find("GET", "/k", "s3", host=host).labels == {"Bucket": "b", "Key": "k"}


def test_a_bucket_with_dots_may_stand_in_the_host() -> None:
    assert find("GET", "/", "s3", host="my.s3.bucket.s3.us-west-2.amazonaws.com").labels == {"Bucket": "my.s3.bucket"}


@pytest.mark.parametrize(
    ("method", "url", "service", "operation"),
    [
        ("POST", "/endpoints/e/invocations", "sagemaker-runtime", "InvokeEndpoint"),
        ("POST", "/endpoints/e/async-invocations", "sagemaker-runtime", "InvokeEndpointAsync"),
        ("PUT", "/FeatureGroup/f", "sagemaker-featurestore-runtime", "PutRecord"),
        ("GET", "/FeatureGroup/f?RecordIdentifierValueAsString=1", "sagemaker-featurestore-runtime", "GetRecord"),
        ("POST", "/BatchGetRecord", "sagemaker-featurestore-runtime", "BatchGetRecord"),
        ("PUT", "/BatchPutMetrics", "sagemaker-metrics", "BatchPutMetrics"),
    ],
)
def test_what_is_signed_for_sagemaker_is_told_apart_by_path(
    method: str, url: str, service: str, operation: str
) -> None:
    route = find(method, url, "sagemaker")

    assert (*names(route), route.protocol) == (service, operation, REST_JSON)


def test_a_path_that_was_found_is_not_taken_for_another_request() -> None:
    url = "/endpoints/again/invocations"
    for _ in range(2):
        assert names(find("POST", url, "sagemaker")) == ("sagemaker-runtime", "InvokeEndpoint")
        assert find("POST", url, "sagemaker").labels == {"EndpointName": "again"}
        assert names(find("POST", url, "sagemaker", x_amz_target="SageMaker.ListModels")) == ("sagemaker", "ListModels")
        for method, signing in (("PUT", "sagemaker"), ("POST", "logs")):
            with pytest.raises(AwsError, match="No operation"):
                find(method, url, signing)


@pytest.mark.parametrize(("version", "protocol"), [("1.0", JSON_1_0), ("1.1", JSON_1_1)])
def test_a_target_names_a_json_operation(version: str, protocol: object) -> None:
    route = find(
        "POST", "/", "logs", x_amz_target="Logs_20140328.GetLogEvents", content_type=f"application/x-amz-json-{version}"
    )

    assert (*names(route), route.protocol) == ("logs", "GetLogEvents", protocol)


def test_a_target_of_another_service_than_was_signed_for_is_refused() -> None:
    with pytest.raises(AwsError, match="Credential should be scoped to correct service: 'sagemaker'"):
        find("POST", "/", "logs", x_amz_target="SageMaker.ListTrainingJobs")


def test_cloudwatch_speaks_json_cbor_and_query() -> None:
    target = "GraniteServiceVersion20100801"
    json = find("POST", "/", "monitoring", x_amz_target=f"{target}.ListMetrics")
    cbor = find("POST", f"/service/{target}/operation/ListMetrics", "monitoring", smithy_protocol="rpc-v2-cbor")
    query = find("GET", "/?Action=ListMetrics&Version=2010-08-01", "monitoring")

    assert [route.protocol for route in (json, cbor, query)] == [JSON_1_0, CBOR, QUERY]
    assert {names(route) for route in (json, cbor, query)} == {("cloudwatch", "ListMetrics")}


def test_a_form_names_its_operation_in_the_body() -> None:
    request = Request(
        "POST", "/", "", {"content-type": "application/x-www-form-urlencoded", "authorization": signed("iam")}
    )
    mark = read_mark(request.headers, {})
    head = ROUTER.find(request, mark)

    route = ROUTER.by_form(head, [("Action", "GetRole"), ("Version", "2010-05-08")])

    assert (head.operation, names(route)) == (None, ("iam", "GetRole"))


def test_an_unsigned_form_finds_its_service_by_version() -> None:
    request = Request("POST", "/", "", {"content-type": "application/x-www-form-urlencoded; charset=utf-8"})
    head = ROUTER.find(request, read_mark(request.headers, {}))

    route = ROUTER.by_form(head, [("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15")])

    assert names(route) == ("sts", "AssumeRoleWithWebIdentity")


def test_the_host_names_the_service_of_an_unsigned_form() -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", "host": "sts.eu-west-1.amazonaws.com"}
    mark = read_mark(headers, {})

    route = ROUTER.find(Request("POST", "/", "", headers), mark)

    assert (route.service and route.service.name, mark.region) == ("sts", "eu-west-1")


def test_a_presigned_url_names_service_and_region() -> None:
    mark = read_mark({}, {"X-Amz-Credential": "AK/20260101/eu-west-1/s3/aws4_request"})

    assert (mark.signing, mark.region, mark.anonymous) == ("s3", "eu-west-1", False)


def test_a_version_2_signature_is_for_s3() -> None:
    assert names(find("GET", "/b/k?AWSAccessKeyId=AK&Signature=s&Expires=1")) == ("s3", "GetObject")


def test_an_unsigned_request_is_for_s3() -> None:
    assert names(find("GET", "/b/k")) == ("s3", "GetObject")


def test_an_unsigned_form_with_a_file_is_a_post_to_a_bucket() -> None:
    route = find("POST", "/b", content_type="multipart/form-data; boundary=x")

    assert (names(route), route.labels) == (("s3", "PostObject"), {"Bucket": "b"})


def test_the_certificate_of_messages_is_at_the_host_of_sns() -> None:
    headers = {"host": "sns.eu-west-1.amazonaws.com"}
    request = Request("GET", "/SimpleNotificationService-0.pem", "", headers)

    route = ROUTER.find(request, read_mark(headers, {}))

    assert names(route) == ("sns", "GetSigningCertificate")
    assert route.labels == {"Path": "/SimpleNotificationService-0.pem"}


@pytest.mark.parametrize(
    ("method", "url", "signing", "target", "code"),
    [
        ("POST", "/", "ec2", "", "UnknownOperationException"),
        ("POST", "/", "sagemaker", "SageMaker.NoSuchThing", "UnknownOperationException"),
        ("POST", "/", "sagemaker", "NoSuchService.Thing", "UnknownOperationException"),
        ("GET", "/no/such/path", "sagemaker", "", "UnknownOperationException"),
        ("PATCH", "/b/k", "s3", "", "MethodNotAllowed"),
        ("POST", "/b/k", "s3", "", "MethodNotAllowed"),
    ],
)
def test_what_nobody_knows_is_refused(method: str, url: str, signing: str, target: str, code: str) -> None:
    with pytest.raises(AwsError) as error:
        find(method, url, signing, **({"x_amz_target": target} if target else {}))

    assert error.value.code == code
