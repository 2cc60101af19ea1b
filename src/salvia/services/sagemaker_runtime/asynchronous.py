"""InvokeEndpointAsync: requests that wait in the table until a container has answered them, and answers that become objects.

A request is a record, so it survives whatever happens to the server; it goes when its output, or what became of it instead,
is in S3. A server that dies between the two asks again, and the same key is written again.

Source: "Asynchronous inference" in the SageMaker documentation.
"""

import asyncio
import base64
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

from salvia.base.arn import Scope
from salvia.base.call import Call, Caller, Reply
from salvia.base.errors import AwsError
from salvia.base.ids import request_id
from salvia.model.shapes import ServiceModel
from salvia.ports.objects import NoSuchObjectError
from salvia.ports.table import Record
from salvia.resources.fleet import Key, Route
from salvia.resources.kind import Resource
from salvia.resources.world import World
from salvia.services.sagemaker_runtime import asking, errors, notices

TIME_TO_LIVE = 6 * 3600
INVOCATION_SECONDS = 900
CONCURRENT = 4  # requests an instance gets at once, where the configuration does not say
_LOOK = 5.0  # seconds between looks at what waits or runs; ends wake the next by themselves
_AGAIN = 1.0
_FEW = 20  # requests that look every second whether there is an instance again
_log = logging.getLogger(__name__)
_KEPT = ("ContentType", "Accept", "CustomAttributes", "InferenceId", "InputLocation")


async def invoke_endpoint_async(world: World, call: Call) -> Mapping[str, Any] | Reply:
    route, params = await asking.route_of(world, call), call.params
    config = route.facts.get("async")
    if not config:
        raise errors.InvocationInvalid(f"Endpoint {route.name} is not asynchronous: use InvokeEndpoint.")
    if bool(params.get("InputLocation")) == bool(params.get("Body")):
        raise errors.InvocationInvalid("Exactly one of InputLocation and Body must be specified.")
    if not params.get("InputLocation", "s3://").startswith("s3://"):
        raise errors.InvocationInvalid("InputLocation must be an object in S3, such as s3://bucket/key.")
    name = request_id()
    where = {"output": _output(config, params, name), "failure": _failure(route, config, name)}
    spec = {member: params[member] for member in _KEPT if member in params} | where
    spec |= {
        "endpoint": route.key[2],
        "body": base64.b64encode(params.get("Body") or b"").decode(),
        "until": world.clock.now() + params.get("RequestTTLSeconds", TIME_TO_LIVE),
        "seconds": params.get("InvocationTimeoutSeconds", INVOCATION_SECONDS),
        "concurrent": (config.get("ClientConfig") or {}).get("MaxConcurrentInvocationsPerInstance", CONCURRENT),
    }
    await world.kinds["AsyncInvocation"].make(Scope(call.account, call.region), {"Name": name, "spec": spec}, route.arn)
    return {
        "InferenceId": params.get("InferenceId", name),
        "OutputLocation": where["output"],
        "FailureLocation": where["failure"],
    }


def _output(config: Mapping[str, Any], params: Mapping[str, Any], name: str) -> str:
    parts = [config["OutputConfig"]["S3OutputPath"].rstrip("/")]
    parts += [params[member].strip("/") for member in ("S3OutputPathExtension",) if params.get(member)]
    return "/".join([*parts, params.get("Filename") or f"{name}.out"])


def _failure(route: Route, config: Mapping[str, Any], name: str) -> str:
    output = config["OutputConfig"]
    bucket = output["S3OutputPath"].removeprefix("s3://").partition("/")[0]
    path = output.get("S3FailurePath") or f"s3://{bucket}/async-endpoint-failures/{route.name}"
    return f"{path.rstrip('/')}/{name}-error.out"


class AsyncInvocation(Resource):
    """A request that waits. No operation names it; its record goes when it is answered."""

    noun = "AsyncInvocation"

    def __init__(self, world: World, model: ServiceModel) -> None:
        super().__init__(world, model)
        self._running: dict[str, asyncio.Task[None]] = {}  # by key
        self._in_hand: dict[Key, int] = {}
        self._waiting: dict[Key, deque[str]] = {}

    async def make(self, scope: Scope, request: dict[str, Any], owner: str = "") -> Record:
        now, key = self.world.clock.now(), request["Name"]
        record = Record(
            kind=self.noun,
            account=scope.account,
            region=scope.region,
            key=key,
            arn=scope.arn("sagemaker", f"async-invocation/{key}"),
            created=now,
            modified=now,
            spec=request["spec"],
            name=key,
            owner=owner,
            due=now,
        )
        await self.world.table.insert(record)
        self._note(record)
        self.world.wake()
        return record

    async def reconcile(self, record: Record) -> float | None:
        self._note(record)
        if record.key in self._running:
            return _LOOK
        endpoint = (record.account, record.region, record.spec["endpoint"])
        route = await self.world.fleet.find(endpoint, self.world.settings.route_seconds)
        if route is None or route.arn != record.owner:
            await self._let_go(record)  # its endpoint is gone, and with it the queue
            return None
        instances = sum(len(variant.instances) for variant in route.variants)
        expired = self.world.clock.now() > record.spec["until"]
        if self._in_hand.get(endpoint, 0) >= record.spec["concurrent"] * (instances or expired):
            waiting = self._waiting.setdefault(endpoint, deque())
            if record.key not in waiting:
                waiting.append(record.key)
            return _LOOK if instances or len(waiting) > _FEW else _AGAIN
        self._in_hand[endpoint] = self._in_hand.get(endpoint, 0) + 1
        task = asyncio.get_running_loop().create_task(self._answer(record, route))
        self._running[record.key] = task
        task.add_done_callback(lambda task: self._ended(record, endpoint, task))
        return _LOOK

    def _ended(self, record: Record, endpoint: Key, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.error("%s failed; it is tried again", record.arn, exc_info=task.exception())
        self._running.pop(record.key, None)
        self._in_hand[endpoint] -= 1
        waiting = self._waiting.get(endpoint)
        if waiting:
            self.world.look(self.noun, record.account, record.region, waiting.popleft())

    async def _answer(self, record: Record, route: Route) -> None:
        """Ask, store, and let the record go. Temporary troubles leave it: it is looked at again."""
        spec = record.spec
        try:
            if self.world.clock.now() > spec["until"]:
                raise errors.InvocationInvalid("The request expired before a container could take it.")
            role = await self.world.parts["execution_caller"](route.variants[0].role, record.account)
            body = await self._input(record, role)
            call = Call("sagemaker-runtime", "InvokeEndpoint", {}, role, record.region)
            request = asking.request_of(spec, body)
            answered = await asking.ask(self.world, call, route, request, seconds=spec["seconds"])
            answer = await asking.whole(answered.answer)
            assert isinstance(answer.body, bytes)
            kind = answer.headers.get("content-type", "")
            await self._store(record, role, spec["output"], answer.body, kind)
            await notices.completed(self.world, record, route, role, kind)
        except errors.Unavailable:
            await asyncio.sleep(_AGAIN)
            return
        except (AwsError, NoSuchObjectError) as error:
            await self._fail(record, route, str(error))
        await self._let_go(record)

    def _note(self, record: Record) -> None:
        """For the metrics of the queue."""
        queue = self.world.fleet.queues.setdefault((record.account, record.region, record.spec["endpoint"]), {})
        queue[record.key] = record.created, self.world.clock.now()

    async def _let_go(self, record: Record) -> None:
        await self.world.table.delete(record)
        queue = self.world.fleet.queues.get((record.account, record.region, record.spec["endpoint"]), {})
        queue.pop(record.key, None)

    async def _input(self, record: Record, role: Caller) -> bytes:
        location = record.spec.get("InputLocation")
        if not location:
            return base64.b64decode(record.spec["body"])
        bucket, _, key = location.removeprefix("s3://").partition("/")
        await self._check(role, record.region, "GetObject", bucket, key)
        return await self.world.objects.get(bucket, key)

    async def _store(self, record: Record, role: Caller, uri: str, body: bytes, kind: str) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        await self._check(role, record.region, "PutObject", bucket, key)
        await self.world.objects.put(bucket, key, body, content_type=kind)

    async def _fail(self, record: Record, route: Route, message: str) -> None:
        try:
            role = await self.world.parts["execution_caller"](route.variants[0].role, record.account)
            await self._store(record, role, record.spec["failure"], message.encode(), "text/plain")
            await notices.failed(self.world, record, route, role, message)
        except (AwsError, NoSuchObjectError):
            return  # where failures go cannot be written to: AWS tells nobody either

    async def _check(self, role: Caller, region: str, operation: str, bucket: str, key: str) -> None:
        """Raises AccessDenied: the platform reads and writes for an endpoint only what its role could."""
        call = Call("s3", operation, {"Bucket": bucket, "Key": key}, role, region)
        await self.world.parts["authorize"](call)
