"""A job of k-nearest neighbours from its configuration to its artefact: sample, project, index, evaluate."""

import time
from collections.abc import Mapping
from typing import Any

import faiss
import numpy as np

from salvia_algorithms.first_party import channels
from salvia_algorithms.first_party.batch import Batch, Floats
from salvia_algorithms.first_party.beginning import configured, no_data
from salvia_algorithms.first_party.collective import joined
from salvia_algorithms.first_party.report import LOSS, SCORE, Report, info
from salvia_algorithms.first_party.sampling import Reservoir, gather
from salvia_algorithms.first_party.source import Source
from salvia_algorithms.knn import hyperparameters, model, projection
from salvia_algorithms.knn.hyperparameters import CHANNELS, CLASSIFIER, FLAT, TABLE
from salvia_algorithms.knn.neighbours import Neighbours
from salvia_container.failure import UserError
from salvia_container.training import TrainingEnvironment, cpus

SEED = 0  # the same job gives the same model


def train(environment: TrainingEnvironment) -> None:
    """Runs the job in `environment`. Raises JobError with the reason when it fails."""
    started = time.time()
    given = configured(TABLE, environment)
    hyperparameters.check(given)
    read = channels.validate(CHANNELS, environment.channels)
    report = Report("AWS/KNN", environment.current_host)
    faiss.omp_set_num_threads(cpus())
    source = Source(environment, read["train"], feature_dim=given["feature_dim"], keep=False)
    with joined(environment) as hosts:
        own = _sample(given, source, report, np.random.default_rng([SEED, hosts.rank]))
        sample = gather(own, given["sample_size"], hosts, SEED)
    if hosts.rank:
        return  # the first host has it all
    found = _build(given, sample, report)
    model.save(found, environment.model_dir)
    if "test" in read:
        _evaluate(found, Source(environment, read["test"], feature_dim=given["feature_dim"], keep=False), given, report)
    else:
        info("Test data is not provided.")
    report.metrics({"totaltime": 1000 * (time.time() - started)}, started=started)


def _sample(
    given: Mapping[str, Any], source: Source, report: Report, random: np.random.Generator
) -> Reservoir:  # fmt: skip
    """Rows with their label as the last column."""
    own = Reservoir(given["sample_size"], given["feature_dim"] + 1, random)
    began, batches = time.time(), 0
    for batch in source.batches(given["mini_batch_size"]):
        own.add(np.column_stack([batch.dense(), _labels(batch, "train", given)]))
        batches += 1
    if not own.seen:
        raise no_data()
    report.progress(1, 1)
    report.data_seen("training_data_iter", own.seen, batches, started=began, epoch=0)
    report.throughput(own.seen, time.time() - began)
    return own


def _labels(batch: Batch, channel: str, given: Mapping[str, Any]) -> Floats:
    if batch.label is None:
        raise UserError(f"The records of the {channel} channel have no label, and k-nearest neighbours needs one")
    if given["predictor_type"] == CLASSIFIER:
        wrong = batch.label[batch.label != np.floor(batch.label)]
        if len(wrong):
            raise UserError(
                f"Labels of a classifier must be integers, but the {channel} channel has the label {wrong[0]:g}"
            )
    return batch.label


def _build(given: Mapping[str, Any], sample: Floats, report: Report) -> Neighbours:
    rows, labels = np.ascontiguousarray(sample[:, :-1]), np.ascontiguousarray(sample[:, -1])
    if len(rows) < given["k"]:
        raise UserError(f"k ({given['k']}) must not be larger than the number of training records ({len(rows)})")
    least = 1 << 8
    if given["index_type"] == hyperparameters.IVF_PQ and len(rows) < least:
        raise UserError(f"index_type faiss.IVFPQ needs at least {least} training records, there are {len(rows)}")
    began = time.time()
    reduced = None
    if given["dimension_reduction_type"] is not None:
        target = given["dimension_reduction_target"]
        reduced = projection.matrix(
            given["dimension_reduction_type"], given["feature_dim"], target, np.random.default_rng(SEED)
        )
        info(f"reducing {given['feature_dim']} dimensions to {target} by {given['dimension_reduction_type']}")
    if given["index_type"] != FLAT and given["faiss_index_ivf_nlists"] is None:
        lists = hyperparameters.lists(given, len(rows))
        info(f"'faiss_index_ivf_nlists' was set to 'auto', evaluated to {lists}.")
    found = Neighbours.of(given, rows, labels, reduced)
    info(f"built the index {given['index_type']} of {len(rows)} records")
    report.metrics({"finalize.time": 1000 * (time.time() - began)}, started=began)
    return found


def _evaluate(found: Neighbours, source: Source, given: Mapping[str, Any], report: Report) -> None:
    labels, predicted = [], []
    for batch in source.batches(given["mini_batch_size"]):
        labels.append(_labels(batch, "test", given))
        predicted.append(found.predict(batch.dense())[0])
    if not labels:
        raise UserError("No test data processed. Verify that the test channel contains non-empty files.")
    true, called = np.concatenate(labels), np.concatenate(predicted)
    if given["predictor_type"] == CLASSIFIER:
        values = {"accuracy": float((true == called).mean()), "macro_f_1.000": _macro_f1(true, called)}
        kind = SCORE
    else:
        values = {"mse": float(np.square(true - called, dtype=np.float64).mean())}
        kind = LOSS
    for name, value in values.items():
        report.score("test", name, value)
        report.quality("test", name, value, kind=kind)


def _macro_f1(true: Floats, called: Floats) -> float:
    """The mean over classes of the harmonic mean of precision and recall."""
    scores = []
    for label in np.unique(np.concatenate([true, called])):
        hits = ((true == label) & (called == label)).sum()
        scores.append(2 * hits / ((true == label).sum() + (called == label).sum()))
    return float(np.mean(scores))
