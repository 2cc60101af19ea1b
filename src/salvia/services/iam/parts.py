"""What IAM offers to the other services, which cannot import it: functions in `world.parts`."""

from collections.abc import Mapping
from typing import Any

from salvia.base.call import Caller
from salvia.resources.world import World
from salvia.services.iam.assume import assumed_caller, execution_caller, session_policy


def parts(world: World) -> Mapping[str, Any]:
    """To be added to `world.parts` by whoever makes the world, beside "access_keys" (an AccessKeys).

    * "execution_caller": `await f(role_arn, account, session_name="SageMaker") -> Caller`, for every job that runs as a role
    * "assumed_caller": `await f(world, call) -> (Caller, MaxSessionDuration)`, for sts:AssumeRole
    * "session_policy": `await f(world, account, params) -> str`, what a Caller carries of Policy and PolicyArns
    """

    async def execution_caller_of(role_arn: str, account: str = "", session_name: str = "SageMaker") -> Caller:
        return await execution_caller(world, role_arn, session_name=session_name, account=account)

    return {
        "execution_caller": execution_caller_of,
        "assumed_caller": assumed_caller,
        "session_policy": session_policy,
    }
