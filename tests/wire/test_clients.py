"""Unmodified boto3 against a Wire on a real socket."""

import hashlib
import http.client
import io
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.wire.serving import CALLER, client, make_wire, serving

MEBIBYTE = 1 << 20
Aws = Callable[..., Any]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(make_wire(tmp_path_factory.mktemp("bucket")).handle) as url:
        yield url


@pytest.fixture(scope="module")
def aws(endpoint: str) -> Iterator[Aws]:
    """Clients by service and options; one of each, closed at the end."""
    made: dict[tuple[Any, ...], Any] = {}

    def get(service: str, **options: Any) -> Any:
        key = (service, *sorted(options.items()))
        if key not in made:
            made[key] = client(service, endpoint, **options)
        return made[key]

    yield get
    for one in made.values():
        one.close()


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_sts_says_who_signed(aws: Aws) -> None:
    answer = aws("sts").get_caller_identity()

    assert (answer["Account"], answer["Arn"]) == (CALLER.account, CALLER.arn)


def test_every_reply_has_a_request_id(aws: Aws) -> None:
    answer = aws("sts").get_caller_identity()

    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


def test_sagemaker_json_goes_both_ways(aws: Aws) -> None:
    answer = aws("sagemaker").describe_training_job(TrainingJobName="job-1")

    assert (answer["TrainingJobName"], answer["CreationTime"].timestamp()) == ("job-1", 1.5e9)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda c: c.describe_training_job(TrainingJobName="missing"), ("ResourceNotFound", 400)),
        (lambda c: c.describe_training_job(TrainingJobName="bad name"), ("ValidationException", 400)),
        (lambda c: c.create_hub(HubName="h", HubDescription="d"), ("UnsupportedOperation", 400)),
        (lambda c: c.describe_training_job(TrainingJobName="broken"), ("InternalFailure", 500)),
    ],
)
def test_sagemaker_errors_arrive_with_their_codes(aws: Aws, call: Any, expected: tuple[str, int]) -> None:
    with pytest.raises(ClientError) as error:
        call(aws("sagemaker"))

    assert code_of(error) == expected


def test_an_unexpected_failure_tells_the_client_nothing(aws: Aws) -> None:
    with pytest.raises(ClientError) as error:
        aws("sagemaker").describe_training_job(TrainingJobName="broken")

    assert "secret" not in str(error.value)


def test_an_operation_that_is_not_served_says_where_the_list_is(aws: Aws) -> None:
    with pytest.raises(ClientError, match=r"CreateHub is not served by Salvia; docs/operations.md lists what is"):
        aws("sagemaker").create_hub(HubName="h", HubDescription="d")


def test_cloudwatch_speaks_what_the_client_chose(aws: Aws) -> None:
    answer = aws("cloudwatch").get_metric_statistics(
        Namespace="n", MetricName="m", StartTime=1_500_000_000, EndTime=1_500_000_060, Period=60, Statistics=["Average"]
    )

    assert (answer["Label"], answer["Datapoints"][0]["Timestamp"].timestamp()) == ("m", 1.5e9)


def test_a_large_metric_request_comes_compressed(aws: Aws) -> None:
    data = [{"MetricName": f"metric-{number}", "Value": 1.0} for number in range(500)]

    answer = aws("cloudwatch").put_metric_data(Namespace="n", MetricData=data)

    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_log_lines_keep_their_tabs(aws: Aws) -> None:
    answer = aws("logs").get_log_events(logGroupName="g", logStreamName="s")

    assert answer["events"][0]["message"] == "a\tline"


def test_an_invocation_carries_its_blob_both_ways(aws: Aws) -> None:
    answer = aws("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=b"abc", ContentType="text/csv")

    assert (answer["Body"].read(), answer["ContentType"], answer["InvokedProductionVariant"]) == (
        b"ABC",
        "text/csv",
        "v",
    )


def test_eight_megabytes_stream_both_ways(aws: Aws) -> None:
    s3, data = aws("s3"), os.urandom(8 * MEBIBYTE)

    s3.put_object(Bucket="bucket", Key="large", Body=io.BytesIO(data))
    answer = s3.get_object(Bucket="bucket", Key="large")

    assert hashlib.sha256(answer["Body"].read()).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("key", ["a//b", "../x", "a%2Fb", "dir/", "ключ ☃ +&=?", "a/./b", "/slash", "~()'*!"])
def test_keys_arrive_as_they_were_named(aws: Aws, key: str) -> None:
    s3 = aws("s3")

    s3.put_object(Bucket="bucket", Key=key, Body=key.encode())

    assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == key.encode()
    assert key in [item["Key"] for item in s3.list_objects_v2(Bucket="bucket")["Contents"]]


def test_a_head_has_the_length_and_no_body(aws: Aws) -> None:
    s3 = aws("s3")
    s3.put_object(Bucket="bucket", Key="headed", Body=b"12345")

    answer = s3.head_object(Bucket="bucket", Key="headed")

    assert (answer["ContentLength"], answer["ContentType"]) == (5, "text/plain")


def test_a_head_of_nothing_is_a_bare_404(aws: Aws) -> None:
    with pytest.raises(ClientError) as error:
        aws("s3").head_object(Bucket="bucket", Key="nothing")

    assert code_of(error) == ("404", 404)


def test_s3_errors_arrive_with_their_codes(aws: Aws) -> None:
    s3 = aws("s3")

    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket="bucket", Key="nothing")


def test_an_s3_operation_that_is_not_served_is_not_implemented(aws: Aws) -> None:
    with pytest.raises(ClientError) as error:
        aws("s3").get_bucket_website(Bucket="bucket")

    assert code_of(error) == ("NotImplemented", 501)


def test_many_objects_are_deleted_by_one_document(aws: Aws) -> None:
    s3 = aws("s3")
    s3.put_object(Bucket="bucket", Key="gone <&> now", Body=b"")

    answer = s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "gone <&> now"}]})

    assert answer["Deleted"] == [{"Key": "gone <&> now"}]


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_url_needs_no_client(aws: Aws, version: str) -> None:
    aws("s3").put_object(Bucket="bucket", Key="shared file", Body=b"hello")
    url = aws("s3", signature_version=version).generate_presigned_url(
        "get_object", {"Bucket": "bucket", "Key": "shared file"}
    )

    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"hello"


def test_a_wrong_secret_is_refused(aws: Aws) -> None:
    with pytest.raises(ClientError) as error:
        aws("sts", secret="wrong").get_caller_identity()

    assert code_of(error) == ("SignatureDoesNotMatch", 403)


def test_an_unsigned_request_is_refused(endpoint: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{endpoint}/bucket/headed")

    assert error.value.code == 403
    error.value.close()


def test_connections_are_kept(endpoint: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc)
    for _ in range(3):
        connection.request("GET", "/bucket/headed")
        assert connection.getresponse().read().startswith(b"<?xml")
    assert connection.sock is not None
    connection.close()
