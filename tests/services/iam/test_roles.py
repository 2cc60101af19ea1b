"""Roles: made, changed, listed and deleted as Terraform and the SDKs do it."""

import json
from typing import Any
from urllib.parse import unquote

import pytest

from salvia.base.errors import AwsError
from tests.services.iam.conftest import ACCOUNT, Account, policy, trust

TRUST = trust({"Service": "sagemaker.amazonaws.com"})
FULL_ACCESS = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"


async def test_the_execution_role_is_there_from_the_start(account: Account) -> None:
    role = (await account.iam("GetRole", RoleName="SalviaExecutionRole"))["Role"]
    attached = await account.iam("ListAttachedRolePolicies", RoleName="SalviaExecutionRole")

    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/SalviaExecutionRole"
    assert account.root.user_id == f"{role['RoleId']}:root"
    assert FULL_ACCESS in [one["PolicyArn"] for one in attached["AttachedPolicies"]]


async def test_a_role_lives_as_terraform_makes_it(account: Account) -> None:
    made = await account.iam(
        "CreateRole",
        RoleName="Trainer",
        Path="/team/",
        AssumeRolePolicyDocument=TRUST,
        Description="trains",
        MaxSessionDuration=7200,
        Tags=[{"Key": "team", "Value": "red"}],
    )
    await account.iam("AttachRolePolicy", RoleName="Trainer", PolicyArn=FULL_ACCESS)
    got = (await account.iam("GetRole", RoleName="Trainer"))["Role"]
    await account.iam("DetachRolePolicy", RoleName="Trainer", PolicyArn=FULL_ACCESS)
    profiles = await account.iam("ListInstanceProfilesForRole", RoleName="Trainer")
    await account.iam("DeleteRole", RoleName="Trainer")

    assert got == made["Role"]
    assert got["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/Trainer"
    assert json.loads(unquote(got["AssumeRolePolicyDocument"])) == json.loads(TRUST)
    assert got["Tags"] == [{"Key": "team", "Value": "red"}]
    assert profiles["InstanceProfiles"] == []
    assert await code_of(account.iam("GetRole", RoleName="Trainer")) == (
        "NoSuchEntity",
        404,
        "The role with name Trainer cannot be found.",
    )


async def test_a_role_is_updated(account: Account) -> None:
    await account.role("R", TRUST)
    await account.iam("UpdateRole", RoleName="R", Description="new", MaxSessionDuration=43200)
    await account.iam("UpdateAssumeRolePolicy", RoleName="R", PolicyDocument=trust({"AWS": ACCOUNT}))

    role = (await account.iam("GetRole", RoleName="R"))["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("new", 43200)
    assert ACCOUNT in unquote(role["AssumeRolePolicyDocument"])


async def test_names_are_unique_whatever_their_case(account: Account) -> None:
    await account.role("Trainer", TRUST)

    assert await code_of(account.iam("CreateRole", RoleName="TRAINER", AssumeRolePolicyDocument=TRUST)) == (
        "EntityAlreadyExists",
        409,
        "Role with name TRAINER already exists.",
    )
    assert (await account.iam("GetRole", RoleName="trainer"))["Role"]["RoleName"] == "Trainer"


async def test_a_role_with_policies_is_not_deleted(account: Account) -> None:
    await account.role("R", TRUST, policy("Allow", "s3:*"))
    inline = await code_of(account.iam("DeleteRole", RoleName="R"))
    await account.iam("DeleteRolePolicy", RoleName="R", PolicyName="p0")
    await account.iam("AttachRolePolicy", RoleName="R", PolicyArn=FULL_ACCESS)

    assert inline == ("DeleteConflict", 409, "Cannot delete entity, must delete policies first.")
    assert await code_of(account.iam("DeleteRole", RoleName="R")) == (
        "DeleteConflict",
        409,
        "Cannot delete entity, must detach all policies first.",
    )


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("nonsense", "This policy contains invalid Json"),
        ("[]", "Syntax errors in policy."),
        ('{"Statement": [], "Statement": []}', "Syntax errors in policy."),
        (trust({"AWS": "*"}, Sid=1), "Syntax errors in policy."),
        ('{"Statement": []}', "Syntax errors in policy."),
        (trust({"Service": "sagemaker.amazonaws.com"}, Resource="*"), "Has prohibited field Resource"),
        (
            trust({"Service": "sagemaker.amazonaws.com"}, action="s3:GetObject"),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (trust({"AWS": "somebody"}), 'Invalid principal in policy: "AWS":"somebody"'),
        (trust({"Service": "sagemaker"}), 'Invalid principal in policy: "Service":"sagemaker"'),
        (policy("Allow", "sts:AssumeRole"), "Has prohibited field Resource"),
    ],
)
async def test_a_malformed_trust_policy_is_refused(account: Account, document: str, words: str) -> None:
    refused = await code_of(account.iam("CreateRole", RoleName="R", AssumeRolePolicyDocument=document))

    assert refused == ("MalformedPolicyDocument", 400, words)


async def test_a_trust_policy_has_a_longest_length(account: Account) -> None:
    document = trust({"AWS": [f"arn:aws:iam::{number:012d}:root" for number in range(100)]})

    assert (await code_of(account.iam("CreateRole", RoleName="R", AssumeRolePolicyDocument=document)))[0] == (
        "LimitExceeded"
    )


async def test_lists_come_in_pages_by_name_and_path(account: Account) -> None:
    for number in range(7):
        await account.role(f"r{number}", TRUST, Path="/a/" if number % 2 else "/b/")
    names: list[list[str]] = []
    marker: dict[str, Any] = {}
    while True:
        page = await account.iam("ListRoles", PathPrefix="/a/", MaxItems=2, **marker)
        names.append([role["RoleName"] for role in page["Roles"]])
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}

    assert names == [["r1", "r3"], ["r5"]]
    assert await code_of(account.iam("ListRoles", Marker="x")) == ("ValidationError", 400, "Invalid Marker.")


async def test_inline_policies_are_put_read_listed_and_deleted(account: Account) -> None:
    await account.role("R", TRUST)
    first, second = policy("Allow", "s3:*"), policy("Allow", "logs:*")
    await account.iam("PutRolePolicy", RoleName="R", PolicyName="p", PolicyDocument=first)
    await account.iam("PutRolePolicy", RoleName="R", PolicyName="p", PolicyDocument=second)

    assert (await account.iam("ListRolePolicies", RoleName="R"))["PolicyNames"] == ["p"]
    assert unquote((await account.iam("GetRolePolicy", RoleName="R", PolicyName="p"))["PolicyDocument"]) == second
    assert await code_of(account.iam("GetRolePolicy", RoleName="R", PolicyName="q")) == (
        "NoSuchEntity",
        404,
        "The role policy with name q cannot be found.",
    )


async def test_inline_policies_of_a_role_have_a_longest_length_together(account: Account) -> None:
    await account.role("R", TRUST)
    long = policy("Allow", "s3:*", [f"arn:aws:s3:::{'b' * 60}{number}" for number in range(70)])
    await account.iam("PutRolePolicy", RoleName="R", PolicyName="p", PolicyDocument=long)
    await account.iam("PutRolePolicy", RoleName="R", PolicyName="p", PolicyDocument=long)  # replaces, adds nothing

    assert await code_of(account.iam("PutRolePolicy", RoleName="R", PolicyName="q", PolicyDocument=long)) == (
        "LimitExceeded",
        409,
        "Maximum policy size of 10240 bytes exceeded for role R",
    )


async def test_attaching_needs_the_policy_and_happens_once(account: Account) -> None:
    await account.role("R", TRUST)
    await account.iam("AttachRolePolicy", RoleName="R", PolicyArn=FULL_ACCESS)
    await account.iam("AttachRolePolicy", RoleName="R", PolicyArn=FULL_ACCESS)
    nowhere = f"arn:aws:iam::{ACCOUNT}:policy/nowhere"

    assert (await account.iam("ListAttachedRolePolicies", RoleName="R"))["AttachedPolicies"] == [
        {"PolicyName": "AmazonSageMakerFullAccess", "PolicyArn": FULL_ACCESS}
    ]
    assert (await code_of(account.iam("AttachRolePolicy", RoleName="R", PolicyArn=nowhere)))[:2] == (
        "NoSuchEntity",
        404,
    )
    assert (await code_of(account.iam("DetachRolePolicy", RoleName="R", PolicyArn=nowhere)))[0] == "NoSuchEntity"


async def test_tags_are_added_and_taken(account: Account) -> None:
    await account.role("R", TRUST)
    await account.iam("TagRole", RoleName="R", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    await account.iam("UntagRole", RoleName="R", TagKeys=["a"])

    assert (await account.iam("ListRoleTags", RoleName="R"))["Tags"] == [{"Key": "b", "Value": "2"}]
    assert (await code_of(account.iam("TagRole", RoleName="R", Tags=[{"Key": "aws:x", "Value": ""}])))[0] == (
        "InvalidInput"
    )


async def test_a_changed_execution_role_stays_changed_after_a_restart(account: Account) -> None:
    from salvia.services.iam.first_start import ensure_execution_role

    await account.iam("DetachRolePolicy", RoleName="SalviaExecutionRole", PolicyArn=FULL_ACCESS)
    await ensure_execution_role(account.world)

    attached = await account.iam("ListAttachedRolePolicies", RoleName="SalviaExecutionRole")
    assert FULL_ACCESS not in [one["PolicyArn"] for one in attached["AttachedPolicies"]]


async def code_of(refused: Any) -> tuple[str, int, str]:
    with pytest.raises(AwsError) as error:
        await refused
    return error.value.code, error.value.http_status, error.value.message
