"""The unmodified SageMaker SDK v2: built-in XGBoost from fit to attach and analytics."""

import json
import shutil
from pathlib import Path

import pytest

from tests.clients.conftest import ROOT, Client
from tests.clients.jobs import abalone

pytestmark = pytest.mark.slow

DATA = ROOT / "examples/data/abalone/abalone.csv"
TRAIN = ROOT / "src/salvia/cli/demonstration/train.py"

JOB = """
import boto3, sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
session = sagemaker.Session()
role = sagemaker.get_execution_role(session)
image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1")
rows = "\\n".join(f"{i % 7},{i},{i % 3}" for i in range(200))
uri = session.upload_string_as_file_body(rows, session.default_bucket(), "small/train.csv")
def estimator(**changes):
    return Estimator(**({"image_uri": image, "role": role, "instance_count": 1, "instance_type": "ml.m5.large",
        "sagemaker_session": session, "hyperparameters": {"num_round": 5, "objective": "reg:squarederror"}} | changes))
train = TrainingInput(uri, content_type="text/csv")
"""


def test_fit_streams_the_log_and_the_model_is_real(sdk2: Client, tmp_path: Path) -> None:
    shutil.copy(DATA, tmp_path)
    report = tmp_path / "report.json"
    shown = sdk2.run("python", str(TRAIN), str(tmp_path), str(report)).stdout
    seen = json.loads(report.read_text())

    assert "[49]#011train-rmse:" in shown
    assert 2.0 < seen["metrics"]["validation:rmse"] < 2.5
    assert seen["files"] == ["xgboost-model"]


def test_two_instances_learn_as_well_as_one(sdk2: Client) -> None:
    result = sdk2.python(
        JOB
        + f"parts = {abalone()}"
        + """
for key, text in parts.items():
    session.upload_string_as_file_body(text, session.default_bucket(), "parts/" + key)
channels = {name: TrainingInput(f"s3://{session.default_bucket()}/parts/{name}/", content_type="text/csv", distribution=distribution)
    for name, distribution in (("train", "ShardedByS3Key"), ("validation", "FullyReplicated"))}
result = {}
for count in (1, 2):
    e = estimator(instance_count=count, hyperparameters={"num_round": 30, "objective": "reg:squarederror", "max_depth": 4, "eta": 0.2})
    e.fit(channels, wait=False)
    job = session.wait_for_job(e.latest_training_job.name, poll=1)
    result[str(count)] = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
"""
    )

    assert result["2"] == pytest.approx(result["1"], rel=0.01)  # of one instance's rows alone: 0.09 and 0.035 away


def test_fit_without_waiting_then_attach_and_stop(sdk2: Client) -> None:
    result = sdk2.python(
        JOB
        + """
e = estimator(hyperparameters={"num_round": 100000, "objective": "reg:squarederror"})
e.fit({"train": train}, wait=False)
name = e.latest_training_job.name
session.stop_training_job(name)
again = Estimator.attach(name, sagemaker_session=session)
status = session.describe_training_job(name)["TrainingJobStatus"]
result = {"status": status, "rounds": again.hyperparameters()["num_round"]}
"""
    )

    assert result["status"] == "Stopped"
    assert result["rounds"] in {"100000", 100000}


def test_a_failing_job_raises_with_its_reason(sdk2: Client) -> None:
    result = sdk2.python(
        JOB
        + """
try:
    estimator(hyperparameters={"num_round": "many", "objective": "reg:squarederror"}).fit({"train": train})
    result = {"error": ""}
except Exception as error:
    result = {"error": str(error)}
"""
    )

    assert "num_round" in str(result["error"])


def test_analytics_read_the_metrics_from_cloudwatch(sdk2: Client) -> None:
    result = sdk2.python(
        JOB
        + """
e = estimator()
e.fit({"train": train}, logs=False)
frame = sagemaker.analytics.TrainingJobAnalytics(e.latest_training_job.name, ["train:rmse"], sagemaker_session=session).dataframe()
result = {"rows": len(frame), "names": sorted(set(frame["metric_name"]))}
"""
    )

    assert result["names"] == ["train:rmse"]
    assert int(str(result["rows"])) >= 1


def test_a_trained_estimator_is_deployed_asked_updated_and_deleted(sdk2: Client) -> None:
    result = sdk2.python(
        JOB
        + """
from sagemaker.serializers import CSVSerializer
from sagemaker.deserializers import CSVDeserializer
from sagemaker.model import Model
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.predictor import Predictor
from sagemaker.serverless import ServerlessInferenceConfig
result = {}
e = estimator(hyperparameters={"num_round": 40, "objective": "reg:squarederror"})
e.fit({"train": train}, logs=False)
how = {"serializer": CSVSerializer(), "deserializer": CSVDeserializer()}
def ready(predictor):  # the SDK itself sleeps for 30 seconds before it looks
    boto3.client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName=predictor.endpoint_name)
    return predictor
predictor = e.deploy(1, "ml.m5.large", **how)
result["predicted"] = [round(float(v)) for line in predictor.predict([[4, 1], [5, 2]]) for v in line]
predictor.update_endpoint(initial_instance_count=2, instance_type="ml.m5.large", wait=False)
ready(predictor)
result["updated"] = len(predictor.predict([[4, 1]]))
predictor.delete_model()
predictor.delete_endpoint()

served = Model(image_uri=image, model_data=e.model_data, role=role, predictor_cls=Predictor, sagemaker_session=session)
serverless = ready(served.deploy(serverless_inference_config=ServerlessInferenceConfig(2048, 5, 2), wait=False, **how))
result["serverless"] = len(serverless.predict([[4, 1]]))
shown = boto3.client("sagemaker").describe_endpoint(EndpointName=serverless.endpoint_name)
result["awake"] = shown["ProductionVariants"][0]["CurrentServerlessConfig"]["ProvisionedConcurrency"]
serverless.delete_endpoint()

many = MultiDataModel(name="many", model_data_prefix=f"s3://{session.default_bucket()}/many", image_uri=image, role=role,
    predictor_cls=Predictor, sagemaker_session=session)
chosen = ready(many.deploy(1, "ml.m5.large", wait=False, **how))
many.add_model(e.model_data, "a.tar.gz")
result["listed"] = list(many.list_models())
result["many"] = len(chosen.predict([[4, 1]], target_model="a.tar.gz"))
chosen.delete_endpoint()
print()  # after the SDK's own marks
"""
    )

    assert result["updated"] == result["serverless"] == result["many"] == 1
    assert result["awake"] == 2
    assert [str(name).strip("/") for name in list(result["listed"])] == ["a.tar.gz"]  # type: ignore[call-overload]
    assert len(list(result["predicted"])) == 2  # type: ignore[call-overload]
