"""Users, groups and access keys."""

import pytest

from salvia.base.errors import AwsError
from tests.services.iam.conftest import ACCOUNT, Account, policy
from tests.services.iam.test_roles import code_of


async def test_a_user_lives(account: Account) -> None:
    made = await account.iam("CreateUser", UserName="ann", Path="/team/")
    listed = await account.iam("ListUsers")
    await account.iam("DeleteUser", UserName="ann")

    assert made["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/ann"
    assert [user["UserName"] for user in listed["Users"]] == ["ann"]
    assert await code_of(account.iam("GetUser", UserName="ann")) == (
        "NoSuchEntity",
        404,
        "The user with name ann cannot be found.",
    )


async def test_without_a_name_a_user_gets_itself_and_a_role_is_refused(account: Account) -> None:
    ann = await account.user("ann")

    assert (await account.iam("GetUser", ann))["User"]["UserName"] == "ann"
    assert await code_of(account.iam("GetUser")) == (
        "ValidationError",
        400,
        "Must specify userName when calling with non-User credentials",
    )


async def test_a_user_has_at_most_two_keys(account: Account) -> None:
    await account.user("ann")
    await account.iam("CreateAccessKey", UserName="ann")

    assert await code_of(account.iam("CreateAccessKey", UserName="ann")) == (
        "LimitExceeded",
        409,
        "Cannot exceed quota for AccessKeysPerUser: 2",
    )


async def test_keys_are_listed_deactivated_and_deleted(account: Account) -> None:
    ann = await account.user("ann")
    await account.iam("UpdateAccessKey", UserName="ann", AccessKeyId=ann.access_key, Status="Inactive")
    listed = await account.iam("ListAccessKeys", UserName="ann")
    conflict = await code_of(account.iam("DeleteUser", UserName="ann"))
    await account.iam("DeleteAccessKey", UserName="ann", AccessKeyId=ann.access_key)

    assert [(key["AccessKeyId"], key["Status"]) for key in listed["AccessKeyMetadata"]] == [
        (ann.access_key, "Inactive")
    ]
    assert conflict == ("DeleteConflict", 409, "Cannot delete entity, must delete access keys first.")
    assert (await account.iam("ListAccessKeys", UserName="ann"))["AccessKeyMetadata"] == []


async def test_another_users_key_is_not_touched(account: Account) -> None:
    ann, _ = await account.user("ann"), await account.user("ben")

    refused = await code_of(account.iam("DeleteAccessKey", UserName="ben", AccessKeyId=ann.access_key))
    assert refused[0] == "NoSuchEntity"


async def test_the_last_use_of_a_key_is_known(account: Account) -> None:
    ann = await account.user("ann", policy("Allow", "s3:*"))
    before = await account.iam("GetAccessKeyLastUsed", AccessKeyId=ann.access_key)
    await account.authorize("s3", "ListBuckets", ann)
    after = await account.iam("GetAccessKeyLastUsed", AccessKeyId=ann.access_key)

    assert before["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
    assert after["UserName"] == "ann"
    assert after["AccessKeyLastUsed"]["ServiceName"] == "s3"


async def test_a_groups_policies_count_for_its_users(account: Account) -> None:
    ann = await account.user("ann")
    await account.iam("CreateGroup", GroupName="readers")
    await account.iam("PutGroupPolicy", GroupName="readers", PolicyName="p", PolicyDocument=policy("Allow", "s3:*"))
    with pytest.raises(AwsError):
        await account.authorize("s3", "ListBuckets", ann)

    await account.iam("AddUserToGroup", GroupName="readers", UserName="ann")

    await account.authorize("s3", "ListBuckets", ann)
    assert [user["UserName"] for user in (await account.iam("GetGroup", GroupName="readers"))["Users"]] == ["ann"]
    assert [group["GroupName"] for group in (await account.iam("ListGroupsForUser", UserName="ann"))["Groups"]] == [
        "readers"
    ]
    assert (await code_of(account.iam("DeleteGroup", GroupName="readers")))[0] == "DeleteConflict"


async def test_a_deleted_user_who_is_made_again_is_another(account: Account) -> None:
    ann = await account.user("ann", policy("Allow", "s3:*"))
    await account.iam("DeleteAccessKey", UserName="ann", AccessKeyId=ann.access_key)
    await account.iam("DeleteUserPolicy", UserName="ann", PolicyName="p0")
    await account.iam("DeleteUser", UserName="ann")
    await account.user("ann", policy("Allow", "s3:*"))

    with pytest.raises(AwsError, match="security token"):
        await account.authorize("s3", "ListBuckets", ann)


async def test_the_account_has_no_alias(account: Account) -> None:
    assert (await account.iam("ListAccountAliases"))["AccountAliases"] == []


async def test_the_account_summary_counts(account: Account) -> None:
    await account.user("ann")

    summary = (await account.iam("GetAccountSummary"))["SummaryMap"]
    assert (summary["Users"], summary["Roles"], summary["Groups"]) == (1, 1, 0)
