"""A training job from its configuration to its artefact, in the order AWS's container works."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from xgboost import collective

from salvia_algorithms.xgboost import channels, data, distributed, files, folds, hyperparameters, matrix, metrics, model
from salvia_algorithms.xgboost.boosting import Boosting, History, line
from salvia_algorithms.xgboost.checkpoints import Checkpoints
from salvia_algorithms.xgboost.rows import Rows, stack
from salvia_container import log
from salvia_container.failure import AlgorithmError, JobError, UserError
from salvia_container.termination import Termination
from salvia_container.training import TrainingEnvironment, cpus, gpus

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

# What XGBoost says when the data or a hyperparameter is at fault, not the algorithm.
CUSTOMER_ERRORS = (
    "label must be",
    "feature_names mismatch",
    "Check failed: preds.size() == info.labels_.size()",
    "Check failed: !auc_error AUC: the dataset only contains pos or neg samples",
    "base_score must be in (0,1)",
    "Parameter reg_lambda should be greater equal to 0",
    "should be greater equal to",
    "monotone constraint should be less or equal",
    "Constrained features are not a subset",
    "Input data contains `inf`",
    "Label contains NaN",
    "can not be used to create new trees",
    "No more tree left for updating",
    "Unknown metric function",
    "Invalid shape of labels",
    "only implemented",
)


@dataclass(slots=True)
class Job:
    """What is known once configuration and data have been read. `train` is None on a host without data."""

    environment: TrainingEnvironment
    given: dict[str, Any]  # validated hyperparameters
    threads: int
    termination: Termination
    train: Rows | None
    validation: Rows | None


def train(environment: TrainingEnvironment, termination: Termination) -> None:
    """Runs the job in `environment`. Raises JobError with the reason when it fails."""
    log.info("Running XGBoost Sagemaker in algorithm mode")
    given = hyperparameters.validate(environment.hyperparameters)
    read = channels.validate(environment.channels)
    for name, reason in hyperparameters.idle(given).items():
        log.info(f"Hyperparameter {name} has no effect: {reason}")
    _check_gpus(given)
    with _logged_warnings():
        job = _load(environment, given, read, termination)
        _check_data(job, read)
        if given.get("save_model_on_termination") == "true":
            termination.keep_running()
        _train_on_hosts(job)


def _load(
    environment: TrainingEnvironment,
    given: dict[str, Any],
    read: Mapping[str, channels.Channel],
    termination: Termination,
) -> Job:
    threads = given.get("nthread", cpus())
    found = {name: data.files_of(environment, channel) for name, channel in read.items()}
    if "validation" in read and not read["train"].pipe:
        files.warn_of_duplicates(found["train"], found["validation"])
    rows = {
        name: data.read(channel, found[name], csv_weights=given.get("csv_weights") == 1, threads=threads)
        for name, channel in read.items()
    }
    return Job(environment, given, threads, termination, rows["train"], rows.get("validation"))


def _check_gpus(given: Mapping[str, Any]) -> None:
    count = gpus()
    log.info(f"Determined {count} GPU(s) available on the instance.")
    if given.get("use_dask_gpu_training") == "true":
        raise UserError(
            "Some configurations unsuitable for Dask GPU training were found: "
            "Dask training is only available for `hist` (or `gpu_hist`) training on GPU instances."
        )
    if given.get("tree_method") == "gpu_hist":
        raise UserError("tree_method 'gpu_hist' needs a GPU, and this image trains on CPUs. Use 'hist'.")


def _check_data(job: Job, read: Mapping[str, channels.Channel]) -> None:
    """A single host must have all its data; of several, those that lack some are left out."""
    environment = job.environment
    missing = [name for name in read if (job.train if name == "train" else job.validation) is None]
    if not missing:
        if job.train is not None and job.validation is not None:
            data.check_columns(job.train, job.validation)
        return
    if len(environment.hosts) == 1:
        kind = "training" if missing[0] == "train" else "validation"
        raise UserError(f"No data in {kind} channel path {environment.channel_path(missing[0])}")
    for name in missing:
        log.warning(
            f"Host {environment.current_host} does not have data in the {name} channel and will not be used in "
            "distributed training. Please divide the data across instances properly."
        )
    job.train = None


def _train_on_hosts(job: Job) -> None:
    environment = job.environment
    if len(environment.hosts) == 1:
        log.info("Single node training.")
        _train_here(job, saves=True)
        return
    log.info(f"Distributed node training with {len(environment.hosts)} hosts: {list(environment.hosts)}")
    with distributed.joined(
        environment.job_name, environment.hosts, environment.current_host, has_data=job.train is not None
    ) as cluster:
        if cluster.rank is None:
            log.warning(f"Host {environment.current_host} not being used for distributed training.")
            return
        _train_here(job, saves=cluster.rank == 0)


def _train_here(job: Job, *, saves: bool) -> None:
    try:
        if "_kfold" in job.given:
            _cross_validate(job, saves=saves)
        else:
            _train_one(job, saves=saves)
    except JobError:
        raise
    except (xgb.core.XGBoostError, ValueError) as error:
        reason = str(error).split("Stack trace", maxsplit=1)[0].strip()
        if any(known in reason for known in CUSTOMER_ERRORS):
            raise UserError(reason) from error
        raise AlgorithmError(f"XGB train call failed with exception:\n {reason}") from error


def _train_one(job: Job, *, saves: bool) -> None:
    assert job.train is not None
    log.info(f"Train matrix has {len(job.train)} rows and {job.train.columns} columns")
    if job.validation is not None:
        log.info(f"Validation matrix has {len(job.validation)} rows")
    path = job.environment.model_dir / model.MODEL_NAME
    boosting = _boosting(job, job.train, job.validation, saves=saves)
    checkpoints = _checkpoints(job, saves=saves)
    boosting.checkpoints = checkpoints if saves else None
    if saves and job.given.get("save_model_on_termination") == "true":
        boosting.keep = lambda booster: model.save(booster, path)
    booster = boosting.run(*_start(checkpoints))
    if saves:
        model.save(booster, path)


def _cross_validate(job: Job, *, saves: bool) -> None:
    """Trains one model a fold. Each is evaluated on the rows it did not see; the means over folds come last."""
    assert job.train is not None
    rows = job.train if job.validation is None else stack(_same_width(job.train, job.validation))
    given = job.given
    count, repeats = given["_kfold"], given.get("_num_cv_round", 1)
    classification = "num_class" in given or given.get("objective", "").startswith("binary:")
    log.info(f"Train matrix has {len(rows)} rows and {rows.columns} columns")
    log.info(f"Run {repeats}-round of {count}-fold cross validation with {len(rows)} rows")
    predictions = folds.Predictions(rows.label, repeats, classification=classification)
    results: list[History] = []
    parts = folds.splits(rows.label, count, repeats, given.get("seed", 0), stratified=classification)
    for fold, (inside, outside) in enumerate(parts):
        log.info(f"Train cross validation fold {fold % count + 1}")
        boosting = _boosting(job, rows.take(inside), rows.take(outside), saves=saves)
        checkpoints = _checkpoints(job, saves=saves, fold=fold)
        boosting.checkpoints = checkpoints if saves else None
        booster = boosting.run(*_start(checkpoints))
        results.append(boosting.scores)
        predictions.record(outside, booster.predict(boosting.evaluated[-1][0]))
        if saves:
            model.save(booster, job.environment.model_dir / f"{model.MODEL_NAME}-{fold}")
        if (fold + 1) % count == 0 and saves:
            log.info(f"The metrics of round {(fold + 1) // count} cross validation")
            _print_line(line(given["num_round"], _mean(results[-count:])))
    predictions.save(job.environment.output_data_dir / "predictions.csv")
    if repeats > 1 and saves:
        log.info(f"The overall metrics of {repeats}-round cross validation")
        _print_line(line(given["num_round"], _mean(results)))


def _boosting(job: Job, train_rows: Rows, validation_rows: Rows | None, *, saves: bool) -> Boosting:
    """Builds the matrices and settles metrics and early stopping. All hosts of a cluster call it together."""
    given = job.given
    columns = _widest(train_rows, validation_rows)
    parameters = {
        name: value for name, value in given.items() if name not in OURS and not hyperparameters.TABLE[name].idle
    }
    parameters["nthread"] = job.threads
    wanted, stopping = _metrics(given)
    own = metrics.own(wanted)
    native = [name for name in wanted if name not in own]
    if native:
        parameters["eval_metric"] = native
    train_matrix = matrix.build(train_rows.widened(columns), parameters, job.threads)
    evaluated = [(train_matrix, "train")]
    if validation_rows is not None:
        reference = train_matrix if matrix.binned(parameters) else None
        evaluated.append(
            (matrix.build(validation_rows.widened(columns), parameters, job.threads, reference), "validation")
        )
    patience = given.get("early_stopping_rounds")
    if patience is not None and validation_rows is None:
        log.warning("early_stopping_rounds has no effect without a validation channel")
        patience = None
    return Boosting(
        parameters=parameters,
        rounds=given["num_round"],
        evaluated=evaluated,
        own_metrics=own,
        patience=patience,
        stopping_metric=stopping,
        terminated=job.termination.requested.is_set,
        print_line=_print_line if saves else _no_line,
    )


def _metrics(given: Mapping[str, Any]) -> tuple[list[str], str | None]:
    """The metrics to evaluate, and the one that stops training early: the tuning objective, else the last asked for."""
    asked = list(given.get("eval_metric", []))
    objective = given.get("_tuning_objective_metric")
    if objective is None:
        return asked, asked[-1] if asked else None
    name = objective.split(":", 1)[1]
    log.info(f"Setting up HPO optimized metric to be : {name}")
    return [*asked, *([] if name in asked else [name])], name


def _checkpoints(job: Job, *, saves: bool, fold: int | None = None) -> Checkpoints | None:
    folder = job.environment.checkpoint_dir
    if folder is None or not saves:
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


def _widest(*parts: Rows | None) -> int:
    """The number of columns over all matrices and, in a cluster, over all hosts."""
    columns = np.array([max(part.columns for part in parts if part is not None)], np.int64)
    return int(collective.allreduce(columns, collective.Op.MAX)[0] if collective.is_distributed() else columns[0])


def _same_width(*parts: Rows) -> list[Rows]:
    return [part.widened(max(other.columns for other in parts)) for part in parts]


def _mean(results: list[History]) -> History:
    return {
        name: {metric: float(np.mean([result[name][metric] for result in results])) for metric in values}
        for name, values in results[0].items()
    }


def _print_line(text: str) -> None:
    print(text, flush=True)


def _no_line(_text: str) -> None:
    """Hosts of rank 1 and above have the same numbers; printing them again would count them twice."""


@contextmanager
def _logged_warnings() -> Iterator[None]:
    """XGBoost's remarks go to the log as lines, without the place in the source."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _show
        yield


def _show(message: Warning | str, *_place: object, **_more: object) -> None:
    log.warning(" ".join(str(message).split()))
