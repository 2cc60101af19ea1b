"""The needs of any request, by its service."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from salvia.base.call import Call
from salvia.resources.world import World
from salvia.services.iam.needs import identity, monitoring, s3, sagemaker
from salvia.services.iam.needs.need import Need

_BY_SERVICE: Mapping[str, Callable[[Call], Sequence[Need]]] = {
    "s3": s3.needs,
    "sagemaker": sagemaker.needs,
    "sagemaker-runtime": sagemaker.runtime_needs,
    "sagemaker-featurestore-runtime": sagemaker.runtime_needs,
    "sagemaker-metrics": sagemaker.runtime_needs,
    "logs": monitoring.log_needs,
    "cloudwatch": monitoring.metric_needs,
    "sns": monitoring.topic_needs,
    "sts": identity.sts_needs,
}
_LOOKING_UP: Mapping[str, Callable[[World, Call], Awaitable[Sequence[Need]]]] = {"iam": identity.iam_needs}


async def needs_of(world: World, call: Call) -> Sequence[Need]:
    """Nothing when anyone with credentials may do it. Services without a file need their action on everything."""
    plain = _BY_SERVICE.get(call.service)
    if plain is not None:
        return plain(call)
    looking_up = _LOOKING_UP.get(call.service)
    if looking_up is not None:
        return await looking_up(world, call)
    return (Need(f"{call.service}:{call.operation}", "*"),)
