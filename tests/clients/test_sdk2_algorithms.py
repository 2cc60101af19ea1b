"""The unmodified SageMaker SDK v2: AWS's own algorithms from `record_set` to a model that is as good as it should be."""

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

START = """
import io, tarfile, numpy as np, sagemaker
from sagemaker.s3 import S3Downloader
session = sagemaker.Session()
role = sagemaker.get_execution_role(session)
output = f"s3://{session.default_bucket()}/models"
random = np.random.default_rng(0)
def model(estimator):
    raw = S3Downloader.read_bytes(estimator.model_data, sagemaker_session=session)
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return tar.extractfile("model_algo-1").read()
def metrics(estimator):
    return {m["MetricName"]: m["Value"] for m in estimator.latest_training_job.describe()["FinalMetricDataList"]}
def deployed(estimator):
    predictor = estimator.deploy(1, "ml.m5.large")
    print()  # ends the SDK's line of dashes
    return predictor
def answers(predictor, rows, name):
    found = [answer.label[name].float32_tensor.values for answer in predictor.predict(rows)]
    predictor.delete_model()
    predictor.delete_endpoint()
    return np.array(found)
"""


def test_linear_learner_trains_on_two_instances_and_answers(sdk2: Client) -> None:
    result = sdk2.python(
        START
        + """
rows = random.normal(size=(3000, 4)).astype(np.float32) * [1, 10, 0.1, 5] + [0, 100, 0, -7]
rows = rows.astype(np.float32)
labels = (rows[:, 0] + (rows[:, 1] - 100) / 10 > 0).astype(np.float32)
learner = sagemaker.LinearLearner(role, 2, "ml.m5.large", predictor_type="binary_classifier", epochs=10, output_path=output, sagemaker_session=session)
learner.fit([learner.record_set(rows, labels), learner.record_set(rows[:500], labels[:500], channel="validation")], mini_batch_size=100, logs=False)
predictor = deployed(learner)
runtime = session.sagemaker_runtime_client
body = ",".join(map(str, rows[0].tolist()))
said = runtime.invoke_endpoint(EndpointName=predictor.endpoint_name, ContentType="text/csv", Accept="application/json", Body=body)["Body"].read().decode()
found = answers(predictor, rows[:200], "predicted_label")[:, 0]
result = {"accuracy": float((found == labels[:200]).mean()), "metrics": metrics(learner), "said": said}
"""
    )

    assert float(str(result["accuracy"])) > 0.97
    assert '"predicted_label":' in str(result["said"])
    assert {"validation:binary_classification_accuracy", "validation:objective_loss", "train:objective_loss"} <= set(
        dict(result["metrics"])  # type: ignore[call-overload]
    )


def test_pca_trains_and_projects(sdk2: Client) -> None:
    result = sdk2.python(
        START
        + """
rows = (random.normal(size=(2000, 2)) @ random.normal(size=(2, 6)) + 50).astype(np.float32)
pca = sagemaker.PCA(role, 2, "ml.m5.large", num_components=2, output_path=output, sagemaker_session=session)
pca.fit(pca.record_set(rows), logs=False)
found = answers(deployed(pca), rows[:50], "projection")
moved = rows - rows.mean(axis=0)
result = {"kept": float(np.square(found).sum() / np.square(moved[:50]).sum())}
"""
    )

    assert float(str(result["kept"])) == pytest.approx(1, abs=0.01)


def test_factorization_machines_train_and_answer(sdk2: Client) -> None:
    result = sdk2.python(
        START
        + """
hidden = random.normal(size=(20, 2))
user, item = random.integers(0, 10, 2000), random.integers(10, 20, 2000)
rows = np.zeros((2000, 20), np.float32)
rows[np.arange(2000), user] = rows[np.arange(2000), item] = 1
ratings = (hidden[user] * hidden[item]).sum(axis=1).astype(np.float32)
machine = sagemaker.FactorizationMachines(role, 2, "ml.m5.large", num_factors=4, predictor_type="regressor", epochs=60, factors_lr=0.02, linear_lr=0.02, factors_init_sigma=0.1, output_path=output, sagemaker_session=session)
machine.fit(machine.record_set(rows, ratings), mini_batch_size=100, logs=False)
found = answers(deployed(machine), rows[:50], "score")[:, 0]
result = {"missed": float(np.sqrt(np.square(found - ratings[:50]).mean()) / ratings.std()), "metrics": metrics(machine)}
"""
    )

    assert float(str(result["missed"])) < 0.3
    assert "train:rmse" in dict(result["metrics"])  # type: ignore[call-overload]
