"""kill -9 of the server at any moment: what was acknowledged is there, and every job runs exactly once and ends."""

import random
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from salvia.control.loop import LEASE
from tests.crash import jobs
from tests.crash.cluster import Cluster, Until, working
from tests.crash.jobs import BUCKET
from tests.postgres import emptied, running
from tests.servers import Server

pytestmark = pytest.mark.slow

JOBS = 20
KILLS = 30


class Objects:
    """Puts, overwrites and deletes objects, and knows what each key may hold: None stands for nothing."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.chance = cluster, cluster.draws()
        self.possible: dict[str, list[bytes | None]] = {}
        self.acknowledged = 0

    def work(self, until: Until) -> None:
        while until:
            key = f"object-{self.chance.randrange(200)}"
            size = self.chance.choice([10, 5_000, 100_000])
            data = None if self.chance.random() < 0.1 else self.chance.randbytes(size)
            self.possible.setdefault(key, [None]).append(data)
            s3 = self.cluster.client("s3")
            try:
                if data is None:
                    s3.delete_object(Bucket=BUCKET, Key=key)
                else:
                    s3.put_object(Bucket=BUCKET, Key=key, Body=data)
            except BotoCoreError:
                time.sleep(0.02)
                continue
            self.possible[key] = [data]
            self.acknowledged += 1

    def wrong(self) -> list[str]:
        """Keys that hold something else than what they may."""
        return [key for key, possible in self.possible.items() if self.read(key) not in possible]

    def read(self, key: str) -> bytes | None:
        try:
            return bytes(self.cluster.ask("s3", lambda s3: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()))
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchKey"
            return None


def create_jobs(cluster: Cluster, count: int) -> list[str]:
    """Jobs of different lengths, made one after the other while servers come and go."""
    chance = cluster.draws()
    names = []
    for number in range(count):
        seconds = chance.choice([0, 0.1, 0.3, 1.0])
        script = f"echo started; sleep {seconds}; echo $TRAINING_JOB_NAME > /opt/ml/model/name; echo ended"
        names.append(jobs.create(cluster, jobs.request(f"crash-{number}", script)))
        time.sleep(chance.uniform(0, 0.3))
    return names


def check_kills(cluster: Cluster, kills: int, count: int) -> None:
    """All of it: kill at random while jobs are made and run and objects change, then look at everything."""
    objects = Objects(cluster)
    names: list[str] = []
    began = time.monotonic()
    with cluster:
        cluster.make_bucket(BUCKET)
        with working(objects.work, lambda _: names.extend(create_jobs(cluster, count))) as until:
            cluster.kill_at_random(kills)
            killed = time.monotonic()
            while len(names) < count and until:
                time.sleep(0.05)
            found = {name: jobs.ended(cluster, name) for name in names}
        settled = time.monotonic()

        assert {name: job["TrainingJobStatus"] for name, job in found.items()} == {
            f"crash-{number}": "Completed" for number in range(count)
        }
        assert {name: jobs.steps(job) for name, job in found.items()} == dict.fromkeys(names, jobs.ALL_STEPS)
        assert {name: jobs.lines(cluster, name) for name in names} == dict.fromkeys(names, ["started", "ended"])
        assert {name: jobs.model(cluster, name) for name in names} == {
            name: {"name": f"{name}\n".encode()} for name in names
        }
        assert objects.wrong() == []
        assert objects.acknowledged > kills
        assert cluster.said() == ""
        print(  # noqa: T201 - shown with -rP
            f"{cluster.kills} kills in {killed - began:.1f} s, {count} jobs ended {settled - killed:.1f} s later, "
            f"{objects.acknowledged} acknowledged writes to {len(objects.possible)} objects, "
            f"{time.monotonic() - began:.1f} s in all"
        )


@pytest.mark.parametrize("count", [1, 2], ids=["one_server", "two_servers"])
def test_nothing_acknowledged_is_lost_and_no_job_runs_twice(data: Path, chance: random.Random, count: int) -> None:
    check_kills(Cluster(data, chance, count), KILLS, JOBS)


def test_two_servers_on_postgresql_lose_nothing_either(data: Path, chance: random.Random) -> None:
    with running() as url:
        check_kills(Cluster(data, chance, 2, SALVIA_DATABASE=emptied(url)), KILLS // 3, JOBS // 2)


def test_jobs_of_a_server_that_never_comes_back_are_taken_over(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance, 2) as cluster:
        cluster.make_bucket(BUCKET)
        names = [jobs.create(cluster, jobs.request(f"crash-{number}", "echo started; sleep 1")) for number in range(4)]
        jobs.until_in(cluster, names[0], "Training")
        gone = cluster.servers.pop(chance.randrange(2))
        cluster.kill(gone)
        began = time.monotonic()
        found = {name: jobs.ended(cluster, name)["TrainingJobStatus"] for name in names}
        took = time.monotonic() - began

        assert found == dict.fromkeys(names, "Completed")
        assert {name: jobs.lines(cluster, name) for name in names} == dict.fromkeys(names, ["started"])
        assert took < LEASE + 15


def test_a_server_that_sleeps_longer_than_its_leases_does_no_job_twice(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance, 2) as cluster:
        cluster.make_bucket(BUCKET)
        sleeper, awake = cluster.servers
        names = [
            jobs.create(cluster, jobs.request(f"crash-{number}", "echo started; sleep 0.3")) for number in range(8)
        ]
        time.sleep(chance.uniform(0, 3))
        put_to_sleep(sleeper)
        cluster.servers = [awake]
        time.sleep(LEASE + 2)
        wake(sleeper)
        cluster.servers = [sleeper, awake]
        found = {name: jobs.ended(cluster, name) for name in names}

        assert {name: job["TrainingJobStatus"] for name, job in found.items()} == dict.fromkeys(names, "Completed")
        assert {name: jobs.lines(cluster, name) for name in names} == dict.fromkeys(names, ["started"])


def put_to_sleep(server: Server) -> None:
    """At any moment, but that in which it holds a database: who sleeps then keeps everybody else waiting."""
    assert server.process
    while True:
        server.process.send_signal(signal.SIGSTOP)
        if not any(is_locked(path) for path in server.data.rglob("*.sqlite")):
            return
        wake(server)


def wake(server: Server) -> None:
    assert server.process
    server.process.send_signal(signal.SIGCONT)


def is_locked(database: Path) -> bool:
    with closing(sqlite3.connect(database, timeout=0.1, isolation_level=None)) as connection:
        try:
            connection.execute("begin immediate")
        except sqlite3.OperationalError:
            return True
    return False
