"""`torchrun` as AWS's launchers call it, but on a port that is the job's own: theirs is one for all jobs, whose instances share a machine here.

It runs in the run's own interpreter, so that its workers see what the run has installed.
"""

import sys
from collections.abc import Sequence

from salvia_container.ssh.secret import cluster

PORT = "7777"  # AWS's
_OPTIONS = ("--master_port", "--master-port")


def port() -> str:
    """The same on all instances, which need not speak to each other to know it; AWS's where the job has one instance."""
    known = cluster()
    return PORT if known is None else str(known.ports("torchrun")[0])


def with_port(arguments: Sequence[str], port: str) -> list[str]:
    """The arguments with `port` for AWS's. Any other stays as it is, and so does what is said to the script."""
    told = list(arguments)
    for at, word in enumerate(told):
        option, _, value = word.partition("=")
        if option not in _OPTIONS:
            continue
        if value == PORT:
            told[at] = f"{option}={port}"
        elif not value and told[at + 1 : at + 2] == [PORT]:
            told[at + 1] = port
        break
    return told


def main() -> None:
    from torch.distributed.run import main as run  # noqa: PLC0415 - images without PyTorch import what stands above

    sys.argv[0] = "torchrun"
    run(with_port(sys.argv[1:], port()))


if __name__ == "__main__":
    main()
