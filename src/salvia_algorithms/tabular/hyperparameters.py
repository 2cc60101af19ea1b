"""Hyperparameters of the tabular algorithms: checked in the words in which the SageMaker SDK checks them before it sends them."""

from collections.abc import Mapping
from typing import Any

from salvia_algorithms.first_party.hyperparameters import AUTO, KINDS, Hyperparameter
from salvia_algorithms.interval import Interval
from salvia_container import log
from salvia_container.failure import UserError

SCRIPT = "transfer_learning.py"  # what AWS's script is called, which is here part of the image
OF_THE_SDK = (
    "sagemaker_",
    "_tuning_objective_metric",
)  # how names begin that are for the container, not for the algorithm


def table(*rows: Hyperparameter) -> dict[str, Hyperparameter]:
    """An algorithm's rows by name."""
    return {row.name: row for row in rows}


def configured(rows: Mapping[str, Hyperparameter], given: Mapping[str, str]) -> dict[str, Any]:
    """The typed value of every row: as given, else its default; None stands for "auto".

    Raises UserError for the first that is wrong. A name that the algorithm does not know has no effect, as on AWS; the log says so.
    """
    program = given.get("sagemaker_program", SCRIPT)
    if program.rpartition("/")[2] != SCRIPT:
        raise UserError(f"This image runs its algorithm, not the script {program}. Its entry point is {SCRIPT}")
    named = {name: value for name, value in given.items() if not name.startswith(OF_THE_SDK)}
    for name in named:
        if name not in rows:
            log.warning(f"Hyperparameter {name} has no effect: the algorithm does not have it")
        elif rows[name].idle:
            log.info(f"Hyperparameter {name} has no effect: {rows[name].idle}")
    values = {name: _value(row, named.get(name, row.default or "")) for name, row in rows.items()}
    log.info(f"Hyperparameters: {values}")
    return values


def _value(row: Hyperparameter, text: str) -> Any:
    if row.auto and text.lower() == AUTO:
        return None
    allowed = row.range
    if isinstance(allowed, tuple):
        if text not in allowed:
            raise UserError(f"Hyperparameter '{row.name}' must have one of the following values: {', '.join(allowed)}.")
        return text
    try:
        value = KINDS[row.kind](text)
    except ValueError as error:
        kind = "integer" if row.kind == "integer" else "numeric"
        raise UserError(f"Hyperparameter '{row.name}' must be {kind} type ('{text}').") from error
    if isinstance(allowed, Interval) and value not in allowed:
        raise UserError(f"Hyperparameter '{row.name}' {_bound(allowed, value)}.")
    return value


def _bound(allowed: Interval, value: float) -> str:
    """The bound that `value` breaks."""
    if allowed.low is not None and value not in Interval(allowed.low, low_open=allowed.low_open):
        return f"must be greater than {allowed.low}" if allowed.low_open else f"can be no less than {allowed.low}"
    return f"must be less than {allowed.high}" if allowed.high_open else f"can be no greater than {allowed.high}"
