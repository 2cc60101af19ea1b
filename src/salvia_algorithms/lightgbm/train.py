"""A LightGBM job from its configuration to its artefact."""

import re
from collections.abc import Mapping
from typing import Any

import lightgbm as lgb
import numpy as np

from salvia_algorithms.first_party.collective import Collective, joined
from salvia_algorithms.lightgbm import distributed, model
from salvia_algorithms.lightgbm.boosting import VALIDATION, Watch
from salvia_algorithms.lightgbm.checkpoints import Checkpoints
from salvia_algorithms.lightgbm.hyperparameters import AUTO, TABLE
from salvia_algorithms.tabular import channels, data
from salvia_algorithms.tabular.data import Rows
from salvia_algorithms.tabular.hyperparameters import configured
from salvia_algorithms.tabular.problem import REGRESSION, classes
from salvia_container import log
from salvia_container.failure import AlgorithmError, UserError
from salvia_container.training import TrainingEnvironment, cpus

# Hyperparameters that are ours to act on; LightGBM gets the others.
OURS = ("num_boost_round", "early_stopping_rounds", "metric", "num_threads", "is_unbalance", "tree_learner")
FOR_CLASSES = ("scale_pos_weight",)
# What LightGBM says when the hosts are at fault, not the user.
LOST = ("Socket", "socket", "network", "Network", "connect", "Binding port")


def train(environment: TrainingEnvironment, problem: str) -> None:
    """Runs the job in `environment`. Raises JobError with the reason when it fails."""
    given = configured(TABLE, environment.hyperparameters)
    found = channels.find(environment)
    with joined(environment) as hosts:
        columns = distributed.agreed(data.columns_of(found.train), hosts)
        categorical = found.columns(columns)
        rows = data.read(found.train, columns)
        _check_parts(environment, rows, hosts)
        rows, validation = _divided(found, rows, columns, hosts)
        objective, count = _objective(problem, rows, validation, hosts)
        log.info(f"Training on {len(rows)} rows of {columns - 1} features, validating with {len(validation)}")
        parameters = _parameters(given, objective, count, hosts) | distributed.network(environment, hosts)
        booster = _boosted(environment, given, parameters, _sets(parameters, rows, validation, categorical), hosts)
    if hosts.rank == 0:
        model.save(booster, environment.model_dir)


def _divided(found: channels.Found, rows: Rows, columns: int, hosts: Collective) -> tuple[Rows, Rows]:
    """The rows this host trains on, and all rows to validate with: hosts must agree on when to stop."""
    if any(hosts.all(bool(found.validation))):
        width = data.columns_of(found.validation)
        if width not in (0, columns):
            raise UserError(f"The validation data has {width} columns, the training data has {columns}")
        validation, sharded = data.read(found.validation, columns), found.validation_sharded
    else:
        rows, validation = data.held_out(rows, data.SEED + (hosts.rank if found.sharded else 0))
        sharded = found.sharded
    if hosts.size > 1 and not found.sharded:
        rows = rows.take(np.arange(hosts.rank, len(rows), hosts.size))
    return rows, distributed.shared(validation, hosts) if sharded else validation


def _check_parts(environment: TrainingEnvironment, rows: Rows, hosts: Collective) -> None:
    for host, count in zip(environment.hosts, hosts.all(len(rows)), strict=True):
        if not count:
            raise UserError(
                f"Host {host} does not have data in the train channel. Please divide the data across instances properly."
            )


def _objective(problem: str, rows: Rows, validation: Rows, hosts: Collective) -> tuple[str, int]:
    """LightGBM's objective and the number of classes. Raises UserError for labels that it cannot learn."""
    if problem == REGRESSION:
        return "regression", 1
    distinct = {label for part in hosts.all(sorted(set(rows.label.tolist()))) for label in part}
    found = classes(distinct | set(validation.label.tolist()))
    if found != list(range(len(found))):
        raise UserError(
            f"Labels of a classification must be the integers from 0 to the number of classes - 1, but they are "
            f"{', '.join(map(str, found[:20]))}"
        )
    return ("binary", 2) if len(found) == 2 else ("multiclass", len(found))


def _parameters(given: Mapping[str, Any], objective: str, count: int, hosts: Collective) -> dict[str, Any]:
    metrics = {"regression": "rmse", "binary": "binary_logloss", "multiclass": "multi_logloss"}
    parameters = {name: value for name, value in given.items() if name not in OURS and not TABLE[name].idle}
    if objective != "binary":
        parameters = {name: value for name, value in parameters.items() if name not in FOR_CLASSES}
    else:
        parameters["is_unbalance"] = given["is_unbalance"] == "True"
    if objective == "multiclass":
        parameters["num_class"] = count
    return parameters | {
        "objective": objective,
        "metric": metrics[objective] if given["metric"] == AUTO else given["metric"],
        "num_threads": given["num_threads"] or cpus(),
        # Where each host has rows of its own, one must ask the others.
        "tree_learner": "data" if hosts.size > 1 and given["tree_learner"] == "serial" else given["tree_learner"],
    }


def _boosted(
    environment: TrainingEnvironment,
    given: Mapping[str, Any],
    parameters: dict[str, Any],
    sets: tuple[lgb.Dataset, lgb.Dataset],
    hosts: Collective,
) -> lgb.Booster:
    # Later rounds of these change what earlier ones said: none is the best, and none can be gone on from.
    changing = given["boosting"] in {"dart", "rf"}
    checkpoints = Checkpoints(None if changing else environment.checkpoint_dir)
    start = hosts.all(checkpoints.latest())[0]  # the first host decides: only it writes checkpoints
    patience = 0 if changing else given["early_stopping_rounds"]
    watch = Watch(patience, checkpoints, prints=hosts.rank == 0)
    try:
        booster = _started(start, watch)
        done = 0 if booster is None else booster.current_iteration()
        if done < given["num_boost_round"]:
            booster = lgb.train(
                parameters, sets[0], given["num_boost_round"] - done, valid_sets=[sets[1]], valid_names=[VALIDATION],
                init_model=booster, callbacks=[watch],
            ).free_network()  # fmt: skip
    except (lgb.basic.LightGBMError, ValueError, TypeError) as error:
        raise _reason(error) from error
    assert booster is not None  # there is at least one round
    booster.best_iteration = watch.best + 1 if patience > 0 else 0
    booster.best_score = {VALIDATION: {parameters["metric"]: watch.score}}
    return booster


def _sets(
    parameters: Mapping[str, Any], rows: Rows, validation: Rows, categorical: tuple[int, ...]
) -> tuple[lgb.Dataset, lgb.Dataset]:
    """The rows as LightGBM takes them; they are binned when training begins."""
    names = [f"feature_{place}" for place in range(rows.features.shape[1])]
    train_set = lgb.Dataset(
        rows.features, rows.label, feature_name=names, categorical_feature=list(categorical), params=dict(parameters)
    )
    return train_set, lgb.Dataset(validation.features, validation.label, reference=train_set)


def _started(checkpoint: Mapping[str, Any] | None, watch: Watch) -> lgb.Booster | None:
    """The trees of a checkpoint; `watch` learns what was best among them."""
    if checkpoint is None:
        return None
    booster = lgb.Booster(model_str=checkpoint["model"])
    watch.best, watch.score = checkpoint["best"], checkpoint["score"]
    log.info(f"Resuming from iteration {booster.current_iteration() + 1}")
    return booster


def _reason(error: Exception) -> UserError | AlgorithmError:
    """What LightGBM complains of, without the place in its source."""
    text = re.sub(r"\s+at /\S+, line \d+ \.?", "", str(error)).strip()
    told = f"LightGBM cannot train: {text}"
    return AlgorithmError(told) if any(word in text for word in LOST) else UserError(told)
