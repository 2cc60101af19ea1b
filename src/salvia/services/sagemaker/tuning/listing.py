"""ListTrainingJobsForHyperParameterTuningJob: the trials of a tuning job, filtered, sorted and paged."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from salvia.base.call import Call
from salvia.base.errors import ValidationError
from salvia.resources.world import World
from salvia.services.sagemaker.tuning.history import Trial
from salvia.services.sagemaker.tuning.request import definitions_of
from salvia.services.sagemaker.tuning.trials import observe
from salvia.services.sagemaker.tuning.warm import NOUN

_SORTS: Mapping[str, Callable[[Trial], Any]] = {
    "Name": lambda trial: trial.name,
    "CreationTime": lambda trial: trial.summary["CreationTime"],
    "Status": lambda trial: trial.summary["TrainingJobStatus"],
    "FinalObjectiveMetricValue": lambda trial: trial.reported,
}


async def list_trials(world: World, call: Call) -> dict[str, Any]:
    """Sorted by name unless asked otherwise. By FinalObjectiveMetricValue, only those that have one are listed."""
    params = call.params
    tuning = await world.kinds[NOUN].find(call)
    config = tuning.spec["HyperParameterTuningJobConfig"]
    trials = await observe(world, tuning, config["Strategy"], definitions_of(tuning.spec), series=False)
    by = params.get("SortBy", "Name")
    if wanted := params.get("StatusEquals"):
        trials = [trial for trial in trials if trial.summary["TrainingJobStatus"] == wanted]
    if by == "FinalObjectiveMetricValue":
        trials = [trial for trial in trials if trial.reported is not None]
    trials.sort(key=_SORTS[by], reverse=params.get("SortOrder") == "Descending")
    start, size = _start(params.get("NextToken")), params.get("MaxResults", 10)
    token = base64.b64encode(str(start + size).encode()).decode() if start + size < len(trials) else None
    return {
        "TrainingJobSummaries": [trial.summary for trial in trials[start : start + size]],
        "NextToken": token,
    }


def _start(token: str | None) -> int:
    try:
        start = int(base64.b64decode(token)) if token else 0
    except ValueError:
        start = -1
    if start < 0:
        raise ValidationError("Invalid pagination token: NextToken must be the one a previous reply gave.")
    return start
