"""A training job from its configuration to its artefact."""

import itertools
import time
from typing import Any

import numpy as np

from salvia_algorithms.first_party import channels, collective, report
from salvia_algorithms.first_party.batch import Batch
from salvia_algorithms.first_party.beginning import configured, no_data
from salvia_algorithms.first_party.channels import Accepted
from salvia_algorithms.first_party.collective import Collective
from salvia_algorithms.first_party.report import Report
from salvia_algorithms.first_party.source import Source
from salvia_algorithms.pca import model
from salvia_algorithms.pca.covariance import Components, Covariance, directions, origin_of
from salvia_algorithms.pca.hyperparameters import RANDOMIZED, TABLE, settled
from salvia_container.failure import UserError
from salvia_container.training import TrainingEnvironment

ALGORITHM = "PCA"
CHANNELS = (Accepted("train", required=True), Accepted("test"))


def train(environment: TrainingEnvironment) -> None:
    """Runs the job in `environment`. Raises JobError with the reason when it fails."""
    values = settled(configured(TABLE, environment))
    read = channels.validate(CHANNELS, environment.channels)
    with collective.joined(environment) as hosts:
        source = Source(environment, read["train"], feature_dim=values["feature_dim"], keep=False)
        found = _components(values, source, hosts, Report(ALGORITHM, environment.current_host))
        trained = model.Model(*(part.astype(np.float32) for part in (found.values, found.vectors, found.mean)))
        if hosts.rank == 0:
            model.save(trained, environment.model_dir)
    if "test" not in read:
        report.info("Test data is not provided.")
        return
    _judge(trained, Source(environment, read["test"], feature_dim=values["feature_dim"], keep=False))


def _components(values: dict[str, Any], source: Source, hosts: Collective, said: Report) -> Components:
    began = time.time()
    blocks = source.blocks()
    first = next(blocks, None)
    if not all(hosts.all(first is not None)):
        raise no_data()
    around_mean = values["subtract_mean"] and hosts.rank == 0
    origin = origin_of(first if around_mean else None, values["feature_dim"])
    sketch = None
    if values["algorithm_mode"] == RANDOMIZED:
        sketch = directions(values["feature_dim"], values["num_components"] + values["extra_components"])
    seen = Covariance(hosts.sum(origin), sketch)  # the others gave zero: all count from the first host's
    for block in itertools.chain([first] if first is not None else [], blocks):
        seen.add(block)
    rows = seen.rows
    said.progress(1, 1)
    said.data_seen("training_data_iter", rows, -(-rows // values["mini_batch_size"]), started=began, epoch=0)
    said.throughput(rows, time.time() - began)
    seen.together(hosts)
    return seen.components(values["num_components"], subtract_mean=values["subtract_mean"])


def _judge(trained: model.Model, source: Source) -> None:
    """How much of the test data's variation around the mean the components hold. AWS's algorithm says nothing of it."""
    held = whole = 0.0
    rows = 0
    for batch in source.blocks():
        held += float(np.square(_projected(trained, batch), dtype=np.float64).sum())
        whole += float(np.square(batch.dense() - trained.mean, dtype=np.float64).sum())
        rows += len(batch)
    if not rows:
        raise UserError("No test data processed. Verify that the test channel contains non-empty files.")
    share = held / whole if whole else 1.0
    report.info(f"The components hold {100 * share:.4g} % of the variance of the test data.")


def _projected(trained: model.Model, batch: Batch) -> Any:
    return trained.predict(batch, verbose=False)["projection"]
