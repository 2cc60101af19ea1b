"""Abalone, the label first, in an order of its own that is always the same."""

import csv
import functools
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ABALONE = Path(__file__).parents[3] / "examples" / "data" / "abalone" / "abalone.csv"
SEX = {"M": 0, "F": 1, "I": 2}
TRAINED = 3000  # rows; the others are held out

Row = list[float]


@functools.cache
def as_text() -> list[list[str]]:
    """The rings, the sex as a letter, and the measures."""
    with ABALONE.open() as file:
        rows = [[cells[8], *cells[:8]] for cells in csv.reader(file)]
    random.Random(0).shuffle(rows)
    return rows


@functools.cache
def rings() -> list[Row]:
    return [[float(row[0]), SEX[row[1]], *map(float, row[2:])] for row in as_text()]


@functools.cache
def ages() -> list[Row]:
    """Three classes: the young, the grown and the old."""
    return [[min(2.0, row[0] // 8), *row[1:]] for row in rings()]


def text(rows: Iterable[Sequence[Any]]) -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in rows)
