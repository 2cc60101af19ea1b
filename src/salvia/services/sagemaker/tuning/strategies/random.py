"""Random search: independent draws, uniform in the scaled space. A trial's number fixes its draw."""

import random

from salvia.services.sagemaker.tuning.history import Choice, History


class RandomSearch:
    async def suggest(self, history: History) -> Choice | None:
        draw = random.Random(f"{history.seed}/{history.number}")  # noqa: S311 - a search, not a secret
        return Choice([draw.random() for _ in history.ranges])
