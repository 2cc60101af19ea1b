"""An account with an execution role, and calls without a wire."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from salvia.adapters.credentials.stored import StoredCredentials
from salvia.base.call import Call, Caller
from salvia.base.clock import SetClock
from salvia.resources.world import World
from salvia.services import iam as iam_service
from salvia.services import sts as sts_service
from salvia.services.iam.assume import assumed_caller, execution_caller, session_policy
from salvia.services.iam.authorize import Authorizer
from salvia.services.iam.first_start import ensure_execution_role
from tests import fakes

ACCOUNT, REGION = "000000000000", "us-west-2"
OPERATIONS = {"iam": iam_service.SERVICE.operations, "sts": sts_service.SERVICE.operations}


def policy(effect: str, action: str | list[str], resource: str | list[str] = "*", **more: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: Any, action: str = "sts:AssumeRole", **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Account:
    """`await account.iam("GetRole", RoleName=...)` as root, or as `caller`."""

    def __init__(self, world: World, credentials: StoredCredentials) -> None:
        self.world = world
        self.credentials = credentials
        self.clock = cast(SetClock, world.clock)
        self.root = credentials.root_caller("AKIAROOT")
        self.authorizer = Authorizer(world)

    async def iam(self, operation: str, caller: Caller | None = None, **params: Any) -> dict[str, Any]:
        return await self.call("iam", operation, caller, **params)

    async def sts(self, operation: str, caller: Caller | None = None, **params: Any) -> dict[str, Any]:
        return await self.call("sts", operation, caller, **params)

    async def call(self, service: str, operation: str, caller: Caller | None = None, **params: Any) -> dict[str, Any]:
        act = cast(Callable[[World, Call], Awaitable[dict[str, Any]]], OPERATIONS[service][operation])
        return await act(self.world, self.request(service, operation, caller or self.root, **params))

    def request(self, service: str, operation: str, caller: Caller, **params: Any) -> Call:
        return Call(service, operation, params, caller, REGION)

    async def authorize(self, service: str, operation: str, caller: Caller, **params: Any) -> None:
        await self.authorizer.check(self.request(service, operation, caller, **params))

    async def user(self, name: str, *policies: str) -> Caller:
        """A new user with inline policies, as its key speaks."""
        await self.iam("CreateUser", UserName=name)
        for number, text in enumerate(policies):
            await self.iam("PutUserPolicy", UserName=name, PolicyName=f"p{number}", PolicyDocument=text)
        key = await self.iam("CreateAccessKey", UserName=name)
        credential = await self.credentials.find(key["AccessKey"]["AccessKeyId"])
        assert credential is not None
        return credential.caller

    async def role(self, name: str, trusted: str, *policies: str, **params: Any) -> str:
        """A new role with inline policies; its ARN."""
        role = await self.iam("CreateRole", RoleName=name, AssumeRolePolicyDocument=trusted, **params)
        for number, text in enumerate(policies):
            await self.iam("PutRolePolicy", RoleName=name, PolicyName=f"p{number}", PolicyDocument=text)
        return str(role["Role"]["Arn"])

    async def job_caller(self, role_arn: str) -> Caller:
        return await execution_caller(self.world, role_arn, account=ACCOUNT)

    async def assume(self, role_arn: str, caller: Caller | None = None, **params: Any) -> Caller:
        answer = await self.sts("AssumeRole", caller, RoleArn=role_arn, **{"RoleSessionName": "s", **params})
        credential = await self.credentials.find(answer["Credentials"]["AccessKeyId"])
        assert credential is not None
        return credential.caller


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[Account]:
    world = fakes.world(tmp_path)
    credentials = StoredCredentials(world.table, world.settings, world.clock)
    world.credentials = credentials
    world.parts |= {
        "access_keys": credentials,
        "assumed_caller": assumed_caller,
        "session_policy": session_policy,
    }
    await ensure_execution_role(world)
    yield Account(world, credentials)
    await cast(Any, world.table).close()
