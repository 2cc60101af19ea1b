"""Every loss, and its slope against differences."""

import numpy as np
import pytest

from salvia_algorithms.linear_learner.hyperparameters import LOSSES, validate
from salvia_algorithms.linear_learner.losses import loss_of

CASES = [(kind, loss) for kind, losses in LOSSES.items() for loss in losses]
RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_slope_is_that_of_the_loss(kind: str, name: str) -> None:
    classes = 4 if kind == "multiclass_classifier" else 1
    loss = loss_of(validate({"predictor_type": kind, "loss": name, "num_classes": str(classes), "quantile": "0.3"}))
    label = (RANDOM.normal(size=6) if kind == "regressor" else RANDOM.integers(0, max(2, classes), 6)).astype(
        np.float32
    )
    shape = (6, 2, classes) if classes > 1 else (6, 2)
    scores = RANDOM.normal(size=shape).astype(np.float32)
    slopes = scores.copy()
    losses = loss.apply(slopes, label)

    step = np.float32(1e-3)
    for place in np.ndindex(shape):
        up, down = scores.copy(), scores.copy()
        up[place] += step
        down[place] -= step
        difference = (loss.apply(up, label) - loss.apply(down, label))[place[:2]] / (2 * step)
        assert slopes[place] == pytest.approx(difference, abs=2e-2)
    assert losses.shape == (6, 2)


@pytest.mark.parametrize(
    ("given", "score", "label", "expected"),
    [
        ({"predictor_type": "binary_classifier"}, 0.0, 1, 0.6931472),
        ({"predictor_type": "binary_classifier", "loss": "hinge_loss"}, 0.25, 0, 1.25),
        ({"predictor_type": "regressor"}, 1.0, 3, 4.0),
        ({"predictor_type": "regressor", "loss": "absolute_loss"}, 1.0, 3, 2.0),
        ({"predictor_type": "regressor", "loss": "quantile_loss", "quantile": "0.9"}, 1.0, 3, 1.8),
        ({"predictor_type": "regressor", "loss": "huber_loss"}, 1.0, 3, 1.5),
        (
            {"predictor_type": "regressor", "loss": "eps_insensitive_squared_loss", "loss_insensitivity": "0.5"},
            1,
            3,
            2.25,
        ),
        (
            {"predictor_type": "regressor", "loss": "eps_insensitive_absolute_loss", "loss_insensitivity": "0.5"},
            1,
            3,
            1.5,
        ),
    ],
)
def test_known_values(given: dict[str, str], score: float, label: float, expected: float) -> None:
    found = loss_of(validate(given)).apply(np.array([[score]], np.float32), np.array([label], np.float32))

    assert found[0, 0] == pytest.approx(expected, rel=1e-5)


def test_a_score_far_off_costs_much_but_not_infinitely() -> None:
    scores = np.array([[-200.0], [200.0]], np.float32)

    with np.errstate(over="ignore"):
        losses = loss_of(validate({"predictor_type": "binary_classifier"})).apply(scores, np.array([1, 1], np.float32))

    assert losses[:, 0].tolist() == pytest.approx([16.118, 0], abs=1e-3)
