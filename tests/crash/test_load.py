"""Two hundred clients of an endpoint whose containers are killed and that is updated: nobody is told anything wrong."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash import endpoints
from tests.crash.cluster import Cluster
from tests.crash.crowd import Crowd, Told
from tests.crash.endpoints import BUCKET

pytestmark = pytest.mark.slow

CLIENTS, KILLS, INSTANCES = 200, 10, 2
MODELS = ("one", "two", "one")  # what is deployed, and then updated to
QUIET = float(os.environ.get("SALVIA_TEST_LOAD_SECONDS", "0")) / (KILLS + 2)  # after each fault
FOREVER = float("inf")


class Faults:
    """What is done to the endpoint, and when."""

    def __init__(self, cluster: Cluster, crowd: Crowd) -> None:
        self.cluster, self.crowd = cluster, crowd
        self.kills: list[tuple[float, float]] = []  # each from the signal until everybody is answered again
        self.updates: list[tuple[float, float]] = []  # each from the request until it is in service

    def kill(self, count: int = 1) -> None:
        """The instances that have lived longest: of each its init, its server, or a worker of that."""
        began = time.monotonic()
        for claim in endpoints.living(self.cluster.data)[:count]:
            depth = self.cluster.chance.randrange(1, 4)
            pid = int(json.loads(claim.read_text())["pid"])
            for _ in range(depth):
                pid = first_child(pid)
            os.kill(pid, signal.SIGKILL)
            if depth < 3:
                until(lambda: claim not in endpoints.living(self.cluster.data))
        self.until_well()
        self.kills.append((began, time.monotonic()))
        time.sleep(QUIET)

    def update(self) -> None:
        began, config = time.monotonic(), MODELS[len(self.updates) + 1]
        endpoints.wish(self.cluster, "update_endpoint", EndpointName="e", EndpointConfigName=config)
        endpoints.until(self.cluster, "InService", config)
        self.updates.append((began, time.monotonic()))
        self.until_well()
        time.sleep(QUIET)

    def until_well(self) -> None:
        until(lambda: len(endpoints.living(self.cluster.data)) == INSTANCES)
        self.crowd.until_answered()

    def excuse(self, each: Told) -> bool:
        """Whether it was on its way while a container was dead."""
        return any(each.sent < end and each.came > began for began, end in self.kills)

    def answers(self, each: Told) -> set[bytes]:
        """What the models may say that served at some time between question and answer."""
        begins = [0.0, *(began for began, _ in self.updates)]
        ends = [*(end for _, end in self.updates), FOREVER]
        periods = zip(MODELS, begins, ends, strict=False)
        return {
            f"{model} {each.text}".encode() for model, began, end in periods if each.sent < end and each.came > began
        }


def test_nobody_is_told_anything_wrong_and_only_who_was_with_a_dead_container_has_to_ask_again(
    data: Path, chance: random.Random
) -> None:
    with Cluster(data, chance) as cluster:
        cluster.make_bucket(BUCKET)
        for name in set(MODELS):
            endpoints.model(cluster, name, INSTANCES)
        endpoints.wish(cluster, "create_endpoint", EndpointName="e", EndpointConfigName=MODELS[0])
        endpoints.until(cluster, "InService")
        (server,) = cluster.servers
        with Crowd(server.port, server.variables(), "e", CLIENTS) as crowd:
            crowd.until_answered()
            faults = Faults(cluster, crowd)
            for number in range(1, KILLS + 1):
                faults.kill(INSTANCES if number == KILLS else 1)
                if number in {KILLS // 2, KILLS - 1}:
                    faults.update()
        failed = [each for each in crowd.told if each.status != 200]
        print(figures(crowd.told, failed))  # noqa: T201 - pytest shows it with -rP

        assert [each for each in crowd.told if each.status == 200 and each.body not in faults.answers(each)] == []
        assert {(each.status, each.code) for each in failed} <= {(503, "ServiceUnavailable")}
        assert [each for each in failed if not faults.excuse(each)] == []
        assert len(failed) <= CLIENTS * (KILLS + 1)
        assert cluster.said() == ""


def figures(told: list[Told], failed: list[Told]) -> str:
    took = sorted(each.came - each.sent for each in told)
    seconds = told[-1].came - told[0].sent
    longest = ", ".join(f"p{part} {took[len(took) * part // 100]:.2f} s" for part in (50, 99))
    why = dict(Counter(each.code for each in failed))
    return f"{len(told)} requests in {seconds:.0f} s, {len(failed)} to be asked again {why}; {longest}, longest {took[-1]:.2f} s"


def first_child(pid: int) -> int:
    """The process itself while it has none yet."""
    return int((Path(f"/proc/{pid}/task/{pid}/children").read_text().split() or [str(pid)])[0])


def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
