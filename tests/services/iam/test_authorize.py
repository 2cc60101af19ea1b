"""Authorisation: what each kind of request needs, and how each service says no."""

from typing import Any

import pytest

from salvia.base.call import ANONYMOUS
from salvia.base.errors import AwsError
from salvia.services.iam.authorize import Authorizer
from salvia.services.iam.needs.table import needs_of
from tests.services.iam.conftest import ACCOUNT, REGION, Account, policy
from tests.services.iam.test_roles import TRUST, code_of

SAGEMAKER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/R"


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    [
        ("s3", "GetObject", {"Bucket": "b", "Key": "a/k"}, [("s3:GetObject", "arn:aws:s3:::b/a/k")]),
        ("s3", "HeadObject", {"Bucket": "b", "Key": "k"}, [("s3:GetObject", "arn:aws:s3:::b/k")]),
        (
            "s3",
            "GetObject",
            {"Bucket": "b", "Key": "k", "VersionId": "v"},
            [("s3:GetObjectVersion", "arn:aws:s3:::b/k")],
        ),
        ("s3", "ListObjectsV2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("s3", "HeadBucket", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("s3", "ListBuckets", {}, [("s3:ListAllMyBuckets", "*")]),
        ("s3", "UploadPart", {"Bucket": "b", "Key": "k"}, [("s3:PutObject", "arn:aws:s3:::b/k")]),
        (
            "s3",
            "CopyObject",
            {"Bucket": "b", "Key": "k", "CopySource": "/from/a%20b?versionId=1"},
            [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObjectVersion", "arn:aws:s3:::from/a b")],
        ),
        (
            "s3",
            "PutObject",
            {"Bucket": "b", "Key": "k", "Tagging": "a=1", "ACL": "private"},
            [
                ("s3:PutObject", "arn:aws:s3:::b/k"),
                ("s3:PutObjectTagging", "arn:aws:s3:::b/k"),
                ("s3:PutObjectAcl", "arn:aws:s3:::b/k"),
            ],
        ),
        (
            "s3",
            "DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "x"}, {"Key": "y", "VersionId": "1"}]}},
            [("s3:DeleteObject", "arn:aws:s3:::b/x"), ("s3:DeleteObjectVersion", "arn:aws:s3:::b/y")],
        ),
        (
            "sagemaker",
            "CreateTrainingJob",
            {"TrainingJobName": "My-Job", "RoleArn": ROLE},
            [("sagemaker:CreateTrainingJob", SAGEMAKER + "training-job/my-job"), ("iam:PassRole", ROLE)],
        ),
        (
            "sagemaker",
            "CreateModel",
            {"ModelName": "m", "ExecutionRoleArn": ROLE},
            [("sagemaker:CreateModel", SAGEMAKER + "model/m"), ("iam:PassRole", ROLE)],
        ),
        (
            "sagemaker",
            "CreateAlgorithm",
            {"AlgorithmName": "A", "ValidationSpecification": {"ValidationRole": ROLE, "ValidationProfiles": []}},
            [("sagemaker:CreateAlgorithm", SAGEMAKER + "algorithm/a"), ("iam:PassRole", ROLE)],
        ),
        (
            "sagemaker",
            "UpdateModelPackage",
            {"ModelPackageArn": SAGEMAKER + "model-package/g/1", "ModelApprovalStatus": "Approved"},
            [("sagemaker:UpdateModelPackage", SAGEMAKER + "model-package/g/1")],
        ),
        (
            "sagemaker",
            "CreateHyperParameterTuningJob",
            {"HyperParameterTuningJobName": "t", "TrainingJobDefinitions": [{"RoleArn": ROLE}, {"RoleArn": ROLE}]},
            [
                ("sagemaker:CreateHyperParameterTuningJob", SAGEMAKER + "hyper-parameter-tuning-job/t"),
                ("iam:PassRole", ROLE),
            ],
        ),
        ("sagemaker", "ListTrainingJobs", {}, [("sagemaker:ListTrainingJobs", SAGEMAKER + "training-job/*")]),
        (
            "sagemaker",
            "ListTags",
            {"ResourceArn": SAGEMAKER + "endpoint/e"},
            [("sagemaker:ListTags", SAGEMAKER + "endpoint/e")],
        ),
        (
            "sagemaker",
            "DescribeUserProfile",
            {"DomainId": "d-1", "UserProfileName": "u"},
            [("sagemaker:DescribeUserProfile", SAGEMAKER + "user-profile/d-1/u")],
        ),
        (
            "sagemaker",
            "StartPipelineExecution",
            {"PipelineName": "p"},
            [("sagemaker:StartPipelineExecution", SAGEMAKER + "pipeline/p")],
        ),
        (
            "sagemaker",
            "CreateTrialComponent",
            {"TrialComponentName": "t"},
            [("sagemaker:CreateTrialComponent", SAGEMAKER + "experiment-trial-component/t")],
        ),
        ("sagemaker", "Search", {"Resource": "Model"}, [("sagemaker:Search", "*")]),
        (
            "sagemaker-runtime",
            "InvokeEndpoint",
            {"EndpointName": "E"},
            [("sagemaker:InvokeEndpoint", SAGEMAKER + "endpoint/e")],
        ),
        (
            "sagemaker-featurestore-runtime",
            "BatchGetRecord",
            {"Identifiers": [{"FeatureGroupName": "f"}, {"FeatureGroupName": "g"}]},
            [
                ("sagemaker:BatchGetRecord", SAGEMAKER + "feature-group/f"),
                ("sagemaker:BatchGetRecord", SAGEMAKER + "feature-group/g"),
            ],
        ),
        (
            "logs",
            "GetLogEvents",
            {"logGroupName": "g", "logStreamName": "s"},
            [("logs:GetLogEvents", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g:log-stream:s")],
        ),
        (
            "cloudwatch",
            "PutMetricAlarm",
            {"AlarmName": "a"},
            [("cloudwatch:PutMetricAlarm", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:a")],
        ),
        ("cloudwatch", "GetMetricStatistics", {"Namespace": "n"}, [("cloudwatch:GetMetricStatistics", "*")]),
        ("iam", "ListRoles", {}, [("iam:ListRoles", "*")]),
        ("iam", "DeleteRole", {"RoleName": "gone"}, [("iam:DeleteRole", f"arn:aws:iam::{ACCOUNT}:role/gone")]),
        ("sts", "GetCallerIdentity", {}, []),
        ("events", "PutRule", {"Name": "r"}, [("events:PutRule", "*")]),
    ],
)
async def test_what_a_request_needs(
    account: Account, service: str, operation: str, params: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    needs = await needs_of(account.world, account.request(service, operation, account.root, **params))

    assert [(need.action, need.resource) for need in needs] == expected


async def test_root_is_never_refused(account: Account) -> None:
    await account.authorize("sagemaker", "CreateTrainingJob", account.root, TrainingJobName="j")


@pytest.mark.parametrize(
    ("service", "operation", "params", "code", "status", "words"),
    [
        (
            "sagemaker",
            "CreateTrainingJob",
            {"TrainingJobName": "j"},
            "AccessDeniedException",
            400,
            f"on resource: {SAGEMAKER}training-job/j because no identity-based policy allows the sagemaker:CreateTrainingJob",
        ),
        ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "e"}, "AccessDeniedException", 403, "endpoint/e"),
        ("iam", "ListRoles", {}, "AccessDenied", 403, "iam:ListRoles on resource: *"),
        ("s3", "GetObject", {"Bucket": "b", "Key": "k"}, "AccessDenied", 403, '"arn:aws:s3:::b/k" because no'),
    ],
)
async def test_a_refusal_speaks_as_its_service_does(
    account: Account, service: str, operation: str, params: dict[str, Any], code: str, status: int, words: str
) -> None:
    ann = await account.user("ann")
    refused = await code_of(account.authorize(service, operation, ann, **params))

    assert refused[:2] == (code, status)
    assert refused[2].startswith(f"User: {ann.arn} is not authorized to perform: ")
    assert words in refused[2]


async def test_handing_over_a_role_needs_its_own_permission(account: Account) -> None:
    await account.role("R", TRUST)
    passing = policy(
        "Allow", "iam:PassRole", ROLE, Condition={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    )
    creator = await account.user("ann", policy("Allow", "sagemaker:*"))
    passer = await account.user("ben", policy("Allow", "sagemaker:*"), passing)
    job = {"TrainingJobName": "j", "RoleArn": ROLE}

    assert (
        "iam:PassRole on resource: " + ROLE
        in (await code_of(account.authorize("sagemaker", "CreateTrainingJob", creator, **job)))[2]
    )
    await account.authorize("sagemaker", "CreateTrainingJob", passer, **job)


async def test_instance_types_can_be_limited(account: Account) -> None:
    small = {"ForAllValues:StringLike": {"sagemaker:InstanceTypes": ["ml.m5.*"]}}
    ann = await account.user("ann", policy("Allow", "sagemaker:CreateTrainingJob", Condition=small))

    await account.authorize(
        "sagemaker", "CreateTrainingJob", ann, TrainingJobName="j", ResourceConfig={"InstanceType": "ml.m5.large"}
    )
    with pytest.raises(AwsError):
        await account.authorize(
            "sagemaker",
            "CreateTrainingJob",
            ann,
            TrainingJobName="j",
            ResourceConfig={"InstanceType": "ml.p4d.24xlarge"},
        )


async def test_listing_can_be_limited_to_a_prefix(account: Account) -> None:
    own = {"StringLike": {"s3:prefix": ["${aws:username}/*"]}}
    ann = await account.user("ann", policy("Allow", "s3:ListBucket", Condition=own))

    await account.authorize("s3", "ListObjectsV2", ann, Bucket="b", Prefix="ann/x")
    with pytest.raises(AwsError):
        await account.authorize("s3", "ListObjectsV2", ann, Bucket="b", Prefix="bob/x")
    with pytest.raises(AwsError):
        await account.authorize("s3", "ListObjectsV2", ann, Bucket="b")


async def test_keys_that_are_not_known_yet_need_the_whole_bucket(account: Account) -> None:
    whole = policy("Allow", "s3:*", "arn:aws:s3:::b/*")
    ann = await account.user("ann", whole)
    ben = await account.user("ben", policy("Allow", "s3:*", ["arn:aws:s3:::b/ben/*", "arn:aws:s3:::b/?"]))
    eve = await account.user("eve", whole, policy("Deny", "s3:*", "arn:aws:s3:::b/secret/*"))

    await account.authorize("s3", "DeleteObjects", ann, Bucket="b")
    for caller in (ben, eve):
        with pytest.raises(AwsError):
            await account.authorize("s3", "DeleteObjects", caller, Bucket="b")


async def test_tags_of_the_resource_and_of_the_request_count(account: Account) -> None:
    red = {"StringEquals": {"aws:ResourceTag/team": "red"}}
    asked = {"StringEquals": {"aws:RequestTag/team": "red"}}
    ann = await account.user(
        "ann",
        policy("Allow", "iam:DeleteRole", Condition=red),
        policy("Allow", "sagemaker:CreateModel", Condition=asked),
    )
    await account.role("Red", TRUST, Tags=[{"Key": "team", "Value": "red"}])
    await account.role("Blue", TRUST, Tags=[{"Key": "team", "Value": "blue"}])

    await account.authorize("iam", "DeleteRole", ann, RoleName="Red")
    await account.authorize("sagemaker", "CreateModel", ann, ModelName="m", Tags=[{"Key": "team", "Value": "red"}])
    with pytest.raises(AwsError):
        await account.authorize("iam", "DeleteRole", ann, RoleName="Blue")
    with pytest.raises(AwsError):
        await account.authorize("sagemaker", "CreateModel", ann, ModelName="m")


async def test_a_policy_may_speak_of_addresses_regions_and_time(account: Account) -> None:
    here = {
        "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
        "StringEquals": {"aws:RequestedRegion": REGION},
        "DateLessThan": {"aws:CurrentTime": "2024-01-01T00:00:00Z"},
    }
    ann = await account.user("ann", policy("Allow", "s3:*", Condition=here))
    call = account.request("s3", "ListBuckets", ann)
    call.source_ip = "10.1.1.1"
    await account.authorizer.check(call)

    call.source_ip = "11.1.1.1"
    with pytest.raises(AwsError):
        await account.authorizer.check(call)
    call.source_ip = "10.1.1.1"
    account.clock.advance(365 * 86400)
    with pytest.raises(AwsError):
        await account.authorizer.check(call)


async def test_a_change_counts_at_once_here_and_within_seconds_elsewhere(account: Account) -> None:
    ann = await account.user("ann", policy("Allow", "s3:*"))
    elsewhere = Authorizer(account.world)
    call = account.request("s3", "ListBuckets", ann)
    await elsewhere.check(call)
    await account.authorizer.check(call)
    changes = account.world.parts["iam_changes"]
    await account.iam("DeleteUserPolicy", UserName="ann", PolicyName="p0")
    with pytest.raises(AwsError):
        await account.authorizer.check(call)

    account.world.parts["iam_changes"] = changes  # the other server is not told
    await elsewhere.check(call)
    account.clock.advance(2.1)
    with pytest.raises(AwsError):
        await elsewhere.check(call)


async def test_nobody_may_do_anything_without_credentials(account: Account) -> None:
    for service, operation in (("sagemaker", "ListModels"), ("sts", "GetCallerIdentity"), ("s3", "ListBuckets")):
        with pytest.raises(AwsError) as error:
            await account.authorize(service, operation, ANONYMOUS)
        assert error.value.code.startswith("AccessDenied")


async def test_a_posted_form_passes_to_where_its_signature_is_read(account: Account) -> None:
    account.world.parts["object_store"] = object()

    await account.authorize("s3", "PostObject", ANONYMOUS, Bucket="b")


async def test_a_public_bucket_is_open_as_far_as_its_policy_says(account: Account) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::open/*"},
            {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::open/secret/*"},
        ],
    }

    async def bucket_policy(bucket: str) -> dict[str, Any] | None:
        return document if bucket == "open" else None

    account.world.parts["bucket_policy"] = bucket_policy
    await account.authorize("s3", "GetObject", ANONYMOUS, Bucket="open", Key="k")
    for bucket, key, operation in (
        ("open", "k", "PutObject"),
        ("open", "secret/k", "GetObject"),
        ("other", "k", "GetObject"),
    ):
        assert await code_of(account.authorize("s3", operation, ANONYMOUS, Bucket=bucket, Key=key)) == (
            "AccessDenied",
            403,
            "Access Denied",
        )


async def test_another_accounts_bucket_needs_both_policies(account: Account) -> None:
    ann = await account.user("ann", policy("Allow", "s3:*"))
    document: dict[str, Any] = {}

    async def bucket_policy(bucket: str) -> dict[str, Any] | None:
        return document or None

    async def bucket_owner(bucket: str) -> str:
        return "999999999999"

    account.world.parts |= {"bucket_policy": bucket_policy, "bucket_owner": bucket_owner}
    with pytest.raises(AwsError):
        await account.authorize("s3", "GetObject", ann, Bucket="b", Key="k")
    statement = {"Effect": "Allow", "Principal": {"AWS": ann.arn}, "Action": "s3:*", "Resource": "*"}
    document |= {"Version": "2012-10-17", "Statement": statement}

    await account.authorize("s3", "GetObject", ann, Bucket="b", Key="k")


async def test_the_execution_role_may_run_a_job(account: Account) -> None:
    caller = await account.job_caller(f"arn:aws:iam::{ACCOUNT}:role/SalviaExecutionRole")
    for service, operation, params in (
        ("s3", "GetObject", {"Bucket": "data", "Key": "k"}),
        ("s3", "PutObject", {"Bucket": "data", "Key": "k"}),
        ("logs", "PutLogEvents", {"logGroupName": "g", "logStreamName": "s"}),
        ("cloudwatch", "PutMetricData", {"Namespace": "n"}),
        ("sagemaker", "DescribeTrainingJob", {"TrainingJobName": "j"}),
        ("sts", "GetCallerIdentity", {}),
    ):
        await account.authorize(service, operation, caller, **params)
    with pytest.raises(AwsError):
        await account.authorize("iam", "CreateUser", caller, UserName="u")


async def test_a_federated_user_may_no_more_than_both_its_policies_allow(account: Account) -> None:
    ann = await account.user("ann", policy("Allow", ["s3:GetObject", "sts:GetFederationToken"]))
    answer = await account.sts("GetFederationToken", ann, Name="fed", Policy=policy("Allow", "s3:*"))
    credential = await account.credentials.find(answer["Credentials"]["AccessKeyId"])
    assert credential is not None

    await account.authorize("s3", "GetObject", credential.caller, Bucket="b", Key="k")
    with pytest.raises(AwsError):
        await account.authorize("s3", "PutObject", credential.caller, Bucket="b", Key="k")
