"""Early stopping of type Auto: a trial that does worse than the usual trial did by then is stopped.

After each value of the objective metric: for every training job that has ended, the running average of its values up to the
same point; a job whose value is worse than the median of these averages is stopped. Source: the page "Stop Training Jobs
Early" of the SageMaker documentation.
"""

from collections.abc import Sequence
from statistics import median

from salvia.services.sagemaker.tuning.history import Trial


def losing(trials: Sequence[Trial]) -> list[Trial]:
    """The running trials that must end now."""
    ended = [trial.series for trial in trials if trial.succeeded and trial.series]
    return [trial for trial in trials if trial.running and trial.series and _loses(trial.series, ended)]


def _loses(series: Sequence[float], ended: Sequence[Sequence[float]]) -> bool:
    averages = [_average(other[: len(series)]) for other in ended if len(other) >= len(series)]
    return bool(averages) and series[-1] > median(averages)


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)
