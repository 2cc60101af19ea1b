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
