"""Linear Learner: CPU seconds and log-loss of unseen rows, 32 models at once beside one of scikit-learn's SGD, and lbfgs.

Salvia's figure is that of the whole job but for its process: records decoded, models compared on the unseen rows, the best one's
threshold calibrated, its artefact written. The peers only fit arrays that are in memory.
"""

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.measured.report import machine, table, verdict

from salvia_algorithms.first_party.batch import Batch
from salvia_algorithms.linear_learner import model
from salvia_algorithms.linear_learner.train import train
from salvia_container import recordio
from salvia_container.training import TrainingEnvironment

ROWS, UNSEEN, FEATURES = 1_000_000, 100_000, 100
CPU_GOAL, LOSS_GOAL = 1.0, 0.001
HERE = "Salvia, 32 models, 5 epochs"
SGD = "scikit-learn SGDClassifier, 1 model, 5 epochs"
LBFGS = "scikit-learn LogisticRegression (lbfgs)"
CHANNEL = {"ContentType": "application/x-recordio-protobuf", "TrainingInputMode": "File"}


def data() -> tuple[Any, Any, float]:
    """Rows with half of the features without influence, their labels, and the log-loss of who knows the chances."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(ROWS + UNSEEN, FEATURES)).astype(np.float32)
    weights = random.normal(size=FEATURES).astype(np.float32) * (random.random(FEATURES) < 0.5)
    chances = 1 / (1 + np.exp(-(rows @ weights * 0.5 - 1)))
    labels = (random.random(len(rows)) < chances).astype(np.float32)
    return rows, labels, log_loss(chances[ROWS:], labels[ROWS:])


def log_loss(chances: Any, labels: Any) -> float:
    right = np.where(labels > 0, chances, 1 - chances).astype(np.float64)
    return float(-np.log(np.maximum(right, 1e-15)).mean())


def salvia(epochs: int) -> Callable[[Any, Any, Any, Any], tuple[float, Any]]:
    def fit(rows: Any, labels: Any, unseen: Any, their_labels: Any) -> tuple[float, Any]:
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder)
            for channel, features, label in (("train", rows, labels), ("validation", unseen, their_labels)):
                path = base / "input" / "data" / channel
                path.mkdir(parents=True)
                (path / "data").write_bytes(recordio.write_dense(features, label))
            given = {
                "predictor_type": "binary_classifier",
                "epochs": str(epochs),
                "binary_classifier_model_selection_criteria": "loss_function",
            }
            channels = dict.fromkeys(("train", "validation"), CHANNEL)
            job = TrainingEnvironment(base, given, channels, ("algo-1",), "algo-1", None)
            began = time.process_time()
            with contextlib.redirect_stdout(io.StringIO()):
                train(job)
            used = time.process_time() - began
            return used, model.load(base / "model").predict(Batch(unseen), verbose=False)["score"]

    return fit


def sgd(rows: Any, labels: Any, unseen: Any, _labels: Any) -> tuple[float, Any]:
    from sklearn.linear_model import SGDClassifier

    return timed(SGDClassifier(loss="log_loss", max_iter=5, tol=None, random_state=0), rows, labels, unseen)


def sgd_until_it_stops(rows: Any, labels: Any, unseen: Any, _labels: Any) -> tuple[float, Any]:
    from sklearn.linear_model import SGDClassifier

    return timed(SGDClassifier(loss="log_loss", random_state=0), rows, labels, unseen)


def lbfgs(rows: Any, labels: Any, unseen: Any, _labels: Any) -> tuple[float, Any]:
    from sklearn.linear_model import LogisticRegression

    return timed(LogisticRegression(max_iter=50, tol=1e-3), rows, labels, unseen)


def timed(peer: Any, rows: Any, labels: Any, unseen: Any) -> tuple[float, Any]:
    began = time.process_time()
    peer.fit(rows, labels)
    return time.process_time() - began, peer.predict_proba(unseen)[:, 1]


def main() -> None:
    rows, labels, floor = data()
    engines = {
        HERE: salvia(5),
        "Salvia, 32 models, 1 epoch": salvia(1),
        SGD: sgd,
        "scikit-learn SGDClassifier, 1 model, as it comes": sgd_until_it_stops,
        LBFGS: lbfgs,
    }
    seconds, losses = {}, {}
    for name, fit in engines.items():
        seconds[name], chances = fit(rows[:ROWS], labels[:ROWS], rows[ROWS:], labels[ROWS:])
        losses[name] = log_loss(chances, labels[ROWS:])
    print(machine())
    print(
        f"{ROWS:,} rows of {FEATURES} features; log-loss of {UNSEEN:,} unseen rows (who knows the chances: {floor:.5f})"
    )
    lines = [
        [name, f"{seconds[name]:.2f}", f"{seconds[HERE] / seconds[name]:.2f}x", f"{losses[name]:.5f}"]
        for name in engines
    ]
    print(table(["engine", "CPU s", "Salvia is", "log-loss"], lines))
    share, above = seconds[HERE] / seconds[SGD], losses[HERE] / losses[LBFGS] - 1
    print(f"goal: {CPU_GOAL:g}x the CPU of one SGD: {verdict(share, CPU_GOAL)} ({share:.2f}x)")
    print(f"goal: log-loss at most {LOSS_GOAL:.1%} above lbfgs: {verdict(above, LOSS_GOAL)} ({above:+.3%})")


if __name__ == "__main__":
    main()
