"""What AWS's framework containers do between their `train` command and the user's script: choose how the script is started.

Source: sagemaker_pytorch_container.training, sagemaker_tensorflow_container.training and their like.
"""

import json
import os
from typing import Any

from sagemaker_training import entry_point, environment, errors, runner

from salvia_container.script_mode.not_here import why_not
from salvia_container.training import cpus

_PORT = "7777"
_TF_PORT = 8890


def main() -> None:
    """For scikit-learn, XGBoost, PyTorch and Hugging Face."""
    job = environment.Environment()
    os.environ.setdefault("MASTER_ADDR", job.master_hostname)
    os.environ.setdefault("MASTER_PORT", _PORT)
    _run(job, job.to_cmd_args())


def tensorflow() -> None:
    """For TensorFlow: TF_CONFIG when there are several instances, as its distribution strategies read it."""
    job = environment.Environment()
    if len(job.hosts) > 1:
        os.environ["TF_CONFIG"] = json.dumps(_workers(job))
    _run(job, job.to_cmd_args())


def _run(job: Any, arguments: list[str]) -> None:
    if why := why_not(job.additional_framework_parameters, len(job.hosts)):
        raise errors.ClientError(why)
    # What the machine has is not what the instance may use.
    variables = job.to_env_vars() | {"SM_NUM_CPUS": str(cpus())}
    entry_point.run(
        uri=job.module_dir,
        user_entry_point=job.user_entry_point,
        args=arguments,
        env_vars=variables,
        capture_error=True,
        runner_type=_runner(job),
    )


def _runner(job: Any) -> Any:
    asked = job.additional_framework_parameters
    if asked.get("sagemaker_torch_distributed_enabled") or asked.get("sagemaker_pytorch_ddp_enabled"):
        return runner.RunnerType.TorchDistributed
    if asked.get("sagemaker_mpi_enabled"):
        return runner.RunnerType.MPI
    return runner.RunnerType.Process


def _workers(job: Any) -> dict[str, Any]:
    hosts = list(job.hosts)
    cluster = {"worker": [f"{host}:{_TF_PORT}" for host in hosts]}
    return {
        "cluster": cluster,
        "task": {"type": "worker", "index": hosts.index(job.current_host)},
        "environment": "cloud",
    }
