"""Several instances of TensorFlow: TF_CONFIG for MultiWorkerMirroredStrategy, or parameter servers beside the scripts.

TensorFlow's servers listen on all addresses of the machine, whatever their own is: each has a port of its own, where AWS's have one for all.
Source: sagemaker_tensorflow_container.training.
"""

import socket
import time
from collections.abc import Sequence
from typing import Any

from salvia_container.ssh.secret import cluster

_PORT = 8890  # AWS's; where the job has a secret, which chooses another, two jobs do not get in each other's way
_POLL_SECONDS = 1.0


def first_port() -> int:
    known = cluster()
    return _PORT if known is None else known.ports("tensorflow")[0]


def workers(hosts: Sequence[str], current: str, port: int) -> dict[str, Any]:
    """TF_CONFIG of an instance among equals."""
    return {
        "cluster": {"worker": _addresses(hosts, port)},
        "task": {"type": "worker", "index": hosts.index(current)},
        "environment": "cloud",
    }


def with_servers(hosts: Sequence[str], current: str, port: int) -> dict[str, Any]:
    """TF_CONFIG of an instance beside parameter servers, of which each instance has one: the first is the master, the others are workers."""
    addresses = _addresses(hosts, port)
    at = hosts.index(current)
    return {
        "cluster": {
            "master": addresses[:1],
            "ps": _addresses(hosts, port + len(hosts)),
            "worker": addresses[1:],
        },
        "task": {"type": "worker", "index": at - 1} if at else {"type": "master", "index": 0},
        "environment": "cloud",
    }


def serve(config: dict[str, Any], index: int) -> object:
    """The parameter server of an instance, which lives as long as what is returned."""
    import tensorflow as tf  # noqa: PLC0415 - only this environment has it

    servers = tf.train.ClusterSpec(config["cluster"])
    return tf.compat.v1.train.Server(servers, job_name="ps", task_index=index)


def wait_for_the_end_of(address: str) -> None:
    """Returns when nobody listens there any more."""
    host, _, port = address.rpartition(":")
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError:
            return
        time.sleep(_POLL_SECONDS)


def _addresses(hosts: Sequence[str], port: int) -> list[str]:
    return [f"{host}:{port + number}" for number, host in enumerate(hosts)]
