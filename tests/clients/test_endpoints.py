"""The unmodified boto3: a model from training to invocation, update, A/B, streams, queues and captures, to the end."""

import io
import json
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients.hosting import BUCKET, IMAGE, ROLE, ROW, Hosting, variant

pytestmark = pytest.mark.slow
ONE_BY_ONE = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 1}

COUNTING = b"""
import uuid
sessions = {}
def model_fn(folder): return sessions
def transform_fn(sessions, body, content_type, accept, context):
    session = context.get_request_header(0, "X-Amzn-SageMaker-Session-Id")
    if session == "NEW_SESSION":
        session = uuid.uuid4().hex
        sessions[session] = 0
        context.set_response_header(0, "X-Amzn-SageMaker-New-Session-Id", session + "; Expires=2099-01-01T00:00:00Z")
    elif session not in sessions:
        raise ValueError("no such session")
    elif body == "close":
        del sessions[session]
        context.set_response_header(0, "X-Amzn-SageMaker-Closed-Session-Id", session)
        return "0"
    else:
        sessions[session] += 1
    return str(sessions[session])
"""


@pytest.fixture(scope="module")
def endpoint(hosting: Hosting) -> Iterator[str]:
    name = hosting.deploy()
    yield name
    hosting.delete(name)


def test_a_trained_model_answers_with_what_it_learnt(hosting: Hosting, endpoint: str) -> None:
    shown = hosting.in_service(endpoint)

    assert hosting.ask(endpoint) == (1, "AllTraffic")
    assert shown["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert shown["ProductionVariants"][0]["DeployedImages"][0]["SpecifiedImage"] == IMAGE


def test_what_is_wrong_is_said_as_aws_says_it(hosting: Hosting, endpoint: str) -> None:
    with pytest.raises(ClientError, match="Endpoint none of account 000000000000 not found"):
        hosting.ask("none")
    with pytest.raises(ClientError) as refused:
        hosting.ask(endpoint, ContentType="application/no-such-type")
    with pytest.raises(ClientError, match="HTTP content length exceeded 6291456 bytes"):
        hosting.ask(endpoint, Body=bytes((6 << 20) + 1))
    with pytest.raises(ClientError, match="Cannot create already existing endpoint"):
        hosting.sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=hosting.config())

    assert refused.value.response["Error"]["Code"] == "ModelError"
    assert refused.value.response["OriginalStatusCode"] in {400, 415}  # type: ignore[typeddict-item]
    assert refused.value.response["OriginalMessage"]  # type: ignore[typeddict-item]


def test_the_container_s_log_and_the_metrics_are_where_clients_look(hosting: Hosting, endpoint: str) -> None:
    hosting.ask(endpoint)
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    (stream,) = hosting.logs.describe_log_streams(logGroupName=group)["logStreams"]
    until = time.monotonic() + 20
    while time.monotonic() < until:
        now = time.time()
        points = hosting.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}],
            StartTime=now - 600,
            EndTime=now + 60,
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        if points:
            break
        time.sleep(0.2)

    assert stream["logStreamName"].startswith("AllTraffic/i-")
    assert sum(point["Sum"] for point in points) >= 1


def test_an_answer_can_be_read_as_a_stream(hosting: Hosting, endpoint: str) -> None:
    reply = hosting.runtime.invoke_endpoint_with_response_stream(
        EndpointName=endpoint, ContentType="text/csv", Body=ROW
    )
    data = b"".join(event["PayloadPart"]["Bytes"] for event in reply["Body"])

    assert round(float(data.split(b"\n")[0])) == 1
    assert reply["InvokedProductionVariant"] == "AllTraffic"


def test_two_variants_share_the_requests_by_weight(hosting: Hosting) -> None:
    name = hosting.deploy(variant("A", InitialVariantWeight=3), variant("B", "model-2", InitialVariantWeight=1))
    said = Counter(hosting.ask(name) for _ in range(100))
    aimed = {hosting.ask(name, TargetVariant="B") for _ in range(5)}
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "A", "DesiredWeight": 0}]
    )
    hosting.in_service(name)
    after = {hosting.ask(name) for _ in range(10)}
    hosting.delete(name)

    assert set(said) == {(1, "A"), (2, "B")}
    assert 55 < said[1, "A"] < 92
    assert aimed == after == {(2, "B")}


@pytest.mark.parametrize("deployment", [{}, {"DeploymentConfig": {"RollingUpdatePolicy": ONE_BY_ONE}}])
def test_no_request_is_lost_while_an_endpoint_is_updated(hosting: Hosting, deployment: dict[str, Any]) -> None:
    name = hosting.deploy(variant(InitialInstanceCount=2))
    with hosting.load(name) as said:
        config = hosting.config(variant("AllTraffic", "model-2", InitialInstanceCount=2))
        hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, **deployment)
        hosting.in_service(name)
        time.sleep(1.5)
    last = hosting.ask(name)
    hosting.delete(name)

    assert set(said) == {1, 2}
    assert last == (2, "AllTraffic")


def test_a_model_that_does_not_load_fails_with_its_reason_and_an_update_to_it_is_taken_back(hosting: Hosting) -> None:
    hosting.s3.put_object(Bucket=BUCKET, Key="broken.tar.gz", Body=b"no tar")
    hosting.model("broken", f"s3://{BUCKET}/broken.tar.gz")
    name = hosting.deploy()
    hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=hosting.config(variant(model="broken")))
    shown = hosting.in_service(name)
    said = hosting.ask(name)
    hosting.delete(name)

    assert "Failed to extract model data archive" in shown["FailureReason"]
    assert said == (1, "AllTraffic")


def test_an_asynchronous_endpoint_writes_its_answer_to_s3(hosting: Hosting) -> None:
    output = {"OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/async"}}
    name = hosting.deploy(AsyncInferenceConfig=output)
    hosting.s3.put_object(Bucket=BUCKET, Key="in.csv", Body=ROW)
    reply = hosting.runtime.invoke_endpoint_async(
        EndpointName=name, InputLocation=f"s3://{BUCKET}/in.csv", ContentType="text/csv"
    )
    key = reply["OutputLocation"].removeprefix(f"s3://{BUCKET}/")
    hosting.s3.get_waiter("object_exists").wait(Bucket=BUCKET, Key=key, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    answer = hosting.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    hosting.delete(name)

    assert round(float(answer.split(b"\n")[0])) == 1


def test_what_is_captured_becomes_an_object(hosting: Hosting) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    name = hosting.deploy(DataCaptureConfig=capture)
    hosting.ask(name)
    until = time.monotonic() + 40
    found: list[Any] = []
    while not found and time.monotonic() < until:
        time.sleep(0.5)
        found = hosting.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"capture/{name}/").get("Contents", [])
    line = json.loads(hosting.s3.get_object(Bucket=BUCKET, Key=found[0]["Key"])["Body"].read())
    hosting.delete(name)

    assert line["captureData"]["endpointInput"]["data"] == ROW.decode()
    assert line["captureData"]["endpointInput"]["encoding"] == "CSV"


def test_a_serverless_endpoint_answers(hosting: Hosting) -> None:
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 5}
    name = hosting.deploy({"VariantName": "A", "ModelName": "model-1", "ServerlessConfig": serverless})
    said = hosting.ask(name)
    hosting.delete(name)

    assert said == (1, "A")


def test_a_session_stays_with_the_instance_that_began_it(hosting: Hosting) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(COUNTING)
        tar.addfile(member, io.BytesIO(COUNTING))
    hosting.s3.put_object(Bucket=BUCKET, Key="counting.tar.gz", Body=packed.getvalue())
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{BUCKET}/counting.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    }
    hosting.sagemaker.create_model(ModelName="counting", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    name = hosting.deploy(variant(model="counting", InitialInstanceCount=2))
    request = {"EndpointName": name, "ContentType": "text/csv", "Body": b"go on"}
    begun = [hosting.runtime.invoke_endpoint(**request, SessionId="NEW_SESSION")["NewSessionId"] for _ in range(2)]
    sessions = [one.partition(";")[0] for one in begun]
    said = [hosting.ask(name, SessionId=session, Body=b"go on")[0] for _ in range(5) for session in sessions]
    closed = hosting.runtime.invoke_endpoint(**request | {"Body": b"close"}, SessionId=sessions[0])["ClosedSessionId"]
    with pytest.raises(ClientError, match="no such session"):
        hosting.ask(name, SessionId=sessions[0])
    hosting.delete(name)

    assert said == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert closed == sessions[0]


def test_components_share_an_endpoint_and_no_request_is_lost_while_one_is_updated(hosting: Hosting) -> None:
    room = variant()
    del room["ModelName"]
    scaling = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 2}
    name = hosting.deploy(room | {"ManagedInstanceScaling": scaling}, ExecutionRoleArn=ROLE)
    one, two = (hosting.component(name, number) for number in (1, 2))
    said = hosting.ask(name, InferenceComponentName=one), hosting.ask(name, InferenceComponentName=two)
    with pytest.raises(ClientError, match="Inference Component Name header is required"):
        hosting.ask(name)
    with pytest.raises(ClientError, match="it hosts inference components"):
        hosting.sagemaker.delete_endpoint(EndpointName=name)
    with hosting.load(name, InferenceComponentName=one) as answers:
        hosting.sagemaker.update_inference_component(InferenceComponentName=one, Specification={"ModelName": "model-2"})
        shown = hosting.component_in_service(one)
        settled = len(answers)
        while len(answers) < settled + 10:
            time.sleep(0.05)
    hosting.sagemaker.update_inference_component_runtime_config(
        InferenceComponentName=two, DesiredRuntimeConfig={"CopyCount": 0}
    )
    hosting.component_in_service(two)
    with pytest.raises(ClientError, match="Inference Component has no capacity to process this request"):
        hosting.ask(name, InferenceComponentName=two)
    group = f"/aws/sagemaker/InferenceComponents/{one}"
    streams = hosting.logs.describe_log_streams(logGroupName=group)["logStreams"]
    listed = hosting.sagemaker.list_inference_components(EndpointNameEquals=name, SortBy="Name", SortOrder="Ascending")
    for component in (one, two):
        hosting.remove_component(component)
    hosting.delete(name)

    assert said == ((1, "AllTraffic"), (2, "AllTraffic"))
    assert set(answers) == {1, 2}
    assert answers[-1] == 2
    assert shown["Specification"]["Container"]["DeployedImage"]["SpecifiedImage"] == IMAGE
    assert shown["RuntimeConfig"] == {"DesiredCopyCount": 1, "CurrentCopyCount": 1}
    assert len(streams) == 2
    assert [component["InferenceComponentName"] for component in listed["InferenceComponents"]] == sorted([one, two])
