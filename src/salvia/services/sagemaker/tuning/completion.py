"""When a tuning job has done enough, or can come to nothing.

Sources: the pages "TuningJobCompletionCriteria" and "Track and set completion criteria for your tuning job" of the SageMaker
documentation. How AWS detects convergence is not published: here it is that at least ten training jobs (twice as many as
there are hyperparameters) have ended well, and that none of the last ten, or of the last quarter if that is more, has improved
the best value by more than 1 %.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from salvia.services.sagemaker.tuning.history import Trial

ATTEMPTS = 5  # failures in a row, from the first on, after which AWS gives up
_IMPROVEMENT = 0.01
_LEAST_CONVERGED = 10


def without_improvement(trials: Sequence[Trial]) -> int:
    """How many training jobs have ended well since the last that made the best value better by 1 % or more."""
    best, count = None, 0
    for trial in _in_order(trials):
        assert trial.value is not None
        if best is None or best - trial.value >= _IMPROVEMENT * abs(best):
            count = 0
        else:
            count += 1
        best = trial.value if best is None else min(best, trial.value)
    return count


def enough(config: Mapping[str, Any], trials: Sequence[Trial], seconds: float, dimensions: int) -> str:
    """Why to launch no more and to stop what runs; "" to go on. `seconds` have passed since the tuning job was made."""
    limit = config["ResourceLimits"].get("MaxRuntimeInSeconds")
    if limit is not None and seconds >= limit:
        return "MaxRuntimeInSeconds is reached"
    criteria = config.get("TuningJobCompletionCriteria", {})
    target = criteria.get("TargetObjectiveMetricValue")
    if target is not None and any(
        trial.succeeded and trial.value is not None and trial.value <= trial.sign * target for trial in trials
    ):
        return "TargetObjectiveMetricValue is reached"
    most = criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving")
    if most is not None and without_improvement(trials) >= most:
        return "the best objective has stopped improving"
    watches = criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled"
    return "convergence is detected" if watches and converged(trials, dimensions) else ""


def converged(trials: Sequence[Trial], dimensions: int) -> bool:
    ended = len(_in_order(trials))
    least = max(_LEAST_CONVERGED, 2 * dimensions)
    return ended >= least and without_improvement(trials) >= max(_LEAST_CONVERGED, ended // 4)


def hopeless(trials: Sequence[Trial], most: int | None) -> str:
    """The FailureReason of a tuning job none of whose training jobs came to anything; "" while there is hope."""
    ended = [trial for trial in trials if not trial.running]
    attempts = min(ATTEMPTS, most or ATTEMPTS)
    if len(ended) < attempts or any(trial.succeeded for trial in trials):
        return ""
    if any(trial.state == "Completed" for trial in ended):
        return (
            f"No objective metrics found after running {len(ended)} training jobs. Please ensure that the custom algorithm "
            "is emitting the objective metric as defined by the regular expression provided."
        )
    return (
        f"No training job succeeded after {len(ended)} attempts. For additional details, please take a look at the training "
        "job failures by listing training jobs for the tuning job."
    )


def _in_order(trials: Sequence[Trial]) -> list[Trial]:
    return sorted((trial for trial in trials if trial.succeeded), key=lambda trial: (trial.ended or 0.0, trial.number))
