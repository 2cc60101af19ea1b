"""The metrics SageMaker adds to XGBoost's own, from sums over rows, so that several hosts get exactly the value of one.

They are those of scikit-learn, unweighted: of classes (a margin above zero, or the largest of a row) and of predictions.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from xgboost import collective

from salvia_container.failure import UserError

Sums = npt.NDArray[np.float64]


def own(metrics: Sequence[str]) -> list[str]:
    """Those of `metrics` that are computed here, in the order given."""
    return [name for name in metrics if name in BY_CLASS or name in BY_PREDICTION]


def evaluate(names: Sequence[str], model: xgb.Booster, matrix: xgb.DMatrix, classes: int) -> dict[str, float]:
    """The values of these metrics on one matrix; `classes` is num_class, or 2."""
    values = {}
    if any(name in BY_CLASS for name in names):
        counts = _total(_confusion(model.predict(matrix, output_margin=True), matrix.get_label(), classes))
        values.update({name: BY_CLASS[name](counts) for name in names if name in BY_CLASS})
    if any(name in BY_PREDICTION for name in names):
        sums = _total(_residuals(model.predict(matrix), matrix.get_label()))
        values.update({name: BY_PREDICTION[name](sums) for name in names if name in BY_PREDICTION})
    return {name: float(values[name]) for name in names}


def _confusion(margin: npt.NDArray[np.float32], label: npt.NDArray[np.float32], classes: int) -> Sums:
    """counts[true, predicted]"""
    predicted = margin.argmax(axis=-1) if margin.ndim > 1 else (margin > 0).astype(np.int64)
    true = label.astype(np.int64)
    if len(true) and ((true != label).any() or true.min() < 0 or true.max() >= classes):
        raise UserError(
            "Classification metrics can't handle continuous targets: labels must be whole numbers "
            f"from 0 to {classes - 1} for this metric"
        )
    counts = np.bincount(true * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.float64)


def _residuals(predicted: npt.NDArray[np.float32], label: npt.NDArray[np.float32]) -> Sums:
    """rows, sum of |error|, of error squared, of labels, of labels squared"""
    true = label.astype(np.float64)
    if predicted.ndim > 1:
        raise UserError("Regression metrics can't be computed for a prediction of several classes")
    error = predicted.astype(np.float64) - true
    return np.array([len(true), np.abs(error).sum(), (error**2).sum(), true.sum(), (true**2).sum()])


def _total(sums: Sums) -> Sums:
    return collective.allreduce(sums, collective.Op.SUM) if collective.is_distributed() else sums


def _ratio(part: Sums, whole: Sums) -> Sums:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _per_class(counts: Sums) -> tuple[Sums, Sums, Sums]:
    """Precision, recall and F1 of each class that occurs, as label or as prediction."""
    right, predicted, true = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    occurs = (predicted + true) > 0
    f1 = _ratio(2 * right, predicted + true)
    return _ratio(right, predicted)[occurs], _ratio(right, true)[occurs], f1[occurs]


def _binary(counts: Sums) -> tuple[float, float, float]:
    """Precision, recall and F1 of class 1 among two."""
    if len(counts) > 2:
        raise UserError(
            "Target is multiclass but average='binary'. "
            "Please choose another average setting, one of [None, 'micro', 'macro', 'weighted']."
        )
    right, predicted, true = counts[1, 1], counts[:, 1].sum(), counts[1].sum()
    return (
        right / predicted if predicted else 0.0,
        right / true if true else 0.0,
        2 * right / (predicted + true) if predicted + true else 0.0,
    )


def _accuracy(counts: Sums) -> float:
    total = counts.sum()
    return float(np.trace(counts) / total) if total else 0.0


def _balanced_accuracy(counts: Sums) -> float:
    true = counts.sum(axis=1)
    recalls = np.diag(counts)[true > 0] / true[true > 0]
    return float(recalls.mean()) if len(recalls) else 0.0


def _mean(values: Sums) -> float:
    return float(values.mean()) if len(values) else 0.0


def _r2(sums: Sums) -> float:
    rows, _, squared, labels, labels_squared = sums
    spread = labels_squared - labels * labels / rows
    if spread <= 0:  # all labels are one value
        return 1.0 if squared == 0 else 0.0
    return float(1 - squared / spread)


BY_CLASS: dict[str, Callable[[Sums], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": lambda counts: _mean(_per_class(counts)[2]),
    "f1_binary": lambda counts: _binary(counts)[2],
    "f1_macro": lambda counts: _mean(_per_class(counts)[2]),
    "precision": lambda counts: _binary(counts)[0],
    "precision_macro": lambda counts: _mean(_per_class(counts)[0]),
    "precision_micro": _accuracy,  # with one class per row, micro averages are the accuracy
    "recall": lambda counts: _binary(counts)[1],
    "recall_macro": lambda counts: _mean(_per_class(counts)[1]),
    "recall_micro": _accuracy,
}
BY_PREDICTION: dict[str, Callable[[Sums], float]] = {
    "mae": lambda sums: sums[1] / sums[0],
    "mse": lambda sums: sums[2] / sums[0],
    "rmse": lambda sums: np.sqrt(sums[2] / sums[0]),
    "r2": _r2,
}
