"""Policy documents: parsed and validated as IAM does, and held statement by statement against a request."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from salvia.services.iam.conditions import Condition, parse_conditions
from salvia.services.iam.patterns import Context, Pattern, glob

_VERSIONS = ("2012-10-17", "2008-10-17")
_FIELDS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_ARN = re.compile(r"(\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.*)", re.DOTALL)
_PRINCIPAL_ARN = re.compile(r"arn:aws[\w-]*:(iam|sts)::\d{12}:(root|(user|role|federated-user|assumed-role)/.+)")
_PRINCIPAL_ID = re.compile(r"(\*|\d{12}|A[IR][A-Z]{2}[A-Z0-9]{12,})")
_SERVICE = re.compile(r"[a-z0-9.-]+\.(amazonaws\.com|amazonaws\.com\.cn|amazon\.com|aws\.internal)")


class MalformedPolicyError(ValueError):
    """The document is no valid policy; the text is what IAM says of it."""


class Use(StrEnum):
    """What a document is for: that decides which elements it must and must not have."""

    IDENTITY = "identity"
    RESOURCE = "resource"
    TRUST = "trust"


class Grade(StrEnum):
    """How closely a policy's Principal names the one who asks."""

    NONE = ""
    ACCOUNT = "account"  # by the account: its own identity policies decide further
    SHARED = "shared"  # by its role, or as anyone
    OWN = "own"  # by its user, its session or its service


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks: `arns` are the caller's own (a session's, a user's), `role_arn` the role behind a session."""

    account: str = ""
    arns: tuple[str, ...] = ()
    role_arn: str = ""
    service: str = ""


NOBODY = Asking()


@dataclass(frozen=True, slots=True)
class Request:
    """One action on one resource. Actions are compared without regard to case, resources with it."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)
    asking: Asking = NOBODY


@dataclass(frozen=True, slots=True)
class Principals:
    """The Principal element: `named` by type ("AWS", "Service", ...)."""

    named: Mapping[str, tuple[str, ...]]
    anyone: bool

    def grade(self, asking: Asking) -> Grade:
        names = self.named.get("AWS", ())
        if asking.service:
            return Grade.OWN if asking.service in self.named.get("Service", ()) or self.anyone else Grade.NONE
        if any(arn in names for arn in asking.arns):
            return Grade.OWN
        if self.anyone or (asking.role_arn and asking.role_arn in names):
            return Grade.SHARED
        if asking.account and any(name in (asking.account, f"arn:aws:iam::{asking.account}:root") for name in names):
            return Grade.ACCOUNT
        return Grade.NONE


@dataclass(frozen=True, slots=True)
class Statement:
    """`number` is its place in the document, from 0. Resources are None where the document's use has none (trust)."""

    number: int
    allows: bool
    actions: tuple[str, ...]  # in lower case
    not_action: bool
    resources: tuple[Pattern, ...] | None
    not_resource: bool
    principals: Principals | None
    not_principal: bool
    conditions: tuple[Condition, ...]
    policy: "Policy"

    @property
    def needs_context(self) -> bool:
        return bool(self.conditions) or any(pattern.varies for pattern in self.resources or ())

    def concerns(self, action: str) -> bool:
        """`action` in lower case."""
        return any(glob(pattern)(action) for pattern in self.actions) is not self.not_action

    def matches(self, request: Request) -> bool:
        """Whether resource and conditions fit; the action and the principal are looked at apart."""
        if self.resources is not None:
            found = any(pattern.matches(request.resource, request.context) for pattern in self.resources)
            if found is self.not_resource:
                return False
        return all(condition.holds(request.context) for condition in self.conditions)

    def grade(self, asking: Asking) -> Grade:
        if self.principals is None:
            return Grade.OWN
        grade = self.principals.grade(asking)
        if not self.not_principal:
            return grade
        return Grade.SHARED if grade is Grade.NONE else Grade.NONE


@dataclass(eq=False)
class Policy:
    """One parsed document. `name` and `kind` say where it comes from, for MatchedStatements."""

    text: str
    name: str = ""
    kind: str = ""
    statements: tuple[Statement, ...] = ()


def parse(document: str | Mapping[str, Any], use: Use, *, name: str = "", kind: str = "") -> Policy:
    """Raises MalformedPolicyError."""
    text, body = _read(document)
    if not isinstance(body, Mapping) or "Statement" not in body:
        raise MalformedPolicyError("Syntax errors in policy.")
    unknown = body.keys() - {"Version", "Id", "Statement"}
    if unknown:
        raise MalformedPolicyError("Syntax errors in policy.")
    version = body.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        raise MalformedPolicyError("The policy must contain a valid version string")
    statements = body["Statement"]
    statements = statements if isinstance(statements, list) else [statements]
    if not statements:
        raise MalformedPolicyError("Syntax errors in policy.")
    policy = Policy(text, name, kind)
    try:
        policy.statements = tuple(
            _parse_statement(statement, number, use, policy, variables=version == "2012-10-17")
            for number, statement in enumerate(statements)
        )
    except ValueError as error:
        raise MalformedPolicyError(str(error)) from error
    sids = [statement["Sid"] for statement in statements if statement.get("Sid")]
    if len(set(sids)) < len(sids):
        raise MalformedPolicyError("Statement IDs (SID) in a single policy must be unique.")
    return policy


def _read(document: str | Mapping[str, Any]) -> tuple[str, Any]:
    if not isinstance(document, str):
        return json.dumps(document), document
    try:
        return document, json.loads(document, object_pairs_hook=_once)
    except MalformedPolicyError:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedPolicyError("This policy contains invalid Json") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose members are each named once: of two, readers would not agree which one counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise MalformedPolicyError("Syntax errors in policy.")
    return found


def _parse_statement(statement: Any, number: int, use: Use, policy: Policy, *, variables: bool) -> Statement:
    if not isinstance(statement, dict) or statement.keys() - _FIELDS:
        raise ValueError("Syntax errors in policy.")
    sid = statement.get("Sid", "")
    if not isinstance(sid, str):
        raise ValueError("Syntax errors in policy.")  # noqa: TRY004 - every fault of a document is a ValueError
    if use is not Use.RESOURCE and not re.fullmatch(r"[0-9A-Za-z]*", sid):
        raise ValueError(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
        )
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise ValueError(
            f"Invalid effect: {statement['Effect']}" if "Effect" in statement else "Missing required field Effect"
        )
    actions, not_action = _either(statement, "Action", "Policy statement must contain actions.")
    return Statement(
        number=number,
        allows=statement["Effect"] == "Allow",
        actions=tuple(_parse_action(action, use) for action in actions),
        not_action=not_action,
        resources=_parse_resources(statement, use, variables=variables),
        not_resource="NotResource" in statement,
        principals=_parse_principals(statement, use),
        not_principal="NotPrincipal" in statement,
        conditions=parse_conditions(statement.get("Condition", {}), variables=variables),
        policy=policy,
    )


def _either(statement: Mapping[str, Any], name: str, missing: str) -> tuple[list[str], bool]:
    """The element or its Not form, as a list of strings, and whether it is the Not form."""
    if (name in statement) == (f"Not{name}" in statement):
        raise ValueError("Syntax errors in policy." if name in statement else missing)
    negated = name not in statement
    given = statement[f"Not{name}" if negated else name]
    values = given if isinstance(given, list) else [given]
    if not all(isinstance(value, str) for value in values):
        raise ValueError("Syntax errors in policy.")
    if not values:
        raise ValueError(missing)
    return values, negated


def _parse_action(action: str, use: Use) -> str:
    vendor, colon, verb = action.partition(":")
    if action != "*" and not (colon and verb and vendor):
        raise ValueError("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    if "*" in vendor.rstrip("*") or (action != "*" and "*" in vendor):
        raise ValueError(f"Vendor {vendor} is not valid")
    if use is Use.TRUST and not action.lower().startswith("sts:"):
        raise ValueError("AssumeRole policy may only specify STS AssumeRole actions.")
    return action.lower()


def _parse_resources(statement: Mapping[str, Any], use: Use, *, variables: bool) -> tuple[Pattern, ...] | None:
    if use is Use.TRUST:
        if "Resource" in statement or "NotResource" in statement:
            raise ValueError("Has prohibited field Resource")
        return None
    resources, _ = _either(statement, "Resource", "Policy statement must contain resources.")
    for resource in resources:
        if not _ARN.fullmatch(resource) and not (variables and resource.startswith("${")):
            raise ValueError(f'Resource {resource} must be in ARN format or "*".')
    return tuple(Pattern(resource, variables=variables) for resource in resources)


def _parse_principals(statement: Mapping[str, Any], use: Use) -> Principals | None:
    if use is Use.IDENTITY:
        if "Principal" in statement or "NotPrincipal" in statement:
            raise ValueError("Policy document should not specify a principal.")
        return None
    if ("Principal" in statement) == ("NotPrincipal" in statement):
        raise ValueError("Missing required field Principal")
    given = statement.get("Principal", statement.get("NotPrincipal"))
    if given == "*":
        return Principals({}, anyone=True)
    if not isinstance(given, dict) or not given:
        raise ValueError("Syntax errors in policy.")
    named = {kind: tuple(values if isinstance(values, list) else [values]) for kind, values in given.items()}
    for kind, values in named.items():
        for value in values:
            if not _is_principal(kind, value):
                raise ValueError(f'Invalid principal in policy: "{kind}":"{value}"')
    return Principals(named, anyone="*" in named.get("AWS", ()))


def _is_principal(kind: str, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    if kind == "AWS":
        return bool(_PRINCIPAL_ARN.fullmatch(value) or _PRINCIPAL_ID.fullmatch(value))
    if kind == "Service":
        return bool(_SERVICE.fullmatch(value))
    return kind in ("Federated", "CanonicalUser") and bool(value)


@dataclass(frozen=True, slots=True)
class Concern:
    """A layer's statements on one action: denials first, then what allows without looking at the request's context.

    `keys` are the condition keys (lower case) that any of them looks at.
    """

    statements: tuple[Statement, ...]
    keys: frozenset[str]
    needs_context: bool


class Layer:
    """Policies that speak together (all of a principal's, or a session's), indexed by action."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._statements = tuple(statement for policy in policies for statement in policy.statements)
        self._by_action: dict[str, Concern] = {}

    def concerning(self, action: str) -> Concern:
        known = self._by_action.get(action)
        if known is None:
            if len(self._by_action) > 1000:
                self._by_action.clear()
            known = self._by_action[action] = self._find(action.lower())
        return known

    def judge(self, request: Request, *, whole: bool = False) -> "Judgement":
        """What the statements say. Unless `whole`, it stops where the others could change nothing."""
        allowing, denying, grade = [], [], Grade.NONE
        for statement in self.concerning(request.action).statements:
            named = statement.grade(request.asking)
            if named is Grade.NONE or not statement.matches(request):
                continue
            if not statement.allows:
                denying.append(statement)
                continue
            allowing.append(statement)
            grade = max(grade, named, key=_GRADES.index)
            if grade is Grade.OWN and not whole:
                break
        return Judgement(allowing, denying, grade)

    def _find(self, action: str) -> Concern:
        found = [statement for statement in self._statements if statement.concerns(action)]
        found.sort(key=lambda statement: (statement.allows, statement.needs_context, statement.number))
        keys = frozenset(condition.key for statement in found for condition in statement.conditions)
        return Concern(tuple(found), keys, any(statement.needs_context for statement in found))


_GRADES = (Grade.NONE, Grade.ACCOUNT, Grade.SHARED, Grade.OWN)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one layer says of a request; `grade` is the best among its allowing statements."""

    allowing: Sequence[Statement]
    denying: Sequence[Statement]
    grade: Grade = Grade.NONE


NOTHING = Judgement((), ())
