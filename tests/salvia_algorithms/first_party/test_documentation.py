"""The documentation names what there is."""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from salvia_algorithms.first_party.hyperparameters import FRAMEWORK, Hyperparameter

ROOT = Path(__file__).parents[3]
ALGORITHMS = ("kmeans", "randomcutforest", "knn", "lightgbm", "catboost")


def page(algorithm: str) -> str:
    return (ROOT / "docs" / "algorithms" / f"{algorithm}.md").read_text()


def rows() -> Iterator[tuple[str, Hyperparameter]]:
    for algorithm in ALGORITHMS:
        table = import_module(f"salvia_algorithms.{algorithm}.hyperparameters").TABLE
        yield from ((algorithm, row) for row in table.values() if row not in FRAMEWORK)


@pytest.mark.parametrize(("algorithm", "row"), list(rows()), ids=lambda value: getattr(value, "name", value))
def test_every_hyperparameter_has_its_row_with_its_default(algorithm: str, row: Hyperparameter) -> None:
    default = "required" if row.required else "-" if row.default is None else row.default

    assert any(
        line.startswith(f"| `{row.name}` |") and line.endswith(f"| {default} |")
        for line in page(algorithm).splitlines()
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_metric_is_named(algorithm: str) -> None:
    metrics = json.loads((ROOT / "src" / "salvia_algorithms" / algorithm / "metrics.json").read_text())["metrics"]

    assert [metric["name"] for metric in metrics if f"`{metric['name']}`" not in page(algorithm)] == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_readme_leads_to_it(algorithm: str) -> None:
    assert f"docs/algorithms/{algorithm}.md" in (ROOT / "README.md").read_text()
