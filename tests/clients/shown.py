"""What a success promises: the operation that shows it afterwards, and what must be found there."""

from collections.abc import Callable, Mapping
from typing import Any

Params = Mapping[str, Any]
Pick = Callable[
    [Params, Params], dict[str, Any] | None
]  # the request and its answer -> the request that shows it, if any
Holds = Callable[[Params, Params, Params], bool]  # the request, its answer and what was shown


def _picked(asked: Params, *names: str) -> dict[str, Any]:
    return {name: asked[name] for name in names if name in asked}


def _same(*names: str) -> Pick:
    return lambda asked, _: _picked(asked, *names)


def _retention(asked: Params, _: Params) -> dict[str, Any] | None:
    """An empty one takes away what was there."""
    return _picked(asked, "Bucket", "Key", "VersionId") if asked["Retention"] else None


def _always(*_: Params) -> bool:
    return True


def _found(*path: str, key: str) -> Holds:
    """The member at `path` of what was shown is what was asked under `key`."""

    def holds(asked: Params, _: Params, shown: Any) -> bool:
        for step in path:
            shown = shown[step]
        return bool(shown == asked[key])

    return holds


def _listed(items: str, name: str, key: str) -> Holds:
    return lambda asked, _, shown: asked[key] in [item[name] for item in shown[items]]


def _same_body(asked: Params, _: Params, shown: Params) -> bool:
    body = asked.get("Body", b"")
    return bool(shown["Body"].read() == (body.encode() if isinstance(body, str) else body))


def _same_tags(asked: Params, _: Params, shown: Params) -> bool:
    # XML makes one line end of every kind; botocore does not write the others as references.
    wanted = {_lines(tag["Key"]): _lines(tag["Value"]) for tag in asked["Tagging"]["TagSet"]}
    return {tag["Key"]: tag["Value"] for tag in shown["TagSet"]} == wanted


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _tagged(asked: Params, _: Params, shown: Params) -> bool:
    wanted = {tag["Key"]: tag["Value"] for tag in asked["Tags"]}
    return wanted.items() <= {tag["Key"]: tag["Value"] for tag in shown["Tags"]}.items()


def _inline(asked: Params, _: Params, shown: Params) -> bool:
    return bool(shown["PolicyName"] == asked["PolicyName"] and shown["PolicyDocument"])


def _config(name: str) -> tuple[str, Pick, Holds]:
    return f"GetBucket{name}", _same("Bucket"), _always


def _by_id(name: str) -> tuple[str, Pick, Holds]:
    return f"Get{name}", _same("Bucket", "Id"), _found(name.removeprefix("Bucket"), "Id", key="Id")


SHOWN: dict[tuple[str, str], tuple[str, Pick, Holds]] = {
    ("sagemaker", "CreateTrainingJob"): (
        "DescribeTrainingJob", _same("TrainingJobName"), _found("TrainingJobName", key="TrainingJobName")),
    ("sagemaker", "AddTags"): ("ListTags", _same("ResourceArn"), _tagged),
    ("iam", "CreateUser"): ("GetUser", _same("UserName"), _found("User", "UserName", key="UserName")),
    ("iam", "CreateGroup"): ("GetGroup", _same("GroupName"), _found("Group", "GroupName", key="GroupName")),
    ("iam", "CreateRole"): ("GetRole", _same("RoleName"), _found("Role", "RoleName", key="RoleName")),
    ("iam", "CreatePolicy"): (
        "GetPolicy", lambda _, made: {"PolicyArn": made["Policy"]["Arn"]}, _found("Policy", "PolicyName", key="PolicyName")),
    ("iam", "CreatePolicyVersion"): (
        "GetPolicyVersion",
        lambda asked, made: {"PolicyArn": asked["PolicyArn"], "VersionId": made["PolicyVersion"]["VersionId"]},
        lambda _, made, shown: bool(shown["PolicyVersion"]["VersionId"] == made["PolicyVersion"]["VersionId"])),
    ("iam", "CreateAccessKey"): (
        "ListAccessKeys", _same("UserName"),
        lambda _, made, shown: made["AccessKey"]["AccessKeyId"] in {key["AccessKeyId"] for key in shown["AccessKeyMetadata"]}),
    ("iam", "PutUserPolicy"): ("GetUserPolicy", _same("UserName", "PolicyName"), _inline),
    ("iam", "PutGroupPolicy"): ("GetGroupPolicy", _same("GroupName", "PolicyName"), _inline),
    ("iam", "PutRolePolicy"): ("GetRolePolicy", _same("RoleName", "PolicyName"), _inline),
    ("iam", "AttachUserPolicy"): (
        "ListAttachedUserPolicies", _same("UserName"), _listed("AttachedPolicies", "PolicyArn", "PolicyArn")),
    ("iam", "AttachGroupPolicy"): (
        "ListAttachedGroupPolicies", _same("GroupName"), _listed("AttachedPolicies", "PolicyArn", "PolicyArn")),
    ("iam", "AttachRolePolicy"): (
        "ListAttachedRolePolicies", _same("RoleName"), _listed("AttachedPolicies", "PolicyArn", "PolicyArn")),
    ("iam", "AddUserToGroup"): ("GetGroup", _same("GroupName"), _listed("Users", "UserName", "UserName")),
    ("iam", "TagUser"): ("ListUserTags", _same("UserName"), _tagged),
    ("iam", "TagRole"): ("ListRoleTags", _same("RoleName"), _tagged),
    ("iam", "TagPolicy"): ("ListPolicyTags", _same("PolicyArn"), _tagged),
    ("logs", "CreateLogGroup"): (
        "DescribeLogGroups", lambda asked, _: {"logGroupIdentifiers": [asked["logGroupName"]]},
        _listed("logGroups", "logGroupName", "logGroupName")),
    ("logs", "CreateLogStream"): (
        "DescribeLogStreams",
        lambda asked, _: {"logGroupName": asked["logGroupName"], "logStreamNamePrefix": asked["logStreamName"]},
        _listed("logStreams", "logStreamName", "logStreamName")),
    ("logs", "PutRetentionPolicy"): (
        "DescribeLogGroups", lambda asked, _: {"logGroupIdentifiers": [asked["logGroupName"]]},
        _listed("logGroups", "retentionInDays", "retentionInDays")),
    ("s3", "CreateBucket"): ("HeadBucket", _same("Bucket"), _always),
    ("s3", "PutObject"): ("GetObject", _same("Bucket", "Key"), _same_body),
    ("s3", "CopyObject"): ("HeadObject", _same("Bucket", "Key"), _always),
    ("s3", "CreateMultipartUpload"): (
        "ListParts", lambda asked, made: {**_picked(asked, "Bucket", "Key"), "UploadId": made["UploadId"]},
        lambda _, made, shown: bool(shown["UploadId"] == made["UploadId"])),
    ("s3", "UploadPart"): (
        "ListParts", _same("Bucket", "Key", "UploadId"), _listed("Parts", "PartNumber", "PartNumber")),
    ("s3", "CompleteMultipartUpload"): ("HeadObject", _same("Bucket", "Key"), _always),
    ("s3", "PutObjectTagging"): ("GetObjectTagging", _same("Bucket", "Key", "VersionId"), _same_tags),
    ("s3", "PutBucketTagging"): ("GetBucketTagging", _same("Bucket"), _same_tags),
    ("s3", "PutBucketVersioning"): (
        "GetBucketVersioning", _same("Bucket"),
        lambda asked, _, shown: shown.get("Status") == asked["VersioningConfiguration"].get("Status")),
    ("s3", "PutBucketPolicy"): ("GetBucketPolicy", _same("Bucket"), _found("Policy", key="Policy")),
    ("s3", "PutBucketCors"): _config("Cors"),
    ("s3", "PutBucketEncryption"): _config("Encryption"),
    ("s3", "PutBucketLifecycleConfiguration"): _config("LifecycleConfiguration"),
    ("s3", "PutBucketNotificationConfiguration"): _config("NotificationConfiguration"),
    ("s3", "PutBucketOwnershipControls"): _config("OwnershipControls"),
    ("s3", "PutBucketReplication"): _config("Replication"),
    ("s3", "PutBucketWebsite"): _config("Website"),
    ("s3", "PutBucketLogging"): _config("Logging"),
    ("s3", "PutBucketAcl"): _config("Acl"),
    ("s3", "PutPublicAccessBlock"): ("GetPublicAccessBlock", _same("Bucket"), _always),
    ("s3", "PutObjectAcl"): ("GetObjectAcl", _same("Bucket", "Key", "VersionId"), _always),
    ("s3", "PutObjectLegalHold"): ("GetObjectLegalHold", _same("Bucket", "Key", "VersionId"), _always),
    ("s3", "PutObjectRetention"): ("GetObjectRetention", _retention, _always),
    ("s3", "PutBucketAnalyticsConfiguration"): _by_id("BucketAnalyticsConfiguration"),
    ("s3", "PutBucketIntelligentTieringConfiguration"): _by_id("BucketIntelligentTieringConfiguration"),
    ("s3", "PutBucketInventoryConfiguration"): _by_id("BucketInventoryConfiguration"),
    ("s3", "PutBucketMetricsConfiguration"): _by_id("BucketMetricsConfiguration"),
}  # fmt: skip
