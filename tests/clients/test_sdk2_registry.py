"""The unmodified SageMaker SDK v2: an algorithm of one's own trains and deploys; a version of a model is approved and deployed."""

from typing import Any

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

SCRIPT = """
import numpy as np, sagemaker
from sagemaker import AlgorithmEstimator, ModelPackage
from sagemaker.deserializers import JSONDeserializer
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model
from sagemaker.s3 import S3Uploader
from sagemaker.serializers import CSVSerializer
session = sagemaker.Session()
role = sagemaker.get_execution_role(session)
image = sagemaker.image_uris.retrieve("kmeans", session.boto_region_name)
place = f"s3://{session.default_bucket()}/registry"
learnt = f"s3://{session.default_bucket()}/learnt"
random = np.random.default_rng(0)
rows = np.eye(4)[np.arange(400) % 4] * 10 + random.normal(0, 0.1, (400, 4))
S3Uploader.upload_string_as_file_body("\\n".join(",".join(f"{v:.4f}" for v in row) for row in rows.tolist()), place + "/rows.csv", sagemaker_session=session)

def number(name, low, high, **more):
    limits = {"IntegerParameterRangeSpecification": {"MinValue": low, "MaxValue": high}}
    return {"Name": name, "Type": "Integer", "Range": limits, "IsTunable": False, **more}
training = {
    "TrainingImage": image,
    "SupportedTrainingInstanceTypes": ["ml.m5.large"],
    "SupportedHyperParameters": [number("k", "2", "100", IsRequired=True), number("feature_dim", "1", "100", DefaultValue="4")],
    "MetricDefinitions": [{"Name": "shrunk", "Regex": "Mean Square Distance = ([0-9.]+)"}],
    "TrainingChannels": [{"Name": "train", "IsRequired": True, "SupportedContentTypes": ["text/csv;label_size=0"], "SupportedInputModes": ["File", "Pipe"]}],
}
inference = {
    "Containers": [{"Image": image}],
    "SupportedTransformInstanceTypes": ["ml.m5.large"],
    "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["application/json"],
}
data = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": place}}, "ContentType": "text/csv;label_size=0"}
one = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
profile = {
    "ProfileName": "small",
    "TrainingJobDefinition": {
        "TrainingInputMode": "File", "HyperParameters": {"k": "4"}, "InputDataConfig": [{"ChannelName": "train", **data}],
        "OutputDataConfig": {"S3OutputPath": learnt + "/models"}, "ResourceConfig": one | {"VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
    },
    "TransformJobDefinition": {
        "TransformInput": data | {"ContentType": "text/csv", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": learnt + "/answers"}, "TransformResources": one,
    },
}
client = session.sagemaker_client
client.create_algorithm(AlgorithmName="Clusters", TrainingSpecification=training, InferenceSpecification=inference,
    ValidationSpecification={"ValidationRole": role, "ValidationProfiles": [profile]})
import time
while client.describe_algorithm(AlgorithmName="Clusters")["AlgorithmStatus"] in ("Pending", "InProgress"):
    time.sleep(0.5)
result = {"algorithm": client.describe_algorithm(AlgorithmName="Clusters")}
assert result["algorithm"]["AlgorithmStatus"] == "Completed", result["algorithm"]["AlgorithmStatusDetails"]

estimator = AlgorithmEstimator("Clusters", role, 1, "ml.m5.large", output_path=learnt + "/models", sagemaker_session=session)
try:
    estimator.set_hyperparameters(k=1)
except ValueError as error:
    result["refused"] = str(error)
estimator.set_hyperparameters(k=4)
estimator.fit({"train": TrainingInput(place, content_type="text/csv;label_size=0")}, wait=False)
session.wait_for_job(estimator.latest_training_job.name, poll=1)
result["job"] = estimator.latest_training_job.describe()
predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=JSONDeserializer(), wait=False)

model = Model(image, estimator.model_data, role, sagemaker_session=session)
registered = model.register(["text/csv"], ["application/json"], ["ml.m5.large"], ["ml.m5.large"], model_package_group_name="Versions")
result["pending"] = client.describe_model_package(ModelPackageName=registered.model_package_arn)["ModelApprovalStatus"]
version = ModelPackage(role, model_package_arn=registered.model_package_arn, predictor_cls=sagemaker.Predictor, sagemaker_session=session)
other = version.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=JSONDeserializer(), wait=False)
result["versions"] = [p["ModelPackageVersion"] for p in client.list_model_packages(ModelPackageGroupName="Versions")["ModelPackageSummaryList"]]
result["answers"] = []
for each in (predictor, other):
    session.wait_for_endpoint(each.endpoint_name, poll=1)
    said = each.predict(rows[:8].tolist())
    result["answers"].append([p["closest_cluster"] for p in said["predictions"]])
    each.delete_endpoint()
print()  # ends the SDK's line of dashes
"""


@pytest.fixture(scope="module")
def seen(sdk2: Client) -> dict[str, Any]:
    return sdk2.python(SCRIPT, timeout=480)


def test_an_algorithm_is_validated_by_jobs_that_really_run(seen: dict[str, Any]) -> None:
    assert seen["algorithm"]["AlgorithmStatus"] == "Completed", seen["algorithm"]["AlgorithmStatusDetails"]


def test_its_estimator_trains_with_its_rules_defaults_and_metrics(seen: dict[str, Any]) -> None:
    assert "Invalid value: 1 Supported range" in seen["refused"]
    assert seen["job"]["TrainingJobStatus"] == "Completed"
    assert seen["job"]["HyperParameters"] == {"k": "4", "feature_dim": "4"}
    assert "shrunk" in {metric["MetricName"] for metric in seen["job"]["FinalMetricDataList"]}


def test_a_version_is_registered_approved_and_deployed(seen: dict[str, Any]) -> None:
    assert (seen["pending"], seen["versions"]) == ("PendingManualApproval", [1])


def test_both_endpoints_tell_the_clusters_apart(seen: dict[str, Any]) -> None:
    first, second = seen["answers"]

    assert first == second
    assert first[:4] == first[4:]
    assert len(set(first)) == 4
