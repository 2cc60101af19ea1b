"""The errors of IAM, each with its code and status."""

from salvia.base.errors import AwsError


class NoSuchEntity(AwsError):
    code = "NoSuchEntity"
    http_status = 404


class EntityAlreadyExists(AwsError):
    code = "EntityAlreadyExists"
    http_status = 409


class DeleteConflict(AwsError):
    code = "DeleteConflict"
    http_status = 409


class LimitExceeded(AwsError):
    code = "LimitExceeded"
    http_status = 409


class ConcurrentModification(AwsError):
    code = "ConcurrentModification"
    http_status = 409

    def __init__(self) -> None:
        super().__init__("Another request changed this object at the same moment. Submit your request again.")


class MalformedPolicyDocument(AwsError):
    code = "MalformedPolicyDocument"


class InvalidInput(AwsError):
    code = "InvalidInput"


class InvalidRequest(AwsError):
    """What IAM and STS call a ValidationError, without Exception at its end."""

    code = "ValidationError"


class Denied(AwsError):
    """The refusal of query services and of S3."""

    code = "AccessDenied"
    http_status = 403
