"""A Random Cut Forest job from its configuration to its artefact: sample, grow, evaluate, in AWS's order and words."""

import time
from typing import Any

import numpy as np

from salvia_algorithms.first_party import channels
from salvia_algorithms.first_party.beginning import configured, no_data
from salvia_algorithms.first_party.collective import joined
from salvia_algorithms.first_party.report import SCORE, Report, info
from salvia_algorithms.first_party.sampling import Reservoir, gather
from salvia_algorithms.first_party.source import Source
from salvia_algorithms.randomcutforest import model, scoring
from salvia_algorithms.randomcutforest.forest import Forest
from salvia_algorithms.randomcutforest.hyperparameters import CHANNELS, TABLE
from salvia_algorithms.randomcutforest.trees import Floats
from salvia_container.failure import UserError
from salvia_container.training import TrainingEnvironment, cpus, memory

SEED = 0  # the same job gives the same model
NODE_BYTES = 2 * 6 * 4  # two nodes a point, six numbers a node


def train(environment: TrainingEnvironment) -> None:
    """Runs the job in `environment`. Raises JobError with the reason when it fails."""
    started = time.time()
    info("Verifying hyperparamemters...")  # spelt as AWS's log spells it
    given = configured(TABLE, environment)
    info("Hyperparameters are correct.")
    read = channels.validate(CHANNELS, environment.channels)
    report = Report("RandomCutForest", environment.current_host)
    size = given["num_trees"] * given["num_samples_per_tree"]
    _check_memory(size, given["feature_dim"])
    source = Source(environment, read["train"], feature_dim=given["feature_dim"], keep=False)
    with joined(environment) as hosts:
        own = _sample(given, source, size, report, np.random.default_rng([SEED, hosts.rank]))
        if not hosts.rank:
            info("Master node: building Random Cut Forest...")
            info("Gathering samples...")
        sample = gather(own, size, hosts, SEED)
    if hosts.rank:
        return  # the first host has it all
    info(f"{len(sample)} samples gathered")
    forest = _grow(given, sample, report)
    info("Master node: Serializing the RandomCutForest model")
    model.save(forest, environment.model_dir)
    if "test" in read:
        _evaluate(
            given, forest, Source(environment, read["test"], feature_dim=given["feature_dim"], keep=False), report
        )
    else:
        info("Test data is not provided.")
    report.metrics({"totaltime": 1000 * (time.time() - started)}, started=started)


def _check_memory(size: int, features: int) -> None:
    info("Validating memory limits...")
    available = memory()
    sample = size * features * 4
    forest = 3 * sample + size * NODE_BYTES  # the points of the trees, and two corners of each box
    info(f"Available memory in bytes: {available}")
    info(f"Estimated sample size in bytes: {sample}")
    info(f"Estimated memory needed to build the forest in bytes: {forest}")
    if sample + forest > available:
        raise UserError(
            f"Insufficient memory: the sample needs {sample} bytes and the forest {forest}, but {available} bytes are "
            "available. Reduce num_trees, num_samples_per_tree or feature_dim, or use an instance with more memory."
        )
    info("Memory limits validated.")


def _sample(
    given: dict[str, Any], source: Source, size: int, report: Report, random: np.random.Generator
) -> Reservoir:  # fmt: skip
    own = Reservoir(size, given["feature_dim"], random)
    began, batches = time.time(), 0
    for batch in source.batches(given["mini_batch_size"]):
        if not batches:
            info("Validating that feature_dim agrees with dimensions in training data...")
            info("feature_dim is correct.")  # else the source would have refused the batch
            info("Sampling training data...")
        own.add(batch.dense())
        batches += 1
    if not own.seen:
        raise no_data()
    info("Sampling training data completed.")
    report.progress(1, 1)
    report.data_seen("training_data_iter", own.seen, batches, started=began, epoch=0)
    report.throughput(own.seen, time.time() - began)
    return own


def _grow(given: dict[str, Any], sample: Floats, report: Report) -> Forest:
    trees = given["num_trees"]
    if len(sample) < trees:
        raise UserError(
            f"There are {len(sample)} training records for {trees} trees, but each tree needs records of its own: "
            "num_trees must not be larger than the number of records"
        )
    info("Building Random Cut Forest...")
    began = time.time()
    forest = Forest.grow(sample, num_trees=trees, samples_per_tree=given["num_samples_per_tree"], seed=SEED)
    info(f"Random Cut Forest built: \n\n{forest.describe()}")
    report.metrics({"fit_model.time": 1000 * (time.time() - began)}, started=began)
    return forest


def _evaluate(given: dict[str, Any], forest: Forest, source: Source, report: Report) -> None:
    scores, labels = [], []
    for batch in source.blocks():
        if batch.label is None:
            raise UserError(
                "The test channel has no labels: they say which records are anomalies (1) and which are not (0)"
            )
        scores.append(forest.score(batch.dense(), cpus()))
        labels.append(batch.label)
    if not scores:
        raise UserError("No test data processed. Verify that the test channel contains non-empty files.")
    values = scoring.evaluate(np.concatenate(scores), np.concatenate(labels), given["eval_metrics"])
    for name, value in values.items():
        report.score("test", name, value)
        report.quality("test", name, value, kind=SCORE)
