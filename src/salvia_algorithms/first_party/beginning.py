"""How a job of AWS's own algorithms begins: what was configured is said, and checked."""

from collections.abc import Mapping
from typing import Any

from salvia_algorithms.first_party import hyperparameters
from salvia_algorithms.first_party.hyperparameters import Hyperparameter
from salvia_algorithms.first_party.report import info
from salvia_container.failure import UserError
from salvia_container.training import TrainingEnvironment

NO_DATA = (
    "No training data processed. Either the training channel is empty or the mini-batch size is too high. "
    "Verify that training data contains non-empty files and the mini-batch size is less than the number of "
    "records per training host."
)


def configured(rows: Mapping[str, Hyperparameter], environment: TrainingEnvironment) -> dict[str, Any]:
    """The job's typed hyperparameters, after the lines AWS logs of them. Raises UserError for the first that is wrong."""
    given = dict(environment.hyperparameters)
    defaults = {name: row.default for name, row in rows.items() if row.default is not None}
    info(f"Reading default configuration from the algorithm's own: {defaults}")
    info(f"Merging with provided configuration from /opt/ml/input/config/hyperparameters.json: {given}")
    info(f"Final configuration: {hyperparameters.final(rows, given)}")
    values = hyperparameters.validate(rows, given)
    for name, row in rows.items():
        if row.idle and name in given:
            info(f"Hyperparameter {name} has no effect: {row.idle}")
    return values


def no_data() -> UserError:
    """A host without rows, in AWS's words."""
    return UserError(NO_DATA)
