"""The hyperparameters of Factorization Machines, as AWS's container has them."""

from salvia_algorithms.first_party.hyperparameters import Hyperparameter, table
from salvia_algorithms.interval import Interval

BINARY, REGRESSOR = "binary_classifier", "regressor"
NORMAL, UNIFORM, CONSTANT = "normal", "uniform", "constant"

_COUNT = Interval(1)
_NATURAL = Interval(0)
_TUNED = Interval(1e-8, 512)


def _part(name: str, rate: str, decay: str, sigma: str) -> tuple[Hyperparameter, ...]:
    """The bias, the linear weights and the factors each have their own."""
    return (
        Hyperparameter(
            f"{name}_init_method", "choice", (NORMAL, UNIFORM, CONSTANT), NORMAL, tuned=(NORMAL, UNIFORM, CONSTANT)
        ),
        Hyperparameter(f"{name}_init_scale", "number", _NATURAL, tuned=_TUNED),
        Hyperparameter(f"{name}_init_sigma", "number", _NATURAL, sigma, tuned=_TUNED),
        Hyperparameter(f"{name}_init_value", "number", tuned=_TUNED),
        Hyperparameter(f"{name}_lr", "number", _NATURAL, rate, tuned=_TUNED),
        Hyperparameter(f"{name}_wd", "number", _NATURAL, decay, tuned=_TUNED),
    )


TABLE = table(
    Hyperparameter("feature_dim", "integer", _COUNT, required=True),
    Hyperparameter("num_factors", "integer", _COUNT, required=True),
    Hyperparameter("predictor_type", "choice", (BINARY, REGRESSOR), required=True),
    Hyperparameter("epochs", "integer", _COUNT, "1", tuned=Interval(1, 1000)),
    Hyperparameter("mini_batch_size", "integer", _COUNT, "1000", tuned=Interval(100, 10000)),
    *_part("bias", "0.1", "0.01", "0.01"),
    *_part("linear", "0.001", "0.001", "0.01"),
    *_part("factors", "0.0001", "0.00001", "0.001"),
    Hyperparameter("clip_gradient", "number", _NATURAL),
    Hyperparameter("rescale_grad", "number", _NATURAL),
    Hyperparameter("eps", "number", _NATURAL),
)
