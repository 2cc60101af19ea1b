"""The documentation names what there is."""

import json
from importlib import resources
from pathlib import Path

import pytest

from salvia_algorithms.linear_learner.hyperparameters import LOSSES, TABLE

PAGE = (Path(__file__).parents[3] / "docs" / "algorithms" / "linear-learner.md").read_text()
METRICS = json.loads(resources.files("salvia_algorithms").joinpath("linear_learner/metrics.json").read_text())[
    "metrics"
]


@pytest.mark.parametrize("name", [name for name in TABLE if not name.startswith("_")])
def test_every_hyperparameter_has_its_row_with_its_default(name: str) -> None:
    default = "required" if TABLE[name].required else TABLE[name].default

    assert any(line.startswith(f"| `{name}` |") and line.endswith(f"| {default} |") for line in PAGE.splitlines())


@pytest.mark.parametrize("loss", sorted(set(sum(LOSSES.values(), ()))))
def test_every_loss_is_named(loss: str) -> None:
    assert f"`{loss}`" in PAGE


@pytest.mark.parametrize("name", sorted({metric["name"].split(":")[1] for metric in METRICS}))
def test_every_metric_is_named(name: str) -> None:
    assert name in PAGE
