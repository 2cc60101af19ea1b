"""The query protocol: a form in, XML out."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from salvia.model.shapes import OperationModel, Shape
from salvia.wire.errors import Failure, Malformed
from salvia.wire.message import Request, Response
from salvia.wire.protocols.scalars import read_text
from salvia.wire.protocols.xml import escape, member_name, printable, write_members

MAX_FIELDS = 100_000  # of a form; a longer one only costs time
_MOST_PARTS = 500_000  # between the dots of all its names; each takes memory
_MAX_INDEX_DIGITS = 9

Tree = dict[str, Any]  # "a.b.1" as nested dicts; the value of a name itself stands under ""


def read_form(text: str) -> list[tuple[str, str]]:
    """The decoded arguments of a query string or form, in their order. Raises Malformed."""
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise Malformed(f"the form has more than {MAX_FIELDS} fields") from error


class Query:
    malformed = "MalformedQueryString"
    content_type = "text/xml"

    def parse(self, request: Request, operation: OperationModel) -> dict[str, Any]:
        if operation.input is None:
            return {}
        return _structure(operation.input, _tree(request.form))

    def serialize(self, operation: OperationModel, members: Mapping[str, Any], request_id: str) -> Response:
        headers = {"content-type": self.content_type, "x-amzn-requestid": request_id}
        namespace = operation.service.metadata.get("xmlNamespace")
        pieces = [f"<{operation.name}Response{_xmlns(namespace)}>"]
        if operation.output is not None:
            wrapper = operation.result_wrapper or f"{operation.name}Result"
            pieces += [f"<{wrapper}>", *write_members(operation.output.members, members, "iso8601"), f"</{wrapper}>"]
        pieces.append(
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation.name}Response>"
        )
        return Response(operation.response_code, headers, "".join(pieces).encode())

    def error(self, failure: Failure, request_id: str) -> Response:
        headers = {"content-type": self.content_type, "x-amzn-requestid": request_id}
        extra = "".join(write_members(failure.shape.members, failure.members, "iso8601")) if failure.shape else ""
        body = (
            f"<ErrorResponse><Error><Type>{'Sender' if failure.sender_fault else 'Receiver'}</Type>"
            f"<Code>{escape(failure.query_code)}</Code><Message>{escape(printable(failure.message))}</Message>{extra}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return Response(failure.status, headers, body.encode())


def _xmlns(namespace: Any) -> str:
    uri = namespace.get("uri") if isinstance(namespace, dict) else namespace
    return f' xmlns="{escape(uri)}"' if uri else ""


def _tree(form: Sequence[tuple[str, str]]) -> Tree:
    if sum(name.count(".") for name, _ in form) > _MOST_PARTS:
        raise Malformed("the names of the form's fields have too many parts")
    root: Tree = {}
    for name, text in form:
        node = root
        for part in name.split("."):
            node = node.setdefault(part, {})
        node[""] = text
    return root


def _value(shape: Shape, tree: Tree) -> Any:
    if shape.type == "structure":
        return _structure(shape, tree)
    if shape.type == "list":
        return _list(shape, tree if shape.flattened else tree.get(shape.member.location_name or "member", {}))
    if shape.type == "map":
        return _map(shape, tree if shape.flattened else tree.get("entry", {}))
    if "" not in tree:
        raise Malformed(f"{shape.name} is a {shape.type}, not a list or structure")
    return read_text(shape, tree[""])


def _structure(shape: Shape, tree: Tree) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, member in shape.members.items():
        found = tree.get(member.location_name or name) or tree.get(member_name(name, member))
        if found is not None:
            result[name] = _value(member, found)
    return result


def _list(shape: Shape, tree: Tree) -> list[Any]:
    return [_value(shape.member, node) for node in _numbered(tree)]


def _map(shape: Shape, tree: Tree) -> dict[str, Any]:
    key_name, value_name = shape.key.location_name or "key", shape.value.location_name or "value"
    result: dict[str, Any] = {}
    for node in _numbered(tree):
        if key_name not in node or value_name not in node:
            raise Malformed(f"an entry of a map has a {key_name} and a {value_name}")
        result[_value(shape.key, node[key_name])] = _value(shape.value, node[value_name])
    return result


def _numbered(tree: Tree) -> list[Tree]:
    """The nodes under 1, 2, 3, ... in that order; gaps are closed, as AWS closes them. `Name=` alone is the empty list."""
    numbers = [name for name in tree if name]
    for name in numbers:
        if not (name.isascii() and name.isdigit() and len(name) <= _MAX_INDEX_DIGITS):
            raise Malformed(f"{name[:100]!r} stands where the number of a list's element is wanted")
    return [tree[name] for name in sorted(numbers, key=int)]
