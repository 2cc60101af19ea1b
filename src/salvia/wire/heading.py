"""What the head of a request says of who is asked for what.

It is found out once for all requests that differ only in when they were signed, in what they tell the operation, and in
their body: those of somebody who waits for something, or who invokes an endpoint.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from salvia.model.load import Models
from salvia.model.shapes import OperationModel
from salvia.wire.incoming import Incoming
from salvia.wire.message import Request, unpacked
from salvia.wire.protocols.bindings import blob_of, headers_of
from salvia.wire.protocols.protocol import WireProtocol
from salvia.wire.protocols.query import read_form
from salvia.wire.protocols.table import QUERY, REST_JSON
from salvia.wire.route import FORM, Mark, Route, Router, read_mark
from salvia.wire.signature import Family

BODY_LIMIT = 16 << 20  # JSON, CBOR, forms and XML
_PAYLOAD_LIMIT = 64 << 20  # what an operation takes as it is, such as an invocation's input; only S3's streams
_MOST_KNOWN = 1000
_SIGNATURE = "Signature="


@dataclass(frozen=True, slots=True)
class Heading:
    """`limit` is in bytes, of a body that is read whole. `blob` is the member that is the body as it came, "" when none
    is; then `told` are the headers that have members of the operation in them.
    """

    mark: Mark
    route: Route
    operation: OperationModel
    family: Family
    limit: int
    blob: str
    told: tuple[str, ...]


class Headings:
    """Finds them, with the routes of the services that are served."""

    def __init__(self, models: Models, names: Iterable[str]) -> None:
        self._router = Router(models, names)
        self._known: dict[tuple[str | bool | None, ...] | None, Heading] = {}

    def known(self, method: str, raw_path: str, query: str, headers: Mapping[str, str]) -> Heading | None:
        """One that was found for another request, when everything that it depends on is the same."""
        return self._known.get(_said(method, raw_path, query, headers))

    async def find(self, request: Request, body: Incoming) -> Heading:
        """Fills in the request's arguments, labels and form; where only a form can name the operation, `body` is read.

        Raises UnknownOperation, Malformed, or AwsError when what is asked and what is signed for differ.
        """
        if request.query:
            request.arguments = read_form(request.query)
        mark = _mark(request)
        route = self._router.find(request, mark)
        if route.protocol is QUERY:
            request.form = request.arguments
        if route.operation is None:
            request.body = await body.read(BODY_LIMIT)
            request.form = read_form(unpacked(request, BODY_LIMIT).decode("utf-8", "replace"))
            route = self._router.by_form(route, request.form)
        request.labels = route.labels
        heading = _heading(mark, route)
        said = _said(request.method, request.path, request.query, request.headers) if route.lasting else None
        if said is not None:
            if len(self._known) >= _MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[said] = heading
        return heading

    def protocol(self, request: Request) -> WireProtocol:
        """How to word an error where there is no heading."""
        return self._router.protocol(request, _mark(request))

    def bucket_path(self, request: Request, heading: Heading) -> str:
        """The path in path style, whichever way the bucket was named."""
        return self._router.bucket_path(request, heading.mark)


def _said(method: str, raw_path: str, query: str, headers: Mapping[str, str]) -> tuple[str | bool | None, ...] | None:
    """What the heading of a request without a query, signed as every SDK signs, depends on; None for any other."""
    get = headers.get
    authorization, target, content_type = get("authorization", ""), get("x-amz-target"), get("content-type", "")
    if query or authorization[-74:-64] != _SIGNATURE or "smithy-protocol" in headers:
        return None
    kind = content_type.startswith(FORM) if target is None else content_type
    return method, raw_path, authorization[:-64], get("host"), target, kind


def _mark(request: Request) -> Mark:
    return read_mark(request.headers, dict(reversed(request.arguments)))  # the first of a repeated argument counts


def _heading(mark: Mark, route: Route) -> Heading:
    operation = route.operation
    assert operation is not None
    shape = operation.input
    takes_payload = shape is not None and bool(shape.payload)
    blob = blob_of(shape) if shape is not None and route.protocol is REST_JSON else ""
    return Heading(
        mark,
        route,
        operation,
        _family(route, operation),
        _PAYLOAD_LIMIT if takes_payload else BODY_LIMIT,
        blob,
        headers_of(shape) if shape is not None and blob else (),
    )


def _family(route: Route, operation: OperationModel) -> Family:
    if operation.service.name == "s3":
        return Family.S3
    if route.protocol is QUERY:
        return Family.QUERY
    return Family.REST_JSON if route.protocol is REST_JSON else Family.JSON
