"""Batch transform through unmodified clients: a model that was trained here scores whole data sets."""

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

ROWS = """
rows = [f"{i % 7},{i},{i % 3}" for i in range(200)]
features = [row.partition(",")[2] for row in rows]
def read(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
"""


def test_an_estimator_of_sdk_v2_transforms_a_folder_and_joins_ids(sdk2: Client) -> None:
    result = sdk2.python(
        ROWS
        + """
import boto3, sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
session = sagemaker.Session()
bucket, s3 = session.default_bucket(), boto3.client("s3")
image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1")
uri = session.upload_string_as_file_body("\\n".join(rows), bucket, "transform/train.csv")
estimator = Estimator(image_uri=image, role=sagemaker.get_execution_role(session), instance_count=1, instance_type="ml.m5.large",
    sagemaker_session=session, hyperparameters={"num_round": 5, "objective": "reg:squarederror"})
estimator.fit({"train": TrainingInput(uri, content_type="text/csv")}, logs=False)
for part in (0, 1):
    ids = "\\n".join(f"id{part}-{n},{row}" for n, row in enumerate(features[part * 100 : part * 100 + 100]))
    s3.put_object(Bucket=bucket, Key=f"transform/in/{part}.csv", Body=ids)
transformer = estimator.transformer(instance_count=2, instance_type="ml.m5.large", strategy="MultiRecord", assemble_with="Line",
    output_path=f"s3://{bucket}/transform/out", accept="text/csv", max_payload=1)
transformer.transform(f"s3://{bucket}/transform/in", content_type="text/csv", split_type="Line", input_filter="$[1:]",
    join_source="Input", output_filter="$[0,-1]", wait=True, logs=True)
lines = [read(s3, bucket, f"transform/out/{part}.csv.out").splitlines() for part in (0, 1)]
one = sagemaker.Session().describe_transform_job(transformer.latest_transform_job.name)
print()
result = {"status": one["TransformJobStatus"], "counts": [len(part) for part in lines],
    "ids": [part[99].split(",")[0] for part in lines], "numbers": all(-5 < float(line.split(",")[1]) < 12 for part in lines for line in part)}
"""
    )

    assert result == {"status": "Completed", "counts": [100, 100], "ids": ["id0-99", "id1-99"], "numbers": True}


def test_a_transformer_of_sdk_v3_scores_an_object_and_a_bad_one_fails(sdk3: Client) -> None:
    result = sdk3.python(
        ROWS
        + """
import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.transformer import Transformer
session = Session()
bucket, s3, sm = session.default_bucket(), boto3.client("s3"), boto3.client("sagemaker")
name = sm.list_models(SortBy="CreationTime", SortOrder="Descending")["Models"][0]["ModelName"]
s3.put_object(Bucket=bucket, Key="v3/in.csv", Body="\\n".join(features))
s3.put_object(Bucket=bucket, Key="v3/bad.csv", Body="no,number")
transformer = Transformer(model_name=name, instance_count=1, instance_type="ml.m5.large", output_path=f"s3://{bucket}/v3/out",
    accept="text/csv", assemble_with="Line", sagemaker_session=session)
transformer.transform(f"s3://{bucket}/v3/in.csv", content_type="text/csv", split_type="Line")
count = len(read(s3, bucket, "v3/out/in.csv.out").splitlines())
try:
    transformer.transform(f"s3://{bucket}/v3/bad.csv", content_type="text/csv", split_type="Line", logs=False)
    failed = ""
except Exception as error:
    failed = str(error)
print()
result = {"count": count, "failed": failed}
"""
    )

    assert result["count"] == 200
    assert "Bad HTTP status received from algorithm" in str(result["failed"])
