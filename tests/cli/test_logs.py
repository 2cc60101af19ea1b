"""Following what a job prints."""

from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from salvia.cli import Refusal
from salvia.cli.client import Client
from salvia.cli.logs import JobLog
from salvia.cli.servers import Running
from salvia.settings import Settings


class Server:
    """Log streams in memory; tokens are counts of events, pages hold two."""

    def __init__(self, **streams: list[str]) -> None:
        self.streams = streams
        self.failure = ""

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        if operation == "DescribeLogStreams":
            if not self.streams:
                raise Refusal("ResourceNotFoundException: The specified log group does not exist.")
            return {"logStreams": [{"logStreamName": f"job/{name}"} for name in self.streams]}
        if operation == "DescribeTrainingJob":
            return {"TrainingJobStatus": "Failed", "FailureReason": "no"}
        lines = self.streams[members["logStreamName"].removeprefix("job/")]
        start = int(members.get("nextToken", 0))
        page = lines[start : start + 2]
        return {"events": [{"message": line} for line in page], "nextForwardToken": str(start + len(page))}


def test_each_line_is_read_once_however_many_pages() -> None:
    server = Server(one=["a", "b", "c"])
    log = JobLog(server, "job")
    first = list(log.read())
    server.streams["one"] += ["d", "e", "f"]

    assert (first, list(log.read()), list(log.read())) == (["a", "b", "c"], ["d", "e", "f"], [])


def test_with_several_instances_each_line_says_whose_it_is() -> None:
    log = JobLog(Server(**{"algo-1": ["a"], "algo-2": ["b"]}), "job")

    assert list(log.read()) == ["algo-1: a", "algo-2: b"]


def test_before_anything_was_printed_there_is_nothing_to_read() -> None:
    assert list(JobLog(Server(), "job").read()) == []


def test_the_reason_of_a_failure_is_kept() -> None:
    log = JobLog(Server(), "job")

    assert (log.status(), log.failure) == ("Failed", "no")


def test_requests_are_signed_as_botocore_signs_them(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = AK\naws_secret_access_key = secret\n")
    signer = Client(Settings(data=tmp_path, region="eu-west-1"), Running(1, 1, 0, "127.0.0.1", 9000, ""))
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": "127.0.0.1:9000",
        "x-amz-date": "20260102T030405Z",
        "x-amz-target": "SageMaker.DescribeTrainingJob",
    }
    ours = signer._authorization("sagemaker", headers, b"{}")

    request = AWSRequest("POST", "http://127.0.0.1:9000/", headers=headers, data=b"{}")
    request.context["timestamp"] = "20260102T030405Z"
    theirs = SigV4Auth(Credentials("AK", "secret"), "sagemaker", "eu-west-1")
    text = theirs.string_to_sign(request, theirs.canonical_request(request))
    assert ours.endswith(theirs.signature(text, request))
