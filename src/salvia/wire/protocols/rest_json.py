"""REST with JSON bodies."""

from collections.abc import Mapping
from typing import Any

from salvia.model.shapes import OperationModel, Shape
from salvia.wire.errors import Failure, Malformed
from salvia.wire.message import Body, Request, Response
from salvia.wire.protocols import eventstream, json
from salvia.wire.protocols.bindings import read_head, write_head


class RestJson:
    malformed = "SerializationException"
    content_type = "application/json"

    def parse(self, request: Request, operation: OperationModel) -> dict[str, Any]:
        shape = operation.input
        if shape is None:
            return {}
        params = read_head(request, shape)
        if shape.payload:
            value = _read_payload(shape.members[shape.payload], request.body)
            # No body and an empty one look the same: only a payload that must be there is empty rather than missing.
            if value == b"" and shape.payload not in shape.required:
                return params
            return params if value is None else {**params, shape.payload: value}
        if any(member.location is None for member in shape.members.values()):
            document = json.decode(request.body)
            if not isinstance(document, dict):
                raise Malformed("the body is not a JSON object")
            params |= json.READ.body(shape)(document)
        return params

    def serialize(self, operation: OperationModel, members: Mapping[str, Any], request_id: str) -> Response:
        status, headers = write_head(operation.output, members, operation.response_code)
        headers["x-amzn-requestid"] = request_id
        shape = operation.output
        if shape is None:
            return Response(status, headers)
        if shape.payload and shape.members[shape.payload].eventstream:
            headers["content-type"] = eventstream.CONTENT_TYPE
            events = members[shape.payload]
            return Response(status, headers, eventstream.encoded(shape.members[shape.payload], events))
        if shape.payload:
            kind, body = _write_payload(shape.members[shape.payload], members.get(shape.payload))
            headers.setdefault("content-type", kind)
            return Response(status, headers, body)
        headers.setdefault("content-type", self.content_type)
        return Response(status, headers, json.encode_members(shape, members))

    def error(self, failure: Failure, request_id: str) -> Response:
        status, headers = write_head(failure.shape, failure.members, failure.status)
        headers |= {
            "content-type": self.content_type,
            "x-amzn-requestid": request_id,
            "x-amzn-errortype": failure.code,
        }
        return Response(status, headers, json.encode(json.error_document(failure)))


def _read_payload(shape: Shape, body: bytes) -> Any:
    if shape.type == "blob":
        return body
    if shape.type == "string":
        return read_string(body)
    if not body:
        return None
    document = json.decode(body)
    convert = json.READ.of(shape)
    return document if convert is None else convert(document)


def read_string(body: bytes) -> str | None:
    try:
        return body.decode() if body else None
    except UnicodeDecodeError as error:
        raise Malformed("the body is not UTF-8") from error


def _write_payload(shape: Shape, value: Any) -> tuple[str, Body]:
    if value is None:
        return "application/json", b""
    if shape.type == "string":
        return "text/plain", value.encode() if isinstance(value, str) else value
    if shape.type == "blob":
        return "application/octet-stream", value
    convert = json.WRITE.of(shape)
    return "application/json", json.encode(value if convert is None else convert(value))
