"""What can be tuned."""

from dataclasses import replace
from typing import Any

import pytest

from salvia.base.errors import ValidationError
from salvia.ports.images import Image
from salvia.services.sagemaker.tuning.request import admitted, definitions_of
from salvia.services.sagemaker.tuning.tuned import check, check_combinations
from tests.fakes import FakeImages
from tests.services.sagemaker.tuning.conftest import categories, config, ranges, request


class XGBoost(FakeImages):
    def resolve(self, uri: str) -> Image:
        return replace(super().resolve(uri), algorithm="xgboost")


def asked(**changes: Any) -> dict[str, Any]:
    return admitted(request() | {"HyperParameterTuningJobConfig": config(**changes)})


def test_what_the_algorithm_does_not_have_cannot_be_tuned() -> None:
    definition = definitions_of(asked(ParameterRanges=ranges(eta=("0", "1"), speed=("0", "1"))))[0]

    with pytest.raises(
        ValidationError, match=r"The hyperparameters \[speed\] for the hyperparameter tuning job aren't valid"
    ):
        check(XGBoost(), definition)


def test_a_script_has_whatever_it_reads() -> None:
    definition = definitions_of(asked(ParameterRanges=ranges(speed=("0", "1"))))[0]
    script = replace(
        definition, document={**definition.document, "StaticHyperParameters": {"sagemaker_program": "a.py"}}
    )

    check(XGBoost(), script)
    check(FakeImages(), definition)


@pytest.mark.parametrize(
    ("found", "combinations"),
    [
        (ranges("Integer", depth=("2", "4")), 3.0),
        (ranges("Integer", depth=("2", "3")) | categories(kind=["a", "b"]), 4.0),
        (ranges(rate=("0.5", "0.5")), 1.0),
    ],
)
def test_there_must_be_as_many_combinations_as_training_jobs(found: dict[str, Any], combinations: float) -> None:
    spec = asked(jobs=10, ParameterRanges=found)

    with pytest.raises(ValidationError) as raised:
        check_combinations(definitions_of(spec)[0], spec["HyperParameterTuningJobConfig"])

    assert f"for the provided ranges [{combinations}] must be equal or greater" in raised.value.message


def test_a_number_has_combinations_without_end() -> None:
    spec = asked(jobs=500, ParameterRanges=ranges(rate=("0", "1")))

    check_combinations(definitions_of(spec)[0], spec["HyperParameterTuningJobConfig"])
