"""S3's own words for a bad request."""

from salvia.base.errors import AwsError


class AccessDenied(AwsError):
    code = "AccessDenied"
    http_status = 403

    def __init__(self, message: str = "Access Denied") -> None:
        super().__init__(message)


class InvalidArgument(AwsError):
    code = "InvalidArgument"

    def __init__(self, name: str, value: object, message: str) -> None:
        super().__init__(message, members={"ArgumentName": name, "ArgumentValue": str(value)})


class InvalidRequest(AwsError):
    code = "InvalidRequest"


class InvalidTag(AwsError):
    code = "InvalidTag"


class MalformedXml(AwsError):
    code = "MalformedXML"

    def __init__(self, message: str = "") -> None:
        super().__init__(
            message or "The XML you provided was not well-formed or did not validate against our published schema"
        )


class NotImplementedHere(AwsError):
    """What S3 can do and this store cannot: refused, so that nobody believes it was done."""

    code = "NotImplemented"
    http_status = 501
