"""Decisions: the laws that hold of all policies, and the cases that IAM documents."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salvia.services.iam.decision import Decision, Layers, Outcome, decide
from salvia.services.iam.policy import Asking, Layer, MalformedPolicyError, Policy, Request, Use, parse
from tests.services.iam.conftest import policy

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/R"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/R/s"
ASKING = Asking(ACCOUNT, (SESSION,), ROLE)
GET = Request("s3:GetObject", "arn:aws:s3:::b/k", {}, ASKING)


def identity(*documents: str) -> Layer:
    return Layer(parse(document, Use.IDENTITY) for document in documents)


def bucket(effect: str, principal: Any, **more: Any) -> Layer:
    return Layer([parse(policy(effect, "s3:*", "*", Principal=principal, **more), Use.RESOURCE)])


actions = st.sampled_from(["*", "s3:*", "s3:Get*", "s3:GetObject", "S3:getobject", "s3:PutObject", "logs:*"])
resources = st.sampled_from(["*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/k", "arn:aws:s3:::c/*"])


@st.composite
def policies(draw: st.DrawFn, effect: str = "") -> Policy:
    statement: dict[str, Any] = {"Effect": effect or draw(st.sampled_from(["Allow", "Deny"]))}
    statement[draw(st.sampled_from(["Action", "NotAction"]))] = draw(st.lists(actions, min_size=1, max_size=3))
    statement[draw(st.sampled_from(["Resource", "NotResource"]))] = draw(st.lists(resources, min_size=1, max_size=3))
    return parse({"Version": "2012-10-17", "Statement": statement}, Use.IDENTITY)


@given(granted=st.lists(policies()))
def test_a_matching_deny_always_wins(granted: list[Policy]) -> None:
    deny = parse(policy("Deny", "s3:GetObject"), Use.IDENTITY)

    assert decide(GET, Layers(Layer([*granted, deny]))).outcome is Outcome.EXPLICIT_DENY


@given(granted=st.lists(policies("Deny")))
def test_nothing_is_allowed_that_no_policy_allows(granted: list[Policy]) -> None:
    assert not decide(GET, Layers(Layer(granted))).allowed


@given(granted=st.lists(policies()), more=policies("Allow"))
def test_allowing_more_never_refuses_more(granted: list[Policy], more: Policy) -> None:
    before, after = decide(GET, Layers(Layer(granted))), decide(GET, Layers(Layer([*granted, more])))

    assert after.allowed or not before.allowed


@given(granted=st.lists(policies()), limit=st.lists(policies()), other=st.lists(policies()))
def test_boundaries_and_session_policies_only_take_away(
    granted: list[Policy], limit: list[Policy], other: list[Policy]
) -> None:
    free = decide(GET, Layers(Layer(granted)))
    limited = decide(GET, Layers(Layer(granted), Layer(limit), Layer(other)))

    assert free.allowed or not limited.allowed
    assert limited.allowed == all(decide(GET, Layers(Layer(layer))).allowed for layer in (granted, limit, other))


words = (
    st.none() | st.booleans() | st.integers() | st.sampled_from(["*", "Allow", "Deny", "s3:*", "arn:aws:s3:::b", ""])
)
anything = st.recursive(
    words, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words.map(str), inner, max_size=2)
)
FIELDS = ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")


@given(statement=st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, anything)))
def test_any_statement_is_valid_or_is_refused_as_malformed(statement: dict[str, Any]) -> None:
    for use in Use:
        try:
            policy = parse(json.dumps({"Version": "2012-10-17", "Statement": [statement]}), use)
        except MalformedPolicyError:
            continue
        decide(GET, Layers(Layer([policy])))


@given(document=st.recursive(st.none() | st.booleans() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)
       | st.dictionaries(st.sampled_from(["Version", "Statement", "Effect", "Action", "Resource", "Principal", "Condition"]), inner)))  # fmt: skip
def test_any_json_is_a_policy_or_is_refused_as_malformed(document: Any) -> None:
    for use in Use:
        try:
            parse(json.dumps(document), use)
        except MalformedPolicyError as error:
            assert str(error)


def outcome(layers: Layers, request: Request = GET) -> Decision:
    return decide(request, layers)


NOTHING, ALL = identity(), identity(policy("Allow", "*"))


def test_in_one_account_the_buckets_policy_is_enough() -> None:
    assert outcome(Layers(NOTHING, resource=bucket("Allow", {"AWS": ROLE}))).allowed


def test_a_bucket_that_trusts_the_account_leaves_it_to_the_accounts_own_policies() -> None:
    resource = bucket("Allow", {"AWS": ACCOUNT})

    assert not outcome(Layers(NOTHING, resource=resource)).allowed
    assert outcome(Layers(ALL, resource=resource)).allowed


def test_between_accounts_both_must_allow() -> None:
    resource = bucket("Allow", {"AWS": ROLE})

    assert outcome(Layers(ALL, resource=resource, foreign=True)).allowed
    assert not outcome(Layers(NOTHING, resource=resource, foreign=True)).allowed
    assert outcome(Layers(ALL, foreign=True)).cause == (
        "because no resource-based policy allows the s3:GetObject action"
    )


def test_a_boundary_limits_what_a_bucket_gives_a_role_but_not_what_it_gives_a_session() -> None:
    boundary = identity(policy("Allow", "logs:*"))

    assert not outcome(Layers(NOTHING, boundary, resource=bucket("Allow", {"AWS": ROLE}))).allowed
    assert outcome(Layers(NOTHING, boundary, resource=bucket("Allow", {"AWS": SESSION}))).allowed


def test_a_buckets_deny_wins_over_the_identitys_allow() -> None:
    refused = outcome(Layers(ALL, resource=bucket("Deny", "*")))

    assert refused.cause == "with an explicit deny in a resource-based policy"


def test_not_principal_denies_everyone_else() -> None:
    document = {"Effect": "Deny", "NotPrincipal": {"AWS": ROLE}, "Action": "s3:*", "Resource": "*"}
    resource = Layer([parse({"Version": "2012-10-17", "Statement": document}, Use.RESOURCE)])
    other = Request("s3:GetObject", "arn:aws:s3:::b/k", {}, Asking(ACCOUNT, (f"arn:aws:iam::{ACCOUNT}:user/u",)))

    assert outcome(Layers(ALL, resource=resource)).allowed
    assert not outcome(Layers(ALL, resource=resource), other).allowed


@pytest.mark.parametrize(
    ("layers", "cause"),
    [
        (Layers(NOTHING), "because no identity-based policy allows the s3:GetObject action"),
        (Layers(ALL, NOTHING), "because no permissions boundary allows the s3:GetObject action"),
        (Layers(ALL, None, NOTHING), "because no session policy allows the s3:GetObject action"),
        (Layers(identity(policy("Deny", "*"))), "with an explicit deny in an identity-based policy"),
    ],
)
def test_a_refusal_says_which_policy_refused(layers: Layers, cause: str) -> None:
    assert outcome(layers).cause == cause


def test_a_variable_keeps_users_in_their_own_folder() -> None:
    layer = identity(policy("Allow", "s3:*", "arn:aws:s3:::b/${aws:username}/*"))

    def ask(key: str) -> bool:
        return outcome(
            Layers(layer), Request("s3:GetObject", f"arn:aws:s3:::b/{key}", {"aws:username": ("ann",)})
        ).allowed

    assert ask("ann/x")
    assert not ask("bob/x")
