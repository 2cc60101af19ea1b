"""The image's entry points: `python -m salvia_algorithms.xgboost train` and `serve`. A platform forks it after importing this module."""

import os
import sys
from collections.abc import Sequence

from salvia_algorithms.xgboost.serving.handler import XGBoost
from salvia_algorithms.xgboost.train import train
from salvia_container import log
from salvia_container.failure import PlatformError, run
from salvia_container.launch import partial
from salvia_container.script_mode.serve import serve_script
from salvia_container.script_mode.train import asked_for, train_script
from salvia_container.serving.worker import serve
from salvia_container.termination import Termination
from salvia_container.training import TrainingEnvironment, failure_file


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code of the process."""
    if list(arguments) == ["serve"]:
        if os.environ.get("SAGEMAKER_PROGRAM"):
            partial.forget()
            return serve_script("xgboost")
        return serve(XGBoost())
    if list(arguments) != ["train"]:
        log.error(f"Cannot {' '.join(arguments) or 'start'}: this image knows `train` and `serve`.")
        return 64
    if _names_a_script():
        return train_script()
    termination = Termination()
    termination.listen()
    return run(lambda: train(TrainingEnvironment.read(), termination), failure_file())


def _names_a_script() -> bool:
    try:
        return asked_for(TrainingEnvironment.read().hyperparameters)
    except PlatformError:
        return False  # the algorithm says what is wrong with them


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
