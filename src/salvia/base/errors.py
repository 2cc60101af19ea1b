"""Errors a caller may see on the wire: each names its AWS code and its HTTP status.

* AwsError                  the root; a service may also raise it with a code of its own
  + ValidationError         the request is malformed or breaks a rule            400 ValidationException
  + NotFound                no such resource                                     400 ResourceNotFound
  + InUse                   the name is taken, or the resource is busy           400 ResourceInUse
  + LimitExceeded           a quota says no                                      400 ResourceLimitExceeded
  + Conflict                another change got there first                       409 ConflictException
  + AccessDenied            signed well, but policy says no                      403 AccessDeniedException
  + Unsupported             the operation is real, but Salvia refuses it         400 UnsupportedOperation
"""

from collections.abc import Mapping
from typing import Any


class AwsError(Exception):
    """Raised anywhere below the wire; the wire turns it into an error response of the request's protocol.

    `members` are extra members of a modelled error shape; `headers` go out as they are.
    """

    code = "InternalFailure"
    http_status = 400

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        http_status: int | None = None,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.http_status = http_status or type(self).http_status
        self.members = dict(members or {})
        self.headers = dict(headers or {})


class ValidationError(AwsError):
    code = "ValidationException"


class NotFound(AwsError):
    code = "ResourceNotFound"


class InUse(AwsError):
    code = "ResourceInUse"


class LimitExceeded(AwsError):
    code = "ResourceLimitExceeded"


class Conflict(AwsError):
    code = "ConflictException"
    http_status = 409


class AccessDenied(AwsError):
    code = "AccessDeniedException"
    http_status = 403


class Unsupported(AwsError):
    code = "UnsupportedOperation"
