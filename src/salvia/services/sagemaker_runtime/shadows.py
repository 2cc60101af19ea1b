"""Shadow variants: they get copies of requests, and nobody waits for what they answer.

Source: "Shadow variants" in the SageMaker documentation: of a shadow variant's weight to the production variant's is the part
of the requests that it gets copies of.
"""

import asyncio
import logging
import random
import time

from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.serving import ModelRequest, NoAnswerError
from salvia.resources.fleet import Route, Variant
from salvia.resources.world import World
from salvia.services.sagemaker_runtime import asking
from salvia.services.sagemaker_runtime.capture import Captures
from salvia.services.sagemaker_runtime.tally import Tallies

MOST = 1000  # copies on their way; more are not sent
_log = logging.getLogger(__name__)
_on_their_way: set[asyncio.Task[None]] = set()


def send(world: World, call: Call, route: Route, request: ModelRequest) -> None:
    """Returns at once."""
    production = sum(variant.weight for variant in route.variants)
    for shadow in route.shadows:
        part = shadow.weight / production if production else 1.0
        if len(_on_their_way) < MOST and (part >= 1 or random.random() < part):  # noqa: S311 - a sample
            task = asyncio.get_running_loop().create_task(_copy(world, call, route, shadow, request))
            _on_their_way.add(task)
            task.add_done_callback(_on_their_way.discard)


async def _copy(world: World, call: Call, route: Route, shadow: Variant, request: ModelRequest) -> None:
    instance = shadow.pick()
    if instance is None:
        return
    began, status = time.perf_counter(), 0
    instance.in_flight += 1
    try:
        answer = await asking.through(world, call, route, shadow, instance, request)
        status = answer.status
        if route.facts.get("capture"):
            await Captures.of(world).keep(route, shadow, call.params, request, answer)
    except NoAnswerError:
        world.fleet.lose(instance)
        asking.nudge(world, route)
    except AwsError as error:
        status = int(error.members.get("OriginalStatusCode", 0))
        _log.debug("shadow variant %s of %s: %s", shadow.name, route.arn, error)
    finally:
        instance.in_flight -= 1
        spent = time.perf_counter() - began
        Tallies.of(world).find(route.key, route.name, shadow.name).count(spent, spent, status, len(shadow.instances))
