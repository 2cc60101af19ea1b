"""The unmodified boto3 against IAM, STS and S3 on a real socket: policies are asked for everyone but root."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from salvia.adapters.credentials.stored import StoredCredentials
from salvia.adapters.objects.files import FileObjects
from salvia.base.clock import SystemClock
from salvia.services import iam, s3, sts
from salvia.services.iam.assume import assumed_caller, session_policy
from salvia.services.iam.authorize import authorizer
from salvia.services.iam.first_start import ensure_execution_role
from salvia.wire.message import Response
from salvia.wire.server import Wire
from tests import fakes
from tests.services.iam.conftest import ACCOUNT, REGION, policy, trust
from tests.wire.serving import MODELS, serving


class Cloud:
    """boto3 clients; without credentials of their own they read root's from the shared credentials file."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def client(self, service: str, credentials: dict[str, Any] | None = None) -> Any:
        given = credentials or {}
        session: Any = boto3.Session(
            aws_access_key_id=given.get("AccessKeyId"),
            aws_secret_access_key=given.get("SecretAccessKey"),
            aws_session_token=given.get("SessionToken"),
        )
        return session.client(service, endpoint_url=self.endpoint, config=Config(retries={"max_attempts": 0}))


async def started_wire(folder: Path) -> Wire:
    world = fakes.world(folder)
    world.clock = SystemClock()
    credentials = world.credentials = StoredCredentials(world.table, world.settings, world.clock)
    store = FileObjects(folder / "objects", world.clock).store
    world.parts |= {
        "access_keys": credentials,
        "assumed_caller": assumed_caller,
        "session_policy": session_policy,
        "object_store": store,
        "bucket_policy": s3.bucket_policies(store),
    }
    await credentials.ensure_root(folder)
    await ensure_execution_role(world)
    services = {
        service.name: {name: partial(operation, world) for name, operation in service.operations.items()}
        for service in (iam.SERVICE, sts.SERVICE, s3.SERVICE)
    }
    return Wire(MODELS, services, credentials, authorizer(world), world.clock, world.settings)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    wires: list[Wire] = []

    async def start() -> None:  # in the server's own thread, where SQLite must stay
        wires.append(await started_wire(tmp_path))

    async def handle(*asked: Any) -> Response:
        return await wires[0].handle(*asked)

    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_DEFAULT_REGION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with serving(handle, start=start) as endpoint:
        yield Cloud(endpoint)


def test_terraforms_way_through_roles_and_policies(cloud: Cloud) -> None:
    client = cloud.client("iam")
    document = policy("Allow", "s3:GetObject", "arn:aws:s3:::b/*")
    role = client.create_role(RoleName="R", AssumeRolePolicyDocument=trust({"Service": "sagemaker.amazonaws.com"}))[
        "Role"
    ]
    managed = client.create_policy(PolicyName="p", PolicyDocument=document)["Policy"]["Arn"]
    client.attach_role_policy(RoleName="R", PolicyArn=managed)
    version = client.get_policy_version(PolicyArn=managed, VersionId="v1")["PolicyVersion"]
    attached = client.list_attached_role_policies(RoleName="R")["AttachedPolicies"]
    with pytest.raises(client.exceptions.DeleteConflictException):
        client.delete_role(RoleName="R")
    client.detach_role_policy(RoleName="R", PolicyArn=managed)
    client.delete_policy(PolicyArn=managed)
    client.delete_role(RoleName="R")

    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/R"
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert version["Document"] == json.loads(document)
    assert attached == [{"PolicyName": "p", "PolicyArn": managed}]
    with pytest.raises(client.exceptions.NoSuchEntityException):
        client.get_role(RoleName="R")


def test_paginators_walk_every_list(cloud: Cloud) -> None:
    client = cloud.client("iam")
    for number in range(5):
        client.create_user(UserName=f"u{number}")

    pages = list(client.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["Users"]) for page in pages] == [2, 2, 1]
    policies = client.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 7})
    assert "AdministratorAccess" in [one["PolicyName"] for page in policies for one in page["Policies"]]


def test_the_shared_credentials_file_makes_root_whom_the_sdk_takes_for_a_role(cloud: Cloud) -> None:
    identity = cloud.client("sts").get_caller_identity()

    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/SalviaExecutionRole/root"
    assert cloud.client("iam").get_role(RoleName="SalviaExecutionRole")["Role"]["RoleName"] == "SalviaExecutionRole"


def test_the_simulator_pages_as_the_sdk_reads_it(cloud: Cloud) -> None:
    pages = (
        cloud.client("iam")
        .get_paginator("simulate_principal_policy")
        .paginate(
            PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:role/SalviaExecutionRole",
            ActionNames=["sagemaker:CreateTrainingJob", "s3:PutObject", "iam:CreateUser"],
            PaginationConfig={"PageSize": 2},
        )
    )

    results = [(one["EvalActionName"], one["EvalDecision"]) for page in pages for one in page["EvaluationResults"]]
    assert results == [
        ("sagemaker:CreateTrainingJob", "allowed"),
        ("s3:PutObject", "allowed"),
        ("iam:CreateUser", "implicitDeny"),
    ]


def test_a_user_does_what_its_policy_says_and_no_more(cloud: Cloud) -> None:
    root, admin = cloud.client("s3"), cloud.client("iam")
    root.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": REGION})
    root.put_object(Bucket="data", Key="ann/k", Body=b"x")
    root.put_object(Bucket="data", Key="bob/k", Body=b"x")
    admin.create_user(UserName="ann")
    own = policy("Allow", "s3:GetObject", "arn:aws:s3:::data/${aws:username}/*")
    admin.put_user_policy(UserName="ann", PolicyName="own", PolicyDocument=own)
    ann = admin.create_access_key(UserName="ann")["AccessKey"]

    s3_of_ann = cloud.client("s3", ann)
    assert s3_of_ann.get_object(Bucket="data", Key="ann/k")["Body"].read() == b"x"
    assert refusal(lambda: s3_of_ann.get_object(Bucket="data", Key="bob/k")) == ("AccessDenied", 403)
    assert refusal(lambda: s3_of_ann.put_object(Bucket="data", Key="ann/k", Body=b"")) == ("AccessDenied", 403)
    assert refusal(lambda: s3_of_ann.list_objects_v2(Bucket="data")) == ("AccessDenied", 403)
    assert refusal(lambda: cloud.client("iam", ann).list_users()) == ("AccessDenied", 403)
    assert cloud.client("sts", ann).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ann"


def test_a_deactivated_or_deleted_key_does_not_sign(cloud: Cloud) -> None:
    admin = cloud.client("iam")
    admin.create_user(UserName="ann")
    ann = admin.create_access_key(UserName="ann")["AccessKey"]
    cloud.client("sts", ann).get_caller_identity()

    admin.update_access_key(UserName="ann", AccessKeyId=ann["AccessKeyId"], Status="Inactive")

    assert refusal(lambda: cloud.client("sts", ann).get_caller_identity()) == ("InvalidClientTokenId", 403)


def test_an_assumed_role_is_limited_by_its_session_policy(cloud: Cloud) -> None:
    cloud.client("s3").create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": REGION})
    admin = cloud.client("iam")
    admin.create_role(RoleName="R", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    admin.attach_role_policy(RoleName="R", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    session = cloud.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/R",
        RoleSessionName="work",
        Policy=policy("Allow", "s3:PutObject", "arn:aws:s3:::data/*"),
    )["Credentials"]

    client = cloud.client("s3", session)
    client.put_object(Bucket="data", Key="k", Body=b"x")
    assert refusal(lambda: client.get_object(Bucket="data", Key="k")) == ("AccessDenied", 403)
    tampered = session | {"SessionToken": session["SessionToken"][:-4] + "AAAA"}
    assert refusal(lambda: cloud.client("sts", tampered).get_caller_identity())[1] == 403


def test_a_malformed_policy_is_refused_on_the_wire_too(cloud: Cloud) -> None:
    client = cloud.client("iam")

    assert refusal(lambda: client.create_role(RoleName="R", AssumeRolePolicyDocument='{"Version": "2012-10-17"}')) == (
        "MalformedPolicyDocument",
        400,
    )


def refusal(call: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        call()
    response: Any = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
