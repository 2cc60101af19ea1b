"""XML along a shape: read without entities or document types, written well-formed."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from salvia.model.shapes import Shape
from salvia.wire.errors import Malformed
from salvia.wire.protocols.scalars import read_text, write_text

_MAX_DEPTH = 100
# Reading takes time and memory. The largest request of S3, which completes an upload of 10,000 parts, has half as much.
_MOST_BYTES, _MOST_TAGS = 4 << 20, 400_000
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


class _NoDoctype(TreeBuilder):
    """Without a DOCTYPE there are no entities to expand and no files to fetch."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        raise Malformed("a document type is not allowed")


def parse(body: bytes) -> Element:
    """The root element. Raises Malformed."""
    if len(body) > _MOST_BYTES or body.count(b"<") > _MOST_TAGS:
        raise Malformed("the document is too large")
    parser = XMLParser(target=_NoDoctype())  # noqa: S314 - a DOCTYPE is refused
    try:
        parser.feed(body)
        return parser.close()
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding nobody knows
        raise Malformed(f"the body is not XML: {error}") from error


def read(shape: Shape, element: Element, depth: int = 0) -> Any:
    """The value of the element's content. Namespaces are not looked at, as AWS does not."""
    if depth > _MAX_DEPTH:
        raise Malformed("the document is nested too deeply")
    if shape.type == "structure":
        return read_members(shape.members, element, depth)
    if shape.type == "list":
        return [read(shape.member, child, depth + 1) for child in element]
    if shape.type == "map":
        return dict(_entry(shape, child, depth) for child in element)
    text = element.text or ""
    return read_text(shape, text if shape.type == "string" else text.strip())


def read_members(members: Mapping[str, Shape], element: Element, depth: int = 0) -> dict[str, Any]:
    children: dict[str, list[Element]] = {}
    for child in element:
        children.setdefault(_local(child.tag), []).append(child)
    attributes = {_local(name): text for name, text in element.attrib.items()} if element.attrib else {}
    result: dict[str, Any] = {}
    for name, member in members.items():
        if member.xml_attribute:
            wire = (member.location_name or name).rpartition(":")[2]
            if wire in attributes:
                result[name] = read_text(member, attributes[wire])
            continue
        found = children.get(member.location_name or name) or children.get(member_name(name, member))
        if not found:
            continue
        if member.flattened and member.type == "list":
            result[name] = [read(member.member, child, depth + 1) for child in found]
        elif member.flattened and member.type == "map":
            result[name] = dict(_entry(member, child, depth) for child in found)
        else:
            result[name] = read(member, found[0], depth + 1)
    return result


def _entry(shape: Shape, element: Element, depth: int) -> tuple[str, Any]:
    key_name, value_name = shape.key.location_name or "key", shape.value.location_name or "value"
    key: str | None = None
    value: Any = None
    for child in element:
        local = _local(child.tag)
        if local == key_name:
            key = child.text or ""
        elif local == value_name:
            value = read(shape.value, child, depth + 1)
    if key is None or value is None:
        raise Malformed(f"an entry of a map has a {key_name} and a {value_name}")
    return key, value


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def member_name(name: str, member: Shape) -> str:
    """The element of a structure's member. A flattened list may be named by its element."""
    if member.flattened and member.type == "list" and member.member.location_name:
        return member.member.location_name
    return member.location_name or name


def write(name: str, shape: Shape, value: Any, timestamp_format: str = "iso8601", xmlns: str = "") -> Iterator[str]:
    """The pieces of one element; to be joined. `xmlns` is the namespace to state where the shape states none."""
    if shape.type == "structure":
        yield f"<{name}{namespace(shape) or xmlns}{attributes(shape, value)}>"
        yield from write_members(shape.members, value, timestamp_format)
    elif shape.type == "list":
        yield f"<{name}{namespace(shape)}>"
        item_name = shape.member.location_name or "member"
        for item in value:
            if item is not None:
                yield from write(item_name, shape.member, item, timestamp_format)
    elif shape.type == "map":
        yield f"<{name}{namespace(shape)}>"
        for pair in value.items():
            yield from _write_entry("entry", shape, pair, timestamp_format)
    else:
        yield f"<{name}{namespace(shape)}>{escape(write_text(shape, value, timestamp_format))}"
    yield f"</{name}>"


def write_members(members: Mapping[str, Shape], value: Mapping[str, Any], timestamp_format: str) -> Iterator[str]:
    for name, member in members.items():
        item = value.get(name)
        if item is None or member.xml_attribute:
            continue
        wire = member_name(name, member)
        if member.flattened and member.type == "list":
            for one in item:
                yield from write(wire, member.member, one, timestamp_format)
        elif member.flattened and member.type == "map":
            for pair in item.items():
                yield from _write_entry(wire, member, pair, timestamp_format)
        else:
            yield from write(wire, member, item, timestamp_format)


def _write_entry(name: str, shape: Shape, pair: tuple[str, Any], timestamp_format: str) -> Iterator[str]:
    key, item = pair
    if item is None:
        return
    yield f"<{name}>"
    yield from write(shape.key.location_name or "key", shape.key, key, timestamp_format)
    yield from write(shape.value.location_name or "value", shape.value, item, timestamp_format)
    yield f"</{name}>"


def namespace(shape: Shape) -> str:
    trait = shape.xml_namespace
    if not trait:
        return ""
    prefix = f":{trait['prefix']}" if trait.get("prefix") else ""
    return f' xmlns{prefix}="{escape(trait["uri"])}"'


def attributes(shape: Shape, value: Mapping[str, Any]) -> str:
    return "".join(
        f' {member.location_name or name}="{escape(write_text(member, value[name], "iso8601"))}"'
        for name, member in shape.members.items()
        if member.xml_attribute and value.get(name) is not None
    )


_SPECIAL = re.compile('[&<>"\x00-\x09\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def escape(text: str) -> str:
    """Control characters become references, as S3 writes them; XML 1.0 has no word at all for most of them."""
    return _SPECIAL.sub(_reference, text) if _SPECIAL.search(text) else text


def _reference(match: re.Match[str]) -> str:
    character = match.group()
    return _NAMED.get(character) or f"&#x{ord(character):x};"


def printable(text: str) -> str:
    """For messages, which must arrive whatever the caller put into them."""
    return _UNPRINTABLE.sub("�", text)
