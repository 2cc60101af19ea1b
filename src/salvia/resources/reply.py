"""Replies complete by the model: only members it knows, and every member it requires.

Clients generated from the model (SageMaker SDK v3) refuse a reply in which a required member is missing, even where
the member has nothing to say yet; older ones index members that AWS always sends (`also`).
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from salvia.model.shapes import Shape

_EMPTY: dict[str, Callable[[], Any]] = {"string": str, "list": list, "map": dict, "boolean": bool}

_Change = Callable[[Any], Any]


def complete(shape: Shape, members: Mapping[str, Any]) -> dict[str, Any]:
    """A reply of `shape` from what is known. None means absent. Required numbers and times are never invented."""
    return _completion(shape)(members)


class _Completion:
    """`complete` for one structure. What the shape says is worked out at the first use: a shape may contain itself."""

    __slots__ = ("_changes", "_empties", "_known", "_shape")

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._known: Mapping[str, Shape] | None = None
        self._changes: list[tuple[str, _Change]] = []
        self._empties: list[tuple[str, Callable[[], Any]]] = []

    def __call__(self, members: Mapping[str, Any]) -> dict[str, Any]:
        known = self._known if self._known is not None else self._learn()
        reply = {name: value for name, value in members.items() if value is not None and name in known}
        for name, change in self._changes:
            if name in reply:
                reply[name] = change(reply[name])
        for name, empty in self._empties:
            if name not in reply:
                reply[name] = empty()
        return reply

    def _learn(self) -> Mapping[str, Shape]:
        known = self._known = self._shape.members
        changes = ((name, _change(member)) for name, member in known.items())
        self._changes = [(name, change) for name, change in changes if change is not None]
        empties = ((name, _empty(known[name])) for name in self._shape.required)
        self._empties = [(name, empty) for name, empty in empties if empty is not None]
        return known


@cache
def _completion(shape: Shape) -> _Completion:
    return _Completion(shape)


def _empty(shape: Shape) -> Callable[[], Any] | None:
    return (lambda: complete(shape, {})) if shape.type == "structure" else _EMPTY.get(shape.type)


def _change(shape: Shape) -> _Change | None:
    """What becomes of a value of the shape; None when it stays as it is."""
    if shape.type == "structure" and not shape.document:
        completion = _completion(shape)
        return lambda value: completion(value) if type(value) is dict or isinstance(value, Mapping) else value
    inside = _change(shape.member) if shape.type == "list" else _change(shape.value) if shape.type == "map" else None
    if inside is None:
        return None
    if shape.type == "list":
        return lambda value: [inside(item) for item in value] if isinstance(value, list) else value
    return lambda value: {key: inside(item) for key, item in value.items()} if isinstance(value, Mapping) else value
