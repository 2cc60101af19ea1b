"""Input against the model: type, required, length, range, enum and pattern, with every finding worded as AWS words it."""

from collections.abc import Callable, Mapping
from functools import cache
from math import inf
from typing import Any, NamedTuple

from salvia.base.errors import AwsError, ValidationError
from salvia.model.pattern import UnknownSyntaxError, matcher
from salvia.model.shapes import ServiceModel, Shape

# Services that give a broken constraint another code than their protocol's usual one.
_CODES = {
    "athena": "InvalidRequestException",
    "ecr": "InvalidParameterException",
    "logs": "InvalidParameterException",
    "s3": "InvalidArgument",
    "sns": "InvalidParameter",
}
_TOKENS = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE", bytes: "STRING_VALUE"}
_WANTED = {
    "string": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "short": "a Short",
    "float": "a Float",
    "double": "a Double",
    "bigdecimal": "a BigDecimal",
    "boolean": "a Boolean",
    "timestamp": "a Timestamp",
    "blob": "a Blob",
}
_BITS = {"short": 1 << 15, "integer": 1 << 31, "long": 1 << 63}
_LONGEST_ECHO = 4096
_MANY = 1000  # findings in a list, or elements of one that is too long anyway: nobody reads more
_NOT_NULL = "Member must not be null"


class Finding(NamedTuple):
    """A broken constraint. `path` is "" for the value itself; `shown` is "Value 'x'", "Value null", or "Value" for a secret."""

    path: str
    shown: str
    constraint: str


Check = Callable[[Any], list[Finding] | None]


def check(shape: Shape, params: Mapping[str, Any], code: str = "ValidationException") -> None:
    """Raises ValidationError (with `code`) that names everything wrong with `params`.

    A value of the wrong JSON type is a SerializationException instead, as it is to AWS, which parses before it validates.
    Members the model does not know are ignored; a member that is None counts as absent; a streaming payload is not
    looked at. `params` is what a protocol parsed: timestamps are numbers, blobs are bytes.
    """
    found = validator(shape)(params)
    if not found:
        return
    errors = "error" if len(found) == 1 else "errors"
    raise ValidationError(f"{len(found)} validation {errors} detected: {'; '.join(found)}", code=code)


@cache
def validator(shape: Shape) -> Callable[[Mapping[str, Any]], list[str]]:
    """The findings for one input, each a clause of AWS's message; [] when all is well. Compiled on first use."""
    run = _check(shape)

    def findings(params: Mapping[str, Any]) -> list[str]:
        try:
            found = run(params)
        except RecursionError:
            raise AwsError(
                "Start of structure or map found where not expected.", code="SerializationException"
            ) from None
        return [_worded(finding) for finding in found] if found else []

    return findings


def code_for(service: ServiceModel) -> str:
    """The error code with which a service reports a broken constraint."""
    if service.name in _CODES:
        return _CODES[service.name]
    if service.metadata.get("protocol") in {"query", "ec2"}:
        return "ValidationError"
    for code in ("ValidationException", "ValidationError"):
        try:
            return service.error(code).code
        except KeyError:
            continue
    return "ValidationException"


def _worded(finding: Finding) -> str:
    return f"{finding.shown} at '{finding.path}' failed to satisfy constraint: {finding.constraint}"


@cache
def _check(shape: Shape) -> Check:
    if shape.document or shape.jsonvalue or shape.streaming or shape.eventstream:
        return _anything
    made = _CHECKS.get(shape.type)
    if made is None:
        raise AssertionError(f"{shape.name} has a type that no validator knows: {shape.type}")
    return made(shape)


def _anything(_: Any) -> list[Finding] | None:
    return None


def _structure(shape: Shape) -> Check:
    required = tuple(
        name for name in shape.required if not (shape.members[name].streaming or shape.members[name].eventstream)
    )
    missing = {name: Finding(_camel(name), "Value null", _NOT_NULL) for name in required}
    union = shape.union
    checks: dict[str, Check] = {}
    find = checks.get

    def structure(value: Any) -> list[Finding] | None:
        if type(value) is not dict:
            raise _wrong_type(shape, value)
        if not checks:  # made on first use, so that a shape may contain itself
            # How long an opaque payload may be is for its operation to say: there it can be configured.
            checks.update(
                (name, _anything if name == shape.payload and member.type == "blob" else _check(member))
                for name, member in shape.members.items()
            )
        if union and sum(item is not None for item in value.values()) > 1:
            raise AwsError("Only one member of a union may be set", code="SerializationException")
        found: list[Finding] | None = None
        for name in required:
            if value.get(name) is None:
                found = [missing[each] for each in required if value.get(each) is None]
                break
        for name, item in value.items():
            if item is not None and (run := find(name)) is not None and (inside := run(item)) is not None:
                found = (found or []) + _below(_camel(name), inside)
        return found

    return structure


def _below(name: str, found: list[Finding]) -> list[Finding]:
    return [finding._replace(path=f"{name}.{finding.path}" if finding.path else name) for finding in found]


def _list(shape: Shape) -> Check:
    low, high = _bounds(shape)
    item_shape = shape.member
    run: Check | None = None

    def items(value: Any) -> list[Finding] | None:
        nonlocal run
        if type(value) is not list:
            raise _wrong_type(shape, value)
        run = run or _check(item_shape)
        found = [] if low <= len(value) <= high else _length(shape, value, low, high)
        if found and len(value) > _MANY:
            return found
        broken = None
        for number, item in enumerate(value, 1):
            inside = _NULL if item is None else run(item)
            if inside is None:
                continue
            broken = broken or next((finding.constraint for finding in inside if not finding.path), None)
            found += _below(f"{number}.member", [each for each in inside if each.path])
            if len(found) > _MANY:
                break
        if broken:
            constraints = _constraints(item_shape, null=None in value)
            found.append(_broken(shape, value, f"Member must satisfy constraint: {constraints}"))
        return found or None

    return items


def _map(shape: Shape) -> Check:
    low, high = _bounds(shape)
    key_shape, value_shape = shape.key, shape.value
    check_key = _check(key_shape)
    run: Check | None = None

    def entries(value: Any) -> list[Finding] | None:
        nonlocal run
        if type(value) is not dict:
            raise _wrong_type(shape, value)
        run = run or _check(value_shape)
        found = [] if low <= len(value) <= high else _length(shape, value, low, high)
        broken = set()
        for key, item in value.items():
            if check_key(key) is not None:
                broken.add("Map keys")
            inside = _NULL if item is None else run(item)
            if inside is None:
                continue
            broken.update("Map value" for finding in inside if not finding.path)
            found += _below(f"{key}.member", [each for each in inside if each.path])
        for what, whose in (("Map keys", key_shape), ("Map value", value_shape)):
            if what in broken:
                constraints = _constraints(whose, null=whose is value_shape and None in value.values())
                found.append(_broken(shape, value, f"{what} must satisfy constraint: {constraints}"))
        return found or None

    return entries


_NULL = [Finding("", "Value null", _NOT_NULL)]


def _string(shape: Shape) -> Check:
    if shape.enum:
        return _choice(shape)
    if shape.pattern:
        return _patterned(shape, shape.pattern)
    return _sized(shape, str)


def _choice(shape: Shape) -> Check:
    values = frozenset(shape.enum)

    def choice(value: Any) -> list[Finding] | None:
        if type(value) is not str:
            raise _wrong_type(shape, value)
        return None if value in values else [_broken(shape, value, _enum(shape))]

    return choice


def _patterned(shape: Shape, pattern: str) -> Check:
    low, high = _bounds(shape)
    match: Callable[[str], object] | None = None

    def patterned(value: Any) -> list[Finding] | None:
        nonlocal match
        if type(value) is not str:
            raise _wrong_type(shape, value)
        length = len(value)
        if length > high:  # no pattern is run over a string that is too long anyway
            return _length(shape, value, low, high)
        if match is None:
            match = _matcher(pattern)
        if match(value):
            return None if length >= low else _length(shape, value, low, high)
        found = [_broken(shape, value, _pattern(shape))]
        return found if length >= low else found + _length(shape, value, low, high)

    return patterned


def _sized(shape: Shape, kind: type[str | bytes]) -> Check:
    low, high = _bounds(shape)

    def sized(value: Any) -> list[Finding] | None:
        if value.__class__ is not kind:
            raise _wrong_type(shape, value)
        length = len(value)
        return None if low <= length <= high else _length(shape, value, low, high)

    return sized


def _blob(shape: Shape) -> Check:
    return _sized(shape, bytes)


def _whole_number(shape: Shape) -> Check:
    low, high = _bounds(shape, -inf)
    limit = _BITS[shape.type]

    def whole(value: Any) -> list[Finding] | None:
        if type(value) is not int:
            raise _wrong_type(shape, value)
        if not low <= value <= high:
            return _range(shape, value, low, high)
        if not -limit <= value < limit:
            raise _wrong_type(shape, value)
        return None

    return whole


def _number(shape: Shape) -> Check:
    low, high = _bounds(shape, -inf)

    def number(value: Any) -> list[Finding] | None:
        if type(value) is not float and type(value) is not int:
            raise _wrong_type(shape, value)
        if value < low or value > high:  # never true of NaN
            return _range(shape, value, low, high)
        return None

    return number


def _boolean(shape: Shape) -> Check:
    def boolean(value: Any) -> list[Finding] | None:
        if type(value) is not bool:
            raise _wrong_type(shape, value)
        return None

    return boolean


_CHECKS: dict[str, Callable[[Shape], Check]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "character": _string,
    "blob": _blob,
    "boolean": _boolean,
    "short": _whole_number,
    "integer": _whole_number,
    "long": _whole_number,
    "float": _number,
    "double": _number,
    "bigdecimal": _number,
    "timestamp": _number,
}


def _matcher(pattern: str) -> Callable[[str], object]:
    """A pattern that cannot be read (none of the services served has one) is not enforced."""
    try:
        return matcher(pattern)
    except UnknownSyntaxError:
        return _always


def _always(_: str) -> bool:
    return True


def _bounds(shape: Shape, lowest: float = 0) -> tuple[float, float]:
    return lowest if shape.min is None else shape.min, inf if shape.max is None else shape.max


def _broken(shape: Shape, value: Any, constraint: str) -> Finding:
    return Finding("", "Value" if _secret(shape) else _shown(value), constraint)


def _length(shape: Shape, value: Any, low: float, high: float) -> list[Finding]:
    bound = f"less than or equal to {high}" if len(value) > high else f"greater than or equal to {low}"
    return [_broken(shape, value, f"Member must have length {bound}")]


def _range(shape: Shape, value: float, low: float, high: float) -> list[Finding]:
    bound = f"less than or equal to {high}" if value > high else f"greater than or equal to {low}"
    return [_broken(shape, value, f"Member must have value {bound}")]


def _enum(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"


def _pattern(shape: Shape) -> str:
    return f"Member must satisfy regular expression pattern: {shape.pattern}"


def _constraints(shape: Shape, *, null: bool) -> str:
    """All that is asked of the elements of a list or map: AWS names every rule, not the broken one."""
    measure = "value" if shape.type in _BITS or shape.type in {"float", "double", "bigdecimal"} else "length"
    rules = []
    if shape.max is not None:
        rules.append(f"Member must have {measure} less than or equal to {shape.max}")
    if shape.min is not None:
        rules.append(f"Member must have {measure} greater than or equal to {shape.min}")
    if shape.pattern is not None:
        rules.append(_pattern(shape))
    if shape.enum:
        rules.append(_enum(shape))
    if shape.type == "list" and (inner := _constraints(shape.member, null=False)) != "[]":
        rules.append(f"Member must satisfy constraint: {inner}")
    if null:
        rules.append(_NOT_NULL)
    return f"[{', '.join(rules)}]"


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


@cache
def _secret(shape: Shape) -> bool:
    """Whether a value of the shape is, or may hold, what must not be echoed."""
    seen: set[str] = set()
    waiting = [shape]
    while waiting:
        one = waiting.pop()
        if one.sensitive:
            return True
        if one.name in seen:
            continue
        seen.add(one.name)
        waiting += one.members.values()
        waiting += [one.member] if one.type == "list" else []
        waiting += [one.key, one.value] if one.type == "map" else []
    return False


def _shown(value: Any) -> str:
    if isinstance(value, list | dict) and len(value) > _LONGEST_ECHO:
        return "Value"
    text = _java(value)
    return f"Value '{text}'" if len(text) <= _LONGEST_ECHO else "Value"


def _java(value: Any) -> str:
    """A value as the JVM prints it, which is how AWS echoes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_java, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_java(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return "null" if value is None else str(value)


def _wrong_type(shape: Shape, value: Any) -> AwsError:
    return AwsError(_type_words(shape, value), code="SerializationException")


def _type_words(shape: Shape, value: Any) -> str:
    if isinstance(value, list):
        return "Start of list found where not expected"
    if isinstance(value, dict):
        return "Start of structure or map found where not expected."
    if shape.type == "structure":
        return "Expected null"
    if shape.type in {"list", "map"}:
        return f"Expected {shape.type} or null"
    token = f"{str(value).upper()}_VALUE" if isinstance(value, bool) else _TOKENS.get(type(value), "VALUE_NULL")
    return f"{token} can not be converted to {_WANTED[shape.type]}"
