"""Who is calling, and whose a key is."""

from typing import Any

from salvia.base.call import Call
from salvia.resources.world import World
from salvia.services.sts.errors import Denied, InvalidRequest


async def get_caller_identity(world: World, call: Call) -> dict[str, Any]:  # noqa: ARG001 - an operation
    """The most frequent call of all SDKs: it asks nothing of the table."""
    caller = call.caller
    return {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}


async def get_access_key_info(world: World, call: Call) -> dict[str, Any]:
    access_key = call.params["AccessKeyId"]
    if not access_key.startswith(("AKIA", "ASIA")):
        raise InvalidRequest(f"Invalid AccessKeyId: {access_key}")
    credential = await world.credentials.find(access_key)
    if credential is None:
        raise Denied(f"The account of the access key {access_key} is not known here.")
    return {"Account": credential.caller.account}
