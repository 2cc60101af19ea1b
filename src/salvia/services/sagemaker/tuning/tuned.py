"""What is tuned: whether the algorithm has it, and whether there are enough combinations of it."""

from collections.abc import Mapping
from math import inf, prod
from typing import Any

from salvia.base.errors import ValidationError
from salvia.ports.images import Images, UnknownImageError
from salvia.services.sagemaker.runs.built_in import hyperparameters_of
from salvia.services.sagemaker.tuning.request import Definition
from salvia.services.sagemaker.tuning.space import Range


def check(images: Images, definition: Definition) -> None:
    """Raises ValidationError when a built-in algorithm does not have what is tuned.

    A script has whatever it reads. AWS refuses such a request too, with words that are not documented.
    """
    image = definition.document["AlgorithmSpecification"].get("TrainingImage", "")
    try:
        known = hyperparameters_of(images.resolve(image).algorithm)
    except UnknownImageError:
        return
    foreign = [each.name for each in definition.ranges if each.name not in known]
    if known and foreign and "sagemaker_program" not in definition.static:
        raise ValidationError(
            f"The hyperparameters [{', '.join(foreign)}] for the hyperparameter tuning job aren't valid for the [{image}] "
            "algorithm. Choose valid hyperparameters to tune."
        )


def check_combinations(definition: Definition, config: Mapping[str, Any]) -> None:
    """Raises ValidationError, in AWS's words, when there are fewer combinations of values than training jobs asked for."""
    jobs = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", 0)
    combinations = float(prod(_count(each) for each in definition.ranges))
    if combinations < jobs:
        raise ValidationError(
            "You don't have enough combinations of hyperparameter ranges. The total number of hyperparameter combinations for "
            f"the provided ranges [{combinations}] must be equal or greater than the value of MaxNumberOfJobs, [{jobs}]. "
            "Provide additional ranges."
        )


def _count(each: Range) -> float:
    if each.kind == "Categorical":
        return len(each.values)
    if each.low == each.high:
        return 1
    return each.high - each.low + 1 if each.kind == "Integer" else inf
