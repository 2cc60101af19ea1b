"""Inputs drawn from a model's shapes: mostly right, sometimes wrong in one of the ways a client can be wrong."""

import random
import string
from datetime import UTC, datetime
from typing import Any

from botocore.model import Shape

_ODD = ["", " ", "a", "x" * 300, "ünïcödé", "../../etc/passwd", "null", "-1", "\U0001f600", "a b\tc", "%2F", "<&>"]


class Draw:
    """Draws values of botocore shapes. `known` names members whose values exist on the server (buckets, roles, jobs)."""

    def __init__(self, seed: int, known: dict[str, list[Any]]) -> None:
        self.random = random.Random(seed)
        self.known = known

    def request(self, shape: Shape | None) -> dict[str, Any]:
        return self._structure(shape, 0) if shape is not None else {}

    def _structure(self, shape: Any, depth: int) -> dict[str, Any]:
        drawn: dict[str, Any] = {}
        for name, member in shape.members.items():
            required = name in shape.required_members
            chance = 0.97 if required else (0.35 if depth < 3 else 0.08)
            if self.random.random() < chance:
                drawn[name] = self._member(name, member, depth + 1)
        return drawn

    def _member(self, name: str, shape: Any, depth: int) -> Any:
        if name in self.known and self.random.random() < 0.7:
            return self.random.choice(self.known[name])
        return self._value(shape, depth)

    def _value(self, shape: Any, depth: int) -> Any:
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape, depth) if depth < 8 else {}
        if kind == "list":
            return [
                self._value(shape.member, depth + 1)
                for _ in range(self.random.choice([0, 1, 1, 2, 3]) if depth < 6 else 0)
            ]
        if kind == "map":
            return {
                self._text(shape.key): self._value(shape.value, depth + 1) for _ in range(self.random.choice([0, 1, 2]))
            }
        return self._scalar(kind, shape)

    def _scalar(self, kind: str, shape: Any) -> Any:
        if kind == "string":
            return self._text(shape)
        if kind in {"integer", "long"}:
            low = shape.metadata.get("min", 0)
            return self.random.choice([low, low + 1, low - 1, 10, 100, 0, -1, 2**31, shape.metadata.get("max", 7)])
        if kind in {"float", "double"}:
            return self.random.choice([0.0, 1.5, -2.0, 1e30])
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind == "timestamp":
            return datetime.fromtimestamp(self.random.choice([0, 1.7e9, 4e9]), UTC)
        if kind == "blob":
            return self.random.randbytes(self.random.choice([0, 1, 100]))
        return "drawn"

    def _text(self, shape: Any) -> str:
        if getattr(shape, "enum", None) and self.random.random() < 0.9:
            return str(self.random.choice(shape.enum))
        if self.random.random() < 0.15:
            return self.random.choice(_ODD)
        length = self.random.choice([1, 3, 12, max(1, shape.metadata.get("min", 1))])
        return (
            "".join(self.random.choices(string.ascii_lowercase + string.digits + "-", k=min(length, 200))).strip("-")
            or "a"
        )
