"""Which service, operation and protocol a request is for: read from the request, never from the model alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from salvia.base.errors import AwsError
from salvia.model.load import Models
from salvia.model.shapes import OperationModel, ServiceModel
from salvia.wire.errors import Malformed
from salvia.wire.hosts import Place, read_host
from salvia.wire.message import Request
from salvia.wire.paths import PathTable
from salvia.wire.protocols.protocol import WireProtocol
from salvia.wire.protocols.table import CBOR, JSON_1_0, JSON_1_1, QUERY, REST_JSON, REST_XML

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Mark:
    """What the head says about who is asked, before anything is verified. `signing` is the scope's service name."""

    signing: str = ""
    region: str = ""
    place: Place = field(default_factory=Place)

    @property
    def anonymous(self) -> bool:
        return not self.signing


@dataclass(frozen=True, slots=True)
class Route:
    """`operation` is None while only the form in the body can name it (`Router.by_form`).

    `lasting`: requests with the same method, path, host, credential and target, and no query, have the same route.
    """

    service: ServiceModel | None
    operation: OperationModel | None
    protocol: WireProtocol
    labels: Mapping[str, str] = field(default_factory=dict)
    lasting: bool = False

    @property
    def streams(self) -> bool:
        """Whether the operation takes the body piece by piece."""
        shape = self.operation.input if self.operation else None
        return shape is not None and shape.payload is not None and shape.members[shape.payload].streaming


class UnknownOperation(AwsError):
    code = "UnknownOperationException"
    http_status = 404


def read_mark(headers: Mapping[str, str], arguments: Mapping[str, str]) -> Mark:
    """The credential scope of a header or of a presigned query, a SigV2 signature (only S3 takes one), or the host alone."""
    place = read_host(headers.get("host", ""))
    authorization = headers.get("authorization", "")
    if authorization.startswith("AWS4-"):
        credential = authorization.partition("Credential=")[2].partition(",")[0]
    elif authorization.startswith("AWS ") or "AWSAccessKeyId" in arguments:
        return Mark("s3", place.region, place)
    elif "X-Amz-Credential" in arguments or "X-Amz-Signature" in arguments:
        credential = arguments.get("X-Amz-Credential", "")
    else:
        return Mark("", place.region, place)
    return _signed_mark(credential, place)


@lru_cache(maxsize=1024)
def _signed_mark(credential: str, place: Place) -> Mark:
    parts = credential.strip().rsplit("/", 3)
    if len(parts) != 4:
        # Whoever verifies says what is wrong with it; it is certainly not anonymous.
        return Mark(place.prefix or "unknown", place.region, place)
    return Mark(parts[2], parts[1], place)


class Router:
    """Finds routes among the services that are served. Tables are built on a service's first use."""

    def __init__(self, models: Models, names: Iterable[str]) -> None:
        self._services = [models.service(name) for name in names]
        self._by_signing: dict[str, list[ServiceModel]] = {}
        self._by_target: dict[str, ServiceModel] = {}
        self._by_prefix: dict[str, ServiceModel] = {}
        for service in self._services:
            metadata = service.metadata
            self._by_signing.setdefault(metadata.get("signingName", metadata["endpointPrefix"]), []).append(service)
            self._by_prefix[metadata["endpointPrefix"]] = service
            if "targetPrefix" in metadata:
                self._by_target[metadata["targetPrefix"]] = service
        self._paths: dict[str, PathTable] = {}

    def find(self, request: Request, mark: Mark) -> Route:
        """Raises UnknownOperation, or AwsError when what is asked and what is signed for differ."""
        target = request.headers.get("x-amz-target")
        if target is not None:
            return self._json(target, request.headers.get("content-type", ""), mark)
        if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
            return self._cbor(request.path, mark)
        services = self._asked(mark)
        if mark.place.prefix == "sns" and services and request.method == "GET" and request.path.endswith(".pem"):
            operation = unmodelled(services[0], "GetSigningCertificate", {"method": "GET"})
            return Route(services[0], operation, QUERY, {"Path": request.path})
        if mark.signing and not services:
            raise UnknownOperation(f"Salvia serves nothing that is signed for {mark.signing}")
        if self._is_query(request, services):
            return self._query(request, services)
        return self._rest(request, services, mark)

    def by_form(self, route: Route, form: Sequence[tuple[str, str]]) -> Route:
        """The route of a form that has been read."""
        arguments = dict(form)
        action, version = arguments.get("Action", ""), arguments.get("Version", "")
        for service in [route.service] if route.service else self._services:
            fits = route.service or service.metadata.get("apiVersion") == version
            if fits and _speaks(service, "query") and action in service.operation_names:
                return Route(service, service.operation(action), QUERY)
        raise AwsError(
            f"Could not find operation {action or '(no Action)'} for version {version or 'NO_VERSION_SPECIFIED'}",
            code="InvalidAction",
        )

    def protocol(self, request: Request, mark: Mark) -> WireProtocol:
        """How to word an error before, or without, a route."""
        content_type = request.headers.get("content-type", "")
        if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
            return CBOR
        if "x-amz-target" in request.headers or content_type.startswith("application/x-amz-json"):
            return JSON_1_0 if content_type.endswith("1.0") else JSON_1_1
        services = self._asked(mark)
        if self._is_query(request, services):
            return QUERY
        xml = any(_speaks(service, "rest-xml") for service in services) if services else mark.anonymous
        return REST_XML if xml else REST_JSON

    def bucket_path(self, request: Request, mark: Mark) -> str:
        """The path in path style, whichever way the bucket was named."""
        return f"/{mark.place.bucket}{request.path}" if mark.place.bucket else request.path

    def _asked(self, mark: Mark) -> list[ServiceModel]:
        if mark.signing:
            return self._by_signing.get(mark.signing, [])
        if mark.place.prefix in self._by_prefix:
            return [self._by_prefix[mark.place.prefix]]
        return []

    def _json(self, target: str, content_type: str, mark: Mark) -> Route:
        prefix, _, name = target.rpartition(".")
        service, operation = self._named(prefix, name, mark)
        stated = content_type.removeprefix("application/x-amz-json-")
        version = stated if stated in {"1.0", "1.1"} else service.metadata.get("jsonVersion", "1.0")
        return Route(service, operation, JSON_1_0 if version == "1.0" else JSON_1_1, lasting=True)

    def _cbor(self, path: str, mark: Mark) -> Route:
        parts = path.split("/")
        if len(parts) < 5 or parts[-4] != "service" or parts[-2] != "operation":
            raise UnknownOperation("The path of an RPC request is /service/SERVICE/operation/OPERATION")
        service, operation = self._named(parts[-3], parts[-1], mark)
        return Route(service, operation, CBOR)

    def _named(self, prefix: str, name: str, mark: Mark) -> tuple[ServiceModel, OperationModel]:
        service = self._by_target.get(prefix)
        if service is None or name not in service.operation_names:
            raise UnknownOperation(f"{prefix}.{name} is not an operation that Salvia knows")
        if mark.signing and service not in self._asked(mark):
            signing = service.metadata.get("signingName", service.metadata["endpointPrefix"])
            raise AwsError(
                f"Credential should be scoped to correct service: '{signing}'.",
                code="InvalidSignatureException",
                http_status=403,
            )
        return service, service.operation(name)

    def _is_query(self, request: Request, services: list[ServiceModel]) -> bool:
        if services and not any(_speaks(service, "query") for service in services):
            return False
        if any(name == "Action" for name, _ in request.arguments):
            return True
        return request.method == "POST" and request.headers.get("content-type", "").startswith(FORM)

    def _query(self, request: Request, services: list[ServiceModel]) -> Route:
        route = Route(services[0] if services else None, None, QUERY)
        if any(name == "Action" for name, _ in request.arguments):
            return self.by_form(route, request.arguments)
        return route

    def _rest(self, request: Request, services: list[ServiceModel], mark: Mark) -> Route:
        arguments = dict(reversed(request.arguments))
        for service in services or self._by_signing.get("s3", []):
            protocol = _REST.get(service.metadata["protocol"])
            if protocol is None:
                continue
            if service.name != "s3":
                path = request.path
            elif mark.anonymous and _is_form(request):
                return self._post_object(service, request, mark)
            else:
                path = self.bucket_path(request, mark)
            try:
                found = self._table(service).find(request.method, path, arguments, request.headers)
            except Malformed as error:
                raise AwsError("Couldn't parse the specified URI.", code="InvalidURI") from error
            if found is not None:
                lasting = found.alone and bool(mark.signing) and service.name != "s3"
                return Route(service, service.operation(found.name), protocol, found.labels, lasting)
        if not services or services[0].name == "s3":
            raise AwsError(
                "The specified method is not allowed against this resource.", code="MethodNotAllowed", http_status=405
            )
        raise UnknownOperation(f"No operation of {services[0].name} is at {request.method} {request.path}")

    def _table(self, service: ServiceModel) -> PathTable:
        table = self._paths.get(service.name)
        if table is None:
            table = self._paths[service.name] = PathTable(service)
        return table

    def _post_object(self, service: ServiceModel, request: Request, mark: Mark) -> Route:
        bucket = self.bucket_path(request, mark).strip("/")
        operation = unmodelled(service, "PostObject", {"method": "POST", "responseCode": 204})
        return Route(service, operation, REST_XML, {"Bucket": bucket})


def unmodelled(service: ServiceModel, name: str, http: dict[str, Any]) -> OperationModel:
    """One that AWS's model leaves out, and that nobody signs; its parameters are the labels of its route."""
    return OperationModel(service, name, {"http": http, "authtype": "none", "unmodelled": True})


_REST: Mapping[str, WireProtocol] = {"rest-json": REST_JSON, "rest-xml": REST_XML}


def _is_form(request: Request) -> bool:
    return request.method == "POST" and request.headers.get("content-type", "").startswith("multipart/form-data")


@cache
def _speaks(service: ServiceModel, protocol: str) -> bool:
    metadata = service.metadata
    return protocol == metadata["protocol"] or protocol in metadata.get("protocols", ())
