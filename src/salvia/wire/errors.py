"""What is known of an error when it goes out: the raised AwsError, completed by what the service's model says of its code."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from salvia.base.errors import AwsError
from salvia.model.shapes import ErrorModel, ServiceModel, Shape

_UNWRITABLE = re.compile("[\ud800-\udfff]")


def writable(text: str) -> str:
    """Without what no encoding has: bytes of a head that were not UTF-8, when a message repeats them."""
    return text if text.isascii() else _UNWRITABLE.sub("\ufffd", text)


class Malformed(ValueError):
    """The request cannot be read at all; the protocol that reads it knows which code says so."""


@dataclass(frozen=True, slots=True)
class Failure:
    """`code` is the service's own word, `query_code` what clients of the query protocol are told (mostly the same).

    `shape` is the modelled error, None when the model has none; `resource` the path that was asked for.
    """

    code: str
    query_code: str
    message: str
    status: int
    sender_fault: bool
    shape: Shape | None = None
    members: Mapping[str, Any] = field(default_factory=dict)
    resource: str = ""
    query_compatible: bool = False


# The services that speak XML say the general things in words of their own.
_XML_WORDS = {
    "AccessDeniedException": ("AccessDenied", 403),
    "ValidationException": ("ValidationError", 400),
    "UnrecognizedClientException": ("InvalidClientTokenId", 403),
}
_S3_WORDS = {
    "AccessDeniedException": ("AccessDenied", 403),
    "InternalFailure": ("InternalError", 500),
    "RequestEntityTooLargeException": ("EntityTooLarge", 400),
    "SerializationException": ("MalformedXML", 400),
    "UnknownOperationException": ("MethodNotAllowed", 405),
    "UnsupportedOperation": ("NotImplemented", 501),
    "ValidationException": ("InvalidArgument", 400),
}


def failure(error: AwsError, service: ServiceModel | None, resource: str = "") -> Failure:
    """An explicit status of the error stands over the model's, the model's over the class's default."""
    stated = error.http_status if error.http_status != type(error).http_status else None
    modelled = _modelled(service, error.code)
    if modelled is None:
        code, status = _words(service).get(error.code, (error.code, stated or error.http_status))
    else:
        code, status = modelled.code, stated or modelled.http_status
    return Failure(
        code=code,
        query_code=modelled.query_code if modelled else code,
        message=writable(error.message),
        status=status,
        sender_fault=modelled.sender_fault if modelled else status < 500,
        shape=modelled.shape if modelled else None,
        members={name: writable(value) if isinstance(value, str) else value for name, value in error.members.items()},
        resource=resource,
        query_compatible=service is not None and "awsQueryCompatible" in service.metadata,
    )


def _modelled(service: ServiceModel | None, code: str) -> ErrorModel | None:
    try:
        return service.error(code) if service else None
    except KeyError:
        return None


def _words(service: ServiceModel | None) -> Mapping[str, tuple[str, int]]:
    if service is None:
        return {}
    if service.name == "s3":
        return _S3_WORDS
    return _XML_WORDS if service.metadata.get("protocol") == "query" else {}


def message_member(shape: Shape | None) -> str:
    """Services disagree on "message" or "Message"; a modelled error says which."""
    return "Message" if shape is not None and "Message" in shape.members else "message"
