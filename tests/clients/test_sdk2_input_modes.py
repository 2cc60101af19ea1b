"""The unmodified SageMaker SDK v2: AWS's own algorithms learn from Pipe and FastFile channels what they learn from files."""

from typing import Any

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

SCRIPT = """
import io, tarfile, numpy as np, sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.s3 import S3Downloader, S3Uploader
session = sagemaker.Session()
same = {"role": sagemaker.get_execution_role(session), "instance_type": "ml.m5.large", "sagemaker_session": session,
    "output_path": f"s3://{session.default_bucket()}/models"}
random = np.random.default_rng(0)

def model(estimator):
    raw = S3Downloader.read_bytes(estimator.model_data, sagemaker_session=session)
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return tar.extractfile("model_algo-1").read().hex()

rows = (np.eye(8)[random.integers(0, 8, 4000)] * 10 + random.normal(0, 0.1, (4000, 8))).astype(np.float32)
labels = (rows[:, 0] > 5).astype(np.float32)
estimators = {}

# record_set: a manifest of two recordio objects, one for each instance
clusters = None
for mode in ("File", "FastFile", "Pipe"):
    kmeans = estimators["kmeans", mode] = sagemaker.KMeans(instance_count=2, k=8, epochs=2, input_mode=mode, **same)
    clusters = clusters or kmeans.record_set(rows)
    kmeans.fit(clusters, mini_batch_size=500, wait=False)

# csv, and a second channel whose mode is its own
text = "\\n".join(",".join(f"{value:.6g}" for value in row) for row in np.column_stack([labels, rows]).tolist())
place = f"s3://{session.default_bucket()}/csv"
S3Uploader.upload_string_as_file_body(text, place + "/rows.csv", sagemaker_session=session)
def csv(label_size, **members):
    return TrainingInput(place, content_type=f"text/csv;label_size={label_size}", **members)
def trained(name, mode, hyperparameters, channels):
    image = sagemaker.image_uris.retrieve(name, session.boto_region_name)
    one = estimators[name, mode] = Estimator(image, instance_count=1, input_mode=mode, hyperparameters=hyperparameters, **same)
    one.fit(channels, wait=False, logs=False)
for mode in ("FastFile", "Pipe"):
    trained("linear-learner", mode, {"predictor_type": "binary_classifier", "epochs": 5, "mini_batch_size": 100},
        {"train": csv(1), "validation": csv(1, input_mode="File")})
    trained("randomcutforest", mode, {"feature_dim": 9, "num_trees": 50, "num_samples_per_tree": 60},
        {"train": csv(0, distribution="ShardedByS3Key")})

result = {"models": {}, "metrics": {}}
for (name, mode), estimator in estimators.items():
    session.wait_for_job(estimator.latest_training_job.name, poll=1)
    described = estimator.latest_training_job.describe()
    assert described["AlgorithmSpecification"]["TrainingInputMode"] == mode
    result["models"].setdefault(name, {})[mode] = model(estimator)
    result["metrics"].setdefault(name, {})[mode] = {m["MetricName"]: m["Value"] for m in described["FinalMetricDataList"]}
"""


@pytest.fixture(scope="module")
def seen(sdk2: Client) -> dict[str, Any]:
    return sdk2.python(SCRIPT, timeout=480)


def test_k_means_on_two_instances_makes_the_same_model_of_a_record_set_in_every_mode(seen: dict[str, Any]) -> None:
    models = seen["models"]["kmeans"]

    assert models["FastFile"] == models["File"]
    assert models["Pipe"] == models["File"]
    assert seen["metrics"]["kmeans"]["Pipe"]["train:msd"] < 0.09


def test_linear_learner_reads_epoch_after_epoch(seen: dict[str, Any]) -> None:
    accuracies = [
        seen["metrics"]["linear-learner"][mode]["validation:binary_classification_accuracy"]
        for mode in ("FastFile", "Pipe")
    ]

    assert min(accuracies) > 0.97


def test_random_cut_forest_samples_a_pipe_as_it_samples_files(seen: dict[str, Any]) -> None:
    models = seen["models"]["randomcutforest"]

    assert models["Pipe"] == models["FastFile"]
