"""The image's entry points: `python -m salvia_algorithms.kmeans train`. A platform forks it after importing this module."""

import sys
from collections.abc import Sequence

from salvia_algorithms.kmeans.train import train
from salvia_container import log
from salvia_container.failure import run
from salvia_container.termination import Termination
from salvia_container.training import TrainingEnvironment, failure_file


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code of the process."""
    if list(arguments) != ["train"]:
        log.error(f"Cannot {' '.join(arguments) or 'start'}: this image trains.")
        return 64
    Termination().listen()
    return run(lambda: train(TrainingEnvironment.read()), failure_file())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
