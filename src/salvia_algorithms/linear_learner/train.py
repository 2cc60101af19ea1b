"""A training job from its configuration to its artefact, in the order AWS's container works."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from salvia_algorithms.first_party import channels, collective, report
from salvia_algorithms.first_party.batch import Floats
from salvia_algorithms.first_party.beginning import configured
from salvia_algorithms.first_party.channels import Accepted, Channel
from salvia_algorithms.first_party.checkpoint import Checkpoint
from salvia_algorithms.first_party.collective import Collective
from salvia_algorithms.first_party.report import LOSS, SCORE, Report
from salvia_algorithms.first_party.source import Room, Source
from salvia_algorithms.linear_learner import checkpoints
from salvia_algorithms.linear_learner import hyperparameters as names
from salvia_algorithms.linear_learner import model as artefact
from salvia_algorithms.linear_learner.candidates import candidates
from salvia_algorithms.linear_learner.fitting import Evaluation, Fit
from salvia_algorithms.linear_learner.model import Model, metrics_of
from salvia_algorithms.linear_learner.preparation import checked_label, prepared
from salvia_algorithms.linear_learner.scores import scores
from salvia_algorithms.linear_learner.selection import Ranking, Selection, improved, ranked
from salvia_algorithms.linear_learner.thresholds import calibrated, default_threshold
from salvia_container.failure import AlgorithmError, UserError
from salvia_container.training import TrainingEnvironment, memory

ALGORITHM = "Linear Learner"
CHANNELS = (Accepted("train", required=True), Accepted("validation"), Accepted("test"))
CALIBRATION_SHARE, CALIBRATION_ROW = 0.1, 120  # of the instance's memory; bytes of a row while the threshold is sought
WARM_START = "model"  # a channel that AWS's algorithm lacks: a model to begin with


@dataclass(slots=True)
class Job:
    """What a job works with. `hosts` are all of its instances; this one is one of them."""

    environment: TrainingEnvironment
    values: dict[str, Any]
    hosts: Collective
    report: Report
    sources: dict[str, Source]

    @property
    def judge(self) -> str:
        """The channel by which models are chosen."""
        return "validation" if "validation" in self.sources else "train"


def train(environment: TrainingEnvironment) -> None:
    """Runs the job in `environment`. Raises JobError with the reason when it fails."""
    values = names.settled(configured(names.TABLE, environment))
    given = {name: config for name, config in environment.channels.items() if name != WARM_START}
    read = channels.validate(CHANNELS, given)
    with collective.joined(environment) as hosts:
        room = Room.of_instance()
        sources = {name: _source(environment, values, channel, room) for name, channel in read.items()}
        job = Job(environment, values, hosts, Report(ALGORITHM, environment.current_host), sources)
        fit, selection = _fit(job)
        model = _finished(job, fit, selection)
        if hosts.rank == 0:
            artefact.save(model, environment.model_dir)
        _report_scores(job, fit, selection, model)


def _source(environment: TrainingEnvironment, values: Mapping[str, Any], channel: Channel, room: Room) -> Source:
    if not channel.labels:
        raise UserError(f"The '{channel.name}' channel needs labels: use the ContentType text/csv;label_size=1")
    return Source(environment, channel, feature_dim=values["feature_dim"], room=room)


def _fit(job: Job) -> tuple[Fit, Selection]:
    preparation = prepared(job.values, job.sources["train"], job.hosts)
    for name, source in job.sources.items():
        if name != "train" and source.feature_dim is None:
            source.feature_dim = preparation.features
    chosen = candidates(job.values, preparation.features)
    report.info(f"Training {len(chosen)} model(s) of {preparation.features} feature(s) in parallel")
    fit, selection = Fit(job.values, preparation, chosen, job.hosts), Selection()
    _warm_start(job, fit)
    _all_epochs(job, fit, selection)
    if selection.model < 0:
        raise AlgorithmError("Training diverged: the loss of every model became infinite. Use a lower learning_rate.")
    return fit, selection


def _all_epochs(job: Job, fit: Fit, selection: Selection) -> None:
    checkpoint = Checkpoint(
        job.environment, checkpoints.NAME, job.hosts, checkpoints.MAY_DIFFER, fit.preparation.features
    )
    first = 0
    if saved := checkpoint.restored(job.values["epochs"]):
        checkpoints.put_back(saved, fit, selection)
        first = saved.epoch + 1
        job.sources["train"].load()  # as after the epochs before: rows in memory are shuffled
    for epoch in range(first, job.values["epochs"]):
        if selection.stale >= job.values["early_stopping_patience"]:
            report.info(f"Early stop condition met. Stopping training after epoch {epoch - 1}.")
            break
        _epoch(job, fit, selection, epoch)
        checkpoints.save(checkpoint, fit, selection, epoch)


def _epoch(job: Job, fit: Fit, selection: Selection, epoch: int) -> None:
    began = time.time()
    losses, rows = fit.epoch(
        job.sources["train"].shuffled(job.values["mini_batch_size"], epoch)
    )  # sorted rows would mislead
    seconds = time.time() - began
    _report_losses(job, fit, "train", losses, epoch)
    found: Evaluation | None = None
    if job.judge == "validation":
        found = fit.evaluate(job.sources["validation"])
        losses = found.losses
        _report_losses(job, fit, "validation", losses, epoch)
    ranking = ranked(job.values, fit.loss.objective, losses, found if job.hosts.rank == 0 else None)
    if job.hosts.size > 1:  # the first host has its own sample of rows: all follow it
        ranking = Ranking(*job.hosts.all(astuple(ranking))[0])
    report.info(
        f"#early_stopping_criteria_metric: host={job.report.host}, epoch={epoch}, "
        f"criteria={ranking.criterion}, value={ranking.shown!r}"
    )
    if not np.isfinite(ranking.loss):
        report.warning(f"Epoch {epoch}: the loss of every model is infinite")
        selection.stale += 1
    elif improved(selection, ranking, fit.column(ranking.model), job.values["early_stopping_tolerance"]):
        report.info(f"Epoch {epoch}: Loss improved. Updating best model")
    else:
        report.info(f"Epoch {epoch}: Loss has not improved for {selection.stale} epochs.")
    job.report.progress(epoch + 1, job.values["epochs"])
    batches = -(-rows // job.values["mini_batch_size"])
    job.report.data_seen("training_data_iter", rows, batches, started=began, epoch=epoch)
    job.report.throughput(rows, seconds)


def _warm_start(job: Job, fit: Fit) -> None:
    if WARM_START not in job.environment.channels:
        return
    model = artefact.load(artefact.unpacked(job.environment.channel_path(WARM_START)))
    if model.weight.shape != (fit.preparation.features, fit.classes):
        raise UserError(
            f"The model of the channel '{WARM_START}' has {model.features} features and {model.weight.shape[1]} output(s), "
            f"the data needs {fit.preparation.features} and {fit.classes}"
        )
    fit.from_plain(model.weight, model.bias)
    report.info("Training goes on from the model of the channel 'model'")


def _finished(job: Job, fit: Fit, selection: Selection) -> Model:
    weight, bias = fit.plain(selection.parameters)
    weights = fit.preparation.class_weights
    kept = metrics_of(job.values, None if weights is None or fit.classes == 1 else weights.tolist())
    threshold = None
    if job.values["predictor_type"] == names.BINARY:
        threshold = default_threshold(job.values)
    model = Model(weight, bias, job.values["predictor_type"], job.values["loss"], threshold, kept)
    if threshold is None or job.values["binary_classifier_model_selection_criteria"] == names.LOSS_FUNCTION:
        return model
    most = min(job.values["num_calibration_samples"] or math.inf, memory() * CALIBRATION_SHARE // CALIBRATION_ROW)
    parts = list(_scored(job, model, job.judge, most))
    found = threshold
    if parts:
        raw, label = (np.concatenate(column) for column in zip(*parts, strict=True))
        found = float(calibrated(raw, label, job.values).threshold[0])
    found = float(job.hosts.all(found)[0])
    return Model(weight, bias, model.predictor_type, model.loss, found, kept)


def _scored(job: Job, model: Model, channel: str, most: float = math.inf) -> Iterator[tuple[Floats, Floats]]:
    """Outputs and labels of the first rows of a channel on this host, batch by batch."""
    rows = 0
    for batch in job.sources[channel].batches(job.values["mini_batch_size"]):
        part = batch.widened(model.features).slice(0, int(min(most - rows, len(batch))))
        yield model.raw(part.features), checked_label(job.values, part)
        rows += len(part)
        if rows >= most:
            return


def _report_losses(job: Job, fit: Fit, channel: str, losses: Any, epoch: int) -> None:
    for number, loss in enumerate(losses.tolist()):
        job.report.metrics({f"{channel}_{fit.loss.objective}": loss}, epoch=epoch, model=number)
    job.report.quality(channel, fit.loss.objective, float(np.fmin.reduce(losses)), epoch=epoch)


def _report_scores(job: Job, fit: Fit, selection: Selection, model: Model) -> None:
    """The final scores of the chosen model, by the channel that it was chosen by, and by the test channel."""
    _report_channel(job, fit, model, job.judge, selection.loss)
    best = fit.chosen[selection.model].described()
    report.info(f"Best model found for hyperparameters: {json.dumps(best)}")
    if "test" not in job.sources:
        report.info("Test data is not provided.")
        return
    loss = fit.objective(job.sources["test"], selection.parameters)
    _report_channel(job, fit, model, "test", loss)


def _report_channel(job: Job, fit: Fit, model: Model, channel: str, loss: float) -> None:
    found = [(fit.loss.objective, LOSS, loss)]
    found += scores(job.values, _scored(job, model, channel), model.threshold or 0.0)
    for name, _, value in found:
        job.report.score(channel, name, value)
    for name, kind, value in found:
        job.report.quality(channel, name, value, kind=SCORE if kind == SCORE else LOSS)
