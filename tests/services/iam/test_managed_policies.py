"""Managed policies: AWS's and the account's own, with their versions."""

from urllib.parse import unquote

import pytest

from salvia.services.iam.aws_managed import AWS_MANAGED
from salvia.services.iam.policy import Use, parse
from tests.services.iam.conftest import ACCOUNT, Account, policy
from tests.services.iam.test_roles import TRUST, code_of

ARN = f"arn:aws:iam::{ACCOUNT}:policy/p"


@pytest.mark.parametrize("arn", AWS_MANAGED)
def test_every_policy_of_aws_is_a_valid_policy(arn: str) -> None:
    assert parse(AWS_MANAGED[arn].document, Use.IDENTITY).statements


async def test_a_policy_lives_with_its_versions(account: Account) -> None:
    first, second = policy("Allow", "s3:*"), policy("Allow", "logs:*")
    made = (await account.iam("CreatePolicy", PolicyName="p", PolicyDocument=first, Description="d"))["Policy"]
    await account.iam("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=second, SetAsDefault=True)
    versions = (await account.iam("ListPolicyVersions", PolicyArn=ARN))["Versions"]
    default = (await account.iam("GetPolicyVersion", PolicyArn=ARN, VersionId="v2"))["PolicyVersion"]
    conflicts = [
        await code_of(account.iam("DeletePolicy", PolicyArn=ARN)),
        await code_of(account.iam("DeletePolicyVersion", PolicyArn=ARN, VersionId="v2")),
    ]
    await account.iam("DeletePolicyVersion", PolicyArn=ARN, VersionId="v1")
    await account.iam("DeletePolicy", PolicyArn=ARN)

    assert (made["Arn"], made["DefaultVersionId"], made["Description"]) == (ARN, "v1", "d")
    assert [(one["VersionId"], one["IsDefaultVersion"]) for one in versions] == [("v2", True), ("v1", False)]
    assert unquote(default["Document"]) == second
    assert [conflict[0] for conflict in conflicts] == ["DeleteConflict", "DeleteConflict"]
    assert await code_of(account.iam("GetPolicy", PolicyArn=ARN)) == (
        "NoSuchEntity",
        404,
        f"Policy {ARN} was not found.",
    )


async def test_numbers_of_versions_are_not_given_again_and_five_is_the_most(account: Account) -> None:
    await account.iam("CreatePolicy", PolicyName="p", PolicyDocument=policy("Allow", "s3:*"))
    for _ in range(4):
        await account.iam("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=policy("Allow", "s3:*"))
    full = await code_of(account.iam("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=policy("Allow", "s3:*")))
    await account.iam("DeletePolicyVersion", PolicyArn=ARN, VersionId="v5")
    made = await account.iam("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=policy("Allow", "s3:*"))

    assert full[:2] == ("LimitExceeded", 409)
    assert made["PolicyVersion"]["VersionId"] == "v6"


async def test_an_attached_policy_is_not_deleted_and_says_where_it_is_attached(account: Account) -> None:
    await account.iam("CreatePolicy", PolicyName="p", PolicyDocument=policy("Allow", "s3:*"))
    await account.role("R", TRUST)
    await account.user("ann")
    await account.iam("AttachRolePolicy", RoleName="R", PolicyArn=ARN)
    await account.iam("AttachUserPolicy", UserName="ann", PolicyArn=ARN)

    entities = await account.iam("ListEntitiesForPolicy", PolicyArn=ARN)
    assert [role["RoleName"] for role in entities["PolicyRoles"]] == ["R"]
    assert [user["UserName"] for user in entities["PolicyUsers"]] == ["ann"]
    assert (await account.iam("GetPolicy", PolicyArn=ARN))["Policy"]["AttachmentCount"] == 2
    assert (await code_of(account.iam("DeletePolicy", PolicyArn=ARN)))[2] == (
        "Cannot delete a policy attached to entities."
    )


async def test_lists_keep_scope_and_attachment_apart(account: Account) -> None:
    await account.iam("CreatePolicy", PolicyName="p", PolicyDocument=policy("Allow", "s3:*"))
    local = await account.iam("ListPolicies", Scope="Local")
    attached = await account.iam("ListPolicies", Scope="AWS", OnlyAttached=True)
    pages = [await account.iam("ListPolicies", MaxItems=10)]
    while pages[-1]["IsTruncated"]:
        pages.append(await account.iam("ListPolicies", MaxItems=10, Marker=pages[-1]["Marker"]))

    assert [one["PolicyName"] for one in local["Policies"]] == ["p"]
    assert "AmazonSageMakerFullAccess" in [one["PolicyName"] for one in attached["Policies"]]
    assert sum(len(page["Policies"]) for page in pages) == len(AWS_MANAGED) + 1


async def test_aws_policies_cannot_be_changed(account: Account) -> None:
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"

    assert (await code_of(account.iam("DeletePolicy", PolicyArn=arn)))[:2] == ("AccessDenied", 403)


async def test_a_taken_name_and_a_malformed_document_are_refused(account: Account) -> None:
    await account.iam("CreatePolicy", PolicyName="p", PolicyDocument=policy("Allow", "s3:*"))
    taken = await code_of(account.iam("CreatePolicy", PolicyName="P", PolicyDocument=policy("Allow", "s3:*")))
    wrong = await code_of(account.iam("CreatePolicy", PolicyName="q", PolicyDocument=policy("Permit", "s3:*")))

    assert taken == ("EntityAlreadyExists", 409, "A policy called P already exists. Duplicate names are not allowed.")
    assert wrong[:2] == ("MalformedPolicyDocument", 400)


async def test_a_boundary_is_put_shown_and_taken_away(account: Account) -> None:
    await account.iam("CreatePolicy", PolicyName="p", PolicyDocument=policy("Allow", "s3:*"))
    await account.role("R", TRUST, PermissionsBoundary=ARN)
    shown = (await account.iam("GetRole", RoleName="R"))["Role"]["PermissionsBoundary"]
    await account.iam("DeleteRolePermissionsBoundary", RoleName="R")

    assert shown == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": ARN}
    assert "PermissionsBoundary" not in (await account.iam("GetRole", RoleName="R"))["Role"]
