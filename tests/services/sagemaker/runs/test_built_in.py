"""What the platform is told of the built-in algorithms is what they are."""

from importlib import import_module
from importlib.resources import files

import pytest

from salvia.services.sagemaker.runs.built_in import hyperparameters_of

ALGORITHMS = [
    folder.name for folder in files("salvia_algorithms").iterdir() if (folder / "hyperparameters.json").is_file()
]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_hyperparameter_that_a_user_may_give_is_known_to_the_platform(algorithm: str) -> None:
    module = import_module(f"salvia_algorithms.{algorithm}.hyperparameters")
    names = {*module.TABLE, *getattr(module, "ALIASES", ())}

    assert hyperparameters_of(algorithm) == {name for name in names if not name.startswith("_")}


def test_an_image_that_is_no_algorithm_has_none() -> None:
    assert hyperparameters_of("") == frozenset()
    assert "xgboost" in ALGORITHMS
