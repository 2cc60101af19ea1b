"""Bayesian search: a Gaussian process of all that is known says where an improvement is to be expected.

Trials that still run count as pending, so that several at once look in different places.
"""

from salvia.ports.surrogate import Observations, Surrogate
from salvia.services.sagemaker.tuning.history import Choice, History


class Bayesian:
    def __init__(self, surrogate: Surrogate) -> None:
        self._surrogate = surrogate

    async def suggest(self, history: History) -> Choice | None:
        found = await self._surrogate.suggest(observations(history))
        return Choice(list(found.point), dict(found.belief))


def observations(history: History) -> Observations:
    known = [
        trial for trial in history.trials if trial.point is not None and not trial.running and trial.value is not None
    ]
    earlier = [(point, value) for point, value in history.earlier]
    return Observations(
        dimensions=[each.dimension() for each in history.ranges],
        points=[trial.point for trial in known if trial.point] + [point for point, _ in earlier],
        values=[trial.value for trial in known if trial.value is not None] + [value for _, value in earlier],
        pending=[trial.point for trial in history.trials if trial.running and trial.point],
        seed=history.seed,
        number=history.number,
    )
