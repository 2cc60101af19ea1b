"""Assuming roles: trust policies are asked for real, by clients and for jobs."""

import pytest

from salvia.base.errors import AwsError
from tests.services.iam.conftest import ACCOUNT, Account, policy, trust
from tests.services.iam.test_roles import TRUST, code_of

SAGEMAKER = TRUST


async def test_a_trusted_user_becomes_the_role(account: Account) -> None:
    ann = await account.user("ann")
    arn = await account.role("R", trust({"AWS": ann.arn}), policy("Allow", "s3:*"), Path="/team/")
    caller = await account.assume(arn, ann, RoleSessionName="work")

    assert caller.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/R/work"
    assert caller.principal_arn == arn
    await account.authorize("s3", "ListBuckets", caller)


async def test_a_stranger_is_refused_in_awss_words(account: Account) -> None:
    ann = await account.user("ann", policy("Allow", "sts:AssumeRole"))
    arn = await account.role("R", SAGEMAKER)

    assert await code_of(account.assume(arn, ann)) == (
        "AccessDenied",
        403,
        f"User: {ann.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
    )


async def test_a_role_that_is_not_there_is_refused_in_the_same_words(account: Account) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/gone"

    assert (await code_of(account.assume(arn)))[:2] == ("AccessDenied", 403)
    assert await code_of(account.assume("arn:aws:iam::x:role/y")) == (
        "ValidationError",
        400,
        "arn:aws:iam::x:role/y is invalid",
    )


async def test_trust_in_the_account_leaves_it_to_the_users_own_policies(account: Account) -> None:
    arn = await account.role("R", trust({"AWS": ACCOUNT}))
    ann, ben = await account.user("ann", policy("Allow", "sts:AssumeRole", arn)), await account.user("ben")

    assert (await account.assume(arn, ann)).principal_arn == arn
    assert (await code_of(account.assume(arn, ben)))[0] == "AccessDenied"


async def test_root_assumes_only_what_trusts_it(account: Account) -> None:
    trusting = await account.role("R", trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}))
    closed = await account.role("S", SAGEMAKER)

    assert not (await account.assume(trusting)).root
    assert (await code_of(account.assume(closed)))[0] == "AccessDenied"


async def test_the_external_id_must_be_right(account: Account) -> None:
    arn = await account.role("R", trust({"AWS": ACCOUNT}, Condition={"StringEquals": {"sts:ExternalId": "secret"}}))

    assert await account.assume(arn, ExternalId="secret")
    assert (await code_of(account.assume(arn, ExternalId="wrong")))[0] == "AccessDenied"
    assert (await code_of(account.assume(arn)))[0] == "AccessDenied"


async def test_a_session_lasts_no_longer_than_its_role_allows(account: Account) -> None:
    arn = await account.role("R", trust({"AWS": ACCOUNT}), MaxSessionDuration=7200)
    caller = await account.assume(arn, DurationSeconds=7200)
    credential = await account.credentials.find(caller.access_key)

    assert credential is not None
    assert credential.expires == account.clock.now() + 7200
    assert await code_of(account.assume(arn, DurationSeconds=7201)) == (
        "ValidationError",
        400,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )


async def test_a_role_that_assumes_a_role_gets_an_hour(account: Account) -> None:
    first = await account.role("R", trust({"AWS": ACCOUNT}), policy("Allow", "sts:*"))
    second = await account.role("S", trust({"AWS": first}), MaxSessionDuration=43200)
    caller = await account.assume(first)

    assert (await account.assume(second, caller)).principal_arn == second
    assert "role chaining" in (await code_of(account.assume(second, caller, DurationSeconds=3601)))[2]


async def test_a_session_policy_takes_away(account: Account) -> None:
    arn = await account.role("R", trust({"AWS": ACCOUNT}), policy("Allow", "*"))
    read_only = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    by_text = await account.assume(arn, Policy=policy("Allow", "s3:GetObject"))
    by_arn = await account.assume(arn, PolicyArns=[{"arn": read_only}])

    for caller in (by_text, by_arn):
        await account.authorize("s3", "GetObject", caller, Bucket="b", Key="k")
        with pytest.raises(AwsError, match="because no session policy allows the s3:PutObject action"):
            await account.authorize("s3", "PutObject", caller, Bucket="b", Key="k")


async def test_session_tags_need_permission_and_count_as_principal_tags(account: Account) -> None:
    folder = policy("Allow", "s3:*", "arn:aws:s3:::b/${aws:PrincipalTag/team}/*")
    plain = await account.role("R", trust({"AWS": ACCOUNT}), folder)
    tagged = await account.role("S", trust({"AWS": ACCOUNT}, action="sts:*"), folder)
    tags = [{"Key": "team", "Value": "red"}]
    caller = await account.assume(tagged, Tags=tags)

    assert "sts:TagSession" in (await code_of(account.assume(plain, Tags=tags)))[2]
    await account.authorize("s3", "GetObject", caller, Bucket="b", Key="red/k")
    with pytest.raises(AwsError):
        await account.authorize("s3", "GetObject", caller, Bucket="b", Key="blue/k")


async def test_transitive_tags_and_the_source_identity_go_on_to_the_next_role(account: Account) -> None:
    everything = policy("Allow", "sts:*")
    first = await account.role("R", trust({"AWS": ACCOUNT}, action="sts:*"), everything)
    second = await account.role("S", trust({"AWS": ACCOUNT}, action="sts:*"), everything)
    tags = [{"Key": "team", "Value": "red"}, {"Key": "desk", "Value": "1"}]
    one = await account.assume(first, Tags=tags, TransitiveTagKeys=["team"], SourceIdentity="ann")
    two = await account.assume(second, one)

    assert (two.session_tags, two.transitive_tags, two.source_identity) == ((("team", "red"),), ("team",), "ann")


async def test_a_role_remembers_when_it_was_assumed(account: Account) -> None:
    arn = await account.role("R", trust({"AWS": ACCOUNT}))
    await account.assume(arn)

    used = (await account.iam("GetRole", RoleName="R"))["Role"]["RoleLastUsed"]
    assert used == {"LastUsedDate": account.clock.now(), "Region": "us-west-2"}


async def test_a_role_may_trust_sagemaker_for_its_own_account_only(account: Account) -> None:
    arns = [
        await account.role(
            f"R{number}",
            trust({"Service": "sagemaker.amazonaws.com"}, Condition={"StringEquals": {"aws:SourceAccount": number}}),
        )
        for number in (ACCOUNT, "999999999999")
    ]

    assert (await account.job_caller(arns[0])).principal_arn == arns[0]
    assert (await code_of(account.job_caller(arns[1])))[0] == "ValidationException"


async def test_a_job_runs_as_the_role_it_was_given(account: Account) -> None:
    arn = await account.role("R", SAGEMAKER, Path="/service-role/")
    caller = await account.job_caller(arn)

    assert caller.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/R/SageMaker"
    assert caller.principal_arn == arn
    assert not caller.root


@pytest.mark.parametrize("name", ["gone", "R"])
async def test_a_job_is_refused_a_role_that_is_not_there_or_does_not_trust_sagemaker(
    account: Account, name: str
) -> None:
    await account.role("R", trust({"Service": "lambda.amazonaws.com"}))
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"

    code, status, words = await code_of(account.job_caller(arn))

    assert (code, status) == ("ValidationException", 400)
    assert words == (
        f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role."
    )


async def test_a_job_is_refused_another_accounts_role(account: Account) -> None:
    arn = "arn:aws:iam::999999999999:role/R"

    assert await code_of(account.job_caller(arn)) == (
        "ValidationException",
        400,
        "RoleArn: Cross-account pass role is not allowed.",
    )
