"""Autotune: ranges that the request leaves to the platform, from the hint that it gives for each hyperparameter.

How AWS chooses is not documented. Here a positive number is searched from a tenth of the hint to ten times it, on a
logarithmic scale; zero and what is below it over as much as lies between it and zero, at least 1, on either side; any other
text is kept as it is.
"""

from collections.abc import Mapping
from typing import Any

from salvia.base.errors import ValidationError

_FACTOR = 10


def with_automatic_ranges(request: dict[str, Any]) -> dict[str, Any]:
    """The request with a range for every AutoParameter. Raises ValidationError when there are any without Autotune."""
    config = request["HyperParameterTuningJobConfig"]
    changed = dict(request)
    if config.get("ParameterRanges"):
        changed["HyperParameterTuningJobConfig"] = config | {
            "ParameterRanges": _ranges(request, config["ParameterRanges"])
        }
    one, several = request.get("TrainingJobDefinition"), request.get("TrainingJobDefinitions")
    if one and one.get("HyperParameterRanges"):
        changed["TrainingJobDefinition"] = one | {"HyperParameterRanges": _ranges(request, one["HyperParameterRanges"])}
    if several:
        changed["TrainingJobDefinitions"] = [
            each | {"HyperParameterRanges": _ranges(request, each["HyperParameterRanges"])} for each in several
        ]
    return changed


def _ranges(request: Mapping[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    automatic = document.get("AutoParameters")
    if not automatic:
        return document
    if not request.get("Autotune"):
        raise ValidationError("AutoParameters can be given only when Autotune is enabled.")
    found = {name: list(document.get(name, ())) for name in _LISTS}
    for each in automatic:
        name, described = _range_of(each["Name"], each["ValueHint"])
        found[name].append(described)
    return document | {name: ranges for name, ranges in found.items() if ranges}


_LISTS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")


def _range_of(name: str, hint: str) -> tuple[str, dict[str, Any]]:
    """The list that it belongs to, and the range."""
    text = hint.strip('"')
    try:
        number = float(text)
    except ValueError:
        return "CategoricalParameterRanges", {"Name": name, "Values": [hint]}
    whole = text.lstrip("+-").isdigit()
    if number > 0:
        low, high = number / _FACTOR, number * _FACTOR
        low = max(1.0, low) if whole else low
    else:
        reach = max(1.0, abs(number))
        low, high = number - reach, number + reach
    scaling = "Logarithmic" if number > 0 else "Linear"
    member = "IntegerParameterRanges" if whole else "ContinuousParameterRanges"
    shown = (str(round(low)), str(round(high))) if whole else (repr(low), repr(high))
    return member, {"Name": name, "MinValue": shown[0], "MaxValue": shown[1], "ScalingType": scaling}
