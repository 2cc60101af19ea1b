"""What the REST protocols put into the HTTP head: path labels, query string, headers and the status."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import orjson

from salvia.base.errors import AwsError
from salvia.model.shapes import Shape
from salvia.wire.errors import Malformed
from salvia.wire.message import Request
from salvia.wire.protocols.scalars import read_text, write_text

HEADER, QUERY_STRING, URI, HEADERS, STATUS = "header", "querystring", "uri", "headers", "statusCode"
_RESPONSE_HEAD = {HEADER, HEADERS, STATUS}  # a response has no query string, so what a request had there is in its body


def read_head(request: Request, shape: Shape) -> dict[str, Any]:
    """The members that stand in the head. Raises Malformed."""
    result: dict[str, Any] = {}
    arguments: dict[str, list[str]] = {}
    for name, text in request.arguments:
        arguments.setdefault(name, []).append(text)
    headers, labels = request.headers, request.labels
    for name, place, wire, member in _placed(shape):
        value: Any = None
        if place == HEADER:
            if wire in headers:
                value = _header(member, headers[wire])
        elif place == QUERY_STRING:
            if arguments or member.type == "map":
                value = _argument(member, wire, arguments)
        elif place == URI and wire in labels:
            value = read_text(member, labels[wire])
        elif place == HEADERS:
            value = _prefixed(wire, headers)
        if value is not None:
            result[name] = value
    return result


@cache
def blob_of(shape: Shape) -> str:
    """The member that is the whole body as it came, beside none that is a map of headers; "" when there is none."""
    payload = shape.payload
    whole = payload is not None and shape.members[payload].type == "blob"
    return payload if payload and whole and all(place != HEADERS for _, place, _, _ in _placed(shape)) else ""


@cache
def headers_of(shape: Shape) -> tuple[str, ...]:
    """The headers that `read_head` looks at, of a shape without a map of them."""
    return tuple(wire for _, place, wire, _ in _placed(shape) if place == HEADER)


@cache
def _placed(shape: Shape) -> list[tuple[str, str, str, Shape]]:
    """Members that stand in the head: name, place, name on the wire (headers in lower case), shape."""
    found = []
    for name, member in shape.members.items():
        if member.location is not None:
            wire = name if member.location_name is None else member.location_name
            lower = member.location in {HEADER, HEADERS}
            found.append((name, member.location, wire.lower() if lower else wire, member))
    return found


def _header(member: Shape, text: str) -> Any:
    _check_text(text)
    if member.jsonvalue:
        try:
            return orjson.loads(base64.b64decode(text, validate=True))
        except (ValueError, binascii.Error) as error:
            raise Malformed("a header is not Base64 of JSON") from error
    if member.type != "list":
        return read_text(member, text)
    element = member.member
    if element.type == "timestamp" and element.timestamp_format in {None, "rfc822"}:
        # "Mon, 16 Dec 2019 23:48:18 GMT, ...": every second comma belongs to a date.
        parts = re.split(r"(?<=GMT),", text)
    else:
        parts = _split(text) if text else []
    return [read_text(element, part.strip()) for part in parts]


def _split(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    pieces = re.findall(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*))\s*(?:,|$)', text)
    found = [re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in pieces]
    # The pattern also matches the nothing after the last element.
    return found[:-1] if not text.rstrip().endswith(",") else found


def _argument(member: Shape, wire: str, arguments: Mapping[str, list[str]]) -> Any:
    if member.type == "map":
        if member.value.type == "list":
            return {name: [read_text(member.value.member, text) for text in texts] for name, texts in arguments.items()}
        return {name: read_text(member.value, texts[0]) for name, texts in arguments.items()}
    texts = arguments.get(wire)
    if texts is None:
        return None
    if member.type == "list":
        return [read_text(member.member, text) for text in texts]
    return read_text(member, texts[0])


def _prefixed(prefix: str, headers: Mapping[str, str]) -> dict[str, str] | None:
    found = {name[len(prefix) :]: text for name, text in headers.items() if name.startswith(prefix)}
    for text in found.values():
        _check_text(text)
    return found or None


def _check_text(text: str) -> None:
    """Bytes that are no UTF-8 came as surrogates, which nothing behind the wire could store or say again."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise AwsError("A header of the request is not UTF-8.", code="InvalidRequest")


@cache
def _places(shape: Shape) -> dict[str, tuple[str, str, Shape]]:
    return {name: (place, wire, member) for name, place, wire, member in _placed(shape)}


@cache
def _plain(shape: Shape) -> dict[str, str]:
    """The headers that are their members as they are."""
    return {
        name: wire
        for name, place, wire, member in _placed(shape)
        if place == HEADER and member.type == "string" and not member.jsonvalue
    }


def write_head(shape: Shape | None, members: Mapping[str, Any], status: int) -> tuple[int, dict[str, str]]:
    """The status, unless a member says otherwise, and the headers."""
    headers: dict[str, str] = {}
    if shape is None:
        return status, headers
    places, plain = _places(shape), _plain(shape)
    for name, value in members.items():
        if name in plain and type(value) is str:
            headers[plain[name]] = value
            continue
        if value is None or name not in places:
            continue
        place, wire, member = places[name]
        if place == HEADER:
            headers[wire] = write_header(member, value)
        elif place == STATUS:
            status = int(value)
        elif place == HEADERS:
            headers |= {f"{wire}{key}".lower(): text for key, text in value.items() if text is not None}
    return status, headers


def written_body(shape: Shape) -> dict[str, Shape]:
    """The members that a response has in its body."""
    return {name: member for name, member in shape.members.items() if member.location not in _RESPONSE_HEAD}


def write_header(member: Shape, value: Any) -> str:
    if member.jsonvalue:
        return base64.b64encode(orjson.dumps(value)).decode()
    if member.type != "list":
        return write_text(member, value, "rfc822")
    return ", ".join(_written(member.member, value))


def _written(element: Shape, values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        if value is None:
            continue
        text = write_text(element, value, "rfc822")
        quote = element.type == "string" and ('"' in text or "," in text)
        yield '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if quote else text
