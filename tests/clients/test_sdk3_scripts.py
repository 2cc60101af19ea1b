"""The unmodified SageMaker SDK v3 trains users' scripts with its ModelTrainer, and its ModelBuilder deploys what they learned.

TensorFlow's environment and PyTorch on two instances take minutes more: SALVIA_TEST_FRAMEWORKS=tensorflow,distributed asks for them.
"""

from typing import Any

import pytest

from tests.clients.conftest import Client
from tests.clients.test_frameworks import (
    ABALONE,
    ABALONE_SCRIPT,
    ASKED,
    LINE_SCRIPT,
    METRICS,
    MNIST,
    MNIST_SCRIPT,
    MOLLUSC,
)
from tests.clients.test_script_mode import SCRIPT, ZERO

pytestmark = pytest.mark.slow

ACCURACY = [{"Name": "accuracy", "Regex": "accuracy: (.*?);"}, {"Name": "workers", "Regex": "workers ([0-9])"}]
# The script that trains is also the one that loads the model.
STEPS = """
import json, pathlib
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, MetricDefinition, SourceCode
session = Session()
pathlib.Path("code").mkdir()
def image(framework, version, scope="training", python=None):
    return image_uris.retrieve(framework, session.boto_region_name, version=version, py_version=python, instance_type="ml.m5.large", image_scope=scope)
def fit(script, image, metrics=(), data=None, instances=1, requirements=None, **more):
    pathlib.Path("code/train.py").write_text(script)
    trainer = ModelTrainer(training_image=image, base_job_name="v3", compute=Compute(instance_type="ml.m5.large", instance_count=instances),
        source_code=SourceCode(source_dir="code", entry_script="train.py", requirements=requirements), sagemaker_session=session, **more)
    trainer.with_metric_definitions([MetricDefinition(name=one["Name"], regex=one["Regex"]) for one in metrics])
    channels = []
    if data:
        data = session.upload_data(data, session.default_bucket(), key_prefix="v3-" + pathlib.Path(data).name)
        channels = [InputData(channel_name="training", data_source=data)]
    trainer.train(input_data_config=channels, logs=False)
    job = trainer._latest_training_job
    job.refresh()
    return job, {one.metric_name: one.value for one in job.final_metric_data_list or ()}
def predicted(job, image, body, content_type, script="train.py"):
    source = SourceCode(source_dir="code", entry_script=script) if script else None
    builder = ModelBuilder(image_uri=image, s3_model_data_url=job.model_artifacts.s3_model_artifacts, role_arn=job.role_arn,
        instance_type="ml.m5.large", source_code=source, sagemaker_session=session)
    builder.build(model_name=job.training_job_name)
    endpoint = builder.deploy(endpoint_name=job.training_job_name, wait=False)
    endpoint.wait_for_status("InService", poll=1)
    said = endpoint.invoke(body=body, content_type=content_type, accept="application/json").body.read()
    endpoint.delete()
    print()
    return json.loads(said)
"""


def test_scikit_learn_fits_a_script_with_requirements_and_its_endpoint_reads_a_digit(sdk3: Client) -> None:
    result = sdk3.python(
        f"""
{STEPS}
pathlib.Path("code/requirements.txt").write_text("cowsay==6.1")
learner = image("sklearn", "1.2-1")
job, metrics = fit({SCRIPT!r}, learner, {ACCURACY!r}, requirements="requirements.txt", hyperparameters={{"strength": 0.1}})
result = {{"predicted": predicted(job, learner, json.dumps([{ZERO}]), "application/json"), "metrics": metrics}}
""",
        timeout=400,
    )

    assert result["predicted"] == [0]
    assert result["metrics"]["accuracy"] > 0.93  # type: ignore[index]


def test_xgboosts_image_runs_a_script_and_its_endpoint_says_what_it_learned(sdk3: Client) -> None:
    result = sdk3.python(
        f"""
{STEPS}
learner = image("xgboost", "1.7-1")
job, metrics = fit({ABALONE_SCRIPT!r}, learner, {METRICS!r}, {str(ABALONE)!r}, hyperparameters={{"rounds": 20}})
result = {{"predicted": predicted(job, learner, {MOLLUSC!r}, "text/csv"), "metrics": metrics}}
""",
        timeout=400,
    )

    metrics: dict[str, float] = result["metrics"]  # type: ignore[assignment]
    assert metrics["rmse"] < 2.2
    assert result["predicted"] == pytest.approx([metrics["first"]], abs=1e-4)


def test_pytorch_learns_mnist_and_its_endpoint_reads_digits(sdk3: Client) -> None:
    result = sdk3.python(
        f"""
{STEPS}
import gzip, io
import numpy as np
job, metrics = fit({MNIST_SCRIPT!r}, image("pytorch", "2.1.0", python="py310"), {ACCURACY!r}, {str(MNIST)!r}, hyperparameters={{"epochs": 1}})
with gzip.open({str(MNIST / "t10k-images-idx3-ubyte.gz")!r}) as file:
    digits = np.frombuffer(file.read(), np.uint8, offset=16)[:20 * 784].reshape(20, 1, 28, 28) / np.float32(255)
body = io.BytesIO()
np.save(body, digits)
scores = predicted(job, image("pytorch", "2.1.0", "inference", "py310"), body.getvalue(), "application/x-npy")
result = {{"digits": np.argmax(scores, axis=1).tolist(), "metrics": metrics}}
""",
        timeout=600,
    )

    assert result["metrics"]["accuracy"] > 0.93  # type: ignore[index]
    truth = [7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6, 9, 0, 1, 5, 9, 7, 3, 4]
    assert sum(a == b for a, b in zip(result["digits"], truth, strict=True)) >= 18  # type: ignore[call-overload]


@pytest.mark.skipif("distributed" not in ASKED, reason="SALVIA_TEST_FRAMEWORKS does not name distributed")
def test_torchrun_runs_on_two_instances(sdk3: Client) -> None:
    result = sdk3.python(
        f"""
{STEPS}
from sagemaker.train.distributed import Torchrun
job, metrics = fit({MNIST_SCRIPT!r}, image("pytorch", "2.1.0", python="py310"), {ACCURACY!r}, {str(MNIST)!r}, instances=2,
    distributed=Torchrun(process_count_per_node=1), hyperparameters={{"epochs": 1}})
result = metrics
""",
        timeout=600,
    )

    assert result["workers"] == 2
    assert result["accuracy"] > 0.93  # type: ignore[operator]


@pytest.mark.skipif(
    "tensorflow" not in ASKED, reason="SALVIA_TEST_FRAMEWORKS does not name tensorflow: 0.5 GB to download"
)
def test_tensorflow_trains_a_saved_model_and_its_endpoint_continues_the_line(sdk3: Client) -> None:
    result: dict[str, Any] = sdk3.python(
        f"""
{STEPS}
job, _ = fit({LINE_SCRIPT!r}, image("tensorflow", "2.16", python="py310"), hyperparameters={{"epochs": 40}})
body = json.dumps({{"instances": [[0.0], [0.5]]}})
result = predicted(job, image("tensorflow", "2.16", "inference"), body, "application/json", script=None)
""",
        timeout=900,
    )

    assert [row[0] for row in result["predictions"]] == pytest.approx([1, 2.5], abs=0.1)
