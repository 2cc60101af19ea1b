"""Ways to start a script on several instances that AWS's images have and these do not, and what to do instead."""

import filecmp
import shutil
from collections.abc import Mapping
from typing import Any

from salvia_container.launch.root import ENVIRONMENT

_SMDISTRIBUTED = (
    "smdistributed is not supported: AWS publishes it for its GPU instances only. "
    'Use distribution={"torch_distributed": {"enabled": True}} with PyTorch, or tf.distribute.MultiWorkerMirroredStrategy with TensorFlow.'
)
_MPI = "MPI is not supported by this image: it has no mpirun. The images of PyTorch, Hugging Face and TensorFlow have."
_SSHD = "MPI is not supported on several instances of this machine: before Linux 5.11 only a server that runs as root can give them an SSH server."


def why_not(asked: Mapping[str, Any], instances: int) -> str:
    """Why a job with these framework parameters cannot run, or ""."""
    if asked.get("sagemaker_distributed_dataparallel_enabled"):
        return _SMDISTRIBUTED
    if asked.get("sagemaker_mpi_enabled") and not shutil.which("mpirun"):
        return _MPI
    if asked.get("sagemaker_mpi_enabled") and instances > 1 and not _has_sshd():
        return _SSHD
    return ""


def _has_sshd() -> bool:
    """Whether the launchers will find this environment's, and not the host's or none."""
    try:
        return filecmp.cmp("/usr/sbin/sshd", f"{ENVIRONMENT}/sbin/sshd", shallow=False)
    except FileNotFoundError:
        return False
