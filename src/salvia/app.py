"""The composition root: the only module that knows every part and joins them.

`serve(settings)` is one server's life; `operations()` is every operation of every service with what becomes of it.
"""

import asyncio
import gc
import hmac
import importlib
import importlib.util
import inspect
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from salvia.adapters.compute.process import Process
from salvia.adapters.compute.usage import ProcUsage
from salvia.adapters.credentials.stored import StoredCredentials
from salvia.adapters.images.daemon_socket import find_socket
from salvia.adapters.images.local import LocalImages
from salvia.adapters.logs.store import FileLogStore
from salvia.adapters.metrics.sqlite import SqliteMetrics
from salvia.adapters.objects.files import FileObjects
from salvia.adapters.posting.http import HttpPosting
from salvia.adapters.serving.runs import DialledServing
from salvia.adapters.surrogate.process import ProcessSurrogate
from salvia.adapters.table.sqlite import SqliteTable
from salvia.base.address import is_loopback
from salvia.base.call import Call, Caller, Reply
from salvia.base.clock import Clock, SystemClock
from salvia.control.loop import Loop
from salvia.model.load import Models
from salvia.model.shapes import ServiceModel
from salvia.ports.table import Record
from salvia.resources.derive import Derived
from salvia.resources.kind import Resource, derived
from salvia.resources.service import Service
from salvia.resources.world import World
from salvia.services import application_autoscaling, cloudwatch, iam, logs, s3, sagemaker, sagemaker_runtime, sns, sts
from salvia.services.iam.assume import assumed_caller, execution_caller, session_policy
from salvia.services.iam.authorize import authorizer
from salvia.services.iam.first_start import ensure_execution_role
from salvia.services.s3.first_start import ensure_published
from salvia.services.sagemaker.jumpstart import catalogue
from salvia.services.sagemaker_runtime.capture import Captures
from salvia.services.sagemaker_runtime.tally import Tallies
from salvia.settings import Settings
from salvia.wire.certificates import Authority
from salvia.wire.listener import Listener
from salvia.wire.proxy import Rules
from salvia.wire.server import BeginOperation, Wire
from salvia.wire.signing import AuthoritySigning
from salvia.wire.tunnel import Upstream

SERVICES: tuple[Service, ...] = (
    sagemaker.SERVICE,
    sagemaker_runtime.SERVICE,
    s3.SERVICE,
    sts.SERVICE,
    iam.SERVICE,
    logs.SERVICE,
    cloudwatch.SERVICE,
    application_autoscaling.SERVICE,
    sns.SERVICE,
)
_GARBAGE = 10_000  # objects more than were freed, before cycles are looked for: 64 requests at once are thousands
GRACE_SECONDS = 10.0  # for what is being answered when the server is told to end
Answers = Callable[[Call], Awaitable[Mapping[str, Any] | Reply]]
log = logging.getLogger(__name__)


class Server:
    """Every part of one server, joined. It owns what it opens, until the end of `run`."""

    def __init__(self, settings: Settings, url: str, ready: Callable[[str], None]) -> None:
        self.settings, self.url, self.ready = settings, url, ready
        self.clock = SystemClock()
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.models = Models(settings.environments.parent / "models")
        self.table = _table(settings)
        self.credentials = StoredCredentials(self.table, settings, self.clock)
        self.objects = _objects(settings, self.clock)
        self.logs = FileLogStore(settings.data / "logs", self.clock)
        self.metrics = SqliteMetrics(settings.data / "metrics.sqlite", self.logs.events)
        self.images, self.compute = _engines(settings)
        self.serving = DialledServing(self.compute)
        self.world = World(
            settings=settings,
            clock=self.clock,
            table=self.table,
            credentials=self.credentials,
            objects=self.objects,
            compute=self.compute,
            images=self.images,
            logs=self.logs.runs,
            metrics=self.metrics,
            serving=self.serving,
        )
        self.surrogate, self.posting = ProcessSurrogate(), HttpPosting()
        self.authority = Authority(settings.data / "ca")
        self.world.parts |= self._parts()
        embedded = isinstance(self.objects, FileObjects)
        kinds = [kind(self.world, self.models.service(service.name)) for service in SERVICES for kind in service.kinds]
        self.world.kinds |= {kind.noun: kind for kind in kinds}
        self.loop = Loop(
            self.table,
            self.world.kinds,
            self.clock,
            f"{socket.gethostname()}-{url.rpartition(':')[2]}",
            changed=self._tell_owner,
        )
        self.world.wake = self.loop.wake
        self.world.look = self._look
        authorize = self.world.parts["authorize"] = authorizer(self.world)
        self.wire = Wire(
            self.models,
            {service.name: self._answers(service) for service in SERVICES if embedded or service is not s3.SERVICE},
            self.credentials,
            authorize,
            self.clock,
            settings,
            raw={} if embedded else {"s3": self.objects.forward},
            begins={service.name: self._begins(service) for service in SERVICES if service.begins},
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def _parts(self) -> dict[str, Any]:
        """What services give each other, and ports of one service only."""
        parts: dict[str, Any] = {
            "endpoint_url": self.url,
            "log_store": self.logs,
            "metric_data": self.metrics,
            "surrogate": self.surrogate,
            "usage": ProcUsage(self.settings.data / "runs"),
            "posting": self.posting,
            "signing": AuthoritySigning(self.authority),
            "publish": partial(sns.publish, self.world),
            "access_keys": self.credentials,
            "assumed_caller": assumed_caller,
            "session_policy": session_policy,
            "execution_caller": self._execution_caller,
            "resize": {
                operation: partial(sagemaker.SERVICE.operations[operation], self.world)
                for operation in ("UpdateEndpointWeightsAndCapacities", "UpdateInferenceComponentRuntimeConfig")
            },
            "wake_variant": partial(sagemaker.wake, self.world),
            "ca_bundle": self.authority.write_bundle(os.environ),
        }
        if isinstance(self.objects, FileObjects):
            parts["object_store"] = self.objects.store
            parts["bucket_policy"] = s3.bucket_policies(self.objects.store)
        else:
            parts["bucket_policy"] = self.objects.bucket_policy
            parts["bucket_owner"] = self.objects.bucket_owner
        return parts

    def _answers(self, service: Service) -> dict[str, Answers]:
        """{"CreateTrainingJob": callable, ...}: the verbs of its nouns, and its operations with the world given."""
        kinds = [self.world.kinds[kind.noun] for kind in service.kinds]
        verbs = {name: answer for kind in kinds for name, answer in kind.operations().items()}
        return verbs | {name: partial(operation, self.world) for name, operation in service.operations.items()}

    def _begins(self, service: Service) -> dict[str, BeginOperation]:
        return {name: partial(begin, self.world) for name, begin in service.begins.items()}

    async def run(self, socket: socket.socket) -> None:
        """Answer on a listening socket until SIGTERM or SIGINT; a second one does not wait for what is being answered."""
        listener, ended = Listener(self.wire.handle, self._door(), self.wire.begin), asyncio.Event()

        def end() -> None:
            if ended.is_set():
                listener.cut()
            ended.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, end)
        await self._start()
        await listener.open(socket)
        gc.freeze()  # what is there now stays, and need not be looked at again and again
        gc.set_threshold(_GARBAGE)
        gc.enable()
        await ended.wait()
        await listener.close(GRACE_SECONDS)
        await self._stop()

    async def _start(self) -> None:
        await self.credentials.ensure_root(self.settings.data)
        await ensure_execution_role(self.world)
        if isinstance(self.objects, FileObjects):
            region = self.settings.region
            published = partial(catalogue.objects, region)
            await ensure_published(self.world, catalogue.bucket_name(region), catalogue.MANIFEST, published)
        await self.logs.start()
        self._spawn(self.loop.run())
        self.ready(self.url)
        self._spawn(asyncio.to_thread(self.authority.warm))
        self._spawn(Captures.of(self.world).recover())

    async def _stop(self) -> None:
        self.loop.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.serving.close()
        await Tallies.of(self.world).close()
        self.posting.close()
        self.compute.close()
        await self.surrogate.close()
        await self.metrics.close()
        await self.logs.stop()
        closing = self.objects.close()
        if closing is not None:
            await closing
        await self.table.close()

    def _door(self) -> Rules:
        """On this machine's own interface anyone may open tunnels; elsewhere it takes an access key and its secret."""
        return Rules(
            self.authority, None if is_loopback(self.settings.host) else self._may_tunnel, Upstream.of(os.environ)
        )

    async def _may_tunnel(self, access_key: str, secret: str) -> bool:
        known = await self.credentials.find(access_key)
        if known is None or (known.expires is not None and known.expires <= self.clock.now()):
            return False
        return hmac.compare_digest(known.secret.encode(), secret.encode())

    async def _execution_caller(self, role_arn: str, account: str) -> Caller:
        return await execution_caller(self.world, role_arn, account=account)

    def _look(self, kind: str, account: str, region: str, key: str) -> None:
        self._spawn(self._due_now(kind, account, region, key))

    def _tell_owner(self, record: Record) -> None:
        if record.owner:
            self._spawn(self._owner_due_now(record.owner))

    async def _owner_due_now(self, arn: str) -> None:
        owner = await self.table.find(arn)
        if owner is not None and owner.due is not None:
            await self._due_now(owner.kind, owner.account, owner.region, owner.key)

    async def _due_now(self, kind: str, account: str, region: str, key: str) -> None:
        record = await self.table.get(kind, account, region, key)
        if record is not None:
            record.due = self.clock.now()
            await self.table.save_wish(record)
            self.loop.wake()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _engines(settings: Settings) -> tuple[Any, Any]:
    """Images and Compute: sandboxes, and containers too where a daemon can be asked."""
    local = LocalImages(settings.environments)
    process: Any = Process(settings.data, local.find_environment)
    if settings.ray_address:
        process = _ray(settings, local, process)
    else:
        local.on_ready(process.warm)
    path = find_socket(settings.container_socket, os.environ)
    if not path:
        return local, process
    by_image = importlib.import_module("salvia.adapters.compute.by_image")
    images, compute = by_image.engines(settings.data, local, process, path)
    return images, compute


def _ray(settings: Settings, local: LocalImages, process: Process) -> Any:
    if importlib.util.find_spec("ray") is None:
        raise SystemExit(
            "The setting ray_address needs Ray: install salvia[ray] here and on every node of the cluster."
        )
    engine = importlib.import_module("salvia.adapters.compute.ray")
    driver = engine.Driver(settings.ray_address, settings.data / "runs")
    return engine.Ray(settings.data, local.find_environment, process, driver, (settings.ray_cpus, settings.ray_memory))


def _objects(settings: Settings, clock: Clock) -> Any:
    if not settings.objects_endpoint:
        return FileObjects(settings.data / "objects", clock)
    return importlib.import_module("salvia.adapters.objects.s3").S3Objects(
        settings.objects_endpoint,
        settings.objects_access_key,
        settings.objects_secret_key,
        settings.objects_region,
        settings.account,
    )


def _table(settings: Settings) -> Any:
    if not settings.database:
        return SqliteTable(settings.data / "records.sqlite")
    return importlib.import_module("salvia.adapters.table.postgres").PostgresTable(settings.database)


def serve(settings: Settings, ready: Callable[[str], None] = log.info) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is told the URL as soon as requests are answered there."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    listener = socket.create_server((settings.host, settings.port), backlog=2048, reuse_port=False)
    url = f"http://{settings.host}:{listener.getsockname()[1]}"
    server = Server(settings, url, ready)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.run(listener))


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One operation and what becomes of it: "behaves", "recorded only" or "refused"; `where` is file:line of what answers."""

    service: str
    operation: str
    state: str
    where: str = ""


def operations() -> list[OperationRow]:
    """Every operation of every service here, refused ones too, in the model's order."""
    models = Models()
    rows: list[OperationRow] = []
    for service in SERVICES:
        model = models.service(service.name)
        answers = {name: row for kind in service.kinds for name, row in _verbs(kind, model).items()}
        answers |= {name: (function, name in service.recorded) for name, function in service.operations.items()}
        for name in dict.fromkeys([*model.operation_names, *answers]):
            function, recorded = answers.get(name, (None, False))
            state = "refused" if function is None else "recorded only" if recorded else "behaves"
            rows.append(OperationRow(service.name, name, state, _place(function) if function else ""))
    return rows


def explain(noun: str) -> Derived:
    """What was derived from the model of a noun. Raises KeyError for one that is not served."""
    models = Models()
    for service in SERVICES:
        for kind in service.kinds:
            if kind.noun == noun:
                return derived(kind, models.service(service.name))
    raise KeyError(noun)


def _verbs(kind: type[Resource], model: ServiceModel) -> dict[str, tuple[Any, bool]]:
    facts = derived(kind, model)
    verbs = {name: (getattr(kind, verb.lower()), verb in kind.recorded) for verb, name in facts.verbs.items()}
    return verbs | ({facts.list_operation: (kind.list, "List" in kind.recorded)} if facts.list_operation else {})


def _place(function: Any) -> str:
    """file:line, from the package's folder on."""
    code = inspect.unwrap(function).__code__
    return f"{Path(code.co_filename).relative_to(Path(__file__).parents[1])}:{code.co_firstlineno}"
