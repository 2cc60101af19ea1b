"""Grid search: every combination of the categorical values, once each, in the order of the request."""

from math import prod

from salvia.services.sagemaker.tuning.history import Choice, History


class Grid:
    async def suggest(self, history: History) -> Choice | None:
        """None when every combination has been given."""
        counts = [len(each.values) for each in history.ranges]
        rest = history.number
        if rest >= prod(counts):
            return None
        point = []
        for count in reversed(counts):
            rest, index = divmod(rest, count)
            point.append((index + 0.5) / count)
        return Choice(point[::-1])
