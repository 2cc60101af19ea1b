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
        return any(layer.concerning(action).needs_context for layer in self._present())

    def keys(self, action: str) -> set[str]:
        """The condition keys (lower case) that any statement on the action looks at."""
        return {key for layer in self._present() for key in layer.concerning(action).keys}

    def statements(self, action: str) -> list[Statement]:
        return [statement for layer in self._present() for statement in layer.concerning(action).statements]

    def _present(self) -> list[Layer]:
        layers = (self.identity, self.boundary, self.session, self.resource)
        return [layer for layer in layers if layer is not None]


def decide(request: Request, layers: Layers, *, whole: bool = False) -> Decision:
    """An explicit deny anywhere wins; then every layer that limits must allow, and one that grants.

    In one account the resource's policy grants as well as the identity's. How far it reaches past boundary and session
    policy depends on whom it names: a user or a session, past both; a role or anyone, past neither; the account, nothing
    by itself. Between accounts both must grant. `whole` looks for every statement that matches, not only enough of them.
    """
    identity = layers.identity.judge(request, whole=whole)
    boundary = layers.boundary.judge(request, whole=whole) if layers.boundary is not None else None
    session = layers.session.judge(request, whole=whole) if layers.session is not None else None
    resource = layers.resource.judge(request, whole=whole) if layers.resource is not None else NOTHING
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
