"""The policy simulator."""

from typing import Any

import pytest

from tests.services.iam.conftest import ACCOUNT, Account, policy, trust
from tests.services.iam.test_roles import TRUST, code_of

EXECUTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role/SalviaExecutionRole"


async def decisions(account: Account, **params: Any) -> list[str]:
    answer = await account.iam("SimulatePrincipalPolicy", **params)
    return [result["EvalDecision"] for result in answer["EvaluationResults"]]


async def test_the_execution_role_may_do_what_the_sdk_asks_of_it(account: Account) -> None:
    asked = [
        "sagemaker:CreateTrainingJob",
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "cloudwatch:PutMetricData",
        "ecr:GetAuthorizationToken",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "ec2:CreateNetworkInterface",
        "ec2:CreateNetworkInterfacePermission",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
    ]

    assert await decisions(account, PolicySourceArn=EXECUTION_ROLE, ActionNames=asked) == ["allowed"] * len(asked)


async def test_denials_are_told_apart(account: Account) -> None:
    arn = await account.role("R", TRUST, policy("Allow", "s3:*"), policy("Deny", "s3:DeleteObject"))

    asked = ["s3:GetObject", "s3:DeleteObject", "logs:PutLogEvents"]
    assert await decisions(account, PolicySourceArn=arn, ActionNames=asked) == [
        "allowed",
        "explicitDeny",
        "implicitDeny",
    ]


async def test_a_matched_statement_is_pointed_at(account: Account) -> None:
    text = '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {"Effect": "Allow", "Action": "logs:*", "Resource": "*"},\n    {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}\n  ]\n}'
    answer = await account.iam("SimulateCustomPolicy", PolicyInputList=[text], ActionNames=["s3:GetObject"])

    [matched] = answer["EvaluationResults"][0]["MatchedStatements"]
    assert matched == {
        "SourcePolicyId": "PolicyInputList.1",
        "SourcePolicyType": "none",
        "StartPosition": {"Line": 5, "Column": 5},
        "EndPosition": {"Line": 5, "Column": 59},
    }


async def test_context_decides_and_what_is_missing_is_named(account: Account) -> None:
    text = policy("Allow", "s3:*", Condition={"StringEquals": {"aws:RequestedRegion": "us-west-2"}})
    entry = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyType": "string", "ContextKeyValues": ["us-west-2"]}
    custom: dict[str, Any] = {"PolicyInputList": [text], "ActionNames": ["s3:GetObject"]}
    without = await account.iam("SimulateCustomPolicy", **custom)
    given = await account.iam("SimulateCustomPolicy", **custom, ContextEntries=[entry])

    assert without["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"
    assert without["EvaluationResults"][0]["MissingContextValues"] == ["aws:requestedregion"]
    assert given["EvaluationResults"][0]["EvalDecision"] == "allowed"


async def test_every_action_meets_every_resource_in_pages(account: Account) -> None:
    arn = await account.role("R", TRUST, policy("Allow", "s3:*", "arn:aws:s3:::mine/*"))
    params: dict[str, Any] = {
        "PolicySourceArn": arn,
        "ActionNames": ["s3:GetObject", "s3:PutObject"],
        "ResourceArns": ["arn:aws:s3:::mine/k", "arn:aws:s3:::theirs/k"],
        "MaxItems": 3,
    }
    first = await account.iam("SimulatePrincipalPolicy", **params)
    second = await account.iam("SimulatePrincipalPolicy", **params, Marker=first["Marker"])

    results = first["EvaluationResults"] + second["EvaluationResults"]
    assert [result["EvalDecision"] for result in results] == ["allowed", "implicitDeny"] * 2


async def test_a_boundary_is_reported(account: Account) -> None:
    answer = await account.iam(
        "SimulateCustomPolicy",
        PolicyInputList=[policy("Allow", "*")],
        PermissionsBoundaryPolicyInputList=[policy("Allow", "logs:*")],
        ActionNames=["s3:GetObject"],
    )

    [result] = answer["EvaluationResults"]
    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}


async def test_what_is_not_there_or_no_action_is_refused(account: Account) -> None:
    gone = f"arn:aws:iam::{ACCOUNT}:role/gone"

    assert (await code_of(decisions(account, PolicySourceArn=gone, ActionNames=["s3:GetObject"])))[0] == "NoSuchEntity"
    assert (await code_of(decisions(account, PolicySourceArn=EXECUTION_ROLE, ActionNames=["nonsense"])))[0] == (
        "InvalidInput"
    )


async def test_what_is_not_simulated_is_refused(account: Account) -> None:
    asked: dict[str, Any] = {"PolicySourceArn": EXECUTION_ROLE, "ActionNames": ["s3:GetObject"]}

    assert (await code_of(decisions(account, **asked, PolicyExclusionList=[{}])))[0] == "InvalidInput"
    assert (await code_of(decisions(account, **asked, CallerArn="nobody", ResourceOwner="1")))[0] == "InvalidInput"


@pytest.mark.parametrize("document", ['{ "Statement" : {"Effect":"Allow","Action":"s3:*","Resource":"*"} }',
                                      '{"Id":"[{","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'])  # fmt: skip
async def test_positions_are_found_however_the_document_is_written(account: Account, document: str) -> None:
    answer = await account.iam("SimulateCustomPolicy", PolicyInputList=[document], ActionNames=["s3:GetObject"])

    [matched] = answer["EvaluationResults"][0]["MatchedStatements"]
    start, end = matched["StartPosition"]["Column"], matched["EndPosition"]["Column"]
    assert document[start - 1 : end - 1] == '{"Effect":"Allow","Action":"s3:*","Resource":"*"}'


async def test_a_resource_policy_counts(account: Account) -> None:
    arn = await account.role("R", trust({"AWS": ACCOUNT}))
    resource_policy = policy("Allow", "s3:GetObject", "arn:aws:s3:::b/*", Principal={"AWS": arn})

    assert await decisions(
        account,
        PolicySourceArn=arn,
        ActionNames=["s3:GetObject"],
        ResourceArns=["arn:aws:s3:::b/k"],
        ResourcePolicy=resource_policy,
    ) == ["allowed"]
