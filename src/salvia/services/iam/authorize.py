"""Authorisation: whether policy allows a request, asked before any operation runs."""

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

from salvia.base.call import Call, Caller
from salvia.base.errors import AwsError
from salvia.ports.credentials import AccessKeys
from salvia.ports.object_store import ObjectStore
from salvia.resources.world import World
from salvia.services.iam.assume import session_layer
from salvia.services.iam.context import LateContext, asking, global_keys
from salvia.services.iam.decision import Decision, Layers, Outcome, decide
from salvia.services.iam.needs.need import Need
from salvia.services.iam.needs.table import needs_of
from salvia.services.iam.patterns import Context
from salvia.services.iam.policy import Layer, MalformedPolicyError, Request, Use, parse
from salvia.services.iam.principal import Principal, Principals, speaks_as

_NOBODY = Layer(())
_NO_CONTEXT: Context = {}
_QUERY_STYLE = frozenset(
    {"s3", "sts", "iam", "cloudwatch", "sns"}
)  # "AccessDenied" with 403; the rest: "AccessDeniedException"

# Who names the token or the subscription got a message; what messages are signed with is for everybody to see.
_BY_TOKEN = frozenset({"ConfirmSubscription", "Unsubscribe", "GetSigningCertificate"})


def authorizer(world: World) -> Callable[[Call], Awaitable[None]]:
    """What the wire awaits before every operation. It raises AccessDenied in the words of the service, or returns."""
    return Authorizer(world).check


class Authorizer:
    """Root passes. Everyone else needs every action of the request allowed; who has no credentials, by a bucket's policy."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._principals = Principals(world)
        self._bucket_layers: dict[str, tuple[Any, Layer]] = {}

    async def check(self, call: Call) -> None:
        caller = call.caller
        if caller.root:
            return
        if call.operation == "PostObject" and "object_store" in self._world.parts:
            return  # who signed stands in the form: S3 reads it, and asks again with the PutObject that it is
        if call.service == "sns" and call.operation in _BY_TOKEN:
            return
        if not caller.account and call.service != "s3":
            raise _refusal(call, "Anonymous callers may only use buckets that are open to them.")
        needs = await needs_of(self._world, call)
        if not needs:
            return
        principal = await self._principal(call) if caller.account else None
        for need in needs:
            decision = await self._decide(call, need, principal)
            if not decision.allowed:
                raise _refused(call, need, decision)
        await self._note_use(call)

    async def _principal(self, call: Call) -> Principal:
        """A role or user that was deleted, and perhaps made again under its name, gives its old sessions nothing."""
        principal = await self._principals.find(call.caller.principal_arn)
        if principal is None or not speaks_as(call.caller, principal):
            raise AwsError(
                "The security token included in the request is invalid", code=_unknown(call), http_status=403
            )
        return principal

    async def _decide(self, call: Call, need: Need, principal: Principal | None) -> Decision:
        caller = call.caller
        owner, resource_layer = await self._bucket(need.bucket) if need.bucket else ("", None)
        if principal is None:
            layers = Layers(_NOBODY, resource=resource_layer)
        else:
            foreign = bool(owner) and owner != caller.account
            session = session_layer(caller)
            layers = Layers(principal.identity, principal.boundary, session, resource_layer, foreign)
        if need.anything and any(not statement.allows for statement in layers.statements(need.action)):
            return Decision(Outcome.EXPLICIT_DENY, cause="because a policy denies the action on some of its keys")
        context = _NO_CONTEXT
        if layers.needs_context(need.action):
            context = await self._context(call, need, principal, layers, owner)
        return decide(Request(need.action, need.resource, context, asking(caller)), layers)

    async def _context(
        self, call: Call, need: Need, principal: Principal | None, layers: Layers, owner: str
    ) -> Context:
        vendor = need.action.partition(":")[0]
        prefixes = ("aws:resourcetag/", f"{vendor}:resourcetag/")
        tags: Mapping[str, str] = {}
        if any(key.startswith(prefixes) for key in layers.keys(need.action)):
            record = await self._world.table.find(need.resource)
            tags = record.tags if record is not None else {}

        def keys() -> Context:
            found = {**global_keys(call, principal, self._world.clock.now()), **need.keys}
            found["aws:resourceaccount"] = (owner or call.account,)
            return found | {f"{prefix}{key.lower()}": (value,) for key, value in tags.items() for prefix in prefixes}

        return LateContext(keys)

    async def _bucket(self, name: str) -> tuple[str, Layer | None]:
        """Whose the bucket is ("" when nobody says), and its policy."""
        owner = await self._owner(name)
        policy_of = self._world.parts.get("bucket_policy")
        document = await policy_of(name) if policy_of is not None else None
        if document is None:
            return owner, None
        known = self._bucket_layers.get(name)
        if known is None or known[0] != document:
            if len(self._bucket_layers) > 1000:
                self._bucket_layers.clear()
            known = self._bucket_layers[name] = (document, _bucket_layer(document))
        return owner, known[1]

    async def _owner(self, name: str) -> str:
        owner_of = self._world.parts.get("bucket_owner")
        if owner_of is not None:
            return str(await owner_of(name) or "")
        store: ObjectStore | None = self._world.parts.get("object_store")
        bucket = await store.buckets.find(name) if store is not None else None
        return bucket.account if bucket is not None else ""

    async def _note_use(self, call: Call) -> None:
        keys: AccessKeys | None = self._world.parts.get("access_keys")
        if keys is not None:
            await keys.note_use(call.caller.access_key, call.service, call.region)


def _bucket_layer(document: Any) -> Layer:
    """A policy that IAM cannot read allows nothing; S3 should not have taken it."""
    try:
        return Layer([parse(document, Use.RESOURCE)])
    except MalformedPolicyError:
        return _NOBODY


def _refused(call: Call, need: Need, decision: Decision) -> AwsError:
    caller: Caller = call.caller
    if not caller.account:
        return _refusal(call, "Access Denied")
    resource = f'"{need.resource}"' if call.service == "s3" else need.resource
    return _refusal(
        call,
        f"User: {caller.arn} is not authorized to perform: {need.action} on resource: {resource} {decision.cause}",
    )


def _refusal(call: Call, message: str) -> AwsError:
    if call.service in _QUERY_STYLE:
        return AwsError(message, code="AccessDenied", http_status=403)
    return AwsError(message, code="AccessDeniedException", http_status=_status(call.service))


@lru_cache(maxsize=256)
def _status(service: str) -> int:
    """JSON services refuse with 400, those that speak REST with 403."""
    return 403 if service.startswith("sagemaker-") else 400


def _unknown(call: Call) -> str:
    if call.service == "s3":
        return "InvalidAccessKeyId"
    return "InvalidClientTokenId" if call.service in _QUERY_STYLE else "UnrecognizedClientException"
