"""The policy simulator: the real decision on requests that nobody makes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from salvia.base.arn import Arn
from salvia.base.call import Call
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.iam import documents
from salvia.services.iam.decision import Decision, Layers, decide
from salvia.services.iam.entity import USER, Noun
from salvia.services.iam.errors import InvalidInput, NoSuchEntity
from salvia.services.iam.paging import page_of_list
from salvia.services.iam.policy import Asking, Layer, Policy, Request, Statement, Use
from salvia.services.iam.principal import find_entity, load, policies_of


async def simulate_principal_policy(world: World, call: Call) -> dict[str, Any]:
    """With all policies of a role, user or group, its boundary, and those given besides."""
    _refuse_what_is_not_simulated(call)
    source = call.params["PolicySourceArn"]
    found = await find_entity(world, source)
    if found is None or found[1].account != call.account:
        raise NoSuchEntity(_absent(source))
    noun, record = found
    principal = await load(world, source)
    policies = list(await policies_of(world, noun, record)) + _given(call, "PolicyInputList")
    boundary = _boundary(call)
    if boundary is None and principal is not None:
        boundary = principal.boundary
    keys = _keys(call, noun, record) | (
        {f"aws:principaltag/{key.lower()}": (value,) for key, value in record.tags.items()}
    )
    return _evaluate(call, policies, boundary, keys, call.params.get("CallerArn", source))


async def simulate_custom_policy(world: World, call: Call) -> dict[str, Any]:  # noqa: ARG001 - an operation
    """With the given policies only."""
    _refuse_what_is_not_simulated(call)
    policies = _given(call, "PolicyInputList")
    return _evaluate(call, policies, _boundary(call), {}, call.params.get("CallerArn", ""))


def _evaluate(
    call: Call,
    policies: Iterable[Policy],
    boundary: Layer | None,
    keys: Mapping[str, Sequence[str]],
    caller_arn: str,
) -> dict[str, Any]:
    given = call.params
    resources = given.get("ResourceArns") or ["*"]
    policy = given.get("ResourcePolicy")
    resource_layer = Layer([documents.parsed(policy, Use.RESOURCE, "ResourcePolicy", "resource")]) if policy else None
    layers = Layers(Layer(policies), boundary, None, resource_layer, _is_foreign(caller_arn, given))
    context = {**keys, **_context_entries(given.get("ContextEntries", ()))}
    asking = _asking(caller_arn, call.account)
    # Only the page's requests are evaluated, so that a long product of actions and resources stays cheap.
    pairs = [(action, resource) for action in given["ActionNames"] for resource in resources]
    page, more = page_of_list(call, pairs)
    results = []
    for action, resource in page:
        decision = decide(Request(_checked_action(action), resource, context, asking), layers, whole=True)
        results.append(_result(action, resource, decision, layers, context))
    return {"EvaluationResults": results, **more}


def _result(
    action: str, resource: str, decision: Decision, layers: Layers, context: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": str(decision.outcome),
        "MatchedStatements": [_matched(statement) for statement in decision.statements],
        "MissingContextValues": sorted(layers.keys(action) - context.keys()),
    }
    if layers.boundary is not None:
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": decision.within_boundary}
    return result


def _matched(statement: Statement) -> dict[str, Any]:
    start, end = _span(statement.policy.text, statement.number)
    return {
        "SourcePolicyId": statement.policy.name,
        "SourcePolicyType": statement.policy.kind,
        "StartPosition": _position(statement.policy.text, start),
        "EndPosition": _position(statement.policy.text, end),
    }


def _span(text: str, number: int) -> tuple[int, int]:
    """Where the statement stands in its document, as offsets."""
    decoder = json.JSONDecoder()
    at = _after_space(text, text.index("{") + 1)
    while True:
        key, at = decoder.raw_decode(text, at)
        at = _after_space(text, _after_space(text, at) + 1)  # the colon
        if key == "Statement":
            break
        _, at = decoder.raw_decode(text, at)
        at = _after_space(text, _after_space(text, at) + 1)  # the comma
    if text[at] != "[":
        return at, decoder.raw_decode(text, at)[1]
    for _ in range(number + 1):
        start = _after_space(text, at + 1)  # the bracket or a comma
        _, end = decoder.raw_decode(text, start)
        at = _after_space(text, end)
    return start, end


def _after_space(text: str, at: int) -> int:
    while text[at].isspace():
        at += 1
    return at


def _position(text: str, offset: int) -> dict[str, int]:
    before = text[:offset]
    return {"Line": before.count("\n") + 1, "Column": offset - (before.rfind("\n") + 1) + 1}


def _checked_action(action: str) -> str:
    vendor, colon, verb = action.partition(":")
    if not (vendor and colon and verb) or "*" in action:
        raise InvalidInput(f"Invalid Action Name: {action}")
    return action


def _given(call: Call, member: str) -> list[Policy]:
    return [
        documents.parsed(text, Use.IDENTITY, f"{member}.{number}", "none")
        for number, text in enumerate(call.params.get(member, ()), start=1)
    ]


def _boundary(call: Call) -> Layer | None:
    policies = _given(call, "PermissionsBoundaryPolicyInputList")
    return Layer(policies) if policies else None


def _context_entries(entries: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    return {entry.get("ContextKeyName", "").lower(): tuple(entry.get("ContextKeyValues", ())) for entry in entries}


def _keys(call: Call, noun: Noun, record: Record) -> dict[str, tuple[str, ...]]:
    """What is known of a request when its principal is."""
    keys: dict[str, tuple[str, ...]] = {
        "aws:principalarn": (record.arn,),
        "aws:principalaccount": (call.account,),
        "aws:userid": (record.spec["Id"],),
        "aws:principaltype": ("User" if noun is USER else "AssumedRole",),
    }
    return keys | ({"aws:username": (record.name,)} if noun is USER else {})


def _asking(caller_arn: str, account: str) -> Asking:
    if not caller_arn:
        return Asking(account=account)
    role = caller_arn if ":role/" in caller_arn else ""
    return Asking(account=_account_of(caller_arn), arns=() if role else (caller_arn,), role_arn=role)


def _is_foreign(caller_arn: str, given: Mapping[str, Any]) -> bool:
    owner = given.get("ResourceOwner", "")
    return bool(owner and caller_arn and _account_of(caller_arn) not in owner)


def _account_of(arn: str) -> str:
    try:
        return Arn.parse(arn).account
    except ValueError as error:
        raise InvalidInput(f"Invalid CallerArn: {arn}") from error


def _refuse_what_is_not_simulated(call: Call) -> None:
    for member in ("PolicyExclusionList", "OrderedOrganizationPolicyInputList"):
        if call.params.get(member):
            raise InvalidInput(f"{member} is not simulated here; leave it out.")


def _absent(source: str) -> str:
    kind, _, rest = source.rpartition(":")[2].partition("/")
    return f"The {kind or 'entity'} with name {rest.rpartition('/')[2] or source} cannot be found."
