"""Replies complete by the model: only members it knows, and every member it requires.

Clients generated from the model (SageMaker SDK v3) refuse a reply in which a required member is missing, even where
the member has nothing to say yet; older ones index members that AWS always sends (`also`).
"""

from collections.abc import Mapping
from typing import Any

from salvia.model.shapes import Shape

_EMPTY: dict[str, Any] = {"string": "", "list": [], "map": {}, "boolean": False}


def complete(shape: Shape, members: Mapping[str, Any]) -> dict[str, Any]:
    """A reply of `shape` from what is known. None means absent. Required numbers and times are never invented."""
    reply: dict[str, Any] = {}
    for name, member in shape.members.items():
        value = members.get(name)
        if value is not None:
            reply[name] = _value(member, value)
        elif name in shape.required:
            empty = complete(member, {}) if member.type == "structure" else _EMPTY.get(member.type)
            if empty is not None:
                reply[name] = empty
    return reply


def _value(shape: Shape, value: Any) -> Any:
    kind = shape.type
    if kind == "structure" and isinstance(value, Mapping) and not shape.document:
        return complete(shape, value)
    if kind == "list" and isinstance(value, list) and shape.member.type in {"structure", "list", "map"}:
        return [_value(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, Mapping) and shape.value.type in {"structure", "list", "map"}:
        return {key: _value(shape.value, item) for key, item in value.items()}
    return value
