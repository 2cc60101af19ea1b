"""AWS JSON 1.0 and 1.1: the operation in X-Amz-Target, everything else in one JSON document."""

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

import orjson

from salvia.base.call import Lasting
from salvia.model.shapes import OperationModel, Shape
from salvia.wire.errors import Failure, Malformed, message_member
from salvia.wire.message import Request, Response
from salvia.wire.protocols.document import Conversion, Conversions
from salvia.wire.protocols.scalars import checked_timestamp, read_timestamp, write_number, write_timestamp


def _reader(shape: Shape) -> Conversion | None:
    return _READERS.get(shape.type)


def _number(value: Any) -> Any:
    return float(value) if type(value) is str and value in {"NaN", "Infinity", "-Infinity"} else value


def _blob(value: Any) -> Any:
    if type(value) is not str:
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error) as error:
        raise Malformed("a blob is not Base64") from error


def _timestamp(value: Any) -> Any:
    try:
        if type(value) is str:
            return read_timestamp(value)
        return checked_timestamp(value) if type(value) in {int, float} else value
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{str(value)[:100]!r} is not a timestamp") from error


_READERS: dict[str, Conversion] = {"float": _number, "double": _number, "blob": _blob, "timestamp": _timestamp}


_NUMBERS = {"float", "double"}


def _writer(shape: Shape) -> Conversion | None:
    if shape.type == "blob":
        return _write_blob
    if shape.type in _NUMBERS:
        return _write_float
    if shape.type == "timestamp" and shape.timestamp_format in {"iso8601", "rfc822"}:
        form = shape.timestamp_format
        return lambda value: write_timestamp(value, form)
    return None


def _write_blob(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _write_float(value: Any) -> Any:
    # JSON has no word for these three.
    return value if not isinstance(value, float) or math.isfinite(value) else write_number(value)


READ = Conversions(_reader, by_wire=True)
WRITE = Conversions(_writer, by_wire=False)
_PLAIN = Conversions(lambda shape: None if shape.type in _NUMBERS else _writer(shape), by_wire=False)


def decode(body: bytes) -> Any:
    """An empty body is an empty document."""
    try:
        return orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error


def encode(document: Any) -> bytes:
    return orjson.dumps(document)


def encode_members(shape: Shape, members: Mapping[str, Any]) -> bytes:
    """The structure as a document.

    Most results need no change and are encoded as they are, which costs a tenth of walking them. Then only the members of
    the outermost structure are held to the model. NaN and infinity become null, so they too lead to the walk.
    """
    if type(members) is not Lasting:
        return _encode_members(shape, members)
    if not hasattr(members, "written"):
        members.written = _encode_members(shape, dict(members))
    return members.written


def _encode_members(shape: Shape, members: Mapping[str, Any]) -> bytes:
    if _PLAIN.plain(shape) and type(members) is dict and members.keys() <= shape.members.keys():
        document = orjson.dumps(members)
        if b"null" not in document:
            return document
    return orjson.dumps(WRITE.body(shape)(members))


def error_document(failure: Failure) -> dict[str, Any]:
    members = {name: item for name, item in failure.members.items() if item is not None}
    if failure.shape is not None:
        members = WRITE.body(failure.shape)(failure.members)
    return {"__type": failure.code, **members, message_member(failure.shape): failure.message}


class Json:
    """One version of the protocol; only the content type differs."""

    malformed = "SerializationException"

    def __init__(self, version: str) -> None:
        self.content_type = f"application/x-amz-json-{version}"

    def parse(self, request: Request, operation: OperationModel) -> dict[str, Any]:
        document = decode(request.body)
        if operation.input is None:
            return {}
        if not isinstance(document, dict):
            raise Malformed("the body is not a JSON object")
        params: dict[str, Any] = READ.body(operation.input)(document)
        return params

    def serialize(self, operation: OperationModel, members: Mapping[str, Any], request_id: str) -> Response:
        headers = {"content-type": self.content_type, "x-amzn-requestid": request_id}
        if operation.output is None:
            return Response(operation.response_code, headers)
        return Response(operation.response_code, headers, encode_members(operation.output, members))

    def error(self, failure: Failure, request_id: str) -> Response:
        headers = {"content-type": self.content_type, "x-amzn-requestid": request_id}
        if failure.query_compatible:
            headers["x-amzn-query-error"] = f"{failure.query_code};{'Sender' if failure.sender_fault else 'Receiver'}"
        return Response(failure.status, headers, encode(error_document(failure)))
