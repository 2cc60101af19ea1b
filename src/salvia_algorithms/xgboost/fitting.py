"""One model of a job: its matrices, metrics, early stopping and checkpoints, and the artefact at the end."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from xgboost import collective

from salvia_algorithms.xgboost import hyperparameters, matrix, metrics, model
from salvia_algorithms.xgboost.boosting import Boosting, History
from salvia_algorithms.xgboost.checkpoints import Checkpoints
from salvia_algorithms.xgboost.rows import Rows
from salvia_container import log
from salvia_container.failure import UserError
from salvia_container.termination import Termination
from salvia_container.training import TrainingEnvironment

# Hyperparameters that are ours to act on; XGBoost gets the others.
OURS = (
    "num_round",
    "csv_weights",
    "early_stopping_rounds",
    "eval_metric",
    "nthread",
    "save_model_on_termination",
    "use_dask_gpu_training",
    "_kfold",
    "_num_cv_round",
    "_tuning_objective_metric",
)


@dataclass(slots=True)
class Job:
    """What is known once configuration and data have been read.

    `given` are validated hyperparameters. `train` is None on a host without data. `saves`: this host prints and keeps.
    """

    environment: TrainingEnvironment
    given: dict[str, Any]
    threads: int
    termination: Termination
    train: Rows | None
    validation: Rows | None
    saves: bool = True

    @property
    def saves_when_terminated(self) -> bool:
        return bool(self.given.get("save_model_on_termination") == "true")


@dataclass(frozen=True, slots=True)
class Fitted:
    """`scores` of the last round; `predicted` for the rows held out; `terminated`: SIGTERM ended it early."""

    scores: History
    predicted: npt.NDArray[np.float32]
    terminated: bool


def fit(job: Job, train: Rows, validation: Rows | None, fold: int | None = None) -> Fitted:
    """Trains on `train` and saves the model. All hosts of a cluster call it together."""
    name = model.MODEL_NAME if fold is None else f"{model.MODEL_NAME}-{fold}"
    path = job.environment.model_dir / name
    boosting = _boosting(job, train, validation)
    boosting.checkpoints = _checkpoints(job, fold)
    if job.saves and job.saves_when_terminated:
        boosting.keep = lambda booster: model.save(booster, path)
    booster = boosting.run(*_start(boosting.checkpoints))
    if job.saves:
        model.save(booster, path)
    held_out = boosting.evaluated[-1][0]
    predicted = booster.predict(held_out) if fold is not None else np.empty(0, np.float32)
    return Fitted(boosting.scores, predicted, boosting.terminated())


def _boosting(job: Job, train: Rows, validation: Rows | None) -> Boosting:
    parameters, own, stopping = _parameters(job)
    patience = job.given.get("early_stopping_rounds")
    if patience is not None and validation is None:
        log.warning("early_stopping_rounds has no effect without a validation channel")
        patience = None
    return Boosting(
        parameters=parameters,
        rounds=job.given["num_round"],
        evaluated=_matrices(train, validation, parameters, job.threads),
        own_metrics=own,
        patience=patience,
        stopping_metric=stopping,
        terminated=lambda: _terminated(job),
        print_line=_print_line if job.saves else _no_line,
    )


def _parameters(job: Job) -> tuple[dict[str, Any], list[str], str | None]:
    """What XGBoost gets, the metrics that are computed here, and the metric that stops training early."""
    table = hyperparameters.TABLE
    parameters = {name: value for name, value in job.given.items() if name not in OURS and not table[name].idle}
    parameters["nthread"] = job.threads
    if "updater" in parameters:
        parameters["updater"] = ",".join(parameters["updater"])
    if "interaction_constraints" in parameters:  # as text, or the library takes the numbers for names
        parameters["interaction_constraints"] = json.dumps(parameters["interaction_constraints"])
    wanted, stopping = _metrics(job.given)
    own = metrics.own(wanted)
    native = [name for name in wanted if name not in own]
    if native:
        parameters["eval_metric"] = native
    return parameters, own, stopping


def _metrics(given: Mapping[str, Any]) -> tuple[list[str], str | None]:
    """The metrics to evaluate, and the one that stops training early: the tuning objective, else the last asked for."""
    asked = list(given.get("eval_metric", []))
    objective = given.get("_tuning_objective_metric")
    if objective is None:
        return asked, asked[-1] if asked else None
    name = objective.split(":", 1)[1]
    log.info(f"Setting up HPO optimized metric to be : {name}")
    return [*asked, *([] if name in asked else [name])], name


def _matrices(
    train: Rows, validation: Rows | None, parameters: Mapping[str, Any], threads: int
) -> list[tuple[xgb.DMatrix, str]]:
    columns = _columns(train, validation)
    train_matrix = matrix.build(train.widened(columns), parameters, threads)
    if validation is None:
        return [(train_matrix, "train")]
    reference = train_matrix if matrix.binned(parameters) else None
    return [
        (train_matrix, "train"),
        (matrix.build(validation.widened(columns), parameters, threads, reference), "validation"),
    ]


def _columns(train: Rows, validation: Rows | None) -> int:
    """The number of columns over both matrices and, in a cluster, over all hosts; dense rows must have them all."""
    widest = max(train.columns, validation.columns if validation is not None else 0)
    if collective.is_distributed():
        widest = int(collective.allreduce(np.array([widest], np.int64), collective.Op.MAX)[0])
    if not train.sparse and train.columns != widest:
        raise UserError(f"feature_names mismatch: {train.columns} feature columns here, {widest} elsewhere")
    return widest


def _checkpoints(job: Job, fold: int | None) -> Checkpoints | None:
    folder = job.environment.checkpoint_dir
    if folder is None or not job.saves:
        return None
    return Checkpoints(folder if fold is None else folder / f"model-{fold}")


def _start(checkpoints: Checkpoints | None) -> tuple[xgb.Booster | None, int]:
    """The model to go on from and its next round. In a cluster the first host decides: only it writes checkpoints."""
    booster, first = checkpoints.latest() if checkpoints is not None else (None, 0)
    if not collective.is_distributed():
        return booster, first
    raw = None if booster is None else bytes(booster.save_raw("ubj"))
    raw, first = collective.broadcast((raw, first), 0)
    return (None if raw is None else xgb.Booster(model_file=bytearray(raw))), first


def _terminated(job: Job) -> bool:
    """Whether to end after this round. Hosts of a cluster agree on it, or one would wait for the others."""
    requested = job.termination.requested.is_set()
    if not job.saves_when_terminated or not collective.is_distributed():
        return requested
    return bool(collective.allreduce(np.array([requested], np.int64), collective.Op.MAX)[0])


def _print_line(text: str) -> None:
    print(text, flush=True)


def _no_line(_text: str) -> None:
    """Hosts of rank 1 and above have the same numbers; printing them again would count them twice."""
