"""kill -9 of the server while endpoints are deployed, updated and deleted: each wish comes true once, and nothing else runs."""

import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.crash import endpoints
from tests.crash.cluster import Cluster
from tests.crash.endpoints import BUCKET

pytestmark = pytest.mark.slow
INSTANCES = {"one": 1, "two": 2, "three": 2, "": 0}  # by configuration; "" is none
ONE_BY_ONE = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 1}
BATCHES = {"DeploymentConfig": {"RollingUpdatePolicy": ONE_BY_ONE}}


def test_what_was_wished_before_a_kill_comes_true(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance, 1) as cluster:
        cluster.make_bucket(BUCKET)
        for name, instances in INSTANCES.items():
            if name:
                endpoints.model(cluster, name, instances)
        (server,) = cluster.servers
        moments: list[tuple[str, dict[str, Any], str, str]] = [
            ("create_endpoint", {"EndpointName": "e", "EndpointConfigName": "one"}, "InService", "one"),
            ("update_endpoint", {"EndpointName": "e", "EndpointConfigName": "two"}, "InService", "two"),
            ("update_endpoint", {"EndpointName": "e", "EndpointConfigName": "three", **BATCHES}, "InService", "three"),
            ("delete_endpoint", {"EndpointName": "e"}, "", ""),
        ]
        for operation, asked, status, config in moments:
            endpoints.wish(cluster, operation, **asked)
            for _ in range(2):
                time.sleep(chance.uniform(0, 0.6))
                cluster.kill(server)
                server.start()
            endpoints.until(cluster, status, config)
            if config:
                assert endpoints.said(cluster) == f"{config} 1"
            assert endpoints.left(data, INSTANCES[config]) == INSTANCES[config]

        assert cluster.said() == ""


def test_what_was_wished_of_a_component_before_a_kill_comes_true(data: Path, chance: random.Random) -> None:
    needs = {"ComputeResourceRequirements": {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 512}}
    room = {"VariantName": "A", "InstanceType": "ml.t2.medium", "InitialInstanceCount": 1}
    named = {"InferenceComponentName": "c"}
    first = {"Specification": {"ModelName": "one", **needs}, "RuntimeConfig": {"CopyCount": 1}}
    moments: list[tuple[str, dict[str, Any], int, str]] = [
        ("create_inference_component", {"EndpointName": "e", "VariantName": "A", **first}, 1, "one"),
        ("update_inference_component", {"Specification": {"ModelName": "two"}}, 1, "two"),
        ("update_inference_component_runtime_config", {"DesiredRuntimeConfig": {"CopyCount": 2}}, 2, "two"),
        ("update_inference_component_runtime_config", {"DesiredRuntimeConfig": {"CopyCount": 1}}, 1, "two"),
        ("delete_inference_component", {}, 0, ""),
    ]
    with Cluster(data, chance, 1) as cluster:
        cluster.make_bucket(BUCKET)
        for name in ("one", "two"):
            endpoints.model(cluster, name)
        place = {"EndpointConfigName": "room", "ProductionVariants": [room], "ExecutionRoleArn": endpoints.ROLE}
        endpoints.wish(cluster, "create_endpoint_config", **place)
        endpoints.wish(cluster, "create_endpoint", EndpointName="e", EndpointConfigName="room")
        endpoints.until(cluster, "InService", "room")
        (server,) = cluster.servers
        for operation, asked, copies, model in moments:
            endpoints.wish(cluster, operation, **named, **asked)
            for _ in range(2):
                time.sleep(chance.uniform(0, 0.6))
                cluster.kill(server)
                server.start()
            endpoints.component_settled(cluster, model)
            if model:
                assert endpoints.said(cluster, **named) == f"{model} 1"
            assert endpoints.left(data, copies) == copies

        assert cluster.said() == ""


def test_a_rolling_update_that_an_alarm_ends_goes_back_though_the_server_dies(
    data: Path, chance: random.Random
) -> None:
    ringing = {"AlarmName": "bad", "StateValue": "ALARM", "StateReason": "a drill"}
    guarded = {
        "RollingUpdatePolicy": ONE_BY_ONE | {"WaitIntervalInSeconds": 3600},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "bad"}]},
    }
    with Cluster(data, chance, 1) as cluster:
        cluster.make_bucket(BUCKET)
        for name in ("two", "three"):
            endpoints.model(cluster, name, INSTANCES[name])
        endpoints.watch(cluster)
        endpoints.wish(cluster, "create_endpoint", EndpointName="e", EndpointConfigName="two")
        endpoints.until(cluster, "InService", "two")
        endpoints.wish(
            cluster, "update_endpoint", EndpointName="e", EndpointConfigName="three", DeploymentConfig=guarded
        )
        end = time.monotonic() + 60
        while endpoints.said(cluster) != "three 1":
            assert time.monotonic() < end, "the first batch never answered"
        cluster.ask("cloudwatch", lambda cloudwatch: cloudwatch.set_alarm_state(**ringing))
        cluster.kill_at_random(2, 0, 0.6)
        endpoints.until(cluster, "InService", "two")
        shown = cluster.ask("sagemaker", lambda sagemaker: sagemaker.describe_endpoint(EndpointName="e"))

        assert "[bad]" in shown["FailureReason"]
        assert endpoints.left(data, INSTANCES["two"]) == INSTANCES["two"]
        assert {endpoints.said(cluster) for _ in range(10)} == {"two 1"}

        assert cluster.said() == ""
