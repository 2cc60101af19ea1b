"""What the service model says about a noun: its verbs, identity, ARN, status and list. Nothing here is guessed silently:
every fact can be stated by a class attribute of the same name, and `salvia explain` prints what was derived.
"""

import re
from dataclasses import dataclass

from salvia.model.shapes import ServiceModel, Shape

VERBS = ("Create", "Describe", "Update", "Stop", "Start", "Delete")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ARN_TYPE = re.compile(r":([a-z][a-z-]*)/")


@dataclass(frozen=True, slots=True)
class Derived:
    """The regular part of one noun.

    `identity` are the members that name it (what Describe requires); `assigned` those of them that Create does not take and
    the platform must choose; `listed` the shape of one summary; `filters` what its List accepts besides paging and sorting.
    """

    noun: str
    service: str
    verbs: dict[str, str]  # verb -> operation name
    identity: tuple[str, ...]
    assigned: tuple[str, ...]
    arn_member: str
    arn_type: str
    status_member: str
    statuses: tuple[str, ...]
    list_operation: str
    result_key: str
    filters: tuple[str, ...]
    sorts: tuple[str, ...]
    described: Shape | None
    listed: Shape | None


def derive(noun: str, model: ServiceModel, stated: dict[str, str]) -> Derived:
    """`stated` overrides single facts by name."""
    known = set(model.operation_names)
    verbs = {verb: verb + noun for verb in VERBS if verb + noun in known}
    create, describe = (model.operation(verbs[verb]) if verb in verbs else None for verb in ("Create", "Describe"))
    described = describe.output if describe else None
    naming = describe.input if describe else create.input if create else None
    identity = naming.required if naming else ()
    asked = set(create.input.members) if create and create.input else set()
    arn_member = stated.get("arn_member") or _arn_member(noun, described, create.output if create else None)
    list_operation, result_key = _list_operation(noun, model)
    listing = model.operation(list_operation) if list_operation else None
    inputs = listing.input.members if listing and listing.input else {}
    paging = {"NextToken", "MaxResults", "SortBy", "SortOrder"}
    result = listing.output.members[result_key] if listing and listing.output else None
    sort_by = inputs.get("SortBy")
    status_member = stated.get("status_member") or _status_member(noun, described)
    return Derived(
        noun=noun,
        service=model.name,
        verbs=verbs,
        identity=identity,
        assigned=tuple(member for member in identity if member not in asked),
        arn_member=arn_member,
        arn_type=stated.get("arn_type") or _arn_type(noun, arn_member, described),
        status_member=status_member,
        statuses=described.members[status_member].enum if described and status_member else (),
        list_operation=list_operation,
        result_key=result_key,
        filters=tuple(member for member in inputs if member not in paging),
        sorts=sort_by.enum if sort_by else (),
        described=described,
        listed=result.member if result else None,
    )


def _arn_member(noun: str, described: Shape | None, created: Shape | None) -> str:
    for shape in (described, created):
        members = shape.members if shape else {}
        if f"{noun}Arn" in members:
            return f"{noun}Arn"
        found = next((member for member in members if member.endswith("Arn")), None)
        if found and shape is created:
            return found
    return f"{noun}Arn"


def _arn_type(noun: str, arn_member: str, described: Shape | None) -> str:
    """The model's own pattern of the ARN says it for most nouns; else the noun in kebab-case."""
    member = described.members.get(arn_member) if described else None
    found = _ARN_TYPE.search(member.pattern) if member and member.pattern else None
    return found.group(1) if found else _WORD_START.sub("-", noun).lower()


def _status_member(noun: str, described: Shape | None) -> str:
    members = described.members if described else {}
    return next((member for member in (f"{noun}Status", "Status") if member in members), "")


def _list_operation(noun: str, model: ServiceModel) -> tuple[str, str]:
    for plural in (f"{noun}s", f"{noun[:-1]}ies", f"{noun}es", noun):
        name = f"List{plural}"
        if name in model.paginators:
            return name, str(model.paginators[name]["result_key"])
    return "", ""
