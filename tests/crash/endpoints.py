"""Models that say their names, the endpoint that serves them, and its runs, as the tests that kill them need them."""

import io
import json
import tarfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.crash.cluster import Cluster

IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
ROLE = "arn:aws:iam::000000000000:role/SalviaExecutionRole"
BUCKET = "crash"
_NAME = "InferenceComponentName"
SCRIPT = """
def model_fn(folder):
    return open(folder + "/name").read()

def transform_fn(model, data, content_type, accept):
    return f"{model} {data if isinstance(data, str) else data.decode()}", "text/plain"
"""


def model(cluster: Cluster, name: str, instances: int = 1) -> None:
    """A model that answers with its own name and what it was asked, and a configuration of it under the same name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, text in (("name", name), ("code/inference.py", SCRIPT)):
            member = tarfile.TarInfo(path)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    cluster.ask("s3", lambda s3: s3.put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=buffer.getvalue()))
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"},
    }
    variant = {"VariantName": "A", "ModelName": name, "InstanceType": "ml.t2.medium", "InitialInstanceCount": instances}
    wish(cluster, "create_model", ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    wish(cluster, "create_endpoint_config", EndpointConfigName=name, ProductionVariants=[variant])


def wish(cluster: Cluster, operation: str, **asked: Any) -> None:
    """Acknowledged, be it by the refusal to do it twice: only the first answer was lost."""
    try:
        cluster.ask("sagemaker", lambda sagemaker: getattr(sagemaker, operation)(**asked))
    except ClientError as error:
        words = str(error)
        assert "already existing" in words or "in-progress" in words or "Could not find" in words


def until(cluster: Cluster, status: str, config: str = "", seconds: float = 60) -> None:
    """The endpoint is in `status` and serves `config`; "" stands for one that is gone."""
    end, shown = time.monotonic() + seconds, {}
    while time.monotonic() < end:
        try:
            shown = cluster.ask("sagemaker", lambda sagemaker: sagemaker.describe_endpoint(EndpointName="e"))
        except ClientError:
            shown = {"EndpointStatus": ""}
        if shown["EndpointStatus"] == status and config in {"", shown.get("EndpointConfigName")}:
            return
        assert shown["EndpointStatus"] != "Failed", shown
        time.sleep(0.05)
    raise AssertionError(f"never {status}: {shown}")


def component_settled(cluster: Cluster, model: str, seconds: float = 60) -> None:
    """The component c is in service with a model; "" stands for one that is gone."""
    end, shown = time.monotonic() + seconds, {}
    while time.monotonic() < end:
        try:
            shown = cluster.ask("sagemaker", lambda sagemaker: sagemaker.describe_inference_component(**{_NAME: "c"}))
        except ClientError:
            shown = {"InferenceComponentStatus": "", "Specification": {"ModelName": ""}}
        if shown["InferenceComponentStatus"] in {"", "InService"} and shown["Specification"]["ModelName"] == model:
            return
        assert shown["InferenceComponentStatus"] != "Failed", shown
        time.sleep(0.05)
    raise AssertionError(f"never settled: {shown}")


def said(cluster: Cluster, **more: Any) -> str:
    """By the endpoint, to "1"."""
    asked = {"EndpointName": "e", "Body": b"1", "ContentType": "text/csv", **more}
    return str(
        cluster.ask("sagemaker-runtime", lambda runtime: runtime.invoke_endpoint(**asked)["Body"].read().decode())
    )


def living(data: Path) -> list[Path]:
    """The claims of endpoints' and components' runs that have not ended, the oldest first."""
    found = []
    for claim in [*(data / "runs").glob("*-endpoint-*/claim"), *(data / "runs").glob("*-component-*/claim")]:
        with suppress(FileNotFoundError, ValueError):  # it is gone, or being written
            if json.loads(claim.read_text()) and not (claim.parent / "exit").exists():
                found.append((claim.stat().st_mtime, claim))
    return [claim for _, claim in sorted(found)]


def left(data: Path, count: int, seconds: float = 30) -> int:
    """How many runs live: `count` as soon as they do, else what there is after `seconds`."""
    end = time.monotonic() + seconds
    while len(living(data)) != count and time.monotonic() < end:
        time.sleep(0.1)
    return len(living(data))


def watch(cluster: Cluster) -> None:
    """The alarm "bad", for updates that it guards."""
    alarm = {
        "AlarmName": "bad",
        "Namespace": "n",
        "MetricName": "m",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    cluster.ask("cloudwatch", lambda cloudwatch: cloudwatch.put_metric_alarm(**alarm))
