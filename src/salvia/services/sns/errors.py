"""What SNS answers to requests that break its rules."""

from salvia.base.errors import AwsError


class InvalidParameter(AwsError):
    code = "InvalidParameter"


class TopicMissing(AwsError):
    code = "NotFound"
    http_status = 404


class TooManyTags(AwsError):
    code = "TagLimitExceeded"


class TagTargetMissing(AwsError):
    code = "ResourceNotFound"
    http_status = 404


class CertificateMissing(AwsError):
    code = "NotFound"
    http_status = 404
