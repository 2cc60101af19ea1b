"""kill -9 of the server while a job reads a pipe: the job reads on, and what it read is whole."""

import random
from pathlib import Path

import pytest

from tests.crash import jobs
from tests.crash.cluster import Cluster

pytestmark = pytest.mark.slow


def test_a_job_reads_its_pipes_whatever_becomes_of_the_server(data: Path, chance: random.Random) -> None:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{jobs.BUCKET}/piped/"}
    asked = jobs.request(
        "piped",
        "cd /opt/ml/input/data; for epoch in 0 1 2; do (head -c 1000; sleep 1; cat) < train_$epoch | wc -c; done",
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}, "InputMode": "Pipe"}],
    )
    with Cluster(data, chance) as cluster:
        cluster.make_bucket(jobs.BUCKET)
        for number in range(2):
            body = bytes(3_000_000)
            cluster.ask("s3", lambda s3: s3.put_object(Bucket=jobs.BUCKET, Key=f"piped/{number}", Body=body))
        name = jobs.create(cluster, asked)
        jobs.until_in(cluster, name, "Training")
        cluster.kill_at_random(2)
        job = jobs.ended(cluster, name)

        assert job["TrainingJobStatus"] == "Completed", job
        assert jobs.lines(cluster, name) == ["6000000"] * 3
