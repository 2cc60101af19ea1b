"""The unmodified SageMaker SDK v2: LightGBM and CatBoost on Abalone, from the catalogue to predictions, in one script.

LightGBM is trained as AWS's documentation has it, with the image, the script and the artifact that the catalogue names; CatBoost by
a JumpStartEstimator; what fails, by a generic Estimator with an image alone.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import ROOT, Client

pytestmark = pytest.mark.slow

ABALONE = Path(ROOT, "examples/data/abalone/abalone.csv")

SCRIPT = """
import csv, io, json, random, sagemaker
from sagemaker import hyperparameters, image_uris, model_uris, script_uris
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.jumpstart.estimator import JumpStartEstimator
from sagemaker.jumpstart.notebook_utils import list_jumpstart_models
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.serializers import CSVSerializer
session = sagemaker.Session()
root = f"s3://{session.default_bucket()}/tabular"
common = {"role": sagemaker.get_execution_role(session), "instance_type": "ml.m5.large", "output_path": f"{root}/models", "sagemaker_session": session}
def text(rows):
    return "".join(",".join(map(str, row)) + "\\n" for row in rows)
def upload(rows, *path):
    S3Uploader.upload_string_as_file_body(text(rows), "/".join((root, *path)), sagemaker_session=session)
def metrics(estimator):
    return {m["MetricName"]: m["Value"] for m in estimator.latest_training_job.describe()["FinalMetricDataList"]}
def channel(*path, **more):
    return TrainingInput("/".join((root, *path)), content_type="text/csv", **more)

abalone = [[int(row[8]), *row[:8]] for row in csv.reader(open(ABALONE))]
random.Random(0).shuffle(abalone)
codes = {"M": 0, "F": 1, "I": 2}
aged = [[min(2, row[0] // 8), codes[row[1]], *row[2:]] for row in abalone]

for part in range(2):
    upload(aged[part:3000:2], "ages/train", f"part-{part}.csv")
upload(aged[3000:], "ages/validation/data.csv")
asked = {"model_id": "lightgbm-classification-model", "model_version": "*"}
lightgbm = Estimator(
    image_uri=image_uris.retrieve(region=None, framework=None, image_scope="training", instance_type="ml.m5.large", **asked),
    source_dir=script_uris.retrieve(script_scope="training", **asked), entry_point="transfer_learning.py",
    model_uri=model_uris.retrieve(model_scope="training", **asked),
    hyperparameters=hyperparameters.retrieve_default(**asked), instance_count=2, **common)
lightgbm.fit({"train": channel("ages/train", distribution="ShardedByS3Key"), "validation": channel("ages/validation")}, wait=False)

upload(abalone[:3000], "rings/train/data.csv")
upload(abalone[3000:], "rings/validation/data.csv")
S3Uploader.upload_string_as_file_body(json.dumps({"cat_index_list": [1]}), f"{root}/rings/categorical_index.json", sagemaker_session=session)
catboost = JumpStartEstimator(model_id="catboost-regression-model", hyperparameters={"learning_rate": "0.1", "iterations": "150"}, **common)
catboost.fit({"training": channel("rings")}, wait=False)

wrong = Estimator(f"000000000000.dkr.ecr.{session.boto_region_name}.amazonaws.com/lightgbm-regression-model:latest",
    instance_count=1, hyperparameters={"num_leaves": 1}, **common)
wrong.fit({"train": channel("ages/train")}, wait=False)

predictors = []
for model, more in ((lightgbm, {"serializer": CSVSerializer(), "deserializer": JSONDeserializer()}), (catboost, {})):
    session.wait_for_job(model.latest_training_job.name, poll=1)
    predictors.append(model.deploy(initial_instance_count=1, instance_type="ml.m5.large", wait=False, **more))
upload([row[1:] for row in abalone[3000:3100]], "asked.csv")
transformer = catboost.transformer(1, "ml.m5.large", strategy="MultiRecord", accept="text/csv", assemble_with="Line", output_path=f"{root}/answers")
transformer.transform(f"{root}/asked.csv", content_type="text/csv", split_type="Line", wait=False)
for predictor in predictors:
    session.wait_for_endpoint(predictor.endpoint_name, poll=1)
ages, rings = predictors
rows = aged[3000:3200]
said = ages.predict(text([row[1:] for row in rows]), initial_args={"Accept": "application/json;verbose"})
result = {
    "models": list_jumpstart_models(),
    "metrics": [metrics(lightgbm), metrics(catboost)],
    "accuracy": sum(label == row[0] for label, row in zip(said["predicted_label"], rows)) / len(rows),
    "sums": sorted({round(sum(row), 6) for row in said["probabilities"]}),
    "keys": list(ages.predict(text([rows[0][1:]]))),
    "rings": rings.predict(text([row[1:] for row in abalone[3000:3100]]))["prediction"],
}
session.wait_for_transform_job(transformer.latest_transform_job.name, poll=1)
result["batch"] = [float(line) for line in S3Downloader.read_file(f"{root}/answers/asked.csv.out", sagemaker_session=session).split()]
for predictor in predictors:
    predictor.delete_endpoint()
try:
    session.wait_for_job(wrong.latest_training_job.name, poll=1)
except Exception as error:
    result["error"] = str(error)
"""


@pytest.fixture(scope="module")
def seen(sdk2: Client) -> dict[str, Any]:
    return sdk2.python(f"ABALONE = {str(ABALONE)!r}\n{SCRIPT}", timeout=480)


def test_the_catalogue_has_the_models(seen: dict[str, Any]) -> None:
    assert seen["models"] == [
        f"{algorithm}-{problem}-model"
        for algorithm in ("catboost", "lightgbm")
        for problem in ("classification", "regression")
    ]


def test_lightgbm_on_two_instances_learns_what_the_library_does(seen: dict[str, Any]) -> None:
    assert seen["metrics"][0]["multi_logloss"] < 0.42  # the library alone: 0.41
    assert seen["accuracy"] > 0.8


def test_classification_answers_with_probabilities(seen: dict[str, Any]) -> None:
    assert seen["sums"] == [1.0]
    assert seen["keys"] == ["probabilities-1d", "probabilities"]


def test_catboost_takes_categories_as_they_are(seen: dict[str, Any]) -> None:
    assert seen["metrics"][1]["RMSE"] < 2.2


def test_batch_transform_answers_what_the_endpoint_does(seen: dict[str, Any]) -> None:
    assert len(seen["batch"]) == 100
    assert seen["batch"] == pytest.approx(seen["rings"])


def test_what_a_job_cannot_do_is_told_in_its_failure_reason(seen: dict[str, Any]) -> None:
    assert "ClientError: Hyperparameter 'num_leaves' must be greater than 1." in seen["error"]
