"""Small honest stand-ins for the ports, for behaviour tests: they keep the contracts, in memory."""

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from salvia.adapters.table.sqlite import SqliteTable
from salvia.base.call import Call, Caller
from salvia.base.clock import SetClock
from salvia.base.errors import AccessDenied
from salvia.model.load import Models
from salvia.ports.compute import Run, RunSpec
from salvia.ports.credentials import Credential
from salvia.ports.images import Image, Readiness, UnknownImageError
from salvia.ports.metrics import MetricDefinition, Sample
from salvia.ports.objects import NoSuchObjectError, ObjectInfo, Placement
from salvia.ports.serving import ModelAnswer, ModelRequest, NoAnswerError, Then, UnsendableError
from salvia.resources.world import World
from salvia.settings import Settings

ACCOUNT, REGION = "000000000000", "us-west-2"
CALLER = Caller(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/Role/me", "AROA:me", root=True)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Role"
MODELS = Models()


def call(operation: str, agent: str = "", **params: Any) -> Call:
    return Call("sagemaker", operation, params, CALLER, REGION, headers={"user-agent": agent})


class FakeCompute:
    """Runs that start when launched, or wait where there is no `room`, and end when told to."""

    def __init__(self, root: Path, clock: SetClock) -> None:
        self.root, self.clock = root, clock
        self.runs: dict[str, Run] = {}
        self.launched: list[RunSpec] = []
        self.stopped: list[str] = []
        self.removed: list[str] = []
        self.listeners: list[Callable[[str], None]] = []
        self.cpus, self.memory = 2.0, 8 << 30
        self.room = True

    def folder(self, name: str) -> Path:
        return self.root / name / "ml"

    async def dial(self, name: str) -> socket.socket:
        raise ConnectionRefusedError("what runs serve is asked through FakeServing")

    async def find(self, name: str) -> Run | None:
        found = self.runs.get(name)
        if found is not None and found.waits:
            found = self.runs[name] = Run(name, self.clock.now(), waits=not self.room)
        return found

    async def launch(self, spec: RunSpec) -> Run:
        if spec.name not in self.runs:
            self.launched.append(spec)
            self.runs[spec.name] = Run(spec.name, self.clock.now(), waits=not self.room)
        return self.runs[spec.name]

    async def stop(self, name: str, grace: float) -> None:
        self.stopped.append(name)

    async def remove(self, name: str) -> None:
        self.removed.append(name)
        self.runs.pop(name, None)

    def capacity(self) -> tuple[float, int]:
        return self.cpus, self.memory

    def on_change(self, call: Callable[[str], None]) -> None:
        self.listeners.append(call)

    def end(self, code: int = 0, cause: str = "", number: int = -1) -> None:
        name = self.launched[number].name
        self.runs[name] = Run(name, self.runs[name].started, code, self.clock.now(), cause)


class FakeObjects:
    """Objects in a dict."""

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {bucket: {} for bucket in buckets}
        self.now: Callable[[], float] = lambda: 0.0
        self.modified: dict[tuple[str, str], float] = {}

    def _bucket(self, bucket: str) -> dict[str, bytes]:
        if bucket not in self.buckets:
            raise NoSuchObjectError(f"The bucket {bucket} does not exist.")
        return self.buckets[bucket]

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        modified = self.modified.get((bucket, key), 0.0)
        return ObjectInfo(bucket, key, len(await self.get(bucket, key)), "etag", modified)

    async def list(self, bucket: str, prefix: str, *, after: str = "", limit: int = 1000) -> list[ObjectInfo]:
        found = sorted(key for key in self._bucket(bucket) if key.startswith(prefix) and key > after)
        return [ObjectInfo(bucket, key, len(self.buckets[bucket][key]), "etag", 0.0) for key in found[:limit]]

    async def get(self, bucket: str, key: str) -> bytes:
        if key not in self._bucket(bucket):
            raise NoSuchObjectError(f"The key {key} does not exist in {bucket}.")
        return self.buckets[bucket][key]

    async def put(self, bucket: str, key: str, data: bytes, *, content_type: str = "") -> ObjectInfo:
        self._bucket(bucket)[key] = data
        self.modified[bucket, key] = self.now()
        return await self.head(bucket, key)

    async def put_file(self, bucket: str, key: str, path: Path, *, content_type: str = "") -> ObjectInfo:
        return await self.put(bucket, key, path.read_bytes())

    async def place(self, placements: Iterable[Placement]) -> None:
        for placement in placements:
            data = await self.get(placement.bucket, placement.key)
            placement.path.parent.mkdir(parents=True, exist_ok=True)
            placement.path.write_bytes(data)

    async def delete(self, bucket: str, key: str) -> None:
        self._bucket(bucket).pop(key, None)

    def on_created(self, call: Callable[[ObjectInfo], None]) -> None:
        pass


class FakeImages:
    readiness = Readiness(ready=True)

    def resolve(self, uri: str) -> Image:
        if "unknown" in uri:
            raise UnknownImageError(f"No environment here can run {uri}: use a built-in algorithm's image.")
        return Image(uri, "python", {"train": ("train",), "serve": ("serve",)}, {"FROM_IMAGE": "1"})

    async def prepare(self, image: Image) -> Readiness:
        return self.readiness


class FakeLogs:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.opened: list[str] = []

    def _path(self, group: str, stream: str) -> Path:
        return self.root / f"{group}/{stream}".replace("/", "_")

    async def open_file(self, account: str, region: str, group: str, stream: str) -> Path:
        self.opened.append(stream)
        path = self._path(group, stream)
        path.touch()
        return path

    async def tail(self, account: str, region: str, group: str, stream: str, size: int) -> str:
        path = self._path(group, stream)
        return path.read_text()[-size:] if path.exists() else ""

    async def close_file(self, account: str, region: str, group: str, stream: str) -> None:
        pass


class FakeMetrics:
    def __init__(self) -> None:
        self.samples: list[Sample] = []

    async def put(self, account: str, region: str, namespace: str, samples: Sequence[Sample]) -> None:
        self.samples += samples

    async def scrape(
        self,
        account: str,
        region: str,
        group: str,
        stream: str,
        definitions: Sequence[MetricDefinition],
        namespace: str,
        dimensions: Mapping[str, str],
    ) -> list[Sample]:
        names = {definition.name for definition in definitions}
        return [sample for sample in self.samples if sample.name in names]


class FakeServing:
    """Runs that answer as their handler says; one without a handler is not up. A handler may raise what `ask` may raise."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[ModelRequest], ModelAnswer]] = {}
        self.asked: list[tuple[str, ModelRequest]] = []
        self.forgotten: list[str] = []

    async def ask(self, run: str, request: ModelRequest, *, seconds: float, streams: bool = False) -> ModelAnswer:
        if run not in self.handlers:
            raise NoAnswerError("nothing listens there", sent=False)
        self.asked.append((run, request))
        return self.handlers[run](request)

    def begin(self, run: str, request: ModelRequest, seconds: float, then: Then) -> bool:
        if run not in self.handlers:
            return False
        self.asked.append((run, request))
        outcome: ModelAnswer | Exception
        try:
            outcome = self.handlers[run](request)
        except UnsendableError:
            self.asked.pop()
            return False
        except Exception as error:  # noqa: BLE001 - whatever the handler is told to raise
            outcome = error
        asyncio.get_running_loop().call_soon(then, outcome)
        return True

    async def ping(self, run: str) -> bool:
        return run in self.handlers

    def forget(self, run: str) -> None:
        self.forgotten.append(run)

    async def close(self) -> None:
        pass


class FakeCredentials:
    def __init__(self) -> None:
        self.issued: list[tuple[Caller, float]] = []

    def known(self, access_key: str) -> Credential | None:
        return None

    async def find(self, access_key: str) -> Credential | None:
        return self.known(access_key)

    async def issue(self, caller: Caller, seconds: float) -> Credential:
        self.issued.append((caller, seconds))
        return Credential("ASIA1", "secret", caller, "token")


def world(folder: Path, *buckets: str) -> World:
    """A world in `folder`; role checks pass for roles of the test account."""
    clock = SetClock()

    async def execution_caller(role_arn: str, account: str) -> Caller:
        return CALLER

    async def authorize(call: Call) -> None:
        if f"{call.operation} {call.params.get('Key', call.params.get('Prefix'))}" in world_.parts["refused"]:
            raise AccessDenied("no")

    objects = FakeObjects(*buckets)
    objects.now = clock.now
    world_ = World(
        settings=Settings(data=folder),
        clock=clock,
        table=SqliteTable(Path(":memory:")),
        credentials=FakeCredentials(),
        objects=objects,
        compute=FakeCompute(folder, clock),
        images=FakeImages(),
        logs=FakeLogs(folder),
        metrics=FakeMetrics(),
        serving=FakeServing(),
        parts={
            "execution_caller": execution_caller,
            "authorize": authorize,
            "refused": set(),
            "endpoint_url": "http://127.0.0.1:1",
        },
    )
    return world_
