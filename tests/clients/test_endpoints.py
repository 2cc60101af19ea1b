"""The unmodified boto3: a model from training to invocation, update, A/B, streams, queues and captures, to the end."""

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

pytestmark = pytest.mark.slow

IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
ROLE = "arn:aws:iam::000000000000:role/SalviaExecutionRole"
BUCKET = "endpoint-tests"
ROW = b"1.0,2.0"


class Hosting:
    """Models that always say the same number, and what is deployed of them."""

    def __init__(self, told: Mapping[str, str]) -> None:
        session = boto3.Session(
            aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=told.get("AWS_SESSION_TOKEN"),
            region_name="us-west-2",
        )
        config = Config(retries={"max_attempts": 0})

        def client(name: str) -> Any:
            return session.client(name, endpoint_url=told["AWS_ENDPOINT_URL"], config=config)  # type: ignore[call-overload]

        self.sagemaker, self.runtime, self.s3 = client("sagemaker"), client("sagemaker-runtime"), client("s3")
        self.logs, self.cloudwatch = client("logs"), client("cloudwatch")
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        for number in (1, 2):
            self.train(number)

    def train(self, number: int) -> None:
        """A model that was told `number`, whatever it was shown. It is called model-`number`."""
        rows = "\n".join(f"{number},{i % 5},{i % 3}" for i in range(50))
        self.s3.put_object(Bucket=BUCKET, Key=f"train-{number}/rows.csv", Body=rows)
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/train-{number}/"}
        self.sagemaker.create_training_job(
            TrainingJobName=f"endpoint-{number}",
            RoleArn=ROLE,
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            HyperParameters={"num_round": "60", "eta": "0.5", "objective": "reg:squarederror"},
            InputDataConfig=[
                {"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}
            ],
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        self.sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=f"endpoint-{number}")
        job = self.sagemaker.describe_training_job(TrainingJobName=f"endpoint-{number}")
        self.model(f"model-{number}", job["ModelArtifacts"]["S3ModelArtifacts"])

    def model(self, name: str, data: str) -> None:
        container = {"Image": IMAGE, "ModelDataUrl": data}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)

    def config(self, *variants: dict[str, Any], **more: Any) -> str:
        name = f"config-{uuid.uuid4().hex[:8]}"
        chosen = list(variants) or [variant()]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=chosen, **more)
        return name

    def deploy(self, *variants: dict[str, Any], **more: Any) -> str:
        name = f"endpoint-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=self.config(*variants, **more))
        self.in_service(name)
        return name

    def in_service(self, name: str) -> dict[str, Any]:
        self.sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)
        shown: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return shown

    def ask(self, name: str, **more: Any) -> tuple[int, str]:
        """The number, rounded, and the variant that said it."""
        request = {"EndpointName": name, "ContentType": "text/csv", "Body": ROW} | more
        reply = self.runtime.invoke_endpoint(**request)
        return round(float(reply["Body"].read().split(b"\n")[0])), reply["InvokedProductionVariant"]

    def delete(self, name: str) -> None:
        self.sagemaker.delete_endpoint(EndpointName=name)
        self.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name)


def variant(name: str = "AllTraffic", model: str = "model-1", **changes: Any) -> dict[str, Any]:
    return {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": "ml.t2.medium",
        "InitialInstanceCount": 1,
    } | changes


@pytest.fixture(scope="module")
def hosting(environment: Mapping[str, str]) -> Hosting:
    return Hosting(environment)


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


def test_no_request_is_lost_while_an_endpoint_is_updated(hosting: Hosting) -> None:
    name = hosting.deploy()
    said: list[Any] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                said.append(hosting.ask(name)[0])
            except ClientError as error:
                said.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    hosting.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=hosting.config(variant("AllTraffic", "model-2"))
    )
    hosting.in_service(name)
    time.sleep(1.5)
    done.set()
    for thread in threads:
        thread.join()
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
