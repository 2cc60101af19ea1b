"""The unmodified SageMaker SDK v3 deploys scripts with its ModelBuilder: endpoints of every kind, pipelines, and batch transform."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

# A model is a number, and a script multiplies what it is sent by it. Each builder deploys once, as the SDK wants it.
MODELS = """
import boto3, io, tarfile, time
from pathlib import Path
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.inference_config import AsyncInferenceConfig, ServerlessInferenceConfig
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ProductionVariant
from sagemaker.core.training.configs import SourceCode
from sagemaker.serve import ModelBuilder
from sagemaker.serve.batch_inference.batch_transform_inference_config import BatchTransformInferenceConfig
session = Session()
role, bucket, s3 = get_execution_role(), session.default_bucket(), boto3.client("s3")
image = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"
Path("code").mkdir()
Path("code/inference.py").write_text('''
def model_fn(folder):
    return float(open(folder + "/number").read())
def input_fn(data, content_type):
    return [float(cell) for cell in (data.decode() if isinstance(data, bytes) else data).split(",")]
def predict_fn(numbers, model):
    return [number * model for number in numbers]
def output_fn(numbers, accept):
    return ",".join(map(str, numbers)), "text/csv"
''')
def builder(number, name):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        member = tarfile.TarInfo("number")
        member.size = len(str(number))
        tar.addfile(member, io.BytesIO(str(number).encode()))
    s3.put_object(Bucket=bucket, Key=f"v3/{number}.tar.gz", Body=data.getvalue())
    made = ModelBuilder(image_uri=image, s3_model_data_url=f"s3://{bucket}/v3/{number}.tar.gz", role_arn=role, instance_type="ml.m5.large",
        source_code=SourceCode(source_dir="code", entry_script="inference.py"), sagemaker_session=session)
    made.build(model_name=name)
    return made
def ready(endpoint):
    endpoint = Endpoint.get(endpoint.endpoint_name)
    endpoint.wait_for_status("InService", poll=1)
    return endpoint
def said(endpoint, **how):
    return endpoint.invoke(body="1,3", content_type="text/csv", **how).body.read().decode()
def read(uri):
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    for _ in range(600):
        try:
            return s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        except s3.exceptions.NoSuchKey:
            time.sleep(0.1)
result = {}
"""

ORDINARY = """
ordinary = ready(builder(2, "v3-two").deploy(endpoint_name="v3-ordinary", wait=False))
result["ordinary"] = [said(ordinary)]
builder(5, "v3-five")
EndpointConfig.create(endpoint_config_name="v3-both", production_variants=[
    ProductionVariant(variant_name=variant, model_name=f"v3-{name}", instance_type="ml.m5.large", initial_instance_count=1)
    for variant, name in (("A", "two"), ("B", "five"))])
ordinary.endpoint_config_name = "v3-both"  # what update takes
ordinary.update()
ordinary.wait_for_status("InService", poll=1)
result["ordinary"] += [said(ordinary, target_variant=variant) for variant in "AB"]
result["mixed"] = sorted({said(ordinary) for _ in range(40)})
ordinary.delete()
"""

OTHERS = """
pipeline = ModelBuilder(model=[Model.get("v3-two"), Model.get("v3-five")], role_arn=role, instance_type="ml.m5.large", sagemaker_session=session)
pipeline.build(model_name="v3-pipeline")
pipeline = ready(pipeline.deploy(endpoint_name="v3-pipeline", wait=False))
result["pipeline"] = said(pipeline)
pipeline.delete()
serverless = ready(builder(3, "v3-three").deploy(endpoint_name="v3-serverless", inference_config=ServerlessInferenceConfig(2048, 5), wait=False))
result["serverless"] = said(serverless)
serverless.delete()
builder(4, "v3-four").deploy(endpoint_name="v3-asynchronous", inference_config=AsyncInferenceConfig(output_path=f"s3://{bucket}/v3"), wait=False)
asynchronous = Endpoint.get("v3-asynchronous")
asynchronous.wait_for_status("InService", poll=1)
s3.put_object(Bucket=bucket, Key="v3/asked.csv", Body=b"1,3")
answer = asynchronous.invoke_async(input_location=f"s3://{bucket}/v3/asked.csv", content_type="text/csv")
result["asynchronous"] = read(answer.output_location)
asynchronous.delete()
batch = BatchTransformInferenceConfig(instance_count=1, instance_type="ml.m5.large", output_path=f"s3://{bucket}/v3/batch")
builder(6, "v3-six").deploy(inference_config=batch).transform(f"s3://{bucket}/v3/asked.csv", content_type="text/csv", logs=False)
result["batch"] = read(f"s3://{bucket}/v3/batch/asked.csv.out")
"""

COMPONENTS = """
from sagemaker.core.inference_config import ResourceRequirements
from sagemaker.core.resources import InferenceComponent
from sagemaker.core.shapes import InferenceComponentComputeResourceRequirements, InferenceComponentSpecification
needs = ResourceRequirements(requests={"num_cpus": 1, "memory": 512, "copies": 1})
builder(7, "v3-seven").deploy(endpoint_name="v3-parts", inference_config=needs, inference_component_name="v3-part", wait=False)
part = InferenceComponent.get("v3-part")
part.wait_for_status("InService", poll=1)
parts = Endpoint.get("v3-parts")
result["components"] = [said(parts, inference_component_name="v3-part")]
part.update(specification=InferenceComponentSpecification(model_name="v3-two",
    compute_resource_requirements=InferenceComponentComputeResourceRequirements(min_memory_required_in_mb=512)))
part.wait_for_status("InService", poll=1)
result["components"].append(said(parts, inference_component_name="v3-part"))
part.delete()
part.wait_for_delete(poll=1)
parts.delete()
print()
"""


@pytest.fixture(scope="module")
def seen(sdk3: Client) -> Mapping[str, Any]:
    """What one process saw that did all of it: the SDK takes seconds to load."""
    return sdk3.python(f"{MODELS}\n{ORDINARY}\n{OTHERS}\n{COMPONENTS}", timeout=600)


def test_an_endpoint_is_deployed_and_updated_to_two_variants(seen: Mapping[str, Any]) -> None:
    assert seen["ordinary"] == ["2.0,6.0", "2.0,6.0", "5.0,15.0"]
    assert seen["mixed"] == ["2.0,6.0", "5.0,15.0"]


def test_models_become_a_pipeline(seen: Mapping[str, Any]) -> None:
    assert seen["pipeline"] == "10.0,30.0"


def test_serverless_and_asynchronous_endpoints_answer(seen: Mapping[str, Any]) -> None:
    assert (seen["serverless"], seen["asynchronous"]) == ("3.0,9.0", "4.0,12.0")


def test_a_batch_is_transformed(seen: Mapping[str, Any]) -> None:
    assert seen["batch"] == "6.0,18.0"


def test_a_model_is_deployed_and_updated_as_an_inference_component(seen: Mapping[str, Any]) -> None:
    assert seen["components"] == ["7.0,21.0", "2.0,6.0"]
