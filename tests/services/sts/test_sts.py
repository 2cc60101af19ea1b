"""STS: who is calling, and sessions."""

import json

from tests.services.iam.conftest import ACCOUNT, Account, policy, trust
from tests.services.iam.test_roles import code_of


async def test_root_is_told_that_it_is_a_role(account: Account) -> None:
    identity = await account.sts("GetCallerIdentity")

    assert identity["Account"] == ACCOUNT
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/SalviaExecutionRole/root"
    assert identity["UserId"].startswith("AROA")


async def test_a_user_is_told_its_own_arn(account: Account) -> None:
    ann = await account.user("ann")

    assert (await account.sts("GetCallerIdentity", ann))["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ann"


async def test_assume_role_answers_with_all_its_members(account: Account) -> None:
    arn = await account.role("R", trust({"AWS": ACCOUNT}, action="sts:*"))
    answer = await account.sts(
        "AssumeRole", RoleArn=arn, RoleSessionName="work", Policy=policy("Allow", "s3:*"), SourceIdentity="ann"
    )

    assert answer["Credentials"]["Expiration"] == account.clock.now() + 3600
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/R/work"
    assert answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":work")
    assert 0 < answer["PackedPolicySize"] < 100
    assert answer["SourceIdentity"] == "ann"


async def test_a_malformed_or_too_long_session_policy_is_refused(account: Account) -> None:
    arn = await account.role("R", trust({"AWS": ACCOUNT}))
    long = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "x" * 2100}]})

    assert (await code_of(account.assume(arn, Policy="{")))[0] == "MalformedPolicyDocument"
    assert (await code_of(account.assume(arn, Policy=long)))[0] == "PackedPolicyTooLarge"
    assert (await code_of(account.assume(arn, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/Nope"}])))[0] == (
        "MalformedPolicyDocument"
    )


async def test_a_session_token_speaks_as_its_caller(account: Account) -> None:
    ann = await account.user("ann")
    answer = await account.sts("GetSessionToken", ann, DurationSeconds=900)
    session = await account.credentials.find(answer["Credentials"]["AccessKeyId"])

    assert session is not None
    assert (session.caller.arn, session.expires) == (ann.arn, account.clock.now() + 900)
    assert (await code_of(account.sts("GetSessionToken", session.caller)))[:2] == ("AccessDenied", 403)


async def test_no_token_code_is_ever_right(account: Account) -> None:
    assert (await code_of(account.sts("GetSessionToken", SerialNumber="s" * 9, TokenCode="123456")))[0] == (
        "AccessDenied"
    )


async def test_a_key_tells_its_account(account: Account) -> None:
    ann = await account.user("ann")

    assert await account.sts("GetAccessKeyInfo", AccessKeyId=ann.access_key) == {"Account": ACCOUNT}
    assert (await code_of(account.sts("GetAccessKeyInfo", AccessKeyId="AKIAUNKNOWNUNKNOWN")))[0] == "AccessDenied"


async def test_a_federated_user_has_its_own_arn(account: Account) -> None:
    ann = await account.user("ann")
    answer = await account.sts("GetFederationToken", ann, Name="fed")

    assert answer["FederatedUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/fed"
