"""REST with XML bodies, and what S3 does in its own way."""

from collections.abc import Mapping
from typing import Any

from salvia.model.shapes import OperationModel, Shape
from salvia.wire.errors import Failure
from salvia.wire.message import Request, Response
from salvia.wire.protocols import xml
from salvia.wire.protocols.bindings import read_head, write_head, written_body
from salvia.wire.protocols.rest_json import read_string
from salvia.wire.protocols.scalars import write_text

# The roots that S3 writes, where the model does not say; AWS's own clients do not look at them, others do.
_S3_ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}
_S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
# Whose only member is the text of the root itself.
_UNWRAPPED = {"GetBucketLocation": "LocationConstraint"}


class RestXml:
    malformed = "MalformedXML"
    content_type = "application/xml"

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
        if request.body:
            inside = {name: member for name, member in shape.members.items() if member.location is None}
            if inside:
                params |= xml.read_members(inside, xml.parse(request.body))
        return params

    def serialize(self, operation: OperationModel, members: Mapping[str, Any], request_id: str) -> Response:
        status, headers = write_head(operation.output, members, operation.response_code)
        headers["x-amz-request-id"] = request_id
        shape = operation.output
        if shape is None:
            return Response(status, headers)
        response = Response(status, headers)
        if shape.payload:
            self._write_payload(response, operation, shape, members.get(shape.payload))
        elif inside := written_body(shape):
            headers.setdefault("content-type", self.content_type)
            response.body = _document(operation, shape, inside, members).encode()
        return response

    def _write_payload(self, response: Response, operation: OperationModel, shape: Shape, value: Any) -> None:
        payload = shape.members[shape.payload or ""]
        if value is None:
            return
        if payload.type in {"blob", "string"}:
            response.body = value.encode() if isinstance(value, str) else value
            response.headers.setdefault(
                "content-type", "binary/octet-stream" if payload.type == "blob" else "text/plain"
            )
            return
        root = payload.location_name or payload.name
        pieces = xml.write(root, payload, value, "milliseconds", xmlns=_namespace(operation, shape))
        response.headers.setdefault("content-type", self.content_type)
        response.body = (xml.DECLARATION + "".join(pieces)).encode()

    def error(self, failure: Failure, request_id: str) -> Response:
        if failure.shape is not None:
            extra = "".join(xml.write_members(written_body(failure.shape), failure.members, "milliseconds"))
        else:
            extra = "".join(
                f"<{name}>{xml.escape(xml.printable(str(item)))}</{name}>" for name, item in failure.members.items()
            )
        body = (
            f"{xml.DECLARATION}<Error><Code>{xml.escape(failure.query_code)}</Code>"
            f"<Message>{xml.escape(xml.printable(failure.message))}</Message>{extra}"
            f"<Resource>{xml.escape(xml.printable(failure.resource))}</Resource>"
            f"<RequestId>{request_id}</RequestId></Error>"
        )
        status, headers = write_head(failure.shape, failure.members, failure.status)
        headers |= {"content-type": self.content_type, "x-amz-request-id": request_id}
        return Response(status, headers, body.encode())


def _read_payload(shape: Shape, body: bytes) -> Any:
    if shape.type == "blob":
        return body
    if shape.type == "string":
        return read_string(body)
    return xml.read(shape, xml.parse(body)) if body else None


def _document(operation: OperationModel, shape: Shape, shapes: Mapping[str, Shape], members: Mapping[str, Any]) -> str:
    root = shape.location_name or _S3_ROOTS.get(operation.name, shape.name)
    unwrapped = _UNWRAPPED.get(operation.name)
    if unwrapped:
        root = unwrapped
        inside = xml.escape(write_text(shape.members[unwrapped], members.get(unwrapped) or "", "milliseconds"))
    else:
        inside = "".join(xml.write_members(shapes, members, "milliseconds"))
    attributes = xml.attributes(shape, members)
    return f"{xml.DECLARATION}<{root}{_namespace(operation, shape)}{attributes}>{inside}</{root}>"


def _namespace(operation: OperationModel, shape: Shape) -> str:
    if shape.xml_namespace:
        return xml.namespace(shape)
    if operation.service.name == "s3":
        return f' xmlns="{_S3_NAMESPACE}"'
    return ""
