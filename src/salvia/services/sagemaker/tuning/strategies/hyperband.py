"""Hyperband, asynchronous: many trials begin, and at every rung those that are not among the best third so far end.

Each emission of the objective metric is one unit of resource. Trials are dealt to brackets in turn; bracket s has its first
rung at MinResource * 3**s and each further one three times higher, so that some brackets stop early and others late.
Source: Li et al., "A System for Massively Parallel Hyperparameter Tuning" (ASHA, 2020), in its stopping variant; the page
"HyperbandStrategyConfig" of the SageMaker API reference.
"""

from collections.abc import Sequence

from salvia.services.sagemaker.tuning.history import Choice, History, Trial
from salvia.services.sagemaker.tuning.strategies.random import RandomSearch

ETA = 3


class Hyperband:
    async def suggest(self, history: History) -> Choice | None:
        return await RandomSearch().suggest(history)


def rungs(least: int, most: int, number: int) -> list[int]:
    """Where trial `number` is judged, in emissions of the objective metric, below `most`."""
    brackets = 1
    while brackets < 3 and least * ETA**brackets < most:
        brackets += 1
    rung = least * ETA ** (number % brackets)
    found = []
    while rung < most:
        found.append(rung)
        rung *= ETA
    return found


def judged(trials: Sequence[Trial], least: int, most: int, passed: dict[str, int]) -> list[Trial]:
    """The running trials that must end now.

    `passed` says for each trial the highest rung it has been let pass, and learns of new ones: a trial is judged once at
    each, by what the others of its bracket had shown there by then.
    """
    ending = []
    for trial in trials:
        if not trial.running:
            continue
        reached = len(trial.series)
        if reached >= most:
            ending.append(trial)
            continue
        mine = rungs(least, most, trial.number)
        at = max((rung for rung in mine if rung <= reached), default=0)
        if at <= passed.get(trial.name, 0):
            continue
        shown = sorted(
            other.series[at - 1]
            for other in trials
            if len(other.series) >= at and at in rungs(least, most, other.number)
        )
        if trial.series[at - 1] > shown[max(0, -(-len(shown) // ETA) - 1)] and len(shown) >= ETA:
            ending.append(trial)
        else:
            passed[trial.name] = at
    return ending
