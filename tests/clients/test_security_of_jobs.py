"""A job gets at nothing that is not its own, whatever it tries, on a server of root and on one of an ordinary user."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients.jobs import PYTHON, ROLE, Jobs
from tests.clients.ordinary import OrdinaryServer, ordinary_user
from tests.servers import Server, free_port

pytestmark = pytest.mark.slow

BIG = os.urandom(17 << 20)  # more than is copied: the channel is made of links to the stored object
LINKED = "/opt/ml/input/data/linked"
ATTEMPTS = 18
TWO = {"InstanceType": "ml.t3.medium", "InstanceCount": 2, "VolumeSizeInGB": 1}
ATTACK = Path(__file__).with_name("attack.py").read_text()


@pytest.fixture(scope="module", params=["this user's server", "an ordinary user's server"])
def jobs(request: pytest.FixtureRequest) -> Iterator[Jobs]:
    if "ordinary" not in request.param:
        with tempfile.TemporaryDirectory() as data, Server(Path(data)) as server:
            yield Jobs(server)
    elif os.geteuid() != 0:
        pytest.skip("this user is an ordinary one: so is the other server's")
    else:
        with ordinary_user() as user:
            if not user.python:
                pytest.skip("no Python of 3.11 to 3.13 is installed for users other than root")
            with OrdinaryServer(user) as server:
                yield Jobs(server)


def test_every_attempt_to_get_out_fails(jobs: Jobs) -> None:
    """One instance attacks; the other, a run of its own that it must not see either, holds a secret meanwhile."""
    data, port = jobs.server.data, free_port()
    jobs.put("linked/big", BIG)
    script = f"""
        if [ $CURRENT_HOST = algo-1 ]; then
            echo "the victims"" secret" > /opt/ml/secret
            export SECRET=$(cat /opt/ml/secret)
            exec python3 -c "import socket; socket.create_server(('127.0.0.1', {port})).accept()"
        fi
        until python3 -c "import socket; socket.socket().bind(('127.0.0.1', {port}))" 2>&1 | grep -q use; do sleep 0.1; done
        python3 /opt/ml/input/data/attack/attack.py /opt/ml/input/data/told/told.json
        python3 -c "import socket; socket.create_connection(('127.0.0.1', {port}))"
    """
    with tempfile.NamedTemporaryFile("w", prefix="salvia-host-") as host:
        host.write("the hosts secret")
        host.flush()
        jobs.put("told/told.json", json.dumps(told(jobs, host.name)))
        jobs.put("attack/attack.py", ATTACK)
        channels = {"linked": "linked/", "told": "told/", "attack": "attack/"}
        lines = jobs.completed(jobs.train(script, channels, ResourceConfig=TWO))
    tried: dict[str, str] = {}
    for line in lines:
        tried |= json.loads(line)

    assert len(tried) == ATTEMPTS, lines
    assert {name: what for name, what in tried.items() if what} == {}
    assert jobs.s3.get_object(Bucket=jobs.bucket, Key="linked/big")["Body"].read() == BIG
    assert {path.stat().st_mode & 0o777 for path in (data / "objects/objects").glob("*/*")} == {0o444}


def told(jobs: Jobs, marker: str) -> dict[str, Any]:
    data, home = jobs.server.data, os.path.expanduser("~")
    process = jobs.server.process
    assert process is not None
    key = next((data / "ca").glob("*key*"))
    return {
        "linked": LINKED,
        "server": process.pid,
        "folders": [str(data), *(str(data / name) for name in ("runs", "objects", "logs", "ca")), f"{home}/.ssh", "/home", "/var/log"],
        "files": [marker, "/etc/shadow", str(key), *(str(data / name) for name in ("records.sqlite", "credentials"))],
        "secrets": [jobs.told["AWS_SECRET_ACCESS_KEY"], "the victims secret", "the hosts secret", key.read_text()[40:100]],
    }  # fmt: skip


def test_what_it_leaves_leads_the_server_nowhere(jobs: Jobs) -> None:
    credentials = jobs.server.data / "credentials"
    before = credentials.read_text()
    script = f"""
        ln -s {credentials} /opt/ml/model/stolen
        ln -s {jobs.server.data} /opt/ml/model/folder
        ln -s / /opt/ml/model/root
        mkfifo /opt/ml/model/pipe
        echo real > /opt/ml/model/real
        ln /opt/ml/model/real /opt/ml/model/twin
        chmod 6755 /opt/ml/model/real
        mkdir /opt/ml/model/closed; echo deep > /opt/ml/model/closed/deep; chmod 0 /opt/ml/model/closed/deep /opt/ml/model/closed
        for name in model.tar.gz output.tar.gz; do ln -s {credentials} /opt/ml/$name; done
        ln -s {credentials} /opt/ml/checkpoints/stolen
        ln -s {jobs.server.data} /opt/ml/checkpoints/folder
        rm -rf /opt/ml/output/data; ln -s {jobs.server.data} /opt/ml/output/data
    """
    name = jobs.train(script, CheckpointConfig={"S3Uri": f"s3://{jobs.bucket}/checkpoints"})
    jobs.completed(name)
    kept = [each["Key"] for each in jobs.s3.list_objects_v2(Bucket=jobs.bucket).get("Contents", [])]

    assert jobs.left(name) == {"real": b"real\n", "twin": b"real\n", "closed/deep": b"deep\n"}
    assert not [key for key in kept if key.startswith("checkpoints/") or key.endswith("output.tar.gz")]
    assert credentials.read_text() == before


@pytest.mark.parametrize(
    "way",
    [
        "ln -s {0}/credentials /opt/ml/output/failure",
        "rm -rf /opt/ml/output; ln -s {0} /opt/ml/output",
        "mkfifo /opt/ml/output/failure",
    ],
)
def test_a_failure_is_not_read_through_a_link(jobs: Jobs, way: str) -> None:
    job = jobs.ended(jobs.train(f"{way.format(jobs.server.data)}; echo its own words; exit 3"))

    assert job["FailureReason"] == "AlgorithmError: its own words, exit code: 3"


def test_a_fork_bomb_ends_at_its_limit_and_others_go_on(jobs: Jobs) -> None:
    port = free_port()
    name = jobs.train(FORK_BOMB.replace("PORT", str(port)), by=("python3",), ResourceConfig=TWO)
    jobs.until_it_says(name, "full")
    began = time.monotonic()
    jobs.describe(name)
    answered = time.monotonic() - began
    said = set(jobs.completed(name))
    (made,) = filter(str.isdigit, said)

    assert said == {made, "full", "unharmed"}
    assert 1000 < int(made) <= 4096
    assert answered < 2


FORK_BOMB = """
import os, socket, sys, time
if os.environ["CURRENT_HOST"] == "algo-2":
    socket.create_server(("127.0.0.1", PORT)).accept()
    sys.exit(print("unharmed"))
made = 0
while True:
    try:
        child = os.fork()
    except OSError:
        break
    if not child:
        time.sleep(120)
    made += 1
print(made)
print("full", flush=True)
time.sleep(3)
socket.create_connection(("127.0.0.1", PORT))
"""


def test_too_much_memory_ends_the_job_and_is_named(jobs: Jobs) -> None:
    job = jobs.ended(jobs.train("held = [b'x' * (1 << 26) for _ in range(256)]", by=("python3",)))

    assert job["FailureReason"].startswith("AlgorithmError: OutOfMemory: Please use an instance type with more memory")


def test_a_log_that_is_made_endless_does_not_stall_the_server(jobs: Jobs) -> None:
    name = jobs.train(
        "import os\nos.ftruncate(1, 1 << 40)\nprint('loss=1;', flush=True)",
        by=("python3",),
        AlgorithmSpecification={
            "TrainingImage": PYTHON,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "/opt/ml/input/data/script/script"],
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
        },
    )
    began = time.monotonic()
    jobs.ended(name, 60)
    jobs.lines(name)

    assert time.monotonic() - began < 30


def test_an_isolated_job_has_neither_network_nor_credentials(jobs: Jobs) -> None:
    program = (
        "import os, socket\n"
        "def attempt(what, *where):\n"
        "    try: what(*where); print('reached', where)\n"
        "    except OSError: pass\n"
        f"attempt(socket.create_connection, ('127.0.0.1', {jobs.server.port}), 3)\n"
        "attempt(socket.create_connection, ('1.1.1.1', 53), 3)\n"
        "attempt(socket.getaddrinfo, 'pypi.org', 443)\n"
        "print(sorted(name for _, name in socket.if_nameindex()), [n for n in os.environ if 'AWS_' in n and 'KEY' in n])\n"
    )
    assert jobs.completed(jobs.train(program, by=("python3",), EnableNetworkIsolation=True)) == ["['lo'] []"]


def test_a_job_has_only_its_roles_session(jobs: Jobs) -> None:
    jobs.put("mine/a", "mine")
    jobs.put("other/a", "other")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    jobs.iam.create_role(RoleName="Narrow", AssumeRolePolicyDocument=document(trust))
    bucket = f"arn:aws:s3:::{jobs.bucket}"
    reads = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [f"{bucket}/mine/*", f"{bucket}/scripts/*"]}
    lists = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket}
    writes = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{bucket}/out/*"}
    jobs.iam.put_role_policy(RoleName="Narrow", PolicyName="narrow", PolicyDocument=document(reads, lists, writes))
    role = jobs.iam.get_role(RoleName="Narrow")["Role"]["Arn"]
    name = jobs.train("echo $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_SESSION_TOKEN", RoleArn=role)
    key, secret, token = jobs.completed(name)[0].split()
    own = {service: session(jobs, service, key, secret, token) for service in ("sts", "s3", "iam", "sagemaker")}

    assert own["sts"].get_caller_identity()["Arn"] == "arn:aws:sts::000000000000:assumed-role/Narrow/SageMaker"
    assert own["s3"].get_object(Bucket=jobs.bucket, Key="mine/a")["Body"].read() == b"mine"
    refused(own["s3"].get_object, Bucket=jobs.bucket, Key="other/a")
    refused(own["s3"].put_object, Bucket=jobs.bucket, Key="mine/a", Body=b"x")
    refused(own["s3"].put_bucket_policy, Bucket=jobs.bucket, Policy="{}")
    refused(own["iam"].create_access_key, UserName="anybody")
    refused(own["sts"].assume_role, RoleArn=ROLE, RoleSessionName="more")
    refused(own["sagemaker"].stop_training_job, TrainingJobName=name)
    refused(own["sagemaker"].list_training_jobs)
    failed = jobs.ended(jobs.train("true", {"data": "other/"}, RoleArn=role))
    assert "AccessDenied" in failed["FailureReason"]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def session(jobs: Jobs, service: str, key: str, secret: str, token: str) -> Any:
    return jobs.server.client(
        service, {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
    )


def refused(operation: Any, **given: Any) -> None:
    with pytest.raises(ClientError) as error:
        operation(**given)
    assert error.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}
