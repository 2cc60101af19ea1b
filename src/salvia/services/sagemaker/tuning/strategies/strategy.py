"""What every search strategy is: one verb."""

from typing import Protocol

from salvia.services.sagemaker.tuning.history import Choice, History


class Strategy(Protocol):
    async def suggest(self, history: History) -> Choice | None:
        """Where the next trial shall stand; None when there is nothing left to try. It depends on the history alone."""
        ...
