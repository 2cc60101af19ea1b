"""What is searched: synthetic functions with known minima, and tables of a real model's scores.

Every problem is a function of the unit cube that is to be made small. A table answers with the inverse-distance mean of its
three nearest rows, so that a search of it costs no training.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salvia.services.sagemaker.tuning.space import Range

TABLES = Path(__file__).parent / "tables"
Values = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """`value` takes typed hyperparameters; `best` is the least value known."""

    name: str
    ranges: tuple[Range, ...]
    value: Callable[[Values], float]
    best: float

    def typed(self, texts: dict[str, str]) -> Values:
        kinds: dict[str, Callable[[str], Any]] = {"Integer": int, "Continuous": float, "Categorical": str}
        return {each.name: kinds[each.kind](texts[each.name]) for each in self.ranges}


def problems() -> list[Problem]:
    return [_branin(), _hartmann(), _ackley(), _mixed(), *(_table(path) for path in sorted(TABLES.glob("*.json")))]


def _branin() -> Problem:
    def value(x: Values) -> float:
        a, b = x["a"], x["b"]
        bowl = (b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6) ** 2
        return float(bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10)

    ranges = (Range("a", "Continuous", -5.0, 10.0), Range("b", "Continuous", 0.0, 15.0))
    return Problem("branin", ranges, value, 0.397887)


def _hartmann() -> Problem:
    alpha = np.array([1.0, 1.2, 3.0, 3.2])
    a = np.array(
        [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    )
    p = 1e-4 * np.array([
        [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381],
    ])  # fmt: skip

    def value(x: Values) -> float:
        point = np.array([x[f"x{number}"] for number in range(6)])
        return float(-(alpha * np.exp(-(a * (point - p) ** 2).sum(axis=1))).sum())

    return Problem("hartmann6", tuple(Range(f"x{n}", "Continuous", 0.0, 1.0) for n in range(6)), value, -3.32237)


def _ackley() -> Problem:
    """Eight coordinates, half of them logarithmic, with the minimum off the centre."""
    ranges = tuple(
        Range(f"x{n}", "Continuous", 1e-4, 1.0, "Logarithmic") if n % 2 else Range(f"x{n}", "Continuous", 0.0, 1.0)
        for n in range(8)
    )
    centre = [0.31, 0.63, 0.72, 0.41, 0.55, 0.27, 0.44, 0.68]

    def value(x: Values) -> float:
        units = [(math.log10(x[f"x{n}"]) + 4) / 4 if n % 2 else x[f"x{n}"] for n in range(8)]
        z = [8 * (unit - at) for unit, at in zip(units, centre, strict=True)]
        squares, waves = sum(v * v for v in z) / 8, sum(math.cos(2 * math.pi * v) for v in z) / 8
        return -20 * math.exp(-0.2 * math.sqrt(squares)) - math.exp(waves) + 20 + math.e

    return Problem("ackley8", ranges, value, 0.0)


def _mixed() -> Problem:
    """Two categories, two integers and two logarithmic numbers that depend on each other."""
    ranges = (
        Range("units", "Integer", 8, 256, "Logarithmic"),
        Range("layers", "Integer", 1, 6),
        Range("rate", "Continuous", 1e-5, 1.0, "Logarithmic"),
        Range("decay", "Continuous", 1e-6, 1e-1, "Logarithmic"),
        Range("solver", "Categorical", values=("adam", "sgd", "rmsprop")),
        Range("activation", "Categorical", values=("relu", "tanh", "gelu", "sigmoid")),
    )
    usual = {"adam": -3.0, "sgd": -1.2, "rmsprop": -3.4}
    cost = {"adam": 0.0, "sgd": 0.15, "rmsprop": 0.08}
    shape = {"relu": 0.05, "tanh": 0.12, "gelu": 0.0, "sigmoid": 0.5}

    def value(x: Values) -> float:
        rate = math.log10(x["rate"]) - usual[x["solver"]] + 0.15 * (x["layers"] - 3)
        decay = math.log10(x["decay"]) + 4
        width = math.log2(x["units"]) - 6.5 - 0.3 * (x["layers"] - 3)
        deep = 0.04 * (x["layers"] - 3) ** 2 * (2 if x["activation"] == "sigmoid" else 1)
        return float(
            0.35 * rate**2 + 0.06 * decay**2 + 0.05 * width**2 + deep + cost[x["solver"]] + shape[x["activation"]]
        )

    best = min(
        value({"units": u, "layers": 3, "rate": 1e-3, "decay": 1e-4, "solver": "adam", "activation": "gelu"})
        for u in range(8, 257)
    )
    return Problem("mixed6", ranges, value, best)


def _table(path: Path) -> Problem:
    document = json.loads(path.read_text())
    ranges = tuple(Range(**{**each, "values": tuple(each.get("values", ()))}) for each in document["ranges"])
    points = np.array([row[:-1] for row in document["rows"]])
    scores = np.array([row[-1] for row in document["rows"]])

    def value(x: Values) -> float:
        point = np.array([_unit(each, x[each.name]) for each in ranges])
        distances = np.sqrt(((points - point) ** 2).sum(axis=1))
        near = np.argsort(distances)[:3]
        weights = 1 / (distances[near] + 1e-3)
        return float(weights @ scores[near] / weights.sum())

    return Problem(path.stem, ranges, value, float(scores.min()))


def _unit(each: Range, value: Any) -> float:
    unit = each.unit(str(value))
    assert unit is not None
    return unit


def texts_at(ranges: Sequence[Range], point: Sequence[float]) -> dict[str, str]:
    return {each.name: each.value(unit) for each, unit in zip(ranges, point, strict=True)}
