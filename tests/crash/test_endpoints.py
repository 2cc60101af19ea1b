"""kill -9 of the server while endpoints are deployed, updated and deleted: each wish comes true once, and nothing else runs."""

import io
import json
import random
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.crash.cluster import Cluster

pytestmark = pytest.mark.slow

IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
ROLE = "arn:aws:iam::000000000000:role/SalviaExecutionRole"
BUCKET = "crash"
SCRIPT = "def model_fn(folder):\n    return open(folder + '/name').read()\n"
SCRIPT += "def transform_fn(model, data, content_type, accept):\n    return model, 'text/plain'\n"


def model(cluster: Cluster, name: str) -> None:
    """A model that answers with its own name, and a configuration of it under the same name."""
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
    variant = {"VariantName": "A", "ModelName": name, "InstanceType": "ml.t2.medium", "InitialInstanceCount": 1}
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


def said(cluster: Cluster) -> str:
    asked = {"EndpointName": "e", "Body": b"1", "ContentType": "text/csv"}
    return str(
        cluster.ask("sagemaker-runtime", lambda runtime: runtime.invoke_endpoint(**asked)["Body"].read().decode())
    )


def living(data: Path) -> list[str]:
    """Runs of endpoints that have not ended."""
    claims = (data / "runs").glob("*-endpoint-*/claim")
    return [
        claim.parent.name for claim in claims if not (claim.parent / "exit").exists() and json.loads(claim.read_text())
    ]


def test_what_was_wished_before_a_kill_comes_true(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance, 1) as cluster:
        cluster.make_bucket(BUCKET)
        for name in ("one", "two"):
            model(cluster, name)
        (server,) = cluster.servers
        moments = [
            ("create_endpoint", {"EndpointName": "e", "EndpointConfigName": "one"}, "InService", "one"),
            ("update_endpoint", {"EndpointName": "e", "EndpointConfigName": "two"}, "InService", "two"),
            ("delete_endpoint", {"EndpointName": "e"}, "", ""),
        ]
        for operation, asked, status, config in moments:
            wish(cluster, operation, **asked)
            for _ in range(2):
                time.sleep(chance.uniform(0, 0.6))
                cluster.kill(server)
                server.start()
            until(cluster, status, config)
            if config:
                assert said(cluster) == config
        until_none = time.monotonic() + 10
        while living(data) and time.monotonic() < until_none:
            time.sleep(0.1)

        assert living(data) == []
        assert cluster.said() == ""
