"""The needs of IAM and STS requests."""

from collections.abc import Mapping, Sequence

from salvia.base.call import Call
from salvia.resources.world import World
from salvia.services.iam import entity
from salvia.services.iam.entity import NOUNS
from salvia.services.iam.needs.need import Need
from salvia.services.iam.users import user_name_of

_FREE = frozenset(
    {
        "GetCallerIdentity",  # works whatever a policy says
        "GetSessionToken",
        "AssumeRole",  # judged with the role's trust policy, by whoever answers it
    }
)
_OF_OWN_USER = frozenset({"GetUser", "CreateAccessKey", "ListAccessKeys", "UpdateAccessKey", "DeleteAccessKey"})


def sts_needs(call: Call) -> Sequence[Need]:
    if call.operation in _FREE:
        return ()
    if call.operation == "GetFederationToken":
        return (Need("sts:GetFederationToken", f"arn:aws:sts::{call.account}:federated-user/{call.params['Name']}"),)
    return (Need(f"sts:{call.operation}", "*"),)


async def iam_needs(world: World, call: Call) -> Sequence[Need]:
    action = f"iam:{call.operation}"
    return (Need(action, await _resource(world, call), _condition_keys(call.params)),)


async def _resource(world: World, call: Call) -> str:
    """The group, user or role that the request names, else the policy, else all."""
    params = call.params
    if "PolicySourceArn" in params:
        return str(params["PolicySourceArn"])
    for noun in (NOUNS["role"], NOUNS["group"], NOUNS["user"]):
        name = params.get(noun.name_member)
        if name is None and noun.type == "user" and call.operation in _OF_OWN_USER:
            name = user_name_of(call.caller) or None
        if name is not None:
            record = await entity.find(world, call.account, noun, name)
            return record.arn if record else f"arn:aws:iam::{call.account}:{noun.type}{params.get('Path', '/')}{name}"
    if "PolicyArn" in params:
        return str(params["PolicyArn"])
    if call.operation == "CreatePolicy":
        return f"arn:aws:iam::{call.account}:policy{params.get('Path', '/')}{params['PolicyName']}"
    return "*"


def _condition_keys(params: Mapping[str, object]) -> dict[str, Sequence[str]]:
    keys: dict[str, Sequence[str]] = {}
    if isinstance(params.get("PolicyArn"), str):
        keys["iam:policyarn"] = (str(params["PolicyArn"]),)
    if isinstance(params.get("PermissionsBoundary"), str):
        keys["iam:permissionsboundary"] = (str(params["PermissionsBoundary"]),)
    tags = params.get("Tags")
    if isinstance(tags, list):
        keys["aws:tagkeys"] = tuple(tag["Key"] for tag in tags)
        keys |= {f"aws:requesttag/{tag['Key'].lower()}": (tag["Value"],) for tag in tags}
    return keys
