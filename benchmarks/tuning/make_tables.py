"""Train real models at points of their hyperparameter spaces, and keep their scores as tables.

    python -m benchmarks.tuning.make_tables

The built-in XGBoost's library on the Abalone data of examples/ (regression, validation RMSE) and on its sex as three classes
(validation error), each at 512 Sobol points.
"""

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from benchmarks.tuning.problems import TABLES, texts_at
from scipy.stats import qmc

from salvia.services.sagemaker.tuning.space import Range

DATA = Path(__file__).parents[2] / "examples/data/abalone/abalone.csv"
POWER = 9
RANGES = (
    Range("max_depth", "Integer", 1, 12),
    Range("num_round", "Integer", 10, 200, "Logarithmic"),
    Range("eta", "Continuous", 0.005, 1.0, "Logarithmic"),
    Range("min_child_weight", "Continuous", 0.1, 100.0, "Logarithmic"),
    Range("subsample", "Continuous", 0.3, 1.0),
    Range("colsample_bytree", "Continuous", 0.3, 1.0),
    Range("reg_lambda", "Continuous", 1e-3, 100.0, "Logarithmic"),
)


def score(values: dict[str, str], features: Any, labels: Any, classes: int) -> float:
    cut = len(labels) * 7 // 10
    told: dict[str, Any] = {name: float(value) for name, value in values.items() if name != "num_round"}
    told |= {"max_depth": int(values["max_depth"]), "nthread": 1, "seed": 1, "tree_method": "hist"}
    told |= {"objective": "multi:softmax", "num_class": classes} if classes else {"objective": "reg:squarederror"}
    model = xgboost.train(told, xgboost.DMatrix(features[:cut], labels[:cut]), int(values["num_round"]))
    found = model.predict(xgboost.DMatrix(features[cut:]))
    wrong = found != labels[cut:] if classes else (found - labels[cut:]) ** 2
    return float(wrong.mean() if classes else np.sqrt(wrong.mean()))


def main() -> None:
    rows = [row for row in csv.reader(DATA.open()) if row[-1].isdigit()]
    random.Random(0).shuffle(rows)
    sex = np.array([float("MFI".find(row[0])) for row in rows])
    numbers = np.array([[float(value) for value in row[1:]] for row in rows])
    sets = {
        "xgboost_rings": (np.column_stack([sex, numbers[:, :-1]]), numbers[:, -1], 0),
        "xgboost_sex": (numbers, sex, 3),
    }
    TABLES.mkdir(exist_ok=True)
    for name, (features, labels, classes) in sets.items():
        points = qmc.Sobol(len(RANGES), rng=np.random.default_rng(1)).random_base2(POWER)
        found = [
            [*np.round(point, 5).tolist(), round(score(texts_at(RANGES, point), features, labels, classes), 5)]
            for point in points
        ]
        ranges = [{"name": r.name, "kind": r.kind, "low": r.low, "high": r.high, "scaling": r.scaling} for r in RANGES]
        lines = ",\n".join(json.dumps(row) for row in found)
        (TABLES / f"{name}.json").write_text(f'{{"ranges": {json.dumps(ranges)},\n"rows": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
