"""Ways to start a script on several instances that AWS's images have and these do not, and what to do instead."""

from collections.abc import Mapping
from typing import Any

_INSTEAD = 'Use distribution={"torch_distributed": {"enabled": True}} with PyTorch, or tf.distribute.MultiWorkerMirroredStrategy with TensorFlow.'
_SERVERS = "sagemaker_parameter_server_enabled"
_WHY = {
    "sagemaker_mpi_enabled": f"MPI is not supported: instances here have neither mpirun nor an SSH server. {_INSTEAD}",
    "sagemaker_distributed_dataparallel_enabled": f"smdistributed is not supported: AWS publishes it for its GPU instances only. {_INSTEAD}",
    _SERVERS: "Parameter servers are not supported: the TensorFlow that runs here has no estimators, "
    "which they are for. Use tf.distribute.MultiWorkerMirroredStrategy.",
}


def why_not(asked: Mapping[str, Any], instances: int) -> str:
    """Why a job with these framework parameters cannot run, or "". One instance starts no parameter servers, on AWS neither."""
    return next((why for name, why in _WHY.items() if asked.get(name) and (name != _SERVERS or instances > 1)), "")
