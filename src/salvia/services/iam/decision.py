"""The decision on a request: all layers of policies taken together, by IAM's rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from salvia.services.iam.policy import NOTHING, Grade, Judgement, Layer, Request, Statement


class Outcome(StrEnum):
    """In the words of SimulatePrincipalPolicy."""

    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicitDeny"
    EXPLICIT_DENY = "explicitDeny"


@dataclass(frozen=True, slots=True)
class Decision:
    """`cause` says which layer refused, in AWS's words; `statements` are those that decided."""

    outcome: Outcome
    statements: Sequence[Statement] = ()
    cause: str = ""
    within_boundary: bool = True

    @property
    def allowed(self) -> bool:
        return self.outcome is Outcome.ALLOWED


@dataclass(frozen=True, slots=True)
class Layers:
    """None where there is no such layer: no boundary, no session policy, no resource policy.

    `foreign` says that the resource belongs to another account than the one who asks.
    """

    identity: Layer
    boundary: Layer | None = None
    session: Layer | None = None
    resource: Layer | None = None
    foreign: bool = False

    def needs_context(self, action: str) -> bool:
        layers = (self.identity, self.boundary, self.session, self.resource)
        return any(layer is not None and layer.needs_context(action) for layer in layers)

    def mentions(self, action: str, key_prefix: str) -> bool:
        layers = (self.identity, self.boundary, self.session, self.resource)
        return any(layer is not None and layer.mentions(action, key_prefix) for layer in layers)


def decide(request: Request, layers: Layers) -> Decision:
    """An explicit deny anywhere wins; then every layer that limits must allow, and one that grants.

    In one account the resource's policy grants as well as the identity's. How far it reaches past boundary and session
    policy depends on whom it names: a user or a session, past both; a role or anyone, past neither; the account, nothing
    by itself. Between accounts both must grant.
    """
    identity = layers.identity.judge(request)
    boundary = layers.boundary.judge(request) if layers.boundary is not None else None
    session = layers.session.judge(request) if layers.session is not None else None
    resource = layers.resource.judge(request) if layers.resource is not None else NOTHING
    named: list[tuple[str, Judgement | None]] = [
        ("an identity-based policy", identity),
        ("a resource-based policy", resource),
        ("a permissions boundary", boundary),
        ("a session policy", session),
    ]
    within_boundary = boundary is None or bool(boundary.allowing and not boundary.denying)
    for name, judgement in named:
        if judgement is not None and judgement.denying:
            cause = f"with an explicit deny in {name}"
            return Decision(Outcome.EXPLICIT_DENY, judgement.denying, cause, within_boundary)
    granting = [*identity.allowing, *resource.allowing]
    if not layers.foreign and resource.grade is Grade.OWN:
        return Decision(Outcome.ALLOWED, granting, "", within_boundary)
    missing = _missing(layers, identity, resource, boundary, session)
    if missing:
        cause = f"because no {missing} allows the {request.action} action"
        return Decision(Outcome.IMPLICIT_DENY, (), cause, within_boundary)
    return Decision(Outcome.ALLOWED, granting, "", within_boundary)


def _missing(
    layers: Layers, identity: Judgement, resource: Judgement, boundary: Judgement | None, session: Judgement | None
) -> str:
    """The first layer whose permission is needed and not there; "" when none is."""
    if layers.foreign and not resource.allowing:
        return "resource-based policy"
    granted = bool(identity.allowing) or (not layers.foreign and resource.grade is Grade.SHARED)
    if not granted:
        return "identity-based policy"
    if boundary is not None and not boundary.allowing:
        return "permissions boundary"
    if session is not None and not session.allowing:
        return "session policy"
    return ""
