"""PCA's hyperparameters, as AWS's container has them."""

from typing import Any

from salvia_algorithms.first_party.hyperparameters import Hyperparameter, not_valid, table
from salvia_algorithms.interval import Interval

REGULAR, RANDOMIZED = "regular", "randomized"
LEAST_EXTRA = 10

TABLE = table(
    Hyperparameter("feature_dim", "integer", Interval(1), required=True),
    Hyperparameter("mini_batch_size", "integer", Interval(1), required=True),
    Hyperparameter("num_components", "integer", Interval(1), required=True),
    Hyperparameter("algorithm_mode", "choice", (REGULAR, RANDOMIZED), REGULAR),
    Hyperparameter("extra_components", "integer", Interval(-1), "-1"),
    Hyperparameter("subtract_mean", "flag", default="true"),
    Hyperparameter("force_dense", "flag", default="true", idle="dense and sparse data are told apart by themselves"),
    Hyperparameter("epochs", "integer", Interval(1), "1", idle="one pass over the data is enough"),
)


def settled(values: dict[str, Any]) -> dict[str, Any]:
    """What follows from the values together: `extra_components` is a number. Raises UserError where they do not go together."""
    components, features = values["num_components"], values["feature_dim"]
    if components > features:
        raise not_valid("num_components", str(components), f"an integer in [1, {features}], which is feature_dim")
    if values["extra_components"] == -1:
        values["extra_components"] = max(LEAST_EXTRA, components)
    return values
