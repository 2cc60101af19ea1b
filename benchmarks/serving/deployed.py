"""The model of the benchmark, and endpoints that serve it: made and followed from the outside."""

import io
import tarfile
import time
from pathlib import Path

import numpy as np
import xgboost as xgb
from benchmarks.measured.jobs import BUCKET, IMAGE, REGION, ROLE
from benchmarks.measured.processes import tree
from benchmarks.measured.requests import exchange
from benchmarks.measured.servers import Salvia
from benchmarks.measured.training import ask, put

FEATURES, TREES, DEPTH = 10, 100, 5
LOOK_SECONDS = 0.005
IDLE_SECONDS = 1.0  # until a serverless endpoint sleeps
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
    """The model as an object, the Model that names it, and the configurations "config" and "serverless"."""
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
    for name, capacity in (
        ("config", {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}),
        ("serverless", {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}),
    ):
        variant = {"VariantName": "AllTraffic", "ModelName": "model"} | capacity
        ask(
            server,
            "SageMaker.CreateEndpointConfig",
            {"EndpointConfigName": name, "ProductionVariants": [variant]},
        )


def deploy(server: Salvia, name: str, config: str = "config") -> float:
    """Seconds from CreateEndpoint until Describe says InService. Raises RuntimeError when it fails."""
    began = time.perf_counter()
    ask(server, "SageMaker.CreateEndpoint", {"EndpointName": name, "EndpointConfigName": config})
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


def wakes(server: Salvia, body: bytes, times: int) -> list[float]:
    """Seconds that a request to a serverless endpoint takes longer when the endpoint sleeps, of so many. Raises RuntimeError."""
    without = len(tree(server.pid))
    deploy(server, "serverless", "serverless")
    found = []
    for _ in range(times):
        _seconds(server, body)  # the first on a new connection to the container
        awake = _seconds(server, body)
        until = time.monotonic() + LONGEST / 10
        while len(tree(server.pid)) > without:
            if time.monotonic() > until:
                raise RuntimeError(f"serverless: it does not fall asleep after {IDLE_SECONDS:g} s")
            time.sleep(LOOK_SECONDS)
        time.sleep(IDLE_SECONDS / 2)  # what has ended is tidied up
        found.append(_seconds(server, body) - awake)
    return found


def _seconds(server: Salvia, body: bytes) -> float:
    began = time.perf_counter()
    answer(server, "serverless", body)
    return time.perf_counter() - began
