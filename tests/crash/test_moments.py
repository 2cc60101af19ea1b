"""kill -9 at the moments of a job's life that are hardest: what was asked happens, what the job left arrives whole."""

import hashlib
import io
import random
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.crash import jobs
from tests.crash.cluster import Cluster
from tests.crash.jobs import BUCKET

pytestmark = pytest.mark.slow

AT_ONCE = 6.0  # seconds; well below the lease of a server that does not come back


@pytest.fixture
def cluster(data: Path, chance: random.Random) -> Any:
    with Cluster(data, chance) as cluster:
        cluster.make_bucket(BUCKET)
        yield cluster
        assert cluster.said() == ""


def stop_and_kill(cluster: Cluster, name: str) -> None:
    cluster.ask("sagemaker", lambda sagemaker: sagemaker.stop_training_job(TrainingJobName=name))
    cluster.kill()


def test_a_stop_acknowledged_before_the_kill_is_honoured(cluster: Cluster) -> None:
    script = "trap 'echo asked > /opt/ml/model/saved; exit 0' TERM; echo started; sleep 100 & wait"
    name = jobs.create(cluster, jobs.request("stopped", script))
    jobs.until_in(cluster, name, "Training")
    time.sleep(0.3)  # until the trap is set
    stop_and_kill(cluster, name)
    cluster.restart()
    job = jobs.ended(cluster, name, AT_ONCE)

    assert job["TrainingJobStatus"] == "Stopped"
    assert jobs.model(cluster, name) == {"saved": b"asked\n"}


def test_a_queued_job_that_was_stopped_before_the_kill_never_runs(cluster: Cluster) -> None:
    first = jobs.create(cluster, jobs.request("first", "sleep 3; echo ended"))
    second = jobs.create(cluster, jobs.request("second", "echo started"))
    stop_and_kill(cluster, second)
    cluster.restart()
    job = jobs.ended(cluster, second, AT_ONCE)

    assert job["TrainingJobStatus"] == "Stopped"
    assert jobs.ended(cluster, first)["TrainingJobStatus"] == "Completed"
    streams = cluster.client("logs").describe_log_streams(logGroupName=jobs.GROUP, logStreamNamePrefix="second/")
    assert streams["logStreams"] == []


def test_a_job_that_ends_while_no_server_is_up_is_picked_up(cluster: Cluster) -> None:
    name = jobs.create(cluster, jobs.request("alone", "echo started; sleep 1; echo saved > /opt/ml/model/saved"))
    jobs.until_in(cluster, name, "Training")
    cluster.kill()
    time.sleep(4)
    cluster.restart()
    job = jobs.ended(cluster, name, AT_ONCE)

    assert job["TrainingJobStatus"] == "Completed"
    assert job["TrainingTimeInSeconds"] in {1, 2}
    assert jobs.lines(cluster, name) == ["started"]
    assert jobs.model(cluster, name) == {"saved": b"saved\n"}


def test_a_job_that_is_late_while_no_server_is_up_is_stopped_at_the_next_start(cluster: Cluster) -> None:
    asked = jobs.request("late", "sleep 100", StoppingCondition={"MaxRuntimeInSeconds": 2})
    name = jobs.create(cluster, asked)
    jobs.until_in(cluster, name, "Training")
    cluster.kill()
    time.sleep(3)
    cluster.restart()
    job = jobs.ended(cluster, name, AT_ONCE)

    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_every_checkpoint_arrives_though_the_server_dies_while_they_are_written(cluster: Cluster) -> None:
    script = (
        "for i in $(seq 60); do head -c 100000 /dev/urandom > part; sha256sum < part; mv part /opt/ml/checkpoints/$i; "
        "sleep 0.05; done"
    )
    config = {"S3Uri": f"s3://{BUCKET}/checkpoints", "LocalPath": "/opt/ml/checkpoints"}
    name = jobs.create(cluster, jobs.request("checkpoints", f"cd /tmp; {script}", CheckpointConfig=config))
    jobs.until_in(cluster, name, "Training")
    cluster.kill_at_random(4)
    job = jobs.ended(cluster, name)

    assert job["TrainingJobStatus"] == "Completed"
    found = jobs.below(cluster, "checkpoints/")
    printed = [line.split()[0] for line in jobs.lines(cluster, name)]
    assert [hashlib.sha256(found[str(number)]).hexdigest() for number in range(1, 61)] == printed


def test_a_spot_job_interrupted_while_servers_die_goes_on_where_it_was(data: Path, chance: random.Random) -> None:
    script = (
        "cd /opt/ml/checkpoints; n=$(cat step || echo 0); echo begins at $n; echo begun >> begun; "
        "while [ $n -lt 20 ] || [ $(wc -l < begun) -lt 3 ]; do n=$((n + 1)); echo $n > ../step; mv ../step step; sleep 0.1; done; "
        "echo saved > ../model/saved"
    )
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 120, "MaxWaitTimeInSeconds": 240},
        "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/spot"},
    }
    interrupting = Cluster(data, chance, SALVIA_SPOT_INTERRUPTION_SECONDS="1.5", SALVIA_SPOT_INTERRUPTIONS="2")
    with interrupting as cluster:
        cluster.make_bucket(BUCKET)
        name = jobs.create(cluster, jobs.request("spot", script, **spot))
        jobs.until_in(cluster, name, "Training")
        cluster.kill_at_random(4)
        job = jobs.ended(cluster, name)
        begins = [int(line.split()[-1]) for line in jobs.lines(cluster, name) if line.startswith("begins")]

        again = ["Interrupted", "Starting", "Downloading", "Training"]
        assert jobs.steps(job) == [*jobs.ALL_STEPS[:3], *again, *again, *jobs.ALL_STEPS[3:]]
        assert begins[0] == 0 < begins[1] < begins[2]
        assert jobs.model(cluster, name) == {"saved": b"saved\n"}
        assert cluster.said() == ""


@pytest.mark.parametrize("compression", ["GZIP", "NONE"])
def test_a_model_arrives_whole_though_every_upload_of_it_is_interrupted(cluster: Cluster, compression: str) -> None:
    script = (
        "cd /opt/ml/model; for i in $(seq 300); do head -c 100000 /dev/urandom > $i; done; "
        "for i in $(seq 300); do sha256sum < $i; done"
    )
    output = {"S3OutputPath": f"s3://{BUCKET}/out", "CompressionType": compression}
    name = jobs.create(cluster, jobs.request("model", script, OutputDataConfig=output))
    interrupted = 0
    while interrupted < 4 and jobs.until_in(cluster, name, "Uploading", "Completed")["SecondaryStatus"] == "Uploading":
        time.sleep(cluster.chance.uniform(0, 0.4))
        cluster.kill()
        cluster.restart()
        interrupted += 1
    job = jobs.ended(cluster, name)
    print(f"{interrupted} uploads interrupted")  # noqa: T201 - shown with -rP

    assert job["TrainingJobStatus"] == "Completed"
    assert jobs.steps(job) == jobs.ALL_STEPS
    left = jobs.below(cluster, f"out/{name}/output/model")
    files = unpacked(left[".tar.gz"]) if compression == "GZIP" else {key[1:]: data for key, data in left.items()}
    printed = [line.split()[0] for line in jobs.lines(cluster, name)]
    assert [hashlib.sha256(files[str(number)]).hexdigest() for number in range(1, 301)] == printed


def unpacked(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]
