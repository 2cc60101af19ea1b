"""What AWS's framework containers do between their `train` command and the user's script: choose how the script is started.

Source: sagemaker_pytorch_container.training, sagemaker_tensorflow_container.training and their like.
"""

import json
import os
from typing import Any

from sagemaker_training import entry_point, environment, errors, runner

from salvia_container.script_mode import tensorflow_cluster, torchrun
from salvia_container.script_mode.not_here import why_not
from salvia_container.training import cpus


def main() -> None:
    """For scikit-learn, XGBoost, PyTorch and Hugging Face."""
    job = environment.Environment()
    os.environ.setdefault("MASTER_ADDR", job.master_hostname)
    os.environ.setdefault("MASTER_PORT", torchrun.port())
    _run(job, job.to_cmd_args())


def tensorflow() -> None:
    """For TensorFlow: TF_CONFIG when there are several instances, as its distribution strategies read it, and parameter servers when they are asked for."""
    job = environment.Environment()
    hosts, port = list(job.hosts), tensorflow_cluster.first_port()
    if len(hosts) > 1 and job.additional_framework_parameters.get("sagemaker_parameter_server_enabled"):
        _run_beside_servers(job, hosts, port)
        return
    if len(hosts) > 1:
        os.environ["TF_CONFIG"] = json.dumps(tensorflow_cluster.workers(hosts, job.current_host, port))
    _run(job, job.to_cmd_args())


def _run_beside_servers(job: Any, hosts: list[str], port: int) -> None:
    """The master's end is the job's: until then the other instances' servers are needed."""
    config = tensorflow_cluster.with_servers(hosts, job.current_host, port)
    os.environ["TF_CONFIG"] = json.dumps(config)
    server = tensorflow_cluster.serve(config, hosts.index(job.current_host))
    _run(job, job.to_cmd_args())
    if job.current_host != hosts[0]:
        tensorflow_cluster.wait_for_the_end_of(config["cluster"]["ps"][0])
    del server


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
