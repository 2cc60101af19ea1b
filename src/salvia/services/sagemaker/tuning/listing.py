"""ListTrainingJobsForHyperParameterTuningJob: the trials of a tuning job, filtered, sorted and paged."""

from collections.abc import Callable, Mapping
from typing import Any

from salvia.base.call import Call
from salvia.resources.listing import cut
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
    shown, token = cut(trials, params)
    return {"TrainingJobSummaries": [trial.summary for trial in shown], "NextToken": token}
