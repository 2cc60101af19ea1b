"""The errors of STS, each with its code and status."""

from salvia.base.errors import AwsError


class InvalidRequest(AwsError):
    """What STS calls a ValidationError, without Exception at its end."""

    code = "ValidationError"


class Denied(AwsError):
    code = "AccessDenied"
    http_status = 403


class PackedPolicyTooLarge(AwsError):
    code = "PackedPolicyTooLarge"
