"""An unmodified boto3 that trains two models, deploys them and asks them: what the tests of endpoints share."""

import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

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
        self.scaling, self.sns = client("application-autoscaling"), client("sns")
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

    def component(self, endpoint: str, number: int) -> str:
        """An inference component of model-`number`, in service."""
        name = f"component-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_inference_component(
            InferenceComponentName=name,
            EndpointName=endpoint,
            VariantName="AllTraffic",
            Specification={
                "ModelName": f"model-{number}",
                "ComputeResourceRequirements": {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 512},
            },
            RuntimeConfig={"CopyCount": 1},
        )
        self.component_in_service(name)
        return name

    def component_in_service(self, name: str) -> dict[str, Any]:
        until = time.monotonic() + 120
        while True:
            shown: dict[str, Any] = self.sagemaker.describe_inference_component(InferenceComponentName=name)
            if shown["InferenceComponentStatus"] in {"InService", "Failed"} or time.monotonic() > until:
                assert shown["InferenceComponentStatus"] == "InService", shown.get("FailureReason")
                return shown
            time.sleep(0.1)

    def remove_component(self, name: str) -> None:
        self.sagemaker.delete_inference_component(InferenceComponentName=name)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                self.sagemaker.describe_inference_component(InferenceComponentName=name)
            except ClientError as error:
                assert "Could not find inference component" in str(error)
                return
            time.sleep(0.1)
        raise AssertionError(f"{name} was not deleted")

    @contextmanager
    def load(self, name: str, **more: Any) -> Iterator[list[Any]]:
        """Two clients that ask without a pause, and what they are told: the number, or the words of a refusal."""
        said: list[Any] = []
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                try:
                    said.append(self.ask(name, **more)[0])
                except ClientError as error:
                    said.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield said
        finally:
            done.set()
            for thread in threads:
                thread.join()

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
