"""A training job's tree, and the Abalone data."""

import csv
import random
from pathlib import Path

import pytest

from tests.salvia_algorithms.xgboost.tree import Tree

ABALONE = Path(__file__).parents[3] / "examples" / "data" / "abalone" / "abalone.csv"
SEX = {"M": 1.0, "F": 2.0, "I": 3.0}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "ml")


@pytest.fixture(scope="session")
def abalone() -> list[list[float]]:
    """All rows, label first and sex as a number, in an order of their own that is always the same."""
    with ABALONE.open() as file:
        rows = [[float(cells[8]), SEX[cells[0]], *map(float, cells[1:8])] for cells in csv.reader(file)]
    random.Random(0).shuffle(rows)
    return rows
