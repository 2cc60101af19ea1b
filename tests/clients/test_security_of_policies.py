"""Policies decide for everybody but root: users, roles, sessions, buckets, and where a request comes from."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.clients.jobs import PYTHON, ROLE, Jobs
from tests.clients.signed import Sent, Signer, send
from tests.servers import Server

pytestmark = pytest.mark.slow

BUCKET = "arn:aws:s3:::policies"
SAGEMAKER = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.fixture(scope="module")
def jobs() -> Iterator[Jobs]:
    with tempfile.TemporaryDirectory() as data, Server(Path(data)) as server:
        made = Jobs(server, "policies")
        made.put("a.txt", "a")
        made.put("b.txt", "b")
        yield made


@pytest.fixture
def user(jobs: Jobs) -> "User":
    return User(jobs)


class User:
    """A new user of the account, who may do nothing yet."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs, self.name = jobs, f"user-{time.time_ns():x}"
        self.arn = jobs.iam.create_user(UserName=self.name)["User"]["Arn"]
        key = jobs.iam.create_access_key(UserName=self.name)["AccessKey"]
        self.told = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def may(self, *statements: Mapping[str, Any]) -> None:
        self.jobs.iam.put_user_policy(UserName=self.name, PolicyName="may", PolicyDocument=document(*statements))

    def client(self, service: str) -> Any:
        return self.jobs.server.client(service, self.told)

    def assume(self, role: str, **more: Any) -> dict[str, str]:
        made = self.client("sts").assume_role(RoleArn=role, RoleSessionName="own", **more)["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
            "AWS_SESSION_TOKEN": made["SessionToken"],
        }


def allow(*actions: str, on: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def refused(operation: Any, **given: Any) -> str:
    """The message of the refusal, which is AWS's AccessDenied."""
    with pytest.raises(ClientError) as error:
        operation(**given)
    answer = error.value.response
    assert answer["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}, answer
    assert answer["ResponseMetadata"]["HTTPStatusCode"] in {400, 403}
    return str(answer["Error"]["Message"])


def train(client: Any, role: str = ROLE, name: str = "job") -> None:
    client.create_training_job(
        TrainingJobName=f"{name}-{time.time_ns():x}",
        RoleArn=role,
        AlgorithmSpecification={
            "TrainingImage": PYTHON,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/true"],
        },
        ResourceConfig={"InstanceType": "ml.t3.medium", "InstanceCount": 1, "VolumeSizeInGB": 1},
        OutputDataConfig={"S3OutputPath": "s3://policies/out"},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )


def test_a_new_user_may_nothing(user: User) -> None:
    refused(user.client("sagemaker").list_training_jobs)
    refused(user.client("s3").get_object, Bucket="policies", Key="a.txt")
    refused(user.client("s3").list_buckets)
    refused(user.client("iam").list_users)
    refused(user.client("logs").describe_log_groups)
    assert user.client("sts").get_caller_identity()["Arn"] == user.arn


def test_a_user_may_what_a_policy_allows_and_no_more(user: User) -> None:
    user.may(
        allow("s3:GetObject", on=f"{BUCKET}/a.*"), {"Effect": "Deny", "Action": "s3:*", "Resource": f"{BUCKET}/b*"}
    )
    assert user.client("s3").get_object(Bucket="policies", Key="a.txt")["Body"].read() == b"a"
    refused(user.client("s3").put_object, Bucket="policies", Key="a.txt", Body=b"x")
    refused(user.client("s3").delete_object, Bucket="policies", Key="a.txt")
    refused(user.client("s3").get_object, Bucket="policies", Key="b.txt")


def test_nobody_gives_themselves_more(user: User) -> None:
    user.may(allow("sagemaker:*", "s3:*"))
    iam = user.client("iam")
    refused(iam.put_user_policy, UserName=user.name, PolicyName="all", PolicyDocument=document(allow("*")))
    refused(iam.create_access_key, UserName=user.name)
    refused(iam.update_assume_role_policy, RoleName="SalviaExecutionRole", PolicyDocument=document(SAGEMAKER))


def test_a_deleted_key_is_refused(user: User) -> None:
    user.may(allow("s3:*"))
    user.client("s3").list_buckets()
    user.jobs.iam.update_access_key(UserName=user.name, AccessKeyId=user.told["AWS_ACCESS_KEY_ID"], Status="Inactive")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        user.client("s3").list_buckets()


def test_to_pass_a_role_is_a_permission_of_its_own(user: User) -> None:
    user.may(allow("sagemaker:*", "s3:*"))
    assert f"iam:PassRole on resource: {ROLE}" in refused(train, client=user.client("sagemaker"))
    user.may(allow("sagemaker:*"), allow("iam:PassRole", on="arn:aws:iam::000000000000:role/Other"))
    refused(train, client=user.client("sagemaker"))
    user.may(allow("sagemaker:*"), allow("iam:PassRole", on=ROLE))
    train(user.client("sagemaker"))


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("arn:aws:iam::111122223333:role/SalviaExecutionRole", "Cross-account pass role is not allowed"),
        ("arn:aws:iam::000000000000:role/Nobody", "Could not assume role"),
    ],
)
def test_a_job_runs_as_a_role_of_its_own_account_that_exists(jobs: Jobs, role: str, words: str) -> None:
    with pytest.raises(ClientError, match=words) as error:
        train(jobs.sagemaker, role)
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_a_role_that_does_not_trust_the_service_runs_no_job(jobs: Jobs) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    jobs.iam.create_role(RoleName="ForLambda", AssumeRolePolicyDocument=document(trust))
    with pytest.raises(ClientError, match=r"allows principal .sagemaker\.amazonaws\.com. to assume the role"):
        train(jobs.sagemaker, "arn:aws:iam::000000000000:role/ForLambda")


def test_a_role_is_assumed_by_whom_it_trusts(jobs: Jobs, user: User) -> None:
    other = User(jobs)
    trust = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "sts:AssumeRole"}
    name = f"role-{time.time_ns():x}"
    role = jobs.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    jobs.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(allow("s3:GetObject")))
    own = jobs.server.client("s3", user.assume(role))

    assert own.get_object(Bucket="policies", Key="a.txt")["Body"].read() == b"a"
    refused(own.put_object, Bucket="policies", Key="a.txt", Body=b"x")
    refused(other.assume, role=role)
    other.may(allow("sts:AssumeRole"))
    refused(other.assume, role=role)
    for foreign in ("arn:aws:iam::111122223333:role/Role", "arn:aws:iam::000000000000:role/Nobody"):
        refused(user.assume, role=foreign)


def test_a_session_policy_only_takes_away(jobs: Jobs, user: User) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "sts:AssumeRole"}
    name = f"role-{time.time_ns():x}"
    role = jobs.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    jobs.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(allow("s3:GetObject")))
    limited = user.assume(role, Policy=document(allow("s3:*", on=f"{BUCKET}/a.txt"), allow("iam:*")))
    s3 = jobs.server.client("s3", limited)

    assert s3.get_object(Bucket="policies", Key="a.txt")["Body"].read() == b"a"
    refused(s3.get_object, Bucket="policies", Key="b.txt")
    refused(s3.put_object, Bucket="policies", Key="a.txt", Body=b"x")
    refused(jobs.server.client("iam", limited).list_users)


def test_only_what_a_bucket_opens_to_everyone_is_open(jobs: Jobs) -> None:
    jobs.s3.create_bucket(Bucket="opened", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    for key in ("public/a", "private/a"):
        jobs.s3.put_object(Bucket="opened", Key=key, Body=b"open")
    nobody: Any = boto3.client(
        "s3", endpoint_url=jobs.server.url, region_name="us-west-2", config=Config(signature_version=UNSIGNED)
    )
    refused(nobody.get_object, Bucket="opened", Key="public/a")
    everyone = allow("s3:GetObject", on="arn:aws:s3:::opened/public/*", Principal="*")
    jobs.s3.delete_public_access_block(Bucket="opened")
    jobs.s3.put_bucket_policy(Bucket="opened", Policy=document(everyone))

    assert nobody.get_object(Bucket="opened", Key="public/a")["Body"].read() == b"open"
    refused(nobody.get_object, Bucket="opened", Key="private/a")
    refused(nobody.put_object, Bucket="opened", Key="public/b", Body=b"x")
    refused(nobody.list_objects_v2, Bucket="opened")
    refused(nobody.get_bucket_policy, Bucket="opened")
    refused(nobody.list_buckets)


def test_policies_know_the_callers_address_whatever_its_headers_say(jobs: Jobs, user: User) -> None:
    read = Sent("GET", "/policies/a.txt", {"X-Forwarded-For": "10.1.2.3", "Forwarded": "for=10.1.2.3"})
    signer = Signer(f"127.0.0.1:{jobs.server.port}", user.told["AWS_ACCESS_KEY_ID"], user.told["AWS_SECRET_ACCESS_KEY"])
    for network, status in (("10.0.0.0/8", 403), ("127.0.0.0/8", 200)):
        user.may(allow("s3:GetObject", Condition={"IpAddress": {"aws:SourceIp": network}}))
        assert send(jobs.server.port, signer.sign(read, "s3")).status == status


def test_policies_know_whether_a_request_came_over_tls(jobs: Jobs, user: User) -> None:
    user.may(allow("s3:GetObject", Condition={"Bool": {"aws:SecureTransport": "true"}}))
    session = boto3.Session(user.told["AWS_ACCESS_KEY_ID"], user.told["AWS_SECRET_ACCESS_KEY"], region_name="us-west-2")
    through: Any = session.client(
        "s3", verify=jobs.told["AWS_CA_BUNDLE"], config=Config(proxies={"https": jobs.server.url})
    )  # to AWS's own host, which the proxy answers itself

    refused(user.client("s3").get_object, Bucket="policies", Key="a.txt")
    assert through.get_object(Bucket="policies", Key="a.txt")["Body"].read() == b"a"
