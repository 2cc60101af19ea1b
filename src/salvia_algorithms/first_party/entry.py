"""The entry point of an algorithm's image: `python -m salvia_algorithms.<algorithm> train`, or serve."""

from collections.abc import Callable, Sequence

from salvia_container import log
from salvia_container.failure import run
from salvia_container.serving.handler import Handler
from salvia_container.serving.worker import serve
from salvia_container.termination import Termination
from salvia_container.training import TrainingEnvironment, failure_file


def main(arguments: Sequence[str], train: Callable[[TrainingEnvironment], None], serving: Handler | None = None) -> int:
    """Returns the exit code of the process. SIGTERM ends training at once, as it does in AWS's algorithms."""
    if list(arguments) == ["serve"] and serving is not None:
        return serve(serving)
    if list(arguments) != ["train"]:
        log.error(
            f"Cannot {' '.join(arguments) or 'start'}: this image can {'train' if serving is None else 'train and serve'}."
        )
        return 64
    Termination().listen()
    return run(lambda: train(TrainingEnvironment.read()), failure_file())
