"""GetMetricStatistics: statistics of one metric by period."""

import math
from typing import Any

from salvia.base.call import Call
from salvia.resources.world import World
from salvia.services.cloudwatch.errors import InvalidCombination, InvalidValue, MissingParameter
from salvia.services.cloudwatch.metrics import metric_data, metric_key
from salvia.services.cloudwatch.periods import by_period, checked_period, rounded_start
from salvia.services.cloudwatch.statistic import SIMPLE, statistic

_MOST = 1_440


async def get_metric_statistics(world: World, call: Call) -> dict[str, Any]:
    """Without a Unit each unit has data points of its own. Periods begin at StartTime, rounded down."""
    params = call.params
    plain, extended = params.get("Statistics", ()), params.get("ExtendedStatistics", ())
    if plain and extended:
        raise InvalidCombination("The parameters Statistics and ExtendedStatistics are mutually exclusive.")
    if not plain and not extended:
        raise MissingParameter("The parameter Statistics or ExtendedStatistics is required.")
    if params["StartTime"] >= params["EndTime"]:
        raise InvalidValue("The parameter StartTime must be less than the parameter EndTime.")
    computed = {name: statistic(name) for name in extended}
    period = checked_period(params["Period"])
    start = rounded_start(params["StartTime"], period, world.clock.now())
    points = math.ceil((params["EndTime"] - start) / period)
    if points > _MOST:
        raise InvalidCombination(
            f"You have requested up to {points:,} datapoints, which exceeds the limit of {_MOST:,}. You may reduce "
            "the datapoints requested by increasing Period, or decreasing the time range."
        )
    key = metric_key(call, params["Namespace"], params["MetricName"], params.get("Dimensions", ()))
    observations = await metric_data(world).observations(key, start, params["EndTime"])
    datapoints = []
    for unit in dict.fromkeys(each.unit for each in observations if params.get("Unit") in {None, each.unit}):
        same = [each for each in observations if each.unit == unit]
        for time, found in by_period(same, start, period).items():
            point = {"Timestamp": time, "Unit": unit, **{name: SIMPLE[name](found) for name in plain}}
            values = {name: value for name, compute in computed.items() if (value := compute(found)) is not None}
            if values:
                point["ExtendedStatistics"] = values
            if plain or values:
                datapoints.append(point)
    return {"Label": params["MetricName"], "Datapoints": datapoints}
