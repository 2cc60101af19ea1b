"""What an object store may answer instead of doing as asked, in S3's own codes.

* AwsError
  + NoSuchBucket          404
  + NoSuchKey             404
  + NoSuchVersion         404
  + NoSuchUpload          404
  + BucketNotEmpty        409
  + PreconditionFailed    412  a conditional write or delete found something else
  + ObjectIsLocked        403  AccessDenied: a retention or a legal hold protects the version
  + InvalidPart           400
  + InvalidPartOrder      400
  + EntityTooSmall        400
  + BadDigest             400  the bytes are not those that the checksum speaks of
"""

from salvia.base.errors import AwsError


class NoSuchBucket(AwsError):
    code = "NoSuchBucket"
    http_status = 404

    def __init__(self, bucket: str) -> None:
        super().__init__("The specified bucket does not exist", members={"BucketName": bucket})


class NoSuchKey(AwsError):
    code = "NoSuchKey"
    http_status = 404

    def __init__(self, key: str) -> None:
        super().__init__("The specified key does not exist.", members={"Key": key})


class NoSuchVersion(AwsError):
    code = "NoSuchVersion"
    http_status = 404

    def __init__(self, key: str, version: str) -> None:
        super().__init__("The specified version does not exist.", members={"Key": key, "VersionId": version})


class NoSuchUpload(AwsError):
    code = "NoSuchUpload"
    http_status = 404

    def __init__(self, upload: str) -> None:
        super().__init__(
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
            members={"UploadId": upload},
        )


class BucketNotEmpty(AwsError):
    code = "BucketNotEmpty"
    http_status = 409

    def __init__(self, bucket: str) -> None:
        super().__init__("The bucket you tried to delete is not empty", members={"BucketName": bucket})


class PreconditionFailed(AwsError):
    code = "PreconditionFailed"
    http_status = 412

    def __init__(self, condition: str) -> None:
        super().__init__(
            "At least one of the pre-conditions you specified did not hold", members={"Condition": condition}
        )


class ObjectIsLocked(AwsError):
    code = "AccessDenied"
    http_status = 403

    def __init__(self, reason: str) -> None:
        super().__init__(f"Access Denied because object protected by object lock: {reason}")


class InvalidPart(AwsError):
    code = "InvalidPart"

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"Part {number} {reason}.", members={"PartNumber": number})


class InvalidPartOrder(AwsError):
    code = "InvalidPartOrder"

    def __init__(self) -> None:
        super().__init__("The list of parts was not in ascending order. Parts must be ordered by part number.")


class EntityTooSmall(AwsError):
    code = "EntityTooSmall"

    def __init__(self, number: int, size: int, least: int) -> None:
        super().__init__(
            f"Your proposed upload is smaller than the minimum allowed size: part {number} has {size} bytes, "
            f"and every part but the last needs {least}.",
            members={"PartNumber": number, "ProposedSize": size, "MinSizeAllowed": least},
        )


class BadDigest(AwsError):
    code = "BadDigest"

    def __init__(self, algorithm: str) -> None:
        super().__init__(f"The {algorithm} you specified did not match what we received or calculated.")
