"""The life of a request: one list of steps, from the bytes of a socket to an operation and back."""

import base64
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from salvia.base.call import ANONYMOUS, Begun, Call, Caller, FileBody, RawRequest, Reply, Stream
from salvia.base.clock import Clock
from salvia.base.errors import AwsError, Unsupported
from salvia.base.ids import request_id as new_request_id
from salvia.model.load import Models
from salvia.model.shapes import OperationModel, ServiceModel
from salvia.ports.credentials import Credentials
from salvia.settings import Settings
from salvia.wire.body import open_body, read_all
from salvia.wire.connection import Handle
from salvia.wire.cors import Cors
from salvia.wire.errors import Malformed, failure
from salvia.wire.files import OpenFile
from salvia.wire.heading import BODY_LIMIT, Heading, Headings
from salvia.wire.hosts import Place, read_host
from salvia.wire.incoming import Incoming
from salvia.wire.message import Peer, Request, Response, unpacked
from salvia.wire.protocols.json import Json
from salvia.wire.protocols.protocol import WireProtocol
from salvia.wire.sending import in_one, lasting_head
from salvia.wire.signature import Family, Refusal, refusal
from salvia.wire.sigv4 import Verifier
from salvia.wire.validate import check, code_for

Operation = Callable[[Call], Awaitable[Mapping[str, Any] | Reply]]
RawOperation = Callable[[RawRequest, Call], Awaitable[Reply]]
BeginOperation = Callable[[Call, Callable[[Begun], None]], bool]
Authorize = Callable[[Call], Awaitable[None]]

_POLL = 256  # bytes of a body that may come again
_MOST_ASKED = 1000
_SIGNED_QUERY = ("X-Amz-", "AWSAccessKeyId=", "Action=")
_log = logging.getLogger(__name__)


_UNKNOWN_PEER = Peer()


@dataclass(slots=True)
class Exchange:
    """One request and what has been learned of it so far."""

    request: Request
    body: Incoming
    request_id: str
    heading: Heading | None = None
    caller: Caller = ANONYMOUS
    stream: Stream | None = None


class Wire:
    """Every AWS service on one port.

    `services` maps a service's name and an operation's name to what answers it; an operation of the model that is not
    there is refused, with the sentence under "service.Operation" in `refused` where there is one. `raw` takes a whole
    service's requests as they came, after the signature was verified and `authorize` agreed; their params are then only
    what stands in the head. `authorize` raises AccessDenied; a caller that is ANONYMOUS reaches it only for S3 and for
    operations that the model leaves unsigned. `fallback` gets unsigned requests for "/" and for paths that begin with
    "/_", which no bucket's name does. `begins` has the operations that may begin without a task, where `services` has them too.
    """

    def __init__(
        self,
        models: Models,
        services: Mapping[str, Mapping[str, Operation]],
        credentials: Credentials,
        authorize: Authorize,
        clock: Clock,
        settings: Settings,
        *,
        raw: Mapping[str, RawOperation] | None = None,
        fallback: Handle | None = None,
        refused: Mapping[str, str] | None = None,
        begins: Mapping[str, Mapping[str, BeginOperation]] | None = None,
    ) -> None:
        self._services = services
        self._raw = raw or {}
        self._authorize = authorize
        self._settings = settings
        self._fallback = fallback
        self._refused = refused or {}
        self._begins = {
            models.service(service).operation(name): begin
            for service, operations in (begins or {}).items()
            for name, begin in operations.items()
        }
        self._cors = Cors(settings.cors_origins)
        self._headings = Headings(models, dict.fromkeys([*services, *self._raw]))
        self._verifier = Verifier(credentials, clock, settings.max_clock_skew_seconds)
        self._validation_codes: dict[str, str] = {}
        self._asked: dict[tuple[Any, ...] | None, dict[str, Any]] = {}

    async def handle(
        self,
        method: str,
        raw_path: str,
        query: str,
        headers: Mapping[str, str],
        body: Incoming,
        peer: Peer = _UNKNOWN_PEER,
    ) -> Response:
        """Answers one request; raises nothing but CancelledError. `headers` have lower-case names."""
        if self._fallback is not None and _for_people(method, raw_path, query, headers):
            return await self._fallback(method, raw_path, query, headers, body, peer)
        exchange = Exchange(Request(method, raw_path, query, headers), body, new_request_id())
        return await self._worded(exchange, self._answer(exchange, peer))

    def begin(
        self,
        method: str,
        raw_path: str,
        query: str,
        headers: Mapping[str, str],
        body: Incoming,
        peer: Peer,
        answered: Callable[[bytes | Awaitable[Response]], None],
    ) -> bool:
        """Whether a request is under way without a task; then `answered` gets all of the response, or what is to be awaited for it.

        For operations that `begins` has, asked by root as they were asked before. Whatever has to be waited for before they
        begin, or is refused, is left to `handle`, which nothing has been taken from.
        """
        heading = self._headings.known(method, raw_path, query, headers)
        if heading is None or "origin" in headers:
            return False
        operation, mark, blob = heading.operation, heading.mark, heading.blob
        begin = self._begins.get(operation)
        arrived = body.whole(heading.limit) if begin is not None else None
        if begin is None or arrived is None:
            return False
        known = self._asked.get(_words(heading, raw_path, headers, arrived))
        if known is None:
            return False
        signed_for = mark.signing, mark.region
        caller = self._verifier.known_root(method, raw_path, headers, heading.family, arrived, signed_for)
        if caller is None:
            return False
        params = {**known, blob: arrived} if arrived else known.copy()
        call = Call(operation.service.name, operation.name, params, caller, mark.region, new_request_id(), headers)
        call.source_ip, call.secure = peer.address, peer.secure

        def exchange() -> Exchange:
            request = Request(method, raw_path, query, headers, arrived, heading.route.labels)
            return Exchange(request, body, call.request_id, heading, caller)

        try:
            return begin(call, lambda begun: answered(self._ended(exchange, call.request_id, heading, begun)))
        except Exception:  # noqa: BLE001 - what is wrong is found out again where it is answered
            _log.exception("%s could not begin", operation.name)
            return False

    def _ended(
        self, exchange: Callable[[], Exchange], request_id: str, heading: Heading, begun: Begun
    ) -> bytes | Awaitable[Response]:
        """What became of an operation that had begun, now that its first step is done."""
        try:
            found = begun.answer()
            if found is None:
                return self._worded(rest := exchange(), self._rest(rest, heading, begun))
            members, body = found
            if not hasattr(members, "written"):
                members.written = _head_written(heading, members)
            return in_one(members.written, request_id, body)
        except Exception as error:  # noqa: BLE001 - told by who words it
            return self._worded(exchange(), _raised(error))

    async def _rest(self, exchange: Exchange, heading: Heading, begun: Begun) -> Response:
        return self._written(exchange, heading, await begun.rest())

    async def _worded(self, exchange: Exchange, answering: Awaitable[Response]) -> Response:
        """The response, or how the request's protocol words what goes wrong."""
        request, request_id = exchange.request, exchange.request_id
        try:
            response = await answering
        except AwsError as error:
            response = self._refusal(exchange, error)
        except Malformed as error:
            response = self._refusal(exchange, AwsError(str(error), code=self._protocol(exchange).malformed))
        except Exception:  # noqa: BLE001 - the boundary: the log is told, the client is not
            _log.exception("request %s failed: %s %s", request_id, request.method, request.path)
            response = self._refusal(exchange, AwsError(_INTERNAL, http_status=500))
        if "x-amz-request-id" in response.headers:
            response.headers["x-amz-id-2"] = base64.b64encode(request_id.encode()).decode()
        if "origin" in request.headers:
            response.headers |= self._cors.headers(request.headers)
        return response

    async def _answer(self, exchange: Exchange, peer: Peer) -> Response:
        request, body = exchange.request, exchange.body
        if request.method == "OPTIONS":
            return self._cors.preflight(request.headers)
        heading = self._headings.known(request.method, request.path, request.query, request.headers)
        if heading is None:
            heading = await self._headings.find(request, body)
        request.labels = heading.route.labels
        exchange.heading, operation = heading, heading.operation
        await self._verify(exchange, heading)
        answers = self._served(operation)
        call = Call(
            operation.service.name,
            operation.name,
            self._parse(request, heading),
            exchange.caller,
            heading.mark.region or self._settings.region,
            exchange.request_id,
            request.headers,
            exchange.stream,
            peer.address,
            peer.secure,
        )
        await self._authorize(call)
        result = await answers(call) if answers else await self._pass_on(request, call)
        return self._written(exchange, heading, result)

    async def _verify(self, exchange: Exchange, heading: Heading) -> None:
        """Who calls, and the body: whole for most operations, still to come for those of S3 that stream."""
        request, family, mark, operation = exchange.request, heading.family, heading.mark, heading.operation
        if family is not Family.S3 and not exchange.body.done:
            arrived = exchange.body.whole(heading.limit)
            request.body = await exchange.body.read(heading.limit) if arrived is None else arrived
        by_version_2 = mark.signing == "s3" and "AWSAccessKeyId=" in request.query
        verified = await self._verifier.verify(
            request.method,
            self._headings.bucket_path(request, heading) if by_version_2 else request.path,
            request.query,
            request.headers,
            family,
            None if family is Family.S3 else request.body,
            anonymous=operation.raw.get("authtype") == "none",
        )
        if verified.scope and (verified.service != mark.signing or verified.region != mark.region):
            # A credential stated twice: what was looked at to find the service is not what was signed.
            raise refusal(Refusal.MISMATCH, family)
        exchange.caller = verified.caller
        if family is not Family.S3:
            return
        if operation.name == "PostObject":
            exchange.stream = exchange.body
            return
        stream = open_body(exchange.body, request.headers, verified)
        if heading.route.streams or operation.service.name in self._raw:
            exchange.stream = stream
        else:
            request.body = await read_all(stream, heading.limit)

    def _served(self, operation: OperationModel) -> Operation | None:
        """What answers the operation; None when its service is passed on raw. Raises Unsupported."""
        service = operation.service.name
        found = self._services.get(service, _NOTHING).get(operation.name)
        if found is None and service not in self._raw:
            sentence = self._refused.get(f"{service}.{operation.name}")
            raise Unsupported(sentence or f"{operation.name} is not served by Salvia; docs/operations.md lists what is")
        return found

    def _parse(self, request: Request, heading: Heading) -> dict[str, Any]:
        """What is asked, held to the model. Who waits for something, or invokes an endpoint, asks the same again and again."""
        operation, blob = heading.operation, heading.blob if not request.query else ""
        words = _words(heading, request.path, request.headers, request.body) if not request.query else None
        params = self._asked.get(words)
        if params is None:
            if "requestcompression" in operation.raw:
                request.body = unpacked(request, BODY_LIMIT)
            params = self._read(request, heading)
            if words is None or any(isinstance(value, dict | list) for value in params.values()):
                return params
            if len(self._asked) >= _MOST_ASKED:
                del self._asked[next(iter(self._asked))]
            self._asked[words] = {**params, blob: b""} if blob in params else params
        return {**params, blob: request.body} if blob in params else params.copy()

    def _read(self, request: Request, heading: Heading) -> dict[str, Any]:
        operation = heading.operation
        try:
            params = heading.route.protocol.parse(request, operation)
        except RecursionError:
            raise Malformed("the document is nested too deeply") from None
        if "unmodelled" in operation.raw:
            return dict(heading.route.labels)
        if operation.input is not None and operation.service.name not in self._raw:
            check(operation.input, params, self._validation_code(operation.service))
        return params

    def _validation_code(self, service: ServiceModel) -> str:
        code = self._validation_codes.get(service.name)
        if code is None:
            code = self._validation_codes[service.name] = code_for(service)
        return code

    async def _pass_on(self, request: Request, call: Call) -> Reply:
        body = call.body
        assert body is not None
        raw = RawRequest(request.method, request.path, request.query, request.headers, body)
        return await self._raw[call.service](raw, call)

    def _written(self, exchange: Exchange, heading: Heading, result: Mapping[str, Any] | Reply) -> Response:
        members = result.members if isinstance(result, Reply) else result
        response = heading.route.protocol.serialize(heading.operation, members, exchange.request_id)
        if isinstance(result, Reply):
            if result.status is not None:
                response.status = result.status
            if result.headers:
                response.headers |= {name.lower(): value for name, value in result.headers.items()}
            if result.body is not None:
                response.body = result.body
        if isinstance(response.body, FileBody):
            response.body = OpenFile(response.body)
        return response

    def _refusal(self, exchange: Exchange, error: AwsError) -> Response:
        request, heading = exchange.request, exchange.heading
        known = failure(error, heading.operation.service if heading else None, request.path)
        response = self._protocol(exchange).error(known, exchange.request_id)
        response.headers |= {name.lower(): value for name, value in error.headers.items()}
        if request.method == "HEAD":
            response.body = b""
        return response

    def _protocol(self, exchange: Exchange) -> WireProtocol:
        heading = exchange.heading
        return heading.route.protocol if heading is not None else self._headings.protocol(exchange.request)


_NOTHING: Mapping[str, Operation] = {}
_INTERNAL = "The server failed; its log says why, under the request id."


def _words(heading: Heading, path: str, headers: Mapping[str, str], body: bytes) -> tuple[Any, ...] | None:
    """All that params are read from where there is no query, but for a body that is a blob; None for what is not worth remembering."""
    operation = heading.operation
    if heading.blob:
        return operation, path, not body, *map(headers.get, heading.told)
    worth = len(body) <= _POLL and isinstance(heading.route.protocol, Json) and operation.input is not None
    return (operation, body) if worth and "requestcompression" not in operation.raw else None


def _head_written(heading: Heading, members: Mapping[str, Any]) -> bytes:
    """The head of a response with a blob for its body, as far as it will be the same again."""
    shape = heading.operation.output
    assert shape is not None
    assert shape.payload is not None
    response = heading.route.protocol.serialize(heading.operation, {**members, shape.payload: b""}, "")
    del response.headers["x-amzn-requestid"]
    return lasting_head(response.status, response.headers)


async def _raised(error: Exception) -> Response:
    raise error


def _for_people(method: str, raw_path: str, query: str, headers: Mapping[str, str]) -> bool:
    """Unsigned, and for a path that no bucket has."""
    if "authorization" in headers or read_host(headers.get("host", "")) != Place():
        return False
    if raw_path.startswith("/_"):
        return True
    return raw_path == "/" and method in {"GET", "HEAD"} and not any(mark in query for mark in _SIGNED_QUERY)
