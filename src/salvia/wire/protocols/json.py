"""AWS JSON 1.0 and 1.1: the operation in X-Amz-Target, everything else in one JSON document."""  # noqa: A005 - the protocol's name

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

import orjson

from salvia.model.shapes import OperationModel, Shape
from salvia.wire.errors import Failure, Malformed, message_member
from salvia.wire.message import Request, Response
from salvia.wire.protocols.document import Conversion, Conversions, mismatch
from salvia.wire.protocols.scalars import read_timestamp, write_number, write_timestamp


def _reader(shape: Shape) -> Conversion | None:
    return _READERS.get(shape.type)


def _string(value: Any) -> str:
    if type(value) is not str:
        raise Malformed(f"{_kind(value)} cannot be converted to a String")
    return value


def _integer(value: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise Malformed(f"{_kind(value)} cannot be converted to an Integer")


def _number(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return value
    if value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    raise Malformed(f"{_kind(value)} cannot be converted to a Float")


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise Malformed(f"{_kind(value)} cannot be converted to a Boolean")
    return value


def _blob(value: Any) -> bytes:
    if type(value) is not str:
        raise Malformed(f"{_kind(value)} cannot be converted to a Blob")
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error) as error:
        raise Malformed("a blob is not Base64") from error


def _timestamp(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return value
    if type(value) is not str:
        raise Malformed(f"{_kind(value)} cannot be converted to a Timestamp")
    try:
        return read_timestamp(value)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{value[:100]!r} is not a timestamp") from error


_READERS: dict[str, Conversion] = {
    "string": _string,
    "character": _string,
    "integer": _integer,
    "long": _integer,
    "float": _number,
    "double": _number,
    "boolean": _boolean,
    "blob": _blob,
    "timestamp": _timestamp,
}


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    return {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE"}.get(type(value), "START_OF_CONTAINER")


def _writer(shape: Shape) -> Conversion | None:
    if shape.type == "blob":
        return _write_blob
    if shape.type in {"float", "double"}:
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


def decode(body: bytes) -> Any:
    """An empty body is an empty document."""
    try:
        return orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from error


def encode(document: Any) -> bytes:
    """A timestamp may have been left a whole float; clients read 1.7e9 and 1700000000.0 alike."""
    return orjson.dumps(document)


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
            raise mismatch(operation.input, document)
        params: dict[str, Any] = READ.body(operation.input)(document)
        return params

    def serialize(self, operation: OperationModel, members: Mapping[str, Any], request_id: str) -> Response:
        headers = {"content-type": self.content_type, "x-amzn-requestid": request_id}
        if operation.output is None:
            return Response(operation.response_code, headers)
        return Response(operation.response_code, headers, encode(WRITE.body(operation.output)(members)))

    def error(self, failure: Failure, request_id: str) -> Response:
        headers = {"content-type": self.content_type, "x-amzn-requestid": request_id}
        if failure.query_compatible:
            headers["x-amzn-query-error"] = f"{failure.query_code};{'Sender' if failure.sender_fault else 'Receiver'}"
        return Response(failure.status, headers, encode(error_document(failure)))
