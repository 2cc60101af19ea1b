"""Assuming a role: whom its trust policy lets in, and who they are from then on."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from salvia.base.arn import Arn
from salvia.base.call import Call, Caller
from salvia.base.errors import ValidationError
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.iam import documents
from salvia.services.iam.context import Keys, asking, global_keys
from salvia.services.iam.decision import Layers, decide
from salvia.services.iam.entity import ROLE
from salvia.services.iam.errors import Denied, InvalidRequest, MalformedPolicyDocument
from salvia.services.iam.managed import document_of
from salvia.services.iam.policy import Asking, Grade, Layer, Request, Use
from salvia.services.iam.principal import Principal, find_entity, layer_of, load, speaks_as

_ROLE_ARN = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/.+")
_EVERYTHING = documents.parsed(
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}', Use.IDENTITY
)


async def assumed_caller(world: World, call: Call) -> tuple[Caller, int]:
    """Who the caller of sts:AssumeRole becomes, and the role's MaxSessionDuration. Raises AccessDenied.

    A role that does not exist is refused in the same words as one that does not trust the caller.
    """
    given = call.params
    role_arn = given["RoleArn"]
    if not _ROLE_ARN.fullmatch(role_arn):
        raise InvalidRequest(f"{role_arn} is invalid")
    found = await find_entity(world, role_arn)
    role = found[1] if found is not None else None
    for action in _actions(given):
        if role is None or not await _may(world, call, role, action):
            raise Denied(f"User: {call.caller.arn} is not authorized to perform: {action} on resource: {role_arn}")
    assert role is not None
    passed_on = {key: value for key, value in call.caller.session_tags if key in call.caller.transitive_tags}
    own = {tag["Key"]: tag["Value"] for tag in given.get("Tags", ())}
    transitive = {*call.caller.transitive_tags, *given.get("TransitiveTagKeys", ())}
    await _note_use(world, role, call.region)
    caller = Caller(
        account=role.account,
        arn=_session_arn(role, given["RoleSessionName"]),
        user_id=f"{role.spec['Id']}:{given['RoleSessionName']}",
        principal_arn=role.arn,
        session_policy=await session_policy(world, role.account, given),
        session_tags=tuple(sorted((own | passed_on).items())),
        transitive_tags=tuple(sorted(transitive)),
        source_identity=given.get("SourceIdentity") or call.caller.source_identity,
    )
    return caller, role.spec["MaxSessionDuration"]


async def execution_caller(
    world: World,
    role_arn: str,
    service: str = "sagemaker.amazonaws.com",
    session_name: str = "SageMaker",
    *,
    account: str = "",
) -> Caller:
    """Whom a job of `account` (default: the server's) runs as: a session of the role that a client passed.

    Raises ValidationException, in SageMaker's words, when the role is another account's, is not there, or does not trust
    the service. Give `world.credentials.issue` the answer to let a run sign as it.
    """
    account = account or world.settings.account
    try:
        owner = Arn.parse(role_arn).account
    except ValueError:
        owner = account
    if owner != account:
        raise ValidationError("RoleArn: Cross-account pass role is not allowed.")
    found = await find_entity(world, role_arn)
    if found is None or found[0] is not ROLE or not _trusts_service(found[1], service, world.clock.now()):
        raise ValidationError(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal '{service}' "
            "to assume the role."
        )
    role = found[1]
    return Caller(
        account=role.account,
        arn=_session_arn(role, session_name),
        user_id=f"{role.spec['Id']}:{session_name}",
        principal_arn=role.arn,
    )


async def session_policy(world: World, account: str, given: Mapping[str, Any]) -> str:
    """The members Policy and PolicyArns as a Caller carries them: "" without them, else a JSON list of documents."""
    texts: list[str] = [given["Policy"]] if given.get("Policy") else []
    for text in texts:
        documents.parsed(text, Use.IDENTITY)
    for descriptor in given.get("PolicyArns", ()):
        text_of_arn = await document_of(world, account, descriptor.get("arn", ""))
        if text_of_arn is None:
            raise MalformedPolicyDocument(f"Policy {descriptor.get('arn', '')} does not exist or is not attachable.")
        texts.append(text_of_arn)
    return json.dumps(texts) if texts else ""


def session_layer(caller: Caller) -> Layer | None:
    """What limits the caller's session; None when nothing does."""
    return _session_layer(caller.session_policy) if caller.session_policy else None


@lru_cache(maxsize=4096)
def _session_layer(texts: str) -> Layer:
    return Layer([documents.parsed(text, Use.IDENTITY) for text in json.loads(texts)])


async def _may(world: World, call: Call, role: Record, action: str) -> bool:
    """Whether the trust policy lets the caller in, and its own policies where the trust is in its account, not in itself."""
    caller = call.caller
    principal = await load(world, caller.principal_arn)
    if not caller.root and (principal is None or not speaks_as(caller, principal)):
        return False
    trust = layer_of((documents.parsed(role.spec["AssumeRolePolicyDocument"], Use.TRUST),))
    request = Request(action, role.arn, _keys(world, call, role, principal), asking(caller))
    if caller.root or principal is None:
        # Root's own permissions have no limit: what remains is whether the role trusts it.
        layers = Layers(layer_of((_EVERYTHING,)), resource=trust, foreign=True)
    else:
        foreign = role.account != caller.account
        layers = Layers(principal.identity, principal.boundary, session_layer(caller), trust, foreign)
        if trust.judge(request).grade is Grade.NONE:
            return False
    return decide(request, layers).allowed


def _actions(given: Mapping[str, Any]) -> Sequence[str]:
    """What the trust policy must allow: tags and a source identity need permissions of their own."""
    actions = ["sts:AssumeRole"]
    if given.get("Tags"):
        actions.append("sts:TagSession")
    if given.get("SourceIdentity"):
        actions.append("sts:SetSourceIdentity")
    return actions


def _keys(world: World, call: Call, role: Record, principal: Principal | None) -> Keys:
    given = call.params
    keys = global_keys(call, principal, world.clock.now())
    for key, member in (
        ("sts:externalid", "ExternalId"),
        ("sts:rolesessionname", "RoleSessionName"),
        ("sts:sourceidentity", "SourceIdentity"),
    ):
        if given.get(member):
            keys[key] = (given[member],)
    tags = given.get("Tags", ())
    keys["aws:tagkeys"] = tuple(tag["Key"] for tag in tags)
    keys["sts:transitivetagkeys"] = tuple(given.get("TransitiveTagKeys", ()))
    keys |= {f"aws:requesttag/{tag['Key'].lower()}": (tag["Value"],) for tag in tags}
    keys |= {f"aws:resourcetag/{key.lower()}": (value,) for key, value in role.tags.items()}
    keys |= {f"iam:resourcetag/{key.lower()}": (value,) for key, value in role.tags.items()}
    return keys


def _trusts_service(role: Record, service: str, now: float) -> bool:
    trust = layer_of((documents.parsed(role.spec["AssumeRolePolicyDocument"], Use.TRUST),))
    keys = {"aws:sourceaccount": (role.account,), "aws:principalisawsservice": ("true",), "aws:epochtime": (str(now),)}
    judgement = trust.judge(Request("sts:AssumeRole", role.arn, keys, Asking(service=service)))
    return bool(judgement.allowing and not judgement.denying)


def _session_arn(role: Record, session: str) -> str:
    """A session's ARN has the role's name, without its path."""
    return f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session}"


async def _note_use(world: World, role: Record, region: str) -> None:
    """For RoleLastUsed, exact to the minute."""
    now = world.clock.now()
    if now - role.status.get("LastUsed", 0.0) < 60:
        return
    role.status = {"LastUsed": now, "Region": region}
    await world.table.save_fact(role, "")
