"""The model of the benchmark, and endpoints that serve it: made and followed from the outside."""

import io
import tarfile
import time
from pathlib import Path

import numpy as np
import xgboost as xgb
from benchmarks.measured.jobs import BUCKET, IMAGE, REGION, ROLE
from benchmarks.measured.requests import exchange
from benchmarks.measured.servers import Salvia
from benchmarks.measured.training import ask, put

FEATURES, TREES, DEPTH = 10, 100, 5
LOOK_SECONDS = 0.005
LONGEST = 600.0  # the first endpoint may have to wait until its environment is built


def train(folder: Path) -> bytes:
    """Writes `folder`/xgboost-model and returns one row of csv."""
    random = np.random.default_rng(1)
    rows = random.random((5000, FEATURES), np.float32)
    label = rows @ random.random(FEATURES, np.float32) + random.normal(0, 0.1, len(rows))
    booster = xgb.train({"max_depth": DEPTH, "nthread": 1}, xgb.DMatrix(rows, label), TREES)
    (folder / "xgboost-model").write_bytes(booster.save_raw("ubj"))
    return csv(rows[:1])


def csv(rows: np.ndarray) -> bytes:
    return "\n".join(",".join(f"{value:.6f}" for value in row) for row in rows.tolist()).encode()


def many_rows(count: int) -> bytes:
    return csv(np.random.default_rng(2).random((count, FEATURES), np.float32))


def upload(server: Salvia, folder: Path) -> None:
    """The model as an object, and the Model that names it."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(folder / "xgboost-model", "xgboost-model")
    sign = server.signer()
    where = f"<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
    put(server, sign.s3("PUT", f"/{BUCKET}", where.encode()))
    put(server, sign.s3("PUT", f"/{BUCKET}/model.tar.gz", archive.getvalue()))
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}
    ask(
        server,
        "SageMaker.CreateModel",
        {"ModelName": "model", "PrimaryContainer": container, "ExecutionRoleArn": ROLE},
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "model",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    ask(
        server,
        "SageMaker.CreateEndpointConfig",
        {"EndpointConfigName": "config", "ProductionVariants": [variant]},
    )


def deploy(server: Salvia, name: str) -> float:
    """Seconds from CreateEndpoint until Describe says InService. Raises RuntimeError when it fails."""
    began = time.perf_counter()
    ask(server, "SageMaker.CreateEndpoint", {"EndpointName": name, "EndpointConfigName": "config"})
    while time.perf_counter() - began < LONGEST:
        described = ask(server, "SageMaker.DescribeEndpoint", {"EndpointName": name})
        if described["EndpointStatus"] == "InService":
            return time.perf_counter() - began
        if described["EndpointStatus"] != "Creating":
            break
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"{name}: {described['EndpointStatus']}: {described.get('FailureReason')}")


def answer(server: Salvia, name: str, body: bytes) -> bytes:
    status, said = exchange(server.port, server.signer().invoke(name, body, "text/csv"))
    if status != 200:
        raise RuntimeError(f"InvokeEndpoint: {status} {said.decode(errors='replace')}")
    return said
