"""A CatBoost job from its configuration to its artefact."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import catboost

from salvia_algorithms.catboost import model
from salvia_algorithms.catboost.hyperparameters import AUTO, TABLE
from salvia_algorithms.tabular import channels, data
from salvia_algorithms.tabular.data import Rows
from salvia_algorithms.tabular.hyperparameters import configured
from salvia_algorithms.tabular.problem import REGRESSION, classes
from salvia_container import log
from salvia_container.failure import UserError
from salvia_container.training import TrainingEnvironment, cpus

SNAPSHOT = "catboost-snapshot"
SNAPSHOT_SECONDS = 5
# CatBoost refuses these, even with the value they have by themselves, where the kind of tree or of objective has no use for them.
UNLESS_DEFAULT = ("max_leaves", "min_data_in_leaf", "sampling_frequency", "scale_pos_weight", "bagging_temperature")
OURS = ("early_stopping_rounds", "eval_metric", "boosting_type", "max_bin", "thread_count", "verbose")
BINARY, MULTICLASS = "Logloss", "MultiClass"


def train(environment: TrainingEnvironment, problem: str) -> None:
    """Runs the job in `environment`. Raises JobError with the reason when it fails."""
    given = configured(TABLE, environment.hyperparameters)
    if len(environment.hosts) > 1:
        raise UserError(f"CatBoost trains on one instance, not on {len(environment.hosts)}")
    rows, validation = _read(environment)
    loss = "RMSE" if problem == REGRESSION else _loss(rows, validation)
    log.info(f"Training on {len(rows)} rows of {rows.features.shape[1]} features, validating with {len(validation)}")
    with tempfile.TemporaryDirectory() as scratch:
        parameters = _parameters(given, loss, Path(scratch), environment.checkpoint_dir)
        fitted = _fitted(given, parameters, rows, validation)
    model.save(fitted, environment.model_dir)


def _read(environment: TrainingEnvironment) -> tuple[Rows, Rows]:
    """The rows to train on and those to validate with; categories are text."""
    found = channels.find(environment)
    columns = data.columns_of(found.train)
    texts = found.columns(columns)
    rows = data.read(found.train, columns, texts)
    if not found.validation:
        return data.held_out(rows)
    width = data.columns_of(found.validation)
    if width != columns:
        raise UserError(f"The validation data has {width} columns, the training data has {columns}")
    return rows, data.read(found.validation, columns, texts)


def _loss(rows: Rows, validation: Rows) -> str:
    found = classes(rows.label.tolist())
    strange = set(validation.label.tolist()) - set(found)
    if strange:
        raise UserError(f"The validation data has the label {min(strange):g}, which the training data does not have")
    return BINARY if len(found) == 2 else MULTICLASS


def _parameters(given: Mapping[str, Any], loss: str, scratch: Path, checkpoints: Path | None) -> dict[str, Any]:
    metrics = {BINARY: "AUC"}
    parameters = {
        name: value
        for name, value in given.items()
        if name not in OURS and not (name in UNLESS_DEFAULT and str(value) == TABLE[name].default)
    }
    if "bagging_temperature" in parameters:
        parameters["bootstrap_type"] = "Bayesian"  # the one that has it
    if given["boosting_type"] != "Auto":
        parameters["boosting_type"] = given["boosting_type"]
    if given["max_bin"] is not None:
        parameters["border_count"] = given["max_bin"]
    if checkpoints is not None:
        checkpoints.mkdir(parents=True, exist_ok=True)
        parameters |= {
            "save_snapshot": True,
            "snapshot_file": str((checkpoints / SNAPSHOT).absolute()),
            "snapshot_interval": SNAPSHOT_SECONDS,
        }
    return parameters | {
        "loss_function": loss,
        "eval_metric": metrics.get(loss, loss) if given["eval_metric"] == AUTO else given["eval_metric"],
        "thread_count": given["thread_count"] if given["thread_count"] > 0 else cpus(),
        "train_dir": str(scratch),
        "allow_writing_files": checkpoints is not None,
    }


def _fitted(
    given: Mapping[str, Any], parameters: dict[str, Any], rows: Rows, validation: Rows
) -> catboost.CatBoost:  # fmt: skip
    patience = given["early_stopping_rounds"]
    whole = parameters["loss_function"] in {BINARY, MULTICLASS}
    parts = [
        model.pool(each.features, each.texts, each.label.astype(int) if whole else each.label)
        for each in (rows, validation)
    ]
    try:
        fitted = catboost.CatBoost(parameters)
        fitted.fit(
            parts[0], eval_set=parts[1], use_best_model=True, verbose=given["verbose"],
            early_stopping_rounds=patience if patience > 0 else None,
        )  # fmt: skip
    except catboost.CatBoostError as error:
        text = re.sub(r"^\S+:\d+: ", "", str(error)).strip()
        raise UserError(f"CatBoost cannot train: {text}") from error
    metric = parameters["eval_metric"]
    # Of several classes, AUC goes by a longer name.
    best = next(value for name, value in fitted.get_best_score()["validation"].items() if name.startswith(metric))
    print(f"{metric} bestTest = {best:.10f}", flush=True)
    return fitted
