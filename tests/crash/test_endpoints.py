"""kill -9 of the server while endpoints are deployed, updated and deleted: each wish comes true once, and nothing else runs."""

import random
import time
from pathlib import Path

import pytest

from tests.crash import endpoints
from tests.crash.cluster import Cluster
from tests.crash.endpoints import BUCKET

pytestmark = pytest.mark.slow


def test_what_was_wished_before_a_kill_comes_true(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance, 1) as cluster:
        cluster.make_bucket(BUCKET)
        for name in ("one", "two"):
            endpoints.model(cluster, name)
        (server,) = cluster.servers
        moments = [
            ("create_endpoint", {"EndpointName": "e", "EndpointConfigName": "one"}, "InService", "one"),
            ("update_endpoint", {"EndpointName": "e", "EndpointConfigName": "two"}, "InService", "two"),
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
        until_none = time.monotonic() + 10
        while endpoints.living(data) and time.monotonic() < until_none:
            time.sleep(0.1)

        assert endpoints.living(data) == []
        assert cluster.said() == ""
