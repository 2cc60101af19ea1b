"""The unmodified SageMaker SDK v3: ModelTrainer, and the generated resources of sagemaker-core."""

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

TRAINER = """
import boto3
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core import image_uris
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, StoppingCondition, SourceCode
session = Session()
bucket = session.default_bucket()
rows = "\\n".join(f"{i % 7},{i},{i % 3}" for i in range(200))
boto3.client("s3").put_object(Bucket=bucket, Key="v3/train.csv", Body=rows.encode())
image = image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1")
"""


def test_model_trainer_trains_the_built_in_algorithm(sdk3: Client) -> None:
    result = sdk3.python(
        TRAINER
        + """
trainer = ModelTrainer(training_image=image, base_job_name="v3", compute=Compute(instance_type="ml.m5.large", instance_count=1),
    hyperparameters={"num_round": 5, "objective": "reg:squarederror"}, sagemaker_session=session)
trainer.train(input_data_config=[InputData(channel_name="train", data_source=f"s3://{bucket}/v3/train.csv", content_type="text/csv")])
job = trainer._latest_training_job
job.refresh()
result = {"status": job.training_job_status, "model": job.model_artifacts.s3_model_artifacts}
"""
    )

    assert result["status"] == "Completed"
    assert str(result["model"]).endswith("model.tar.gz")


def test_model_trainer_runs_a_script_with_its_own_drivers(sdk3: Client) -> None:
    result = sdk3.python(
        TRAINER
        + """
import os, pathlib
pathlib.Path("code").mkdir()
pathlib.Path("code/train.py").write_text("import os; print('script ran', os.environ['SM_HP_ANSWER'])")
base = image_uris.retrieve("sagemaker-base-python", session.boto_region_name, version="1.0", py_version="310") if False else \
    "763104351884.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0"
trainer = ModelTrainer(training_image=base, base_job_name="v3s", source_code=SourceCode(source_dir="code", entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1), hyperparameters={"answer": 42}, sagemaker_session=session)
trainer.train()
job = trainer._latest_training_job
job.refresh()
result = {"status": job.training_job_status, "reason": str(job.failure_reason)}
"""
    )

    assert result["status"] == "Completed", result


def test_the_generated_resources_list_get_and_stop(sdk3: Client) -> None:
    result = sdk3.python(
        TRAINER
        + """
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import AlgorithmSpecification, ResourceConfig, OutputDataConfig as Output, StoppingCondition as Stop
job = TrainingJob.create(training_job_name="core-1", role_arn=get_execution_role(),
    algorithm_specification=AlgorithmSpecification(training_image="763104351884.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0",
        training_input_mode="File", container_entrypoint=["/bin/sh", "-c"], container_arguments=["sleep 60"]),
    resource_config=ResourceConfig(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
    output_data_config=Output(s3_output_path=f"s3://{bucket}/out"), stopping_condition=Stop(max_runtime_in_seconds=60))
job.stop()
job.wait(poll=1)
listed = [one.training_job_name for one in TrainingJob.get_all(name_contains="core-1")]
result = {"status": TrainingJob.get("core-1").training_job_status, "listed": listed}
"""
    )

    assert result == {"status": "Stopped", "listed": ["core-1"]}


def test_a_trained_model_is_deployed_through_the_generated_resources(sdk3: Client) -> None:
    result = sdk3.python(
        TRAINER
        + """
from sagemaker.core.resources import Endpoint, EndpointConfig, Model
from sagemaker.core.shapes import ContainerDefinition, ProductionVariant
trainer = ModelTrainer(training_image=image, base_job_name="v3d", compute=Compute(instance_type="ml.m5.large", instance_count=1),
    hyperparameters={"num_round": 40, "objective": "reg:squarederror"}, sagemaker_session=session)
trainer.train(input_data_config=[InputData(channel_name="train", data_source=f"s3://{bucket}/v3/train.csv", content_type="text/csv")])
job = trainer._latest_training_job
job.refresh()
data = job.model_artifacts.s3_model_artifacts
model = Model.create(model_name="v3-model", execution_role_arn=get_execution_role(),
    primary_container=ContainerDefinition(image=image, model_data_url=data))
config = EndpointConfig.create(endpoint_config_name="v3-config", production_variants=[ProductionVariant(
    variant_name="AllTraffic", model_name="v3-model", instance_type="ml.m5.large", initial_instance_count=1)])
endpoint = Endpoint.create(endpoint_name="v3-endpoint", endpoint_config_name="v3-config")
endpoint.wait_for_status("InService", poll=1)
said = endpoint.invoke(body="4,1", content_type="text/csv")
result = {"status": endpoint.endpoint_status, "said": float(said.body.read().decode())}
endpoint.delete()
config.delete()
model.delete()
result["gone"] = "v3-endpoint" not in [one.endpoint_name for one in Endpoint.get_all(status_equals="InService")]
"""
    )

    assert result["status"] == "InService"
    assert isinstance(result["said"], float)
    assert result["gone"] is True
