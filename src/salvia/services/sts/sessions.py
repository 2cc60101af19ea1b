"""Temporary sessions: as another role, as oneself, or as a federated user with less."""

import json
from collections.abc import Mapping
from typing import Any

from salvia.base.call import Call, Caller
from salvia.ports.credentials import Credential
from salvia.resources.world import World
from salvia.services.sts.errors import Denied, InvalidRequest, PackedPolicyTooLarge

_PACKED_LIMIT = 2048  # characters of session policies
_CHAINED_SECONDS = 3600  # how long a role may last that another role's session assumed


async def assume_role(world: World, call: Call) -> dict[str, Any]:
    """`world.parts["assumed_caller"]` (IAM) says whether the role's trust policy lets the caller in."""
    given, seconds = call.params, call.params.get("DurationSeconds", 3600)
    _refuse_devices(given)
    packed = _packed_percent(given)
    caller, longest = await world.parts["assumed_caller"](world, call)
    if seconds > longest:
        raise InvalidRequest("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if seconds > _CHAINED_SECONDS and _is_role_session(call.caller):
        raise InvalidRequest(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    credential = await world.credentials.issue(caller, seconds)
    answer: dict[str, Any] = {
        "Credentials": _shown(credential),
        "AssumedRoleUser": {"AssumedRoleId": caller.user_id, "Arn": caller.arn},
    }
    if packed:
        answer["PackedPolicySize"] = packed
    if caller.source_identity:
        answer["SourceIdentity"] = caller.source_identity
    return answer


async def get_session_token(world: World, call: Call) -> dict[str, Any]:
    """A session that speaks as its caller."""
    _refuse_devices(call.params)
    if call.caller.access_key.startswith("ASIA"):
        raise Denied("Cannot call GetSessionToken with session credentials")
    # Root's sessions end after an hour at the latest, as AWS's do.
    longest = 3600 if call.caller.root else 129_600
    seconds = min(call.params.get("DurationSeconds", 43_200), longest)
    return {"Credentials": _shown(await world.credentials.issue(call.caller, seconds))}


async def get_federation_token(world: World, call: Call) -> dict[str, Any]:
    """A session of the calling user with no more than the given policies allow: without them, nothing."""
    given, own = call.params, call.caller
    if own.access_key.startswith("ASIA"):
        raise Denied("Cannot call GetFederationToken with session credentials")
    packed = _packed_percent(given)
    policies = await world.parts["session_policy"](world, own.account, given)
    name = given["Name"]
    caller = Caller(
        account=own.account,
        arn=f"arn:aws:sts::{own.account}:federated-user/{name}",
        user_id=f"{own.account}:{name}",
        principal_arn=own.principal_arn,
        session_policy=policies or json.dumps([]),
        session_tags=tuple(sorted((tag["Key"], tag["Value"]) for tag in given.get("Tags", ()))),
    )
    longest = 3600 if own.root else 129_600
    credential = await world.credentials.issue(caller, min(given.get("DurationSeconds", 43_200), longest))
    return {
        "Credentials": _shown(credential),
        "FederatedUser": {"FederatedUserId": caller.user_id, "Arn": caller.arn},
        "PackedPolicySize": packed,
    }


def _refuse_devices(given: Mapping[str, Any]) -> None:
    """There are no MFA devices, so no TokenCode is right; nor is there an identity centre that could vouch for contexts."""
    if given.get("SerialNumber") or given.get("TokenCode"):
        raise Denied("MultiFactorAuthentication failed with invalid MFA one time pass code.")
    if given.get("ProvidedContexts"):
        raise InvalidRequest("ProvidedContexts is not offered here: no identity centre can assert a context.")


def _packed_percent(given: Mapping[str, Any]) -> int:
    """How full the room for session policies and tags is."""
    tags = sum(len(tag["Key"]) + len(tag["Value"]) for tag in given.get("Tags", ()))
    if len(given.get("Policy", "")) > _PACKED_LIMIT:
        raise PackedPolicyTooLarge(f"Packed size of session policies exceeds the limit of {_PACKED_LIMIT} characters")
    used = len(given.get("Policy", "")) + sum(len(policy.get("arn", "")) for policy in given.get("PolicyArns", ()))
    return -(-100 * (used + tags) // (4 * _PACKED_LIMIT))


def _is_role_session(caller: Caller) -> bool:
    return caller.access_key.startswith("ASIA") and ":assumed-role/" in caller.arn and not caller.root


def _shown(credential: Credential) -> dict[str, Any]:
    return {
        "AccessKeyId": credential.access_key,
        "SecretAccessKey": credential.secret,
        "SessionToken": credential.token,
        "Expiration": credential.expires,
    }
