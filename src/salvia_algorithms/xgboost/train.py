"""A training job from its configuration to its artefact, in the order AWS's container works."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import xgboost as xgb

from salvia_algorithms.xgboost import channels, data, distributed, folds, hyperparameters
from salvia_algorithms.xgboost.boosting import History, line
from salvia_algorithms.xgboost.duplicates import warn_of_duplicates
from salvia_algorithms.xgboost.fitting import Job, fit
from salvia_algorithms.xgboost.rows import Rows, stack
from salvia_container import log
from salvia_container.failure import AlgorithmError, JobError, UserError
from salvia_container.termination import Termination
from salvia_container.training import TrainingEnvironment, cpus, gpus

CELLS_PER_THREAD = 100_000  # below it, threads cost more at each barrier than they save between two

# What XGBoost says when the data or a hyperparameter is at fault, not the algorithm.
CUSTOMER_ERRORS = (
    "label must be",
    "feature_names mismatch",
    "Check failed: preds.size() == info.labels_.size()",
    "Check failed: !auc_error AUC: the dataset only contains pos or neg samples",
    "base_score must be in (0,1)",
    "Parameter reg_lambda should be greater equal to 0",
    "should be greater equal to",
    "must be equal to or greater than",
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
    most = given.get("nthread", cpus())
    found = {name: data.files_of(environment, channel) for name, channel in read.items()}
    if "validation" in read and not read["train"].pipe:
        warn_of_duplicates(found["train"], found["validation"])
    rows = {
        name: data.read(channel, found[name], csv_weights=given.get("csv_weights") == 1, threads=most)
        for name, channel in read.items()
    }
    train_rows = rows["train"]
    threads = most if train_rows is None or "nthread" in given else min(most, 1 + train_rows.cells // CELLS_PER_THREAD)
    return Job(environment, given, threads, termination, train_rows, rows.get("validation"))


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
        for rows in (job.train, job.validation):
            _check_labels(rows, job.given.get("objective", ""))
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


def _check_labels(rows: Rows | None, objective: str) -> None:
    """XGBoost would say it too, but first it estimates base_score from the labels and complains about that."""
    if rows is None or not objective.startswith(("binary:", "reg:logistic")):
        return
    if ((rows.label < 0) | (rows.label > 1)).any():
        raise UserError("label must be in [0,1] for logistic regression")


def _train_on_hosts(job: Job) -> None:
    environment = job.environment
    if len(environment.hosts) == 1:
        log.info("Single node training.")
        _train_here(job)
        return
    log.info(f"Distributed node training with {len(environment.hosts)} hosts: {list(environment.hosts)}")
    with distributed.joined(
        environment.job_name, environment.hosts, environment.current_host, has_data=job.train is not None
    ) as cluster:
        if cluster.rank is None:
            log.warning(f"Host {environment.current_host} not being used for distributed training.")
            return
        job.saves = cluster.rank == 0
        _train_here(job)


def _train_here(job: Job) -> None:
    try:
        if "_kfold" in job.given:
            _cross_validate(job)
        else:
            _train_one(job)
    except JobError:
        raise
    except (xgb.core.XGBoostError, ValueError) as error:
        reason = str(error).split("Stack trace", maxsplit=1)[0].strip()
        if any(known in reason for known in CUSTOMER_ERRORS):
            raise UserError(reason) from error
        raise AlgorithmError(f"XGB train call failed with exception:\n {reason}") from error


def _train_one(job: Job) -> None:
    assert job.train is not None
    log.info(f"Train matrix has {len(job.train)} rows and {job.train.columns} columns")
    if job.validation is not None:
        log.info(f"Validation matrix has {len(job.validation)} rows")
    fit(job, job.train, job.validation)


def _cross_validate(job: Job) -> None:
    """Trains one model a fold. Each is evaluated on the rows it did not see; the means over folds come last."""
    rows = _all_rows(job)
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
        fitted = fit(job, rows.take(inside), rows.take(outside), fold=fold)
        if fitted.terminated:
            return
        results.append(fitted.scores)
        predictions.record(outside, fitted.predicted)
        if (fold + 1) % count == 0:
            _print_means(job, f"The metrics of round {(fold + 1) // count} cross validation", results[-count:])
    predictions.save(job.environment.output_data_dir / "predictions.csv")
    if repeats > 1:
        _print_means(job, f"The overall metrics of {repeats}-round cross validation", results)


def _all_rows(job: Job) -> Rows:
    """What cross validation splits: the rows of both channels."""
    assert job.train is not None
    if job.validation is None:
        return job.train
    if job.train.sparse != job.validation.sparse:
        raise UserError("For cross validation, the train and validation channels must have the same format")
    log.info("Read both train and validation data into one DMatrix")
    columns = max(job.train.columns, job.validation.columns)
    return stack([job.train.widened(columns), job.validation.widened(columns)])


def _print_means(job: Job, title: str, results: list[History]) -> None:
    if not job.saves:
        return
    means = {
        name: {metric: float(np.mean([result[name][metric] for result in results])) for metric in values}
        for name, values in results[0].items()
    }
    log.info(title)
    print(line(job.given["num_round"], means), flush=True)


@contextmanager
def _logged_warnings() -> Iterator[None]:
    """XGBoost's remarks go to the log as lines, without the place in the source."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = _show
        yield


def _show(message: Warning | str, *_place: object, **_more: object) -> None:
    log.warning(" ".join(str(message).split()))
