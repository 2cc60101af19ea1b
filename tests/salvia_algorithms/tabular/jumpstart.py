"""How the SageMaker SDK's catalogue describes a hyperparameter."""

from typing import Any

from salvia_algorithms.first_party.hyperparameters import Hyperparameter
from salvia_algorithms.interval import Interval

TYPES = {"integer": "int", "number": "float", "choice": "text"}


def described(row: Hyperparameter) -> dict[str, Any]:
    if row.auto:  # a word or a number: the SDK has text for that
        return {"name": row.name, "type": "text", "default": row.default, "scope": "algorithm"}
    default: Any = row.default
    if row.kind != "choice":
        default = int(default) if row.kind == "integer" else float(default)
    found = {"name": row.name, "type": TYPES[row.kind], "default": default, "scope": "algorithm"}
    if isinstance(row.range, tuple):
        return found | {"options": list(row.range)}
    interval = row.range or Interval()
    bounds = {
        "exclusive_min" if interval.low_open else "min": interval.low,
        "exclusive_max" if interval.high_open else "max": interval.high,
    }
    return found | {name: bound for name, bound in bounds.items() if bound is not None}
