"""Trees of dicts and lists, walked along a shape: what the JSON and CBOR protocols share.

A conversion is compiled once for each shape: a function from the decoded body to params, or from a result to what is
encoded. Walking the shape anew for each request would cost four times as much.
"""

from collections.abc import Callable, Mapping
from typing import Any

from salvia.model.shapes import Shape
from salvia.wire.errors import Malformed

Conversion = Callable[[Any], Any]

_REQUEST_HEAD = {"header", "headers", "uri", "querystring"}
_RESPONSE_HEAD = {"header", "headers", "statusCode"}


_CONTAINERS = {"structure", "list", "map"}


def _parts(shape: Shape) -> list[tuple[str, Shape]]:
    if shape.type == "list":
        return [("", shape.member)]
    if shape.type == "map":
        return [("", shape.value)]
    return list(shape.members.items())


class Conversions:
    """`scalar` gives the conversion of a scalar shape, None to pass it on unchanged.

    `by_wire` looks members up by their names on the wire and gives the model's names (reading); otherwise the other way
    round (writing). Members that are None, or that the model does not know, are left out. What was read and has another
    type than the shape stays as it is: the validator has AWS's words for it.
    """

    def __init__(self, scalar: Callable[[Shape], Conversion | None], *, by_wire: bool) -> None:
        self._scalar = scalar
        self._by_wire = by_wire
        self._made: dict[Shape, Conversion | None] = {}
        self._bodies: dict[Shape, Conversion] = {}
        self._plain: dict[Shape, bool] = {}

    def plain(self, shape: Shape) -> bool:
        """Whether a document of that shape without null goes through unchanged."""
        known = self._plain.get(shape)
        if known is None:
            known = self._plain[shape] = self._unchanged(shape, set())
        return known

    def _unchanged(self, shape: Shape, seen: set[Shape]) -> bool:
        if shape.type not in _CONTAINERS:
            return self._scalar(shape) is None
        if shape in seen:
            return True
        seen.add(shape)
        return all(
            part.location is None and part.location_name in {None, name} and self._unchanged(part, seen)
            for name, part in _parts(shape)
        )

    def of(self, shape: Shape) -> Conversion | None:
        if shape in self._made:
            return self._made[shape]
        if shape.type == "structure":
            # Noted before its members are looked at: a shape may contain itself.
            self._made[shape] = made = self._deferred(shape) if not shape.document else None
        elif shape.type == "list":
            self._made[shape] = made = self._list(shape)
        elif shape.type == "map":
            self._made[shape] = made = self._map(shape)
        else:
            self._made[shape] = made = self._scalar(shape)
        return made

    def body(self, shape: Shape) -> Conversion:
        """The structure's members that have no place in the HTTP head, as one document."""
        made = self._bodies.get(shape)
        if made is None:
            head = _REQUEST_HEAD if self._by_wire else _RESPONSE_HEAD
            members = {name: member for name, member in shape.members.items() if member.location not in head}
            made = self._bodies[shape] = self._structure(shape, members)
        return made

    def _deferred(self, shape: Shape) -> Conversion:
        convert: Conversion | None = None

        def first(value: Any) -> Any:
            nonlocal convert
            if convert is None:
                convert = self._structure(shape, shape.members)
            return convert(value)

        return first

    def _structure(self, shape: Shape, members: Mapping[str, Shape]) -> Conversion:
        by_wire = self._by_wire
        table: dict[str, tuple[str, Conversion | None]] = {}
        for name, member in members.items():
            wire = member.location_name or name
            looked_up, given = (wire, name) if by_wire else (name, wire)
            table[looked_up] = (given, self.of(member))
        known = table.keys()
        renamed = any(name != given for name, (given, _) in table.items())
        # Most members stay as they are: only these are looked at one by one.
        changing = [(name, conversion) for name, (_, conversion) in table.items() if conversion is not None]

        def convert(value: Any) -> Any:
            if type(value) is not dict and not isinstance(value, Mapping):
                return value
            if not value.keys() <= known or None in value.values():
                value = {name: item for name, item in value.items() if item is not None and name in table}
            if changing:
                value = dict(value)
                for name, conversion in changing:
                    if name in value:
                        value[name] = conversion(value[name])
            return {table[name][0]: item for name, item in value.items()} if renamed else value

        return convert

    def _list(self, shape: Shape) -> Conversion:
        # Asked for at the first element: a list may contain itself through its members.
        by_wire = self._by_wire
        unknown = object()
        member: Any = unknown

        def convert(value: Any) -> Any:
            nonlocal member
            if not isinstance(value, list | tuple):
                return value
            if member is unknown:
                member = self.of(shape.member)
            if not by_wire and None in value:
                value = [item for item in value if item is not None]
            return list(value) if member is None else [item if item is None else member(item) for item in value]

        return convert

    def _map(self, shape: Shape) -> Conversion:
        by_wire = self._by_wire
        unknown = object()
        entry: Any = unknown

        def convert(value: Any) -> Any:
            nonlocal entry
            if type(value) is not dict and not isinstance(value, Mapping):
                return value
            if entry is unknown:
                entry = self.of(shape.value)
            if not all(type(name) is str for name in value):
                raise Malformed("the keys of a map are strings")
            kept = value if by_wire else {name: item for name, item in value.items() if item is not None}
            return (
                kept if entry is None else {name: item if item is None else entry(item) for name, item in kept.items()}
            )

        return convert
