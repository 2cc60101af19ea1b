"""The life of a request: one list of steps, from the bytes of a socket to an operation and back."""

import base64
import logging
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from salvia.base.call import ANONYMOUS, Call, Caller, FileBody, RawRequest, Reply, Stream
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
from salvia.wire.hosts import Place, read_host
from salvia.wire.incoming import Incoming, too_large
from salvia.wire.message import Peer, Request, Response
from salvia.wire.protocols.bindings import blob_of, told_by_head
from salvia.wire.protocols.json import Json
from salvia.wire.protocols.protocol import WireProtocol
from salvia.wire.protocols.query import read_form
from salvia.wire.protocols.table import QUERY, REST_JSON
from salvia.wire.route import Mark, Route, Router, read_mark
from salvia.wire.signature import Family, Refusal, refusal
from salvia.wire.sigv4 import Verifier
from salvia.wire.validate import check, code_for

Operation = Callable[[Call], Awaitable[Mapping[str, Any] | Reply]]
RawOperation = Callable[[RawRequest, Call], Awaitable[Reply]]
Authorize = Callable[[Call], Awaitable[None]]

_BODY_LIMIT = 16 << 20  # JSON, CBOR, forms and XML
_PAYLOAD_LIMIT = 64 << 20  # what an operation takes as it is, such as an invocation's input; only S3's streams
_POLL = 256  # bytes of a body that may come again
_MOST_ASKED = 1000
_SIGNED_QUERY = ("X-Amz-", "AWSAccessKeyId=", "Action=")
_log = logging.getLogger(__name__)


_UNKNOWN_PEER = Peer()
_NO_MARK = Mark()


@dataclass(slots=True)
class Exchange:
    """One request and what has been learned of it so far."""

    request: Request
    body: Incoming
    request_id: str
    mark: Mark
    peer: Peer
    route: Route | None = None
    caller: Caller = ANONYMOUS
    region: str = ""
    stream: Stream | None = None


class Wire:
    """Every AWS service on one port.

    `services` maps a service's name and an operation's name to what answers it; an operation of the model that is not
    there is refused, with the sentence under "service.Operation" in `refused` where there is one. `raw` takes a whole
    service's requests as they came, after the signature was verified and `authorize` agreed; their params are then only
    what stands in the head. `authorize` raises AccessDenied; a caller that is ANONYMOUS reaches it only for S3 and for
    operations that the model leaves unsigned. `fallback` gets unsigned requests for "/" and for paths that begin with
    "/_", which no bucket's name does.
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
    ) -> None:
        self._services = services
        self._raw = raw or {}
        self._authorize = authorize
        self._settings = settings
        self._fallback = fallback
        self._refused = refused or {}
        self._cors = Cors(settings.cors_origins)
        self._router = Router(models, dict.fromkeys([*services, *self._raw]))
        self._verifier = Verifier(credentials, clock, settings.max_clock_skew_seconds)
        self._validation_codes: dict[str, str] = {}
        self._asked: dict[tuple[Any, ...], dict[str, Any]] = {}

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
        request_id = new_request_id()
        request = Request(method, raw_path, query, headers)
        exchange = Exchange(request, body, request_id, _NO_MARK, peer)
        try:
            response = await self._answer(exchange)
        except AwsError as error:
            response = self._refusal(exchange, error)
        except Malformed as error:
            response = self._refusal(exchange, AwsError(str(error), code=self._protocol(exchange).malformed))
        except Exception:  # noqa: BLE001 - the boundary: the log is told, the client is not
            _log.exception("request %s failed: %s %s", request_id, method, raw_path)
            response = self._refusal(exchange, AwsError(_INTERNAL, http_status=500))
        if "x-amz-request-id" in response.headers:
            response.headers["x-amz-id-2"] = base64.b64encode(request_id.encode()).decode()
        if "origin" in headers:
            response.headers |= self._cors.headers(headers)
        return response

    async def _answer(self, exchange: Exchange) -> Response:
        if exchange.request.method == "OPTIONS":
            return self._cors.preflight(exchange.request.headers)
        route = self._find(exchange)
        if route.operation is None:
            route = await self._find_by_form(exchange, route)
        operation = route.operation
        assert operation is not None
        await self._verify(exchange, route, operation)
        answers = self._served(operation)
        params = self._parse(exchange, route, operation)
        call = Call(
            service=operation.service.name,
            operation=operation.name,
            params=params,
            caller=exchange.caller,
            region=exchange.region,
            request_id=exchange.request_id,
            headers=exchange.request.headers,
            body=exchange.stream,
            source_ip=exchange.peer.address,
            secure=exchange.peer.secure,
        )
        await self._authorize(call)
        result = await answers(call) if answers else await self._pass_on(exchange, call)
        return self._written(exchange, operation, result)

    def _find(self, exchange: Exchange) -> Route:
        request = exchange.request
        arguments: Mapping[str, str] = _NO_ARGUMENTS
        if request.query:
            request.arguments = read_form(request.query)
            arguments = dict(reversed(request.arguments))  # the first of a repeated argument counts
        mark = exchange.mark = read_mark(request.headers, arguments)
        exchange.region = mark.region or self._settings.region
        route = exchange.route = self._router.find(request, mark)
        if route.protocol is QUERY:
            request.form = request.arguments
        request.labels = route.labels
        return route

    async def _find_by_form(self, exchange: Exchange, route: Route) -> Route:
        request = exchange.request
        request.body = await exchange.body.read(_BODY_LIMIT)
        request.form = read_form(_unpacked(request).decode("utf-8", "replace"))
        exchange.route = route = self._router.by_form(route, request.form)
        request.labels = route.labels
        return route

    async def _verify(self, exchange: Exchange, route: Route, operation: OperationModel) -> None:
        """Who calls, and the body: whole for most operations, still to come for those of S3 that stream."""
        request, family = exchange.request, _family(route, operation)
        if family is not Family.S3 and not exchange.body.done:
            takes_payload = operation.input is not None and operation.input.payload
            request.body = await exchange.body.read(_PAYLOAD_LIMIT if takes_payload else _BODY_LIMIT)
        by_version_2 = exchange.mark.signing == "s3" and "AWSAccessKeyId=" in request.query
        verified = await self._verifier.verify(
            request.method,
            self._router.bucket_path(request, exchange.mark) if by_version_2 else request.path,
            request.query,
            request.headers,
            family=family,
            body=None if family is Family.S3 else request.body,
            anonymous=operation.raw.get("authtype") == "none",
        )
        mark = exchange.mark
        if verified.scope and (verified.service, verified.region) != (mark.signing, mark.region):
            # A credential stated twice: what was looked at to find the service is not what was signed.
            raise refusal(Refusal.MISMATCH, family)
        exchange.caller = verified.caller
        if family is not Family.S3:
            return
        if operation.name == "PostObject":
            exchange.stream = exchange.body
            return
        stream = open_body(exchange.body, request.headers, verified)
        if route.streams or operation.service.name in self._raw:
            exchange.stream = stream
        else:
            request.body = await read_all(stream, _BODY_LIMIT)

    def _served(self, operation: OperationModel) -> Operation | None:
        """What answers the operation; None when its service is passed on raw. Raises Unsupported."""
        service = operation.service.name
        found = self._services.get(service, _NOTHING).get(operation.name)
        if found is None and service not in self._raw:
            sentence = self._refused.get(f"{service}.{operation.name}")
            raise Unsupported(sentence or f"{operation.name} is not served by Salvia; docs/operations.md lists what is")
        return found

    def _parse(self, exchange: Exchange, route: Route, operation: OperationModel) -> dict[str, Any]:
        """What is asked, held to the model. Who waits for something, or invokes an endpoint, asks the same again and again."""
        request, shape = exchange.request, operation.input
        if shape is None or "requestcompression" in operation.raw:
            return self._read(exchange, route, operation)
        blob = blob_of(shape) if route.protocol is REST_JSON and not request.query else ""
        asked: tuple[Any, ...]
        if blob:  # anything may stand in it: what is remembered is of the head alone
            asked = operation, not request.body, *told_by_head(request, shape)
        elif len(request.body) <= _POLL and isinstance(route.protocol, Json):
            asked = operation, request.body
        else:
            return self._read(exchange, route, operation)
        known = self._asked.get(asked)
        if known is None:
            known = self._read(exchange, route, operation)
            if any(isinstance(value, dict | list) for value in known.values()):
                return known
            if len(self._asked) >= _MOST_ASKED:
                del self._asked[next(iter(self._asked))]
            self._asked[asked] = {**known, blob: b""} if blob in known else known
        return {**known, blob: request.body} if blob in known else known.copy()

    def _read(self, exchange: Exchange, route: Route, operation: OperationModel) -> dict[str, Any]:
        if "requestcompression" in operation.raw:
            exchange.request.body = _unpacked(exchange.request)
        try:
            params = route.protocol.parse(exchange.request, operation)
        except RecursionError:
            raise Malformed("the document is nested too deeply") from None
        if "unmodelled" in operation.raw:
            return dict(route.labels)
        if operation.input is not None and operation.service.name not in self._raw:
            check(operation.input, params, self._validation_code(operation.service))
        return params

    def _validation_code(self, service: ServiceModel) -> str:
        code = self._validation_codes.get(service.name)
        if code is None:
            code = self._validation_codes[service.name] = code_for(service)
        return code

    async def _pass_on(self, exchange: Exchange, call: Call) -> Reply:
        request, body = exchange.request, call.body
        assert body is not None
        raw = RawRequest(request.method, request.path, request.query, request.headers, body)
        return await self._raw[call.service](raw, call)

    def _written(self, exchange: Exchange, operation: OperationModel, result: Mapping[str, Any] | Reply) -> Response:
        assert exchange.route is not None
        members = result.members if isinstance(result, Reply) else result
        response = exchange.route.protocol.serialize(operation, members, exchange.request_id)
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
        request, route = exchange.request, exchange.route
        known = failure(error, route.service if route else None, request.path)
        response = self._protocol(exchange).error(known, exchange.request_id)
        response.headers |= {name.lower(): value for name, value in error.headers.items()}
        if request.method == "HEAD":
            response.body = b""
        return response

    def _protocol(self, exchange: Exchange) -> WireProtocol:
        if exchange.route is not None:
            return exchange.route.protocol
        return self._router.protocol(exchange.request, exchange.mark)


def _family(route: Route, operation: OperationModel) -> Family:
    if operation.service.name == "s3":
        return Family.S3
    if route.protocol is QUERY:
        return Family.QUERY
    return Family.REST_JSON if route.protocol is REST_JSON else Family.JSON


_NOTHING: Mapping[str, Operation] = {}
_NO_ARGUMENTS: Mapping[str, str] = {}
_INTERNAL = "The server failed; its log says why, under the request id."


def _unpacked(request: Request) -> bytes:
    """The body without its gzip, which clients use for large requests of the operations that allow it."""
    if request.headers.get("content-encoding") != "gzip":
        return request.body
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(request.body, _BODY_LIMIT)
    except zlib.error as error:
        raise AwsError("the body is not gzip", code="SerializationException") from error
    if unpacker.unconsumed_tail:
        raise too_large(_BODY_LIMIT)
    return body


def _for_people(method: str, raw_path: str, query: str, headers: Mapping[str, str]) -> bool:
    """Unsigned, and for a path that no bucket has."""
    if "authorization" in headers or read_host(headers.get("host", "")) != Place():
        return False
    if raw_path.startswith("/_"):
        return True
    return raw_path == "/" and method in {"GET", "HEAD"} and not any(mark in query for mark in _SIGNED_QUERY)
