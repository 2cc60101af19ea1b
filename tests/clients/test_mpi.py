"""MPI jobs through the unmodified SageMaker SDKs: AWS's launchers, a real mpirun, and two instances that find each other."""

import pytest

from tests.clients.conftest import ROOT, Client

pytestmark = pytest.mark.slow

ABALONE = ROOT / "examples/data/abalone"

# Gradient descent on all rows, each process on its own part of them: however many there are, the model is the same.
SCRIPT = """
import argparse, os, time
import numpy as np, pandas as pd
from mpi4py import MPI

parser = argparse.ArgumentParser()
parser.add_argument("--fails", type=int, default=-1)
parser.add_argument("--waits", type=int, default=0)
asked = parser.parse_args()
world = MPI.COMM_WORLD
print(f"process {world.rank} of {world.size} on {os.uname().nodename}")
if world.rank == asked.fails:
    raise ValueError(f"no such rows on {os.uname().nodename}")
if asked.waits:
    world.Barrier()
    print("all wait")
    time.sleep(asked.waits)
rows = pd.read_csv(os.environ["SM_CHANNEL_TRAINING"] + "/abalone.csv", header=None)
x = pd.get_dummies(rows.iloc[:, :-1]).to_numpy(float)
x = np.column_stack([(x - x.mean(0)) / x.std(0), np.ones(len(x))])
y = rows.iloc[:, -1].to_numpy(float)
mine = slice(world.rank, None, world.size)
weights, total = np.zeros(x.shape[1]), np.empty(x.shape[1])
for _ in range(300):
    world.Allreduce(x[mine].T @ (x[mine] @ weights - y[mine]), total)
    weights -= 0.2 * total / len(y)
error = np.sqrt(world.allreduce(float(((x[mine] @ weights - y[mine]) ** 2).sum())) / len(y))
if world.rank == 0:
    print(f"rmse: {error:.9f};")
    np.savetxt(os.environ["SM_MODEL_DIR"] + "/weights.txt", weights)
"""

RMSE = 2.2104520  # what one process learns
PYTORCH = f"""
import pathlib, re, sagemaker
from sagemaker.pytorch import PyTorch
pathlib.Path("code").mkdir(exist_ok=True)
pathlib.Path("code/train.py").write_text({SCRIPT!r})
session = sagemaker.Session()
role = sagemaker.get_execution_role(session)
data = session.upload_data({str(ABALONE)!r}, key_prefix="abalone-mpi")
def fit(wait=True, **changes):
    e = PyTorch(**({{"entry_point": "train.py", "source_dir": "code", "role": role, "instance_type": "ml.m5.large", "instance_count": 2,
        "framework_version": "2.1.0", "py_version": "py310", "sagemaker_session": session,
        "distribution": {{"mpi": {{"enabled": True, "processes_per_host": 2, "custom_mpi_options": "-x OMP_NUM_THREADS=1"}}}},
        "metric_definitions": [{{"Name": "rmse", "Regex": "rmse: (.*?);"}}]}} | changes))
    e.fit({{"training": data}}, wait=wait, logs=False)
    return e.latest_training_job
def lines(job):
    found = session.boto_session.client("logs").filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=job.name)
    return "\\n".join(event["message"] for event in found["events"])
"""


def test_two_instances_of_two_processes_learn_what_one_process_learns(sdk2: Client) -> None:
    result = sdk2.python(
        PYTORCH
        + """
together, alone = fit(), fit(distribution=None, instance_count=1)
result = {"rmse": [job.describe()["FinalMetricDataList"][0]["Value"] for job in (together, alone)],
    "processes": sorted(re.findall(r"process ([0-9] of [0-9] on algo-[0-9])", lines(together)))}
""",
        timeout=600,
    )

    assert result["processes"] == ["0 of 4 on algo-1", "1 of 4 on algo-1", "2 of 4 on algo-2", "3 of 4 on algo-2"]
    assert result["rmse"] == pytest.approx([RMSE] * 2, abs=1e-6)


def test_a_process_that_fails_on_another_instance_fails_the_job_with_its_error(sdk2: Client) -> None:
    result = sdk2.python(
        PYTORCH
        + """
try:
    fit(hyperparameters={"fails": 3})
except sagemaker.exceptions.UnexpectedStatusException as error:
    result = str(error)
""",
        timeout=600,
    )

    assert "ExecuteUserScriptError: ExitCode 1" in str(result)
    assert "ValueError: no such rows on algo-2" in str(result)


def test_a_job_of_processes_that_wait_stops_when_asked(sdk2: Client) -> None:
    result = sdk2.python(
        PYTORCH
        + """
import time
job = fit(wait=False, hyperparameters={"waits": 300})
deadline = time.time() + 300
while lines(job).count("all wait") < 4 and time.time() < deadline:
    time.sleep(1)
job.stop()
while job.describe()["TrainingJobStatus"] in ("InProgress", "Stopping") and time.time() < deadline:
    time.sleep(1)
result = {"status": job.describe()["TrainingJobStatus"], "waited": lines(job).count("all wait")}
""",
        timeout=600,
    )

    assert result == {"status": "Stopped", "waited": 4}


def test_model_trainers_mpi_driver_starts_a_process_on_each_instance(sdk3: Client) -> None:
    """The SDK gives mpirun the processes of one node as those of all; its options say where they go."""
    result = sdk3.python(
        f"""
import pathlib, re
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, SourceCode
from sagemaker.train.distributed import MPI
session = Session()
pathlib.Path("code").mkdir()
pathlib.Path("code/train.py").write_text({SCRIPT!r})
image = image_uris.retrieve("pytorch", session.boto_region_name, version="2.1.0", py_version="py310", instance_type="ml.m5.large", image_scope="training")
trainer = ModelTrainer(training_image=image, base_job_name="v3mpi", source_code=SourceCode(source_dir="code", entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=2), sagemaker_session=session,
    distributed=MPI(process_count_per_node=2, mpi_additional_options=["--map-by", "node"]))
data = session.upload_data({str(ABALONE)!r}, session.default_bucket(), key_prefix="abalone-mpi-v3")
trainer.train(input_data_config=[InputData(channel_name="training", data_source=data)], logs=False)
job = trainer._latest_training_job
job.refresh()
logs = session.boto_session.client("logs").filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=job.training_job_name)
said = "\\n".join(e["message"] for e in logs["events"])
result = {{"status": job.training_job_status, "reason": str(job.failure_reason), "rmse": [float(value) for value in re.findall("rmse: (.*?);", said)],
    "processes": sorted(re.findall(r"process ([0-9] of [0-9] on algo-[0-9])", said))}}
""",
        timeout=600,
    )

    assert result["status"] == "Completed", result
    assert result["processes"] == ["0 of 2 on algo-1", "1 of 2 on algo-2"]
    assert result["rmse"] == pytest.approx([RMSE], abs=1e-6)
