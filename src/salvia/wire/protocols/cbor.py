"""Smithy RPC v2 CBOR: the operation in the path, everything else in one CBOR document."""

from collections.abc import Mapping
from typing import Any

import cbor2

from salvia.model.shapes import OperationModel, Shape
from salvia.wire.errors import Failure, Malformed, message_member
from salvia.wire.message import Request, Response
from salvia.wire.protocols.document import Conversion, Conversions
from salvia.wire.protocols.scalars import checked_timestamp

_EPOCH_TAG = 1
_MAX_DEPTH = 100


def _refuse(*_: Any) -> Any:
    raise Malformed("the only tag understood is 1, seconds since the epoch")


# Everything else the library would build from a tag (shared references, big numbers, regular expressions, ...) has no
# place in the protocol and would only be a way in.
_TAGS = dict.fromkeys((0, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799), _refuse)


def _epoch(value: Any, _immutable: bool = False) -> Any:
    return cbor2.CBORTag(_EPOCH_TAG, value)


def decode(body: bytes) -> Any:
    """An empty body is an empty document. Timestamps stay tagged, so that nothing else passes for one."""
    if not body:
        return {}
    try:
        return cbor2.loads(
            body, tag_hook=_refuse, semantic_decoders={**_TAGS, _EPOCH_TAG: _epoch}, max_depth=_MAX_DEPTH
        )
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise Malformed(f"the body is not CBOR: {error}") from error


def _reader(shape: Shape) -> Conversion | None:
    return _read_timestamp if shape.type == "timestamp" else None


def _read_timestamp(value: Any) -> Any:
    if not isinstance(value, cbor2.CBORTag):
        return value
    if type(value.value) not in {int, float}:
        raise Malformed("a timestamp is a number")
    try:
        return checked_timestamp(value.value)
    except ValueError as error:
        raise Malformed("a timestamp is a moment between the years 1 and 9999") from error


def _writer(shape: Shape) -> Conversion | None:
    if shape.type == "timestamp":
        return lambda value: cbor2.CBORTag(_EPOCH_TAG, float(value))
    if shape.type in {"float", "double"}:
        return float
    return None


READ = Conversions(_reader, by_wire=True)
WRITE = Conversions(_writer, by_wire=False)


class Cbor:
    malformed = "SerializationException"
    content_type = "application/cbor"

    def parse(self, request: Request, operation: OperationModel) -> dict[str, Any]:
        document = decode(request.body)
        if operation.input is None:
            return {}
        if not isinstance(document, dict):
            raise Malformed("the body is not a CBOR map")
        params: dict[str, Any] = READ.body(operation.input)(document)
        return params

    def serialize(self, operation: OperationModel, members: Mapping[str, Any], request_id: str) -> Response:
        headers = {"smithy-protocol": "rpc-v2-cbor", "x-amzn-requestid": request_id}
        if operation.output is None:
            return Response(operation.response_code, headers)
        headers["content-type"] = self.content_type
        return Response(operation.response_code, headers, cbor2.dumps(WRITE.body(operation.output)(members)))

    def error(self, failure: Failure, request_id: str) -> Response:
        headers = {
            "smithy-protocol": "rpc-v2-cbor",
            "x-amzn-requestid": request_id,
            "content-type": self.content_type,
        }
        if failure.query_compatible:
            headers["x-amzn-query-error"] = f"{failure.query_code};{'Sender' if failure.sender_fault else 'Receiver'}"
        members = WRITE.body(failure.shape)(failure.members) if failure.shape is not None else dict(failure.members)
        document = {"__type": failure.code, **members, message_member(failure.shape): failure.message}
        return Response(failure.status, headers, cbor2.dumps(document))
