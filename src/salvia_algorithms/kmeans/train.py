"""A K-Means job from its configuration to its artefact: stream into many centres, shrink them to k, evaluate."""

import time
from typing import Any

import numpy as np

from salvia_algorithms.first_party import channels
from salvia_algorithms.first_party.beginning import configured, no_data
from salvia_algorithms.first_party.checkpoint import Checkpoint
from salvia_algorithms.first_party.collective import Collective, joined
from salvia_algorithms.first_party.report import Report, info, warning
from salvia_algorithms.first_party.source import Source
from salvia_algorithms.kmeans import model
from salvia_algorithms.kmeans.hyperparameters import CHANNELS, EXTRA_CENTERS, LATER, MSD, SSD, TABLE, TRIALS
from salvia_algorithms.kmeans.lloyd import Plan, shrink
from salvia_algorithms.kmeans.nearest import Doubles, Floats, Nearest
from salvia_algorithms.kmeans.streaming import Stream
from salvia_container.failure import UserError
from salvia_container.training import TrainingEnvironment

SEED = 0  # the same job gives the same model


def train(environment: TrainingEnvironment) -> None:
    """Runs the job in `environment`. Raises JobError with the reason when it fails."""
    started = time.time()
    given = configured(TABLE, environment)
    read = channels.validate(CHANNELS, environment.channels)
    report = Report("AWS/KMeansWebscale", environment.current_host)
    source = Source(environment, read["train"], feature_dim=given["feature_dim"], keep=given["epochs"] > 1)
    own = Collective()  # every host has a stream of its own, and goes on where that was
    checkpoint = Checkpoint(environment, f"kmeans-{environment.current_host}", own, may_differ=LATER)
    with joined(environment) as hosts:
        stream = _stream(given, source, report, np.random.default_rng([SEED, hosts.rank]), checkpoint)
        merged = _merge(stream, hosts)
    if hosts.rank:
        return  # the first host has it all
    centers = _shrink(given, merged, report)
    model.save(centers, environment.model_dir)
    if "test" in read:
        _evaluate(
            given, centers, Source(environment, read["test"], feature_dim=given["feature_dim"], keep=False), report
        )
    else:
        info("Test data is not provided.")
    report.metrics({"totaltime": 1000 * (time.time() - started)}, started=started)


def _stream(
    given: dict[str, Any], source: Source, report: Report, random: np.random.Generator, checkpoint: Checkpoint
) -> Stream:
    factor = given["extra_center_factor"]
    if factor is None:
        factor = EXTRA_CENTERS
        info(f"'extra_center_factor' was set to 'auto', evaluated to {factor}.")
    stream: Stream | None = None
    first = 0
    if saved := checkpoint.restored(given["epochs"]):
        stream = Stream(saved.arrays["centers"], saved.arrays["weights"], given["half_life_time_size"])
        first = saved.epoch + 1
    for epoch in range(first, given["epochs"]):
        began = time.time()
        records = batches = 0
        for batch in source.batches(given["mini_batch_size"]):
            rows = batch.dense()
            if stream is None:
                stream = _begin(given, rows, given["k"] * factor, random)
                report.data_seen("init_train_data_iter", len(rows), 1, started=began)
            stream.update(rows)
            records += len(rows)
            batches += 1
        if stream is None:
            raise no_data()
        info(f"processed a total of {records} examples")
        report.progress(epoch + 1, given["epochs"])
        report.data_seen("training_data_iter", records, batches, started=began, epoch=epoch)
        report.throughput(records, time.time() - began)
        checkpoint.save(epoch, {"centers": stream.centers, "weights": stream.weights}, {})
    assert stream is not None
    return stream


def _begin(given: dict[str, Any], rows: Floats, count: int, random: np.random.Generator) -> Stream:
    if len(rows) < given["mini_batch_size"]:
        warning(
            f"Batch size {given['mini_batch_size']} is bigger than the first batch data. "
            f"Effective batch size used to initialize is {len(rows)}"
        )
    if len(rows) < count:
        warning(f"The first batch has fewer records than there are to be centers ({count}): all of them become centers")
    return Stream.start(rows, count, given["init_method"], random, given["half_life_time_size"])


def _merge(stream: Stream, hosts: Collective) -> tuple[Floats, Doubles]:
    """The weighted centres of all hosts, in their order."""
    count, width = stream.centers.shape
    counts = hosts.all(count)
    table = np.zeros((sum(counts), width + 1))
    first = sum(counts[: hosts.rank])
    table[first : first + count, :-1] = stream.centers
    table[first : first + count, -1] = stream.weights
    table = hosts.sum(table)
    return table[:, :-1].astype(np.float32), table[:, -1]


def _shrink(given: dict[str, Any], merged: tuple[Floats, Doubles], report: Report) -> Floats:
    centers, weights = merged
    k = given["k"]
    used = weights > 0
    if used.sum() >= k:
        centers, weights = centers[used], weights[used]
    elif len(centers) < k:
        raise UserError(
            f"k is {k}, but there are only {len(centers)} records to begin with: k must not be larger than the number of "
            "records in the first mini-batch"
        )
    began = time.time()
    info(f"shrinking {len(centers)} centers into {k}")
    plan = Plan(
        k,
        given["local_lloyd_init_method"],
        given["local_lloyd_max_iter"],
        given["local_lloyd_tol"],
        given["local_lloyd_num_trials"] or TRIALS,
    )
    found, msd = shrink(
        centers,
        weights,
        plan,
        np.random.default_rng(SEED),
        lambda trial, reached: info(f"local kmeans attempt #{trial}. Current mean square distance {reached:.6f}"),
    )
    info(f"finished shrinking process. Mean Square Distance = {msd:.0f}")
    for name in given["eval_metrics"]:
        report.quality("train", name, msd if name == MSD else msd * weights.sum())
    report.metrics({"_shrink.time": 1000 * (time.time() - began)}, started=began)
    return found


def _evaluate(given: dict[str, Any], centers: Floats, source: Source, report: Report) -> None:
    nearest = Nearest(centers)
    total, records = 0.0, 0
    for block in source.batches(given["mini_batch_size"]):
        total += float(nearest.distances(block.dense())[1].sum(dtype=np.float64))
        records += len(block)
    if not records:
        raise UserError("No test data processed. Verify that the test channel contains non-empty files.")
    values = {MSD: total / records, SSD: total}
    for name in given["eval_metrics"]:
        report.score("test", name, values[name])
        report.quality("test", name, values[name])
