"""A Wire on a real socket, with a few small operations behind it."""

import asyncio
import hashlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import uvloop
from botocore.config import Config

from salvia.base.call import Call, Caller, FileBody, FilePiece, Reply
from salvia.base.clock import Clock, SystemClock
from salvia.base.errors import AccessDenied, AwsError, NotFound
from salvia.model.load import Models
from salvia.ports.credentials import Credential
from salvia.settings import Settings
from salvia.wire.connection import Begin, Handle
from salvia.wire.incoming import Incoming
from salvia.wire.listener import Listener
from salvia.wire.proxy import Rules
from salvia.wire.server import Wire

ACCESS_KEY, SECRET = "AKIASALVIA0000000000", "the-secret-of-the-tests"
CALLER = Caller("000000000000", "arn:aws:sts::000000000000:assumed-role/Role/session", "AROA:session", ACCESS_KEY)
MODELS = Models()


class OneCredential:
    """The only key there is. Nothing is issued."""

    def known(self, access_key: str) -> Credential | None:
        return Credential(ACCESS_KEY, SECRET, CALLER) if access_key == ACCESS_KEY else None

    async def find(self, access_key: str) -> Credential | None:
        return self.known(access_key)

    async def issue(self, caller: Caller, seconds: float) -> Credential:
        raise NotImplementedError


class Bucket:
    """The smallest S3: objects in files of one folder, in one bucket. `digest` has seen every byte of the last upload."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sizes: dict[str, int] = {}
        self.digest = ""
        self.largest_piece = 0

    async def put_object(self, call: Call) -> Mapping[str, Any]:
        assert call.body is not None
        digest, size = hashlib.sha256(), 0
        with self.path(call.params["Key"]).open("wb") as file:
            async for piece in call.body:
                digest.update(piece)
                size += len(piece)
                self.largest_piece = max(self.largest_piece, len(piece))
                file.write(piece)
        self.sizes[call.params["Key"]] = size
        self.digest = digest.hexdigest()
        return {"ETag": f'"{self.digest[:32]}"'}

    async def get_object(self, call: Call) -> Mapping[str, Any]:
        size = self.size(call)
        body = FileBody((FilePiece(self.path(call.params["Key"]), 0, size),))
        return {"Body": body, "ContentLength": size, "ETag": '"e"', "Metadata": {"a": "b"}, "LastModified": 1.5e9}

    async def head_object(self, call: Call) -> Mapping[str, Any]:
        return {"ContentLength": self.size(call), "ContentType": "text/plain"}

    async def list_objects_v2(self, call: Call) -> Mapping[str, Any]:
        contents = [{"Key": key, "Size": size, "LastModified": 1.5e9} for key, size in sorted(self.sizes.items())]
        return {"Name": call.params["Bucket"], "KeyCount": len(contents), "IsTruncated": False, "Contents": contents}

    async def delete_objects(self, call: Call) -> Mapping[str, Any]:
        keys = [item["Key"] for item in call.params["Delete"]["Objects"]]
        return {"Deleted": [{"Key": key} for key in keys if self.sizes.pop(key, None) is not None]}

    async def post_object(self, call: Call) -> Reply:
        assert call.body is not None
        size = sum([len(piece) async for piece in call.body])
        return Reply(status=201, body=f"{call.params['Bucket']} {size}".encode())

    def path(self, key: str) -> Path:
        return self.folder / hashlib.sha256(key.encode()).hexdigest()

    def size(self, call: Call) -> int:
        if call.params["Key"] not in self.sizes:
            raise AwsError("The specified key does not exist.", code="NoSuchKey")
        return self.sizes[call.params["Key"]]

    def operations(self) -> dict[str, Any]:
        return {
            "PutObject": self.put_object,
            "GetObject": self.get_object,
            "HeadObject": self.head_object,
            "ListObjectsV2": self.list_objects_v2,
            "DeleteObjects": self.delete_objects,
            "PostObject": self.post_object,
        }


class NoSource:
    """Where a body comes from that is there already."""

    def hold(self) -> None:
        pass

    go_on = consent = hold


def whole(body: bytes) -> Incoming:
    """A body that has arrived."""
    incoming = Incoming(len(body), NoSource())
    if body:
        incoming.feed(body)
    incoming.end()
    return incoming


async def who(call: Call) -> Mapping[str, Any]:
    return {"Account": call.account, "Arn": call.caller.arn, "UserId": call.caller.user_id}


async def describe(call: Call) -> Mapping[str, Any]:
    name = call.params["TrainingJobName"]
    if name == "broken":
        raise RuntimeError("a secret of the server")
    if name == "missing":
        raise NotFound("Requested resource not found.")
    return {"TrainingJobName": name, "TrainingJobStatus": "Completed", "CreationTime": 1.5e9, "Tags": None}


async def metric(call: Call) -> Mapping[str, Any]:
    return {"Label": call.params["MetricName"], "Datapoints": [{"Timestamp": call.params["StartTime"], "Average": 0.5}]}


async def echo_rate(call: Call) -> Mapping[str, Any]:
    return {}


async def log_events(call: Call) -> Mapping[str, Any]:
    return {"events": [{"timestamp": 1, "message": "a\tline", "ingestionTime": 2}], "nextForwardToken": "f/1"}


async def invoke(call: Call) -> Mapping[str, Any]:
    return {
        "Body": call.params["Body"].upper(),
        "ContentType": call.params["ContentType"],
        "InvokedProductionVariant": "v",
    }


async def slow_stream(call: Call) -> Reply:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 1000
            await asyncio.sleep(0)

    return Reply(body=pieces())


def services(bucket: Bucket) -> dict[str, dict[str, Any]]:
    return {
        "sts": {"GetCallerIdentity": who, "AssumeRoleWithWebIdentity": who},
        "sagemaker": {"DescribeTrainingJob": describe},
        "sagemaker-runtime": {"InvokeEndpoint": invoke},
        "sagemaker-metrics": {},
        "cloudwatch": {"GetMetricStatistics": metric, "PutMetricData": echo_rate},
        "logs": {"GetLogEvents": log_events},
        "s3": bucket.operations(),
    }


async def allow(call: Call) -> None:
    """Whoever signed may do anything, and a form may be posted."""
    if not call.account and call.operation not in {"PostObject", "AssumeRoleWithWebIdentity"}:
        raise AccessDenied("Access Denied")


def make_wire(folder: Path, clock: Clock | None = None, settings: Settings | None = None, **more: Any) -> Wire:
    return Wire(
        MODELS, services(Bucket(folder)), OneCredential(), allow, clock or SystemClock(), settings or Settings(), **more
    )


Hook = Callable[[], Awaitable[None]]


@contextmanager
def serving(
    handle: Handle,
    rules: Rules | None = None,
    start: Hook | None = None,
    stop: Hook | None = None,
    begin: Begin | None = None,
) -> Iterator[str]:
    """The endpoint of a server on a port of its own, as the product runs it, in a thread of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    opened, ended = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        listener = Listener(handle, rules, begin)
        loops.append(asyncio.get_running_loop())
        if start is not None:
            await start()
        await listener.open(listening)
        opened.set()
        await ended.wait()
        await listener.close(5.0)
        if stop is not None:
            await stop()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert opened.wait(10)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join(10)
        assert not thread.is_alive()
        listening.close()


def client(service: str, endpoint: str, **options: Any) -> Any:
    session: Any = boto3.Session()
    return session.client(
        service,
        region_name="us-west-2",
        endpoint_url=endpoint,
        aws_access_key_id=options.pop("access_key", ACCESS_KEY),
        aws_secret_access_key=options.pop("secret", SECRET),
        config=Config(retries={"max_attempts": 0}, **options),
    )
