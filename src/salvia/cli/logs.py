"""Print what a training job printed; with -f, also what it prints until it ends."""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from salvia.cli import Refusal, servers
from salvia.cli.client import Client
from salvia.settings import Settings

GROUP = "/aws/sagemaker/TrainingJobs"
LOOK_SECONDS = 0.3
_ENDED = {"Completed", "Failed", "Stopped", "Deleting"}


class Caller(Protocol):
    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", help="the name of a training job")
    parser.add_argument("-f", "--follow", action="store_true", help="until it ends")
    parser.add_argument("-n", "--lines", type=int, default=0, help="only the last ones so far")


def main(args: argparse.Namespace) -> int:
    settings = Settings.load(port=args.port, data=args.data)
    client = Client(settings, servers.needed(settings, args.port))
    log = JobLog(client, args.job)
    status = log.status()  # asked before reading, so that what an ended job printed last is read too
    lines = list(log.read())
    for line in lines[-args.lines :]:
        print(line)
    while args.follow and status not in _ENDED:
        sys.stdout.flush()
        time.sleep(LOOK_SECONDS)
        status = log.status()
        for line in log.read():
            print(line)
    if args.follow and status == "Failed":
        raise Refusal(f"{args.job} failed: {log.failure}")
    return 0


@dataclass
class JobLog:
    """What a job's streams gained since they were last read; with several, each line says whose it is."""

    client: Caller
    job: str
    failure: str = ""
    tokens: dict[str, str] = field(default_factory=dict)

    def status(self) -> str:
        job = self.client.call("sagemaker", "DescribeTrainingJob", TrainingJobName=self.job)
        self.failure = job.get("FailureReason", "")
        return str(job["TrainingJobStatus"])

    def read(self) -> Iterator[str]:
        streams = self._streams()
        for stream in streams:
            whose = f"{stream.partition('/')[2]}: " if len(streams) > 1 else ""
            for message in self._messages(stream):
                yield f"{whose}{message}"

    def _streams(self) -> list[str]:
        try:
            found = self.client.call(
                "logs", "DescribeLogStreams", logGroupName=GROUP, logStreamNamePrefix=f"{self.job}/"
            )
        except Refusal as refusal:
            if "ResourceNotFound" in str(refusal):  # no job has printed anything yet
                return []
            raise
        return [stream["logStreamName"] for stream in found["logStreams"]]

    def _messages(self, stream: str) -> Iterator[str]:
        while True:
            seen = self.tokens.get(stream)
            since = {"nextToken": seen} if seen else {"startFromHead": True}
            page = self.client.call("logs", "GetLogEvents", logGroupName=GROUP, logStreamName=stream, **since)
            yield from (event["message"] for event in page["events"])
            self.tokens[stream] = page["nextForwardToken"]
            if page["nextForwardToken"] == seen:  # the end, for now
                return
