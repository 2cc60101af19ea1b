"""What is known of an error when it goes out: the raised AwsError, completed by what the service's model says of its code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from salvia.base.errors import AwsError
from salvia.model.shapes import ServiceModel, Shape


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


def failure(error: AwsError, service: ServiceModel | None, resource: str = "") -> Failure:
    """An explicit status of the error stands over the model's, the model's over the class's default."""
    stated = error.http_status if error.http_status != type(error).http_status else None
    compatible = service is not None and "awsQueryCompatible" in service.metadata
    try:
        if service is None:
            raise KeyError(error.code)
        modelled = service.error(error.code)
    except KeyError:
        status = stated or error.http_status
        return Failure(
            code=error.code,
            query_code=error.code,
            message=error.message,
            status=status,
            sender_fault=status < 500,
            members=error.members,
            resource=resource,
            query_compatible=compatible,
        )
    return Failure(
        code=modelled.code,
        query_code=modelled.query_code,
        message=error.message,
        status=stated or modelled.http_status,
        sender_fault=modelled.sender_fault,
        shape=modelled.shape,
        members=error.members,
        resource=resource,
        query_compatible=compatible,
    )


def message_member(shape: Shape | None) -> str:
    """Services disagree on "message" or "Message"; a modelled error says which."""
    return "Message" if shape is not None and "Message" in shape.members else "message"
