"""Access keys: what a user signs requests with, at most two at a time."""

from typing import Any

from salvia.base.arn import Arn
from salvia.base.call import Call, Caller
from salvia.ports.credentials import AccessKey, AccessKeys
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.iam.errors import LimitExceeded, NoSuchEntity
from salvia.services.iam.paging import page_of_list
from salvia.services.iam.users import named_or_calling

_KEYS_LIMIT = 2


async def create_access_key(world: World, call: Call) -> dict[str, Any]:
    user = await named_or_calling(world, call)
    if len(await _store(world).keys(call.account, user.arn)) >= _KEYS_LIMIT:
        raise LimitExceeded(f"Cannot exceed quota for AccessKeysPerUser: {_KEYS_LIMIT}")
    credential = await _store(world).create(
        Caller(account=call.account, arn=user.arn, user_id=user.spec["Id"], principal_arn=user.arn)
    )
    return {
        "AccessKey": {
            "UserName": user.name,
            "AccessKeyId": credential.access_key,
            "Status": "Active",
            "SecretAccessKey": credential.secret,
            "CreateDate": world.clock.now(),
        }
    }


async def list_access_keys(world: World, call: Call) -> dict[str, Any]:
    user = await named_or_calling(world, call)
    keys = [
        {
            "UserName": user.name,
            "AccessKeyId": key.access_key,
            "Status": "Active" if key.active else "Inactive",
            "CreateDate": key.created,
        }
        for key in await _store(world).keys(call.account, user.arn)
    ]
    page, more = page_of_list(call, keys)
    return {"AccessKeyMetadata": page, **more}


async def update_access_key(world: World, call: Call) -> dict[str, Any]:
    key = await _key_of(world, call, await named_or_calling(world, call))
    await _store(world).activate(call.account, key.access_key, call.params["Status"] == "Active")
    return {}


async def delete_access_key(world: World, call: Call) -> dict[str, Any]:
    key = await _key_of(world, call, await named_or_calling(world, call))
    await _store(world).delete(call.account, key.access_key)
    return {}


async def get_access_key_last_used(world: World, call: Call) -> dict[str, Any]:
    wanted = call.params["AccessKeyId"]
    found = [key for key in await _store(world).keys(call.account, "") if key.access_key == wanted]
    if not found:
        raise _no_key(wanted)
    when = {"ServiceName": "N/A", "Region": "N/A"}
    if found[0].used is None:
        return {"UserName": Arn.parse(found[0].principal_arn).name, "AccessKeyLastUsed": when}
    date, service, region = found[0].used
    used = {"LastUsedDate": date, "ServiceName": service, "Region": region}
    return {"UserName": Arn.parse(found[0].principal_arn).name, "AccessKeyLastUsed": used}


async def _key_of(world: World, call: Call, user: Record) -> AccessKey:
    wanted = call.params["AccessKeyId"]
    for key in await _store(world).keys(call.account, user.arn):
        if key.access_key == wanted:
            return key
    raise _no_key(wanted)


def _no_key(access_key: str) -> NoSuchEntity:
    return NoSuchEntity(f"The Access Key with id {access_key} cannot be found.")


def _store(world: World) -> AccessKeys:
    store: AccessKeys = world.parts["access_keys"]
    return store
