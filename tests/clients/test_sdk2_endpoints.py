"""The unmodified SageMaker SDK v2 deploys scripts: in pipelines, for A/B tests, with JSON, and asynchronously."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

# A model is a number, and a script adds it to each number that it is sent. Built-in waits sleep for 30 seconds at first.
MODELS = """
import boto3, io, sagemaker, tarfile, time
from pathlib import Path
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer, JSONSerializer
from sagemaker.xgboost import XGBoostModel
session = sagemaker.Session()
role, bucket, sm = sagemaker.get_execution_role(session), session.default_bucket(), boto3.client("sagemaker")
Path("inference.py").write_text('''
import json
def model_fn(folder):
    return float(open(folder + "/number").read())
def input_fn(data, content_type):
    data = data.decode() if isinstance(data, bytes) else data
    return json.loads(data) if content_type == "application/json" else [float(cell) for cell in data.strip().split(",")]
def predict_fn(numbers, model):
    return [number * model for number in numbers]
def output_fn(numbers, accept):
    return (json.dumps(numbers), accept) if "json" in accept else (",".join(map(str, numbers)), "text/csv")
''')
def model(number, **more):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        member = tarfile.TarInfo("number")
        member.size = len(str(number))
        tar.addfile(member, io.BytesIO(str(number).encode()))
    boto3.client("s3").put_object(Bucket=bucket, Key=f"numbers/{number}.tar.gz", Body=data.getvalue())
    return XGBoostModel(model_data=f"s3://{bucket}/numbers/{number}.tar.gz", role=role, entry_point="inference.py",
        framework_version="1.7-1", sagemaker_session=session, **more)
def ready(predictor):
    sm.get_waiter("endpoint_in_service").wait(EndpointName=predictor.endpoint_name)
    return predictor
def clear(predictor):
    predictor.delete_model()
    predictor.delete_endpoint()
CSV = {"serializer": CSVSerializer(), "deserializer": CSVDeserializer()}
JSON = {"serializer": JSONSerializer(), "deserializer": JSONDeserializer()}
result = {}
"""

PIPELINE = """
from sagemaker.pipeline import PipelineModel
pipeline = PipelineModel([model(2), model(5)], role, predictor_cls=Predictor, sagemaker_session=session)
predictor = ready(pipeline.deploy(1, "ml.m5.large", wait=False, **CSV))
said = predictor.predict([1, 3])
containers = len(sm.describe_model(ModelName=pipeline.name)["Containers"])
clear(predictor)
result["pipeline"] = {"said": said, "containers": containers}
"""

VARIANTS = """
from sagemaker.session import production_variant
names = []
for number in (2, 5):
    made = model(number)
    made.create(instance_type="ml.m5.large")
    names.append(made.name)
variants = [production_variant(name, "ml.m5.large", 1, variant_name=variant, initial_weight=1) for variant, name in zip("AB", names)]
session.endpoint_from_production_variants("tried", variants, wait=False)
predictor = ready(Predictor("tried", session, **JSON))
said = [predictor.predict([1], target_variant=variant) for variant in "AB"]
mixed = {predictor.predict([1])[0] for _ in range(40)}
predictor.update_endpoint(initial_instance_count=1, instance_type="ml.m5.large", model_name=names[1], wait=False)
ready(predictor)
after = {predictor.predict([1])[0] for _ in range(5)}
predictor.delete_endpoint()
for name in names:
    sm.delete_model(ModelName=name)
result["variants"] = {"said": said, "mixed": sorted(mixed), "after": sorted(after)}
"""

ASYNCHRONOUS = """
from sagemaker.async_inference import AsyncInferenceConfig
from sagemaker.deserializers import StringDeserializer
from sagemaker.exceptions import AsyncInferenceModelError, ObjectNotExistedError
config = AsyncInferenceConfig(output_path=f"s3://{bucket}/answers", max_concurrent_invocations_per_instance=2)
predictor = ready(model(2).deploy(1, "ml.m5.large", async_inference_config=config, wait=False, **JSON))
def came(response):  # with the SDK's own waiter, a thread that looks for the other outcome holds the process for its whole time
    for _ in range(600):
        try:
            return response.get_result()
        except ObjectNotExistedError:
            time.sleep(0.1)
said = [came(response) for response in [predictor.predict_async([number]) for number in (1, 2)]]
predictor.predictor.deserializer = StringDeserializer()
try:
    came(predictor.predict_async({"no": "list"}))
except AsyncInferenceModelError as error:
    failed = str(error)
clear(predictor)
result["asynchronous"] = {"said": said, "failed": failed}
"""


COMPONENTS = """
from sagemaker.compute_resource_requirements.resource_requirements import ResourceRequirements
from sagemaker.enums import EndpointType
def on_endpoint(number):  # the second finds the endpoint of the first
    made = model(number, name=f"part-{number}")
    resources = ResourceRequirements(requests={"num_cpus": 1, "memory": 512, "copies": 1}, limits={"memory": 1024})
    return made.deploy(1, "ml.m5.large", endpoint_name="parts", endpoint_type=EndpointType.INFERENCE_COMPONENT_BASED,
        resources=resources, managed_instance_scaling={"MaxInstanceCount": 2}, inference_component_name=f"part-{number}",
        wait=False, **JSON)
first = ready(on_endpoint(2))
second = on_endpoint(5)
for name in ("part-2", "part-5"):
    session.wait_for_inference_component(name, poll=1)
said = [predictor.predict([1]) for predictor in (first, second)]
related = [part["InferenceComponentName"] for part in first.list_related_models(sort_by="Name", sort_order="Ascending")[0]]
based = session.is_inference_component_based_endpoint("parts")
for name in related:
    session.delete_inference_component(name)
    session.wait_for_inference_component_deletion(name, poll=1)
first.delete_endpoint()
result["components"] = {"said": said, "related": related, "based": based}
"""


@pytest.fixture(scope="module")
def seen(sdk2: Client) -> Mapping[str, Any]:
    """What one process saw that did all of it: the SDK takes seconds to load."""
    return sdk2.python(f"{MODELS}\n{PIPELINE}\n{VARIANTS}\n{ASYNCHRONOUS}\n{COMPONENTS}\nprint()")


def test_a_pipeline_model_gives_what_one_container_says_to_the_next(seen: Mapping[str, Any]) -> None:
    assert seen["pipeline"] == {"said": [["10.0", "30.0"]], "containers": 2}


def test_two_variants_are_tried_against_each_other_and_the_better_one_takes_over(seen: Mapping[str, Any]) -> None:
    assert seen["variants"] == {"said": [[2], [5]], "mixed": [2, 5], "after": [5]}


def test_an_asynchronous_predictor_reads_the_answer_or_the_failure_from_s3(seen: Mapping[str, Any]) -> None:
    assert seen["asynchronous"]["said"] == [[2], [4]]
    assert "Received server error (500) from primary" in seen["asynchronous"]["failed"]


def test_models_are_deployed_as_inference_components_of_one_endpoint(seen: Mapping[str, Any]) -> None:
    assert seen["components"] == {"said": [[2], [5]], "related": ["part-2", "part-5"], "based": True}
