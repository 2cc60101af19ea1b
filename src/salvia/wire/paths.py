"""Finding a REST operation by method, path, query string and headers: one table for a service, built on first use."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from salvia.model.shapes import OperationModel, ServiceModel
from salvia.wire.errors import Malformed


@dataclass(slots=True)
class _Entry:
    """An operation at the end of a path template.

    `constants` stand in the template ("?uploads", "?list-type=2"); `arguments` and `headers` are the input's required
    members in those places, which tell operations of one path apart (ListParts and GetObject).
    """

    name: str
    deprecated: bool
    labels: tuple[str, ...]
    constants: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...]
    headers: tuple[str, ...]

    def named(self, arguments: Mapping[str, str]) -> bool:
        return all(name in arguments and (not value or arguments[name] == value) for name, value in self.constants)

    def complete(self, arguments: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        return all(name in arguments for name in self.arguments) and all(name in headers for name in self.headers)


@dataclass(slots=True)
class _Node:
    literals: "dict[str, _Node]" = field(default_factory=dict)
    label: "_Node | None" = None
    rest: dict[str, list[_Entry]] = field(default_factory=dict)  # {Key+}: takes all that follows
    entries: dict[str, list[_Entry]] = field(default_factory=dict)  # by method


class Found(NamedTuple):
    """The operation's name and its labels, decoded. `alone`: any request of that method and path without a query gets the same."""

    name: str
    labels: dict[str, str]
    alone: bool


class PathTable:
    """`find` gives None when no operation of the service fits."""

    def __init__(self, service: ServiceModel) -> None:
        self._root = _Node()
        for name in service.operation_names:
            self._add(service.operation(name))

    def find(self, method: str, path: str, arguments: Mapping[str, str], headers: Mapping[str, str]) -> Found | None:
        """`path` is still percent-encoded. Raises Malformed when a label is not UTF-8."""
        segments = path.split("/")[1:]
        if segments == [""]:
            segments = []
        alone = not arguments
        for entries, values in _candidates(self._root, segments, 0, (), method):
            entry = _choose(entries, arguments, headers)
            if entry is not None:
                labels = {name: _decode(value) for name, value in zip(entry.labels, values, strict=True)}
                return Found(entry.name, labels, alone and len(entries) == 1 and not entry.headers)
            alone = False
        return None

    def _add(self, operation: OperationModel) -> None:
        path, _, query = operation.request_uri.partition("?")
        entry = _entry(operation, path, query)
        node = self._root
        for segment in path.strip("/").split("/") if path != "/" else ():
            if segment.endswith("+}"):
                _insert(node.rest, operation.http_method, entry)
                return
            if segment.startswith("{"):
                node.label = node.label or _Node()
                node = node.label
            else:
                node = node.literals.setdefault(segment, _Node())
        _insert(node.entries, operation.http_method, entry)


def _entry(operation: OperationModel, path: str, query: str) -> _Entry:
    shape = operation.input
    required = [(shape.members[name], name) for name in shape.required] if shape else []
    constants = tuple(part.partition("=")[::2] for part in query.split("&")) if query else ()
    return _Entry(
        name=operation.name,
        deprecated=bool(operation.raw.get("deprecated")),
        labels=tuple(part[1:-1].removesuffix("+") for part in path.split("/") if part.startswith("{")),
        constants=constants,
        arguments=tuple(member.location_name or name for member, name in required if member.location == "querystring"),
        headers=tuple(
            (member.location_name or name).lower() for member, name in required if member.location == "header"
        ),
    )


def _insert(entries: dict[str, list[_Entry]], method: str, entry: _Entry) -> None:
    """The most particular first; a deprecated operation gives way to its successor on the same path."""
    found = entries.setdefault(method, [])
    found.append(entry)
    found.sort(key=lambda one: (-len(one.constants), -len(one.arguments) - len(one.headers), one.deprecated, one.name))


def _candidates(
    node: _Node, segments: list[str], index: int, values: tuple[str, ...], method: str
) -> Iterator[tuple[list[_Entry], tuple[str, ...]]]:
    """Literal segments before labels, labels before the rest of the path."""
    if index == len(segments) or (segments[index:] == [""] and index > 0):
        if method in node.entries:
            yield node.entries[method], values
        return
    segment = segments[index]
    if segment in node.literals:
        yield from _candidates(node.literals[segment], segments, index + 1, values, method)
    if node.label is not None and segment:
        yield from _candidates(node.label, segments, index + 1, (*values, segment), method)
    if method in node.rest:
        yield node.rest[method], (*values, "/".join(segments[index:]))


def _choose(entries: list[_Entry], arguments: Mapping[str, str], headers: Mapping[str, str]) -> _Entry | None:
    wanted = [entry for entry in entries if entry.named(arguments)]
    most = max((len(entry.constants) for entry in wanted), default=0)
    wanted = [entry for entry in wanted if len(entry.constants) == most]
    for entry in wanted:
        if entry.complete(arguments, headers):
            return entry
    # Named outright by its query string, so the validator may say what else it needs.
    return wanted[-1] if wanted and most else None


def _decode(segment: str) -> str:
    if "%" not in segment:
        return segment
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError as error:
        raise Malformed("the path is not UTF-8") from error
