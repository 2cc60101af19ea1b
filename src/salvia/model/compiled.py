"""The compact form of one service model: no documentation, and every part found by its offset and decoded alone.

Line 1 is the size of the whole, line 2 an index, and then one line of JSON for each operation and shape, and one each
for the paginators and the waiters. JSON never contains a raw newline, so a part ends where its line ends.
"""

from collections.abc import Iterator, Mapping
from mmap import mmap
from typing import Any

import orjson

FORMAT = 1  # in every cache key: another layout must get another number
_SIZE_DIGITS = 12
# What a server never reads: prose, and what only tells a client where to send a request.
_CLIENT_ONLY = {
    "documentation",
    "deprecatedMessage",
    "deprecatedSince",
    "contextParam",
    "staticContextParams",
    "operationContextParams",
    "synthetic",
}


def compile_model(
    model: Mapping[str, Any], paginators: Mapping[str, Any] | None = None, waiters: Mapping[str, Any] | None = None
) -> bytes:
    """`model` is a service-2.json, `paginators` and `waiters` are what stands under the key of that name in their files."""
    lines: list[bytes] = []
    offset = 0

    def add(part: Any) -> int:
        nonlocal offset
        line = orjson.dumps(part)
        start = offset
        lines.append(line)
        offset += len(line) + 1
        return start

    shapes = model.get("shapes", {})
    index = {
        "metadata": model["metadata"],
        "operations": {name: add(_operation(raw)) for name, raw in model.get("operations", {}).items()},
        "shapes": {name: add(_shape(raw)) for name, raw in shapes.items()},
        "codes": dict(_codes(shapes)),
        "paginators": add(paginators or {}),
        "waiters": add(waiters or {}),
    }
    head = orjson.dumps(index)
    size = _SIZE_DIGITS + 1 + len(head) + 1 + offset
    return b"\n".join([str(size).zfill(_SIZE_DIGITS).encode(), head, *lines, b""])


class Compiled:
    """A model in its compact form, read from memory or from a mapped file. It is what a ServiceModel reads from."""

    def __init__(self, data: bytes | mmap) -> None:
        """Raises ValueError when `data` is not whole: whoever finds it so compiles again."""
        if len(data) <= _SIZE_DIGITS or int(data[:_SIZE_DIGITS]) != len(data):
            raise ValueError("a compiled model that is not whole")
        end = data.find(b"\n", _SIZE_DIGITS + 1)
        index = orjson.loads(data[_SIZE_DIGITS + 1 : end])
        self._data = data
        self._start = end + 1
        self._operations: dict[str, int] = index["operations"]
        self._shapes: dict[str, int] = index["shapes"]
        self._paginators: int = index["paginators"]
        self._waiters: int = index["waiters"]
        self._decoded: dict[str, dict[str, Any]] = {}
        self.metadata: dict[str, Any] = index["metadata"]
        self.operation_names = tuple(self._operations)
        self.shape_names = tuple(self._shapes)
        self.error_codes: dict[str, str] = index["codes"]

    def operation(self, name: str) -> dict[str, Any]:
        return self._part(self._operations[name])

    def shape(self, name: str) -> dict[str, Any]:
        found = self._decoded.get(name)
        if found is None:
            found = self._decoded[name] = self._part(self._shapes[name])
        return found

    def paginators(self) -> dict[str, Any]:
        return self._part(self._paginators)

    def waiters(self) -> dict[str, Any]:
        return self._part(self._waiters)

    def _part(self, offset: int) -> dict[str, Any]:
        start = self._start + offset
        part: dict[str, Any] = orjson.loads(self._data[start : self._data.find(b"\n", start)])
        return part


def _operation(raw: Mapping[str, Any]) -> dict[str, Any]:
    kept = _traits(raw)
    for name in ("input", "output"):
        if name in kept:
            kept[name] = _traits(kept[name])
    if "errors" in kept:
        kept["errors"] = [{"shape": error["shape"]} for error in kept["errors"]]
    return kept


def _shape(raw: Mapping[str, Any]) -> dict[str, Any]:
    kept = _traits(raw)
    for name in ("member", "key", "value"):
        if name in kept:
            kept[name] = _traits(kept[name])
    if "members" in kept:
        kept["members"] = {name: _traits(reference) for name, reference in kept["members"].items()}
    return kept


def _traits(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name not in _CLIENT_ONLY}


def _codes(shapes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, shape in shapes.items():
        code = shape.get("error", {}).get("code", name) if shape.get("exception") else name
        if code != name and code not in shapes:
            yield code, name
