"""A training job from its configuration to its artefact, with AWS's log lines."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from salvia_algorithms.factorization_machines import model
from salvia_algorithms.factorization_machines.hyperparameters import BINARY, TABLE
from salvia_algorithms.factorization_machines.machine import Machine, chances_of, scores
from salvia_algorithms.factorization_machines.quality import Quality
from salvia_algorithms.first_party import channels, collective, report
from salvia_algorithms.first_party.batch import Batch, Floats
from salvia_algorithms.first_party.beginning import configured, no_data
from salvia_algorithms.first_party.channels import RECORDIO, Accepted
from salvia_algorithms.first_party.checkpoint import Checkpoint
from salvia_algorithms.first_party.collective import Collective
from salvia_algorithms.first_party.report import Report
from salvia_algorithms.first_party.source import Source
from salvia_container.failure import AlgorithmError, UserError
from salvia_container.training import TrainingEnvironment

ALGORITHM = "factorization-machines"
CHANNELS = (Accepted("train", required=True, formats=(RECORDIO,)), Accepted("test", formats=(RECORDIO,)))


def train(environment: TrainingEnvironment) -> None:
    """Runs the job in `environment`. Raises JobError with the reason when it fails."""
    values = configured(TABLE, environment)
    read = channels.validate(CHANNELS, environment.channels)
    said = Report(ALGORITHM, environment.current_host)
    again = values["epochs"] > 1
    sources = {
        name: Source(environment, channel, feature_dim=values["feature_dim"], keep=again and name == "train")
        for name, channel in read.items()
    }
    with collective.joined(environment) as hosts:
        machine = Machine(values, hosts)
        checkpoint = Checkpoint(environment, ALGORITHM, hosts, may_differ=("epochs",))
        first = 0
        if saved := checkpoint.restored(values["epochs"]):
            machine.go_on(saved.arrays, saved.state["steps"])
            first = saved.epoch + 1
        for epoch in range(first, values["epochs"]):
            _epoch(values, machine, sources["train"], hosts, said, epoch)
            checkpoint.save(epoch, machine.arrays, {"steps": machine.steps})
        trained = model.Model(machine.parameters, values["predictor_type"])
        if hosts.rank == 0:
            model.save(trained, environment.model_dir)
    if "test" not in sources:
        report.info("Test data is not provided.")
        return
    _judge(values, trained, sources["test"], said)


def _epoch(
    values: Mapping[str, Any], machine: Machine, source: Source, hosts: Collective, said: Report, epoch: int
) -> None:
    began = time.time()
    quality = Quality(binary=values["predictor_type"] == BINARY)
    with np.errstate(over="ignore", invalid="ignore"):
        for found, label in machine.epoch(_labelled(values, _begun(source.batches(values["mini_batch_size"]), hosts))):
            quality.add(chances_of(found) if quality.binary else found, label)
    if not np.isfinite(machine.parameters.weights).all():
        raise AlgorithmError("Training diverged: weights became infinite. Use lower learning rates or clip_gradient.")
    for name, kind, value in quality.scores():
        said.metrics({name: value}, started=began, epoch=epoch)
        said.quality("train", name, value, kind=kind, epoch=epoch)
    said.progress(epoch + 1, values["epochs"])
    batches = -(-quality.rows // values["mini_batch_size"])
    said.data_seen("training_data_iter", quality.rows, batches, started=began, epoch=epoch)
    said.throughput(quality.rows, time.time() - began)


def _begun(batches: Iterator[Batch], hosts: Collective) -> Iterator[Batch]:
    """The same, after all hosts have agreed that each of them has data."""
    first = next(batches, None)
    if not all(hosts.all(first is not None)):
        raise no_data()
    assert first is not None
    yield first
    yield from batches


def _labelled(values: Mapping[str, Any], batches: Iterable[Batch]) -> Iterator[Batch]:
    for batch in batches:
        label = batch.label
        if label is None:
            raise UserError("The data has no labels. Every record needs a label under the key 'values'.")
        if values["predictor_type"] == BINARY and not np.isin(label, (0, 1)).all():
            wrong = float(label[~np.isin(label, (0, 1))][0])
            raise UserError(f"The labels of a {BINARY} must be 0 or 1, but {wrong:g} was found")
        yield batch


def _judge(values: Mapping[str, Any], trained: model.Model, source: Source, said: Report) -> None:
    quality = Quality(binary=values["predictor_type"] == BINARY)
    for batch in _labelled(values, source.batches(values["mini_batch_size"])):
        assert batch.label is not None
        quality.add(_answered(trained, batch), batch.label)
    if not quality.rows:
        raise UserError("No data in channel 'test': its files are empty or there are none")
    for name, _, value in quality.scores():
        said.score("test", name, value)
    for name, kind, value in quality.scores():
        said.quality("test", name, value, kind=kind)


def _answered(trained: model.Model, batch: Batch) -> Floats:
    found = scores(batch.features, trained.parameters)
    return chances_of(found) if trained.predictor_type == BINARY else found
