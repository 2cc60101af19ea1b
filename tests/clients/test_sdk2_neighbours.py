"""The unmodified SageMaker SDK v2: K-Means, Random Cut Forest and k-nearest neighbours from `record_set` to predictions, in one script."""

from typing import Any

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

SCRIPT = """
import io, tarfile, numpy as np, sagemaker
from sagemaker.deserializers import JSONDeserializer
from sagemaker.s3 import S3Downloader
from sagemaker.serializers import CSVSerializer
session = sagemaker.Session()
same = {"role": sagemaker.get_execution_role(session), "instance_type": "ml.m5.large", "sagemaker_session": session,
    "output_path": f"s3://{session.default_bucket()}/models"}
random = np.random.default_rng(0)
def value(record, name):
    return record.label[name].float32_tensor.values[0]
def metrics(estimator):
    return {m["MetricName"]: m["Value"] for m in estimator.latest_training_job.describe()["FinalMetricDataList"]}

rows = (np.eye(8)[random.integers(0, 8, 4000)] * 10 + random.normal(0, 0.1, (4000, 8))).astype(np.float32)
kmeans = sagemaker.KMeans(instance_count=2, k=8, **same)
kmeans.fit(kmeans.record_set(rows), wait=False)

common = random.normal(size=(3000, 3)).astype(np.float32)
strange = np.concatenate([common[:300], np.full((5, 3), 9, np.float32)])
forest = sagemaker.RandomCutForest(instance_count=1, num_trees=50, num_samples_per_tree=60, **same)
test = forest.record_set(strange, np.repeat([0, 1], [300, 5]).astype(np.float32), channel="test")
test.distribution = "FullyReplicated"
forest.fit([forest.record_set(common), test], wait=False)

label = (strange[:, 0] > 5).astype(np.float32)
knn = sagemaker.KNN(instance_count=1, k=3, sample_size=300, predictor_type="classifier", **same)
knn.fit(knn.record_set(strange, label), wait=False)

wrong = sagemaker.RandomCutForest(instance_count=1, num_trees=50, **same)
wrong.fit(wrong.record_set(np.full((200, 2), np.nan, np.float32)), wait=False)

estimators = (kmeans, forest, knn)
for estimator in estimators:
    session.wait_for_job(estimator.latest_training_job.name, poll=1)
predictors = [estimator.deploy(1, "ml.m5.large", wait=False) for estimator in estimators]
for predictor in predictors:
    session.wait_for_endpoint(predictor.endpoint_name, poll=1)
print()
clusters, anomalies, labels = predictors
raw = S3Downloader.read_bytes(kmeans.model_data, sagemaker_session=session)
with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
    array = tar.extractfile("model_algo-1").read()
centers = np.frombuffer(array, "<f4", 64, offset=24 + 12 + 16 + 12).reshape(8, 8)
away = ((rows[:, None] - centers) ** 2).sum(axis=2)
result = {
    "msd": float(away.min(axis=1).mean()),
    "kmeans": metrics(kmeans),
    "clusters": [[value(r, "closest_cluster"), value(r, "distance_to_cluster")] for r in clusters.predict(rows[:50])],
    "expected": [[int(row.argmin()), float(row.min() ** 0.5)] for row in away[:50]],
    "labels": [value(record, "predicted_label") for record in labels.predict(strange[-10:])],
    "forest": metrics(forest),
    "scores": [value(record, "score") for record in anomalies.predict(strange)],
}
anomalies.serializer, anomalies.deserializer = CSVSerializer(), JSONDeserializer()
result["json"] = [row["score"] for row in anomalies.predict(strange[-5:])["scores"]]
for predictor in predictors:
    predictor.delete_endpoint()
try:
    session.wait_for_job(wrong.latest_training_job.name, poll=1)
except Exception as error:
    result["error"] = str(error)
"""


@pytest.fixture(scope="module")
def seen(sdk2: Client) -> dict[str, Any]:
    return sdk2.python(SCRIPT, timeout=480)


def test_k_means_on_two_instances_finds_the_clusters(seen: dict[str, Any]) -> None:
    assert seen["msd"] < 0.09
    assert {"train:msd", "train:progress", "train:throughput"} <= set(seen["kmeans"])


def test_k_means_answers_with_the_nearest_centre(seen: dict[str, Any]) -> None:
    assert seen["clusters"] == [pytest.approx(row, abs=1e-3) for row in seen["expected"]]


def test_random_cut_forest_judges_labelled_data(seen: dict[str, Any]) -> None:
    assert seen["forest"]["test:f1"] > 0.6


def test_random_cut_forest_scores_what_is_strange_highest(seen: dict[str, Any]) -> None:
    assert min(seen["scores"][300:]) > max(seen["scores"][:300])
    assert seen["json"] == pytest.approx(seen["scores"][300:], rel=1e-4)


def test_k_nearest_neighbours_answer_with_their_label(seen: dict[str, Any]) -> None:
    assert seen["labels"] == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_what_a_job_cannot_do_is_told_in_its_failure_reason(seen: dict[str, Any]) -> None:
    assert "ClientError: Feature 1 of row 1" in seen["error"]
