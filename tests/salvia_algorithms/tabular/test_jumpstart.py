"""What the SageMaker SDK is told of an algorithm is what the algorithm does."""

import json
from importlib import import_module
from importlib.resources import files

import pytest

from tests.salvia_algorithms.tabular.jumpstart import described


@pytest.mark.parametrize("algorithm", ["lightgbm", "catboost"])
def test_the_sdk_knows_every_hyperparameter_with_its_default_and_bounds(algorithm: str) -> None:
    table = import_module(f"salvia_algorithms.{algorithm}.hyperparameters").TABLE
    told = json.loads(files("salvia_algorithms").joinpath(algorithm, "jumpstart.json").read_text())["hyperparameters"]

    assert told == [described(row) for row in table.values()]
