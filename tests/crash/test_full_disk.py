"""A job fills the disk on which the server keeps everything: it fails and says why, and the server and the next job go on."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import Client, build
from tests.clients.jobs import Jobs
from tests.servers import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk"),
]

REASON = "AlgorithmError: No space left on device: the disk that holds the server's data is full."
FILL = """
with open("/opt/ml/model/large", "wb") as file:
    while True:
        file.write(bytes(1 << 20))
"""


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    disk = data / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("nothing may be mounted here")
    try:
        with Server(disk) as server:
            yield server
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_job_that_fills_the_disk_says_so_and_the_next_one_runs(server: Server) -> None:
    jobs = Jobs(server)
    filling = jobs.ended(jobs.train(FILL, by=("python3",)))
    lines = jobs.completed(jobs.train("echo there is room"))

    assert filling["FailureReason"].startswith(REASON)
    assert lines == ["there is room"]


def test_so_does_a_users_script_that_sdk2_runs(server: Server) -> None:
    result = Client(build("sdk2"), server.variables()).python(
        f"""
import pathlib, sagemaker
from sagemaker.sklearn import SKLearn
pathlib.Path("train.py").write_text({FILL!r})
session = sagemaker.Session()
try:
    SKLearn("train.py", "1.2-1", role=sagemaker.get_execution_role(session), instance_type="ml.m5.large", sagemaker_session=session).fit(logs=False)
except Exception as error:
    result = {{"said": str(error)}}
"""
    )

    assert REASON in str(result["said"])
