"""The entry point of a tabular algorithm's image: `python -m salvia_algorithms.<algorithm> train <problem>`, or serve."""

from collections.abc import Callable, Sequence

from salvia_algorithms.first_party import entry
from salvia_algorithms.tabular.problem import PROBLEMS
from salvia_container import log
from salvia_container.serving.handler import Handler
from salvia_container.training import TrainingEnvironment


def main(arguments: Sequence[str], train: Callable[[TrainingEnvironment, str], None], serving: Handler) -> int:
    """Returns the exit code of the process."""
    command, *problems = arguments or [""]
    if command != "train":
        return entry.main(arguments, _nothing, serving)
    if len(problems) != 1 or problems[0] not in PROBLEMS:
        log.error(f"Cannot train {' '.join(problems)}: this image can train {' and '.join(PROBLEMS)}.")
        return 64
    return entry.main([command], lambda environment: train(environment, problems[0]), serving)


def _nothing(_: TrainingEnvironment) -> None:
    """Never called: only what does not train comes here."""
